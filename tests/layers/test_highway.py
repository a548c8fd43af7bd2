import math

import numpy as np
import pytest
from layer_harness import numpy_weights, randomize, to_numpy

from mner_keras.layers import Highway


def oracle(layer, x):
    """Equation 3 of Srivastava et al., one number at a time."""
    (w, b), (w_t, b_t) = (
        (to_numpy(dense.kernel).astype("float64"), to_numpy(dense.bias).astype("float64"))
        for dense in (layer.transform, layer.gate)
    )
    output = np.zeros_like(x, "float64")
    for place in np.ndindex(x.shape[:-1]):
        for j in range(x.shape[-1]):
            inner = b[j] + sum(x[place][i] * w[i, j] for i in range(x.shape[-1]))
            gate = 1 / (1 + math.exp(-(b_t[j] + sum(x[place][i] * w_t[i, j] for i in range(x.shape[-1])))))
            output[place][j] = gate * max(inner, 0) + (1 - gate) * x[place][j]
    return output


@pytest.mark.equation("HSN 5")
@pytest.mark.parametrize("shape", [(2, 5, 4), (1, 1, 3), (3, 6)])
def test_equals_the_equation(shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer = Highway()
    layer(x)
    randomize(layer)
    np.testing.assert_allclose(to_numpy(layer(x)), oracle(layer, x.astype("float64")), rtol=1e-5, atol=1e-5)


def test_begins_by_carrying_its_input_through():
    layer = Highway()
    layer(np.ones((1, 4), "float32"))
    np.testing.assert_array_equal(to_numpy(layer.gate.bias), -1.0)
    assert len(numpy_weights(layer)) == 4
