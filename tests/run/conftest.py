"""What the tests of runs share: the small corpus, and operations that give the same numbers on every run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    from small_corpus import write_corpus

    return write_corpus(tmp_path_factory.mktemp("corpus") / "small")


@pytest.fixture(scope="session")
def deterministic():
    from mner_keras.cli.keras_start import start_keras

    start_keras(deterministic=True)
