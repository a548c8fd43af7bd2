"""What all tests share: the layer harness on the path, the `slow` mark, the same random numbers in every test."""

import sys
from pathlib import Path

import pytest

for _folder in (
    "agban",
    "baselines",
    "equations",
    "layers",
    "models",
    "views",
    "vision/mask_rcnn",
):  # `released_oracle`, `chromium`, `paper`, `layer_harness`, `tiny` ...
    sys.path.insert(0, str(Path(__file__).parent / _folder))


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
