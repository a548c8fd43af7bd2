"""AGBAN's attention: its share per token and object, and whether tokens differ.

Usage: python benchmarks/attention.py STORE DATA RUN...

STORE contains the objects' features, DATA is a data set, the runs are AGBAN's. The means are over those of the first
300 test posts that have two objects or more:

- the share of a post's attention at its most attentive token, next to the equal share 1/n; equal to it with
  `softmax="objects"`, where each token has the same total;
- the share of a token's attention at its largest object;
- the distance: how far a token's shares are from their mean over the post, 0 if all tokens attend alike.
"""

from __future__ import annotations

import sys

import numpy as np

from mner_keras.cli.keras_start import start_keras

POSTS = 300


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    start_keras()
    from mner_keras import load_dataset
    from mner_keras.models import load_tagger

    posts = load_dataset(sys.argv[2])["test"][:POSTS]
    for run in sys.argv[3:]:
        found = [explained["attention"] for explained in load_tagger(run).explain(posts, sys.argv[1])]
        maps = [attention for attention in found if attention.shape[1] > 1]
        tokens = [attention.sum(axis=1) / attention.sum() for attention in maps]
        # A token's distribution over the objects; uniform without any weight.
        rows = [np.maximum(attention, 1e-30) for attention in maps]
        rows = [row / row.sum(axis=1, keepdims=True) for row in rows]
        token = np.mean([share.max() for share in tokens])
        equal = np.mean([1 / len(share) for share in tokens])
        largest = np.mean([row.max(axis=1).mean() for row in rows])
        distance = np.mean([np.abs(row - row.mean(axis=0)).max(axis=1).mean() for row in rows])
        print(
            f"{run}: {len(maps)} posts, most attentive token {token:.3f} (equal share {equal:.3f}), "
            f"largest object {largest:.3f}, distance {distance:.3f}"
        )


if __name__ == "__main__":
    main()
