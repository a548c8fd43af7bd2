"""The file `predictions.jsonl`: a model's tags for the posts of the test split."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.files import write_whole

FILE = "predictions.jsonl"


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A post with its gold tags and a model's tags.

    Args:
        image: the id of its picture; `None` for a post without one.
        tokens: its tokens.
        tags: their gold tags.
        predicted: the model's tags.
    """

    image: str | None
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    predicted: tuple[str, ...]


def write_predictions(path: Path, posts: Iterable[Post], predicted: Iterable[Sequence[str]]) -> None:
    """Write one JSON object per post, in order: `image`, `tokens`, `tags`, `predicted`.

    Args:
        path: the file.
        posts: posts with gold tags.
        predicted: the model's tags for each post.
    """
    lines = []
    for post, tags in zip(posts, predicted, strict=True):
        record = {"image": post.image_id, "tokens": post.tokens, "tags": post.tags, "predicted": tuple(tags)}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    text = "".join(lines).encode("utf-8", "backslashreplace")
    write_whole(path, lambda unfinished: unfinished.write_bytes(text))


def read_predictions(folder: str | os.PathLike) -> list[Prediction]:
    """Return the predictions of a run, in the order of the test split.

    Args:
        folder: the run's folder.

    Raises:
        InputError: no such file, or a malformed line.
    """
    path = Path(folder) / FILE
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError(f"expected the predictions of a finished run; {error.strerror or error}", path) from None
    predictions = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
            row = Prediction(record["image"], *(tuple(record[key]) for key in ("tokens", "tags", "predicted")))
        except (ValueError, KeyError, TypeError):
            raise InputError(
                "expected an object with `image`, `tokens`, `tags` and `predicted`, found something else", path, number
            ) from None
        if not len(row.tokens) == len(row.tags) == len(row.predicted):
            raise InputError("expected as many tags and predicted tags as tokens", path, number)
        predictions.append(row)
    return predictions
