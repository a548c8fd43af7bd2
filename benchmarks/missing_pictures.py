"""Measure the cost of missing pictures: models against a text-only one on posts without pictures.

Usage: python benchmarks/missing_pictures.py POSTS TEXT_MODEL MODEL...

POSTS is a file of tagged posts none of which has a picture (2,000 of them: `python scripts/make_sample_corpus.py OUT
--sizes 0 0 2000 --no-pictures --seed 7` writes OUT/test.jsonl); the models are run folders or .keras files. Prints each
model's difference to the text-only model in F1 (strict IOB2), with the 95 % interval of a paired bootstrap over posts.
"""

from __future__ import annotations

import sys

from measures import f1, predictions

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    start_keras()
    from mner_keras.data.files import read_posts
    from mner_keras.models import load_tagger
    from mner_keras.papers.compare import compare

    posts = read_posts(sys.argv[1])
    runs = {name: predictions(posts, load_tagger(name).tag(posts)) for name in sys.argv[2:]}
    for name, run in runs.items():
        found = compare([run], [runs[sys.argv[2]]])
        interval = f"{found.difference:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        print(f"{name}: F1 {f1(run):.2f}, difference to text {interval}")


if __name__ == "__main__":
    main()
