"""What all tests share: the small corpus and the same random numbers in every test."""

import sys

import pytest

pytest.register_assert_rewrite("equation_harness", "layer_harness", "model_harness")


def pytest_collection_modifyitems(items):
    """Notebooks and files with slow tests come first, so that no worker waits for another at the end."""
    slow = {item.path for item in items if item.path.suffix == ".ipynb" or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The folder of the small corpus; the tests must not change it."""
    from small_corpus import write_corpus

    return write_corpus(tmp_path_factory.mktemp("corpus") / "small")


@pytest.fixture
def no_tagger_data(monkeypatch):
    """As on a machine without the data of NLTK's part-of-speech tagger."""
    import nltk.data

    from mner_keras.text import pos

    monkeypatch.setattr(nltk.data, "path", [])
    pos._load_tagger.cache_clear()
    yield
    pos._load_tagger.cache_clear()


@pytest.fixture(autouse=True)
def _seeded():
    # Tests that do not use Keras must not pay for its import.
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _without_jax_compiler(request):
    # JAX would compile each eager loop of each test anew, for seconds; the tests marked `compiled` are about that.
    keras = sys.modules.get("keras")
    if keras is None or keras.backend.backend() != "jax" or request.node.get_closest_marker("compiled"):
        yield
        return
    import jax

    with jax.disable_jit():
        yield


@pytest.fixture(scope="module")
def eagerly():
    """No graphs of TensorFlow within a file of tests."""
    from eager import run_eagerly

    with run_eagerly():
        yield


@pytest.fixture(scope="session")
def load_once():
    """`mner_keras.models.load`, which reads and compiles a file only once as long as it stays the same."""
    from pathlib import Path

    from mner_keras.models import load

    opened = {}

    def load_once(path):
        path = Path(path)
        key = path.resolve(), path.stat().st_mtime_ns if path.exists() else None
        if key not in opened:
            opened[key] = load(path)
        return opened[key]

    return load_once


@pytest.fixture
def models_stay_open(load_once, monkeypatch):
    """The commands of several tests share the models that they open."""
    monkeypatch.setattr("mner_keras.models.load", load_once)


@pytest.fixture(scope="session")
def tiles_model(tmp_path_factory):
    """A file of AGBAN for the sample's objects of `tiles`, untrained: random tags, which the picture moves."""
    import keras
    from small_corpus import SMALL

    from agban_keras import AGBAN
    from mner_keras import load_dataset
    from mner_keras.run.config import split_arguments

    keras.utils.set_random_seed(3)
    data, (first, rest) = load_dataset("sample"), split_arguments(AGBAN, SMALL["agban"])
    model = AGBAN(AGBAN.fit_preprocessor(data["train"][:100], features=data.features("objects"), **first), **rest)
    path = tmp_path_factory.mktemp("tiles") / "model.keras"
    model.save(path)
    return path
