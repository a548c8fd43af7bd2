"""`TagPosts`: every kind of batch gives the same answers, and a bad post stops no batch."""

from pathlib import Path

import pytest
from small_corpus import SMALL

import mner_keras
from mner_keras.data import read_jsonl

SAMPLE = Path(mner_keras.__file__).parent / "data" / "sample"
BAD = {"id": "bad", "tokens": ["Rome", ""], "pos": None}
KEYS = {"text", "type", "start", "end", "score", "start_char", "end_char"}


@pytest.fixture(scope="module")
def text_model(corpus, tmp_path_factory):
    """A model of text, untrained: its tags are random, but not empty."""
    import keras

    from mner_keras.baselines.text_tagger import TextTagger
    from mner_keras.run.config import split_arguments

    keras.utils.set_random_seed(3)
    first, rest = split_arguments(TextTagger, SMALL["text"])
    model = TextTagger(TextTagger.fit_preprocessor(read_jsonl(corpus / "train.jsonl"), **first), **rest)
    path = tmp_path_factory.mktemp("text") / "model.keras"
    model.save(path)
    return path
