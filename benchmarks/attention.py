"""Where AGBAN looks: how much of a token's attention one object gets, and whether tokens look at different objects.

Usage: python benchmarks/attention.py STORE DATA RUN...

STORE holds the objects' features, DATA is a data set, the runs are AGBAN's. Over those of the first 300 test posts that
have two objects or more: the mean of a token's largest attention, and the mean over tokens of the largest distance of a
token's attention from the mean over its post, which is 0 where all tokens attend alike.
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
    from mner_keras.saving import load_tagger

    posts = load_dataset(sys.argv[2])["test"][:POSTS]
    for run in sys.argv[3:]:
        found = [explained["attention"] for explained in load_tagger(run).explain(posts, sys.argv[1])]
        maps = [attention for attention in found if attention.shape[1] > 1]
        largest = np.mean([attention.max(axis=1).mean() for attention in maps])
        distance = np.mean([np.abs(attention - attention.mean(axis=0)).max(axis=1).mean() for attention in maps])
        print(
            f"{run}: {len(maps)} posts, largest attention {largest:.3f}, distance from the post's mean {distance:.3f}"
        )


if __name__ == "__main__":
    main()
