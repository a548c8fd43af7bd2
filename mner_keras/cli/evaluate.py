"""`mner evaluate`."""

from typing import Annotated

from typer import Option

from mner_keras.cli.options import ModelArgument, Split
from mner_keras.cli.terminal import note, print_json, print_scores, start_keras


def evaluate(
    model: ModelArgument,
    data: Annotated[str, Option(help="`sample` or a folder. (default: the run's, else sample)")] = "",
    split: Annotated[Split, Option(help="The split to score.")] = "test",
    features: Annotated[
        str, Option(help="Store of the pictures' features. (default: the run's, else the data's)")
    ] = "",
    no_pictures: Annotated[bool, Option("--no-pictures", help="Score as if no post had a picture.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON: micro and types, in percent.")] = False,
) -> None:
    """Score a model on a split: precision, recall and F1 over entities (strict IOB2), in total and by type."""
    from mner_keras.models import reads_store
    from mner_keras.run.run import SCHEME, Run

    run = Run(model, data, features, no_pictures)
    posts = run.dataset[split]
    start_keras()
    from mner_keras.data.batches import count_missing
    from mner_keras.run.train import evaluate as evaluate_model

    if features and not reads_store(run.model):
        note("the model does not read pictures: `--features` is ignored")
    scores = evaluate_model(run.model, posts, run.features)
    name, missing = run.dataset.name, count_missing(posts, run.features)
    if as_json:
        about = {"model": str(model), "data": name, "split": split, "posts": len(posts), "features": run.features}
        print_json({**about, "missing_pictures": missing, "scheme": SCHEME, **scores})
        return
    pictures = "no pictures" if run.features is None else f"pictures: {run.features}, {missing:,} missing"
    print(f"{name}, {split}: {len(posts):,} posts, {pictures}; scores over entities, {SCHEME}")
    print_scores(split, scores)
