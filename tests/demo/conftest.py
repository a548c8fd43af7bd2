"""A small model for the sample corpus' objects, untrained: its tags are random, and the picture moves them."""

import sys
from pathlib import Path

import pytest

import mner_keras

sys.path.insert(0, str(Path(__file__).parents[1] / "run"))
SAMPLE = Path(mner_keras.__file__).parent / "data" / "sample"


def build(kind):
    import keras
    from small_corpus import SMALL

    from mner_keras.data import read_jsonl
    from mner_keras.registry import find_model

    keras.utils.set_random_seed(3)
    cls = find_model(kind).load_class()
    visual = cls.encoder_defaults.get("visual")
    store = SAMPLE / f"{visual}.h5" if visual else None
    preprocessor = cls.fit_preprocessor(read_jsonl(SAMPLE / "train.jsonl")[:100], features=store)
    return cls(preprocessor, **SMALL[kind])


@pytest.fixture(scope="session")
def model_of():
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = build(kind)
        return made[kind]

    return get


@pytest.fixture(scope="session")
def pictures():
    from mner_keras.vision import find_pictures

    return find_pictures([SAMPLE / "images"])[0]
