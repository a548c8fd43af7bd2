"""A model's tags on posts: `predictions.jsonl`, and precision, recall and F1 by seqeval."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.files import read_parsed, write_whole

PREDICTIONS = "predictions.jsonl"
SCHEMES = {"strict": "strict IOB2", "lenient": "lenient, as conlleval"}
"""The schemes for reading entities: `strict` opens one at `B-` only, `lenient` also at an `I-` after another type."""
SCHEME = SCHEMES["strict"]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A post with its gold tags and a model's tags; without a picture, `image` is `None`."""

    image: str | None
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    predicted: tuple[str, ...]


def write_predictions(path: Path, posts: Iterable[Post], predicted: Iterable[Sequence[str]]) -> None:
    """Write one JSON object per post, in order: `image`, `tokens`, `tags`, `predicted`."""
    pairs = zip(posts, predicted, strict=True)
    rows = [Prediction(post.image_id, post.tokens, post.tags, tuple(tags)) for post, tags in pairs]
    text = "".join(json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows)
    write_whole(path, lambda unfinished: unfinished.write_bytes(text.encode("utf-8", "backslashreplace")))


def read_predictions(folder: str | os.PathLike) -> list[Prediction]:
    """Return the predictions in a run's folder, in the order of the test split; raise `InputError` for a bad file."""
    path = Path(folder) / PREDICTIONS
    lines = read_parsed(path, "the predictions of a finished run", str).rstrip("\n").split("\n")
    predictions = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            row = Prediction(record["image"], *(tuple(record[key]) for key in ("tokens", "tags", "predicted")))
        except (ValueError, KeyError, TypeError):
            problem = "expected an object with `image`, `tokens`, `tags` and `predicted`, found something else"
            raise InputError(problem, path, number) from None
        if not len(row.tokens) == len(row.tags) == len(row.predicted):
            raise InputError("expected as many tags and predicted tags as tokens", path, number)
        predictions.append(row)
    return predictions


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str = "strict"
) -> dict[str, Any]:
    """Compute scores over whole entities, in percent; `scheme` is a key of `SCHEMES`.

    Returns:
        `micro` and, by type, `types`, each with `precision`, `recall`, `f1` and `support`, the number of gold entities.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    opening = ("B-",) if scheme == "strict" else ("B-", "I-")
    if not any(tag.startswith(opening) for tags in (*gold, *predicted) for tag in tags):
        # seqeval rejects input without any entity.
        return {"micro": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}, "types": {}}
    # seqeval warns about types that are never predicted; their score of 0 shows this.
    with warnings.catch_warnings(action="ignore"):
        report = classification_report(
            [list(tags) for tags in gold],
            [list(tags) for tags in predicted],
            **({"mode": "strict", "scheme": IOB2} if scheme == "strict" else {}),
            output_dict=True,
            zero_division=0,
        )
    scores = {}
    for kind, row in sorted(report.items()):
        precision, recall, f1 = (100 * float(row[name]) for name in ("precision", "recall", "f1-score"))
        scores[kind] = {"precision": precision, "recall": recall, "f1": f1, "support": int(row["support"])}
    micro, _, _ = (scores.pop(f"{name} avg") for name in ("micro", "macro", "weighted"))
    return {"micro": micro, "types": scores}
