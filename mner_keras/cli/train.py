"""`mner train`."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option

from mner_keras.cli.options import Precision, TrainingData, read_arguments
from mner_keras.cli.terminal import epoch_progress, note, print_scores, start_keras
from mner_keras.errors import InputError
from mner_keras.registry import MODELS


def train(
    context: Context,
    model: Annotated[str, Argument(help=f"{', '.join(MODELS)}; or the config.toml of a run, to repeat it.")],
    data: TrainingData = "sample",
    features: Annotated[str, Option(help="Store of the pictures' features (HDF5). (default: the data's own)")] = "",
    no_pictures: Annotated[bool, Option("--no-pictures", help="Train as if no post had a picture.")] = False,
    vectors: Annotated[str, Option(help="Word vectors: GloVe, word2vec or fastText. (default: none)")] = "",
    max_vectors: Annotated[
        int, Option(min=0, help="Vectors to keep in addition to those of the training posts' words.")
    ] = 200_000,
    transductive: Annotated[
        bool, Option("--transductive", help="Build the vocabulary over train, dev and test.")
    ] = False,
    epochs: Annotated[int | None, Option(min=1, help="Maximum number of epochs. (default: the paper's)")] = None,
    patience: Annotated[
        int | None, Option(min=0, help="Stop after N epochs without a better dev F1; 0: never.")
    ] = None,
    batch_size: Annotated[int | None, Option(min=1, help="Posts per batch. (default: the paper's)")] = None,
    optimizer: Annotated[str | None, Option(help="adam, sgd, ... (default: the paper's)")] = None,
    learning_rate: Annotated[
        float | None, Option(help="Learning rate. (default: the paper's; 0.001 with another optimiser)")
    ] = None,
    seed: Annotated[int, Option(min=0, help="Random seed for weights, data order and dropout.")] = 1,
    precision: Precision = "float32",
    set_: Annotated[
        list[str] | None, Option("--set", metavar="NAME=VALUE", help="An argument of the model. Repeatable.")
    ] = None,
    out: Annotated[Path | None, Option(help="The run's folder. (default: runs/MODEL-DATA-SEED)")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Empty the run's folder if it is not empty.")] = False,
    resume: Annotated[bool, Option("--resume", help="Continue after the last finished epoch.")] = False,
) -> None:
    """Train a model, keep the best one by dev F1, and score it on dev and test.

    The defaults are the paper's. The run's folder contains model.keras (self-contained, tags new posts), config.toml,
    metrics.json, history.csv and provenance.json. With an optimiser other than the paper's, the learning rate is 0.001
    and nothing decays by default.

    For a feature CRF (stanford-ner-like, t-ner-like), --epochs is the maximum number of L-BFGS iterations, and the
    other settings except --data are ignored; its file is model.crf, and an interrupted run starts over.

    The papers' variants are arguments: --set dropout=0 trains without dropout, --set num_objects=5 lets AGBAN read
    five objects per picture.
    """
    if overwrite and resume:
        raise InputError("`--overwrite` and `--resume` exclude each other")
    own = ("model", "set_", "out", "overwrite", "resume")
    asked = [name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"]
    given = {name: context.params[name] for name in asked if name not in own}
    if set_:
        given["arguments"] = read_arguments(set_)
    from mner_keras.run.config import RunConfig

    if model.endswith(".toml"):
        config = dataclasses.replace(RunConfig.load(model), **given)
    else:
        config = RunConfig.for_model(model, **given)
    folder = out or Path("runs") / f"{config.model}-{Path(config.data).name}-{config.seed}"
    if folder.exists() and not folder.is_dir():
        raise InputError("expected a folder for the run, found a file", folder)
    path = folder / "config.toml"
    if resume:
        if not path.exists():
            raise InputError("expected a run to resume, found no config.toml", folder)
        config = RunConfig.load(path, of_run=True)
        for name, value in (given if model.endswith(".toml") else {"model": model, **given}).items():
            if (found := getattr(config, name)) != value:
                raise InputError(f"expected `{name}` = {found!r} as the run has it, found {value!r}", path)
    elif folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise InputError("the run's folder is not empty: --overwrite empties it, --resume continues it", folder)
        if not path.exists():
            raise InputError("expected the folder of a run for --overwrite, found no config.toml", folder)

    start_keras(deterministic=True, all_cores=config.entry.reads_subwords or "backbone" in config.arguments)
    from mner_keras.papers.caveats import training_caveats
    from mner_keras.run.train import train as train_run

    for line in training_caveats(config):
        note(line)
    try:
        with epoch_progress() as progress:
            metrics = train_run(config, folder, resume, overwrite, callbacks=[progress], report=note)
    except KeyboardInterrupt:
        goes_on = "continues after the last finished epoch" if config.entry.is_keras else "starts over"
        print(f"interrupted; the same command with --resume {goes_on} ({folder})")
        sys.exit(130)
    best = f"best dev F1 at epoch {metrics['best_epoch']}; " if metrics["best_epoch"] else ""
    print(f"{best}scores over entities, {metrics['scheme']}")
    for split in ("dev", "test"):
        print_scores(split, metrics[split])
    if "calibration" in metrics:
        before, after = (metrics["calibration"][when]["error"] for when in ("before", "after"))
        print(f"calibration error on test: {after:.1f}, {before:.1f} without the temperature fitted on dev")
    print(f"run: {folder}")
