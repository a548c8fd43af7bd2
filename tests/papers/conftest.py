"""The corpora and the helpers of the tests of tables."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "run"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    from small_corpus import write_corpus

    return write_corpus(tmp_path_factory.mktemp("corpus") / "small")
