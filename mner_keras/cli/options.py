"""Options that several commands have, and how they are read and checked."""

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from mner_keras.errors import InputError, did_you_mean

Paper = Literal["hsn", "agban"]
Split = Literal["train", "dev", "test"]
PrecisionName = Literal["float32", "mixed_float16", "mixed_bfloat16"]

ModelArgument = Annotated[
    Path, Argument(help="A model's file, a run's folder, or `pretrained`: the tagger inside the package.")
]
TrainingData = Annotated[str, Option(help="`sample`, or a folder with train.txt, dev.txt, test.txt.")]
Precision = Annotated[PrecisionName, Option(help="Numeric precision of the training.")]
Scheme = Annotated[
    Literal["strict", "lenient"], Option(help="Scheme for reading entities: strict (IOB2), or lenient as in conlleval.")
]
PostPictures = Annotated[Path | None, Option(help="Folder of the posts' pictures. (default: the data's `images`)")]
Weights = Annotated[
    Path | None,
    Option(help="The extractor's weights, a file or a folder. (default: the published ones, downloaded once)"),
]
Engine = Annotated[
    Literal["local", "ray"],
    Option("--engine", help="Where jobs run: this machine's processes, or a Ray cluster (extra `ray`)."),
]
Jobs = Annotated[int, Option(min=1, help="Shares of the work done at once.")]
Address = Annotated[
    str, Option("--address", metavar="HOST[:PORT]", help="Head of the Ray cluster. (default: started here)")
]
ShardOption = Annotated[
    str | None, Option("--shard", metavar="I/N", help="Do one of N shares of the work; N commands do all of it.")
]
AsJson = Annotated[bool, Option("--json", help="Print JSON.")]


def read_arguments(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse `name=value` pairs of `--set`; a value is TOML, or a string if it is not valid TOML."""
    arguments = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"expected --set NAME=VALUE, found {pair!r}")
        try:
            arguments[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            arguments[name] = text
    return arguments


def check_target(path: Path, *endings: str) -> None:
    """Raise `InputError` for a file that cannot be written, or of another extension than the given ones."""
    if endings and path.suffix.lower() not in endings:
        found = f"{path.suffix!r}.{did_you_mean(path.suffix, endings)}" if path.suffix else "none"
        raise InputError(f"expected a file extension ({', '.join(endings)}), found {found}", path)
    if path.is_dir():
        raise InputError("expected a file to write, found a folder", path)
    if not path.parent.is_dir():
        raise InputError("expected a folder to write into, found none", path.parent)
    if not os.access(path.parent, os.W_OK):
        raise InputError("the folder cannot be written to", path.parent)
