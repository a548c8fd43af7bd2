"""What a missing picture costs: models against a text-only one on posts without pictures.

Usage: python benchmarks/missing_pictures.py POSTS TEXT_MODEL MODEL...

POSTS is a file of tagged posts none of which has a picture (2,000 of them: `python scripts/make_sample_corpus.py OUT
--sizes 0 0 2000 --no-pictures --seed 7` writes OUT/test.jsonl); the models are run folders or .keras files. Prints each
model's F1 (strict IOB2) and its difference to the text-only model with the 95 % interval of a paired bootstrap over
posts (1,000 samples).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mner_keras.cli.keras_start import start_keras

SAMPLES = 1000


def counts(gold: Sequence[str], predicted: Sequence[str]) -> tuple[int, int, int]:
    """Correct, predicted and gold entities of one post."""
    from mner_keras.data import entity_spans

    right, found = set(entity_spans(gold)), set(entity_spans(predicted))
    return len(right & found), len(found), len(right)


def f1(table: np.ndarray) -> np.ndarray:
    """F1 in percent of summed counts, `[..., 3]`."""
    return 200 * table[..., 0] / np.maximum(table[..., 1] + table[..., 2], 1)


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    start_keras()
    from mner_keras import load
    from mner_keras.data.files import read_posts

    posts = read_posts(sys.argv[1])
    tables = {}
    for name in sys.argv[2:]:
        path = Path(name)
        tagged = load(path / "model.keras" if path.is_dir() else path).tag(posts)
        tables[name] = np.array([counts(p.tags, t.tags) for p, t in zip(posts, tagged, strict=True)])
    drawn = np.random.default_rng(0).integers(0, len(posts), (SAMPLES, len(posts)))
    text = tables[sys.argv[2]]
    for name, table in tables.items():
        difference = f1(table[drawn].sum(1)) - f1(text[drawn].sum(1))
        low, high = np.percentile(difference, [2.5, 97.5])
        gap = f1(table.sum(0)) - f1(text.sum(0))
        print(f"{name}: F1 {f1(table.sum(0)):.2f}, difference to text {gap:+.2f} [{low:+.2f}, {high:+.2f}]")


if __name__ == "__main__":
    main()
