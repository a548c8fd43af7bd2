"""Precision, recall and F1 of a model on posts, by seqeval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

SCHEMES = {"strict": "strict IOB2", "lenient": "lenient, as conlleval"}
"""The schemes for reading entities: `strict` opens one at `B-` only, `lenient` also at an `I-` after another type."""
SCHEME = SCHEMES["strict"]


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str = "strict"
) -> dict[str, Any]:
    """Compute scores over whole entities, in percent.

    Args:
        gold: the tags of each post.
        predicted: a model's tags of each post.
        scheme: a key of `SCHEMES`.

    Returns:
        `micro` and, by type, `types`, each with `precision`, `recall`, `f1` (0 to 100) and `support`, the number of
        gold entities.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    opening = ("B-",) if scheme == "strict" else ("B-", "I-")
    if not any(tag.startswith(opening) for tags in (*gold, *predicted) for tag in tags):
        # seqeval rejects input without any entity.
        return {"micro": _percent({}), "types": {}}
    with warnings.catch_warnings():
        # seqeval warns about types that are never predicted; their score of 0 shows this.
        warnings.simplefilter("ignore")
        report = classification_report(
            [list(tags) for tags in gold],
            [list(tags) for tags in predicted],
            **({"mode": "strict", "scheme": IOB2} if scheme == "strict" else {}),
            output_dict=True,
            zero_division=0,
        )
    averages = ("micro avg", "macro avg", "weighted avg")
    return {
        "micro": _percent(report["micro avg"]),
        "types": {kind: _percent(row) for kind, row in sorted(report.items()) if kind not in averages},
    }


def _percent(row: dict[str, float]) -> dict[str, float]:
    return {
        "precision": 100 * float(row.get("precision", 0)),
        "recall": 100 * float(row.get("recall", 0)),
        "f1": 100 * float(row.get("f1-score", 0)),
        "support": int(row.get("support", 0)),
    }
