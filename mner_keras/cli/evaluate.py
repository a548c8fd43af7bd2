"""`mner evaluate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mner_keras.cli.tables import print_scores


def evaluate(
    run_or_model: Annotated[Path, typer.Argument(help="A run's folder or a model's file.", show_default=False)],
    data: Annotated[
        str, typer.Option(help="`sample` or a folder. (default: the run's, else sample)", show_default=False)
    ] = "",
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    features: Annotated[
        str,
        typer.Option(help="Store of the pictures' features. (default: the run's, else the data's)", show_default=False),
    ] = "",
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Score as if no post had a picture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: micro and types, in percent.")] = False,
) -> None:
    """Score a model on a split: precision, recall and F1 over entities, strict IOB2, all and by type."""
    from mner_keras.data.datasets import SPLITS, load_dataset
    from mner_keras.errors import InputError, did_you_mean
    from mner_keras.run.config import RunConfig
    from mner_keras.saving import find_model_file, load_tagger, visual_input

    if split not in SPLITS:
        raise InputError(f"expected a split ({', '.join(SPLITS)}), found {split!r}.{did_you_mean(split, SPLITS)}")
    path, config = run_or_model, None
    if path.is_dir():
        config = RunConfig.load(path / "config.toml") if (path / "config.toml").exists() else None
        path = find_model_file(path)
    data = data or (config.data if config else "sample")
    dataset = load_dataset(data)
    posts = dataset[split]

    from mner_keras.cli.keras_start import start_keras

    start_keras()
    from mner_keras.data.batches import count_missing
    from mner_keras.run.scores import SCHEME
    from mner_keras.run.tagger_fit import find_features
    from mner_keras.run.train import evaluate as evaluate_model

    model = load_tagger(path)
    visual = visual_input(model)
    if visual is None and features:
        print("the model reads no pictures: `--features` is left out", file=sys.stderr)
    if config is not None and data == config.data:
        features = features or config.features
        no_pictures = no_pictures or (config.no_pictures and not features)
    # A model that was trained without pictures takes the data's own only when it is told to.
    unused = no_pictures or visual is None or (visual.extractor is None and not features)
    store = None if unused else find_features(features, type(model), dataset)

    scores = evaluate_model(model, posts, store)
    record = {
        "model": str(run_or_model),
        "data": dataset.name,
        "split": split,
        "posts": len(posts),
        "features": store,
        "missing_pictures": count_missing(posts, store),
        "scheme": SCHEME,
        **scores,
    }
    if as_json:
        print(json.dumps(record, indent=2))
        return
    pictures = "no pictures" if store is None else f"pictures: {store}, {record['missing_pictures']:,} missing"
    print(f"{dataset.name}, {split}: {len(posts):,} posts, {pictures}; scores over entities, {SCHEME}")
    print_scores(split, scores)
