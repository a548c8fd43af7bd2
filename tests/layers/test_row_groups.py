"""`BiLSTM`'s last states on JAX, where short and long rows are computed in groups."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from mner_keras.layers import BiLSTM, bilstm


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone groups rows")
@pytest.mark.parametrize("lengths", [[3, 0, 18, 8, 1, 9, 2, 5, 7], [9, 9, 9, 9, 9, 1, 1, 1, 1]], ids=["fit", "do not"])
def test_groups_give_the_same_states_and_gradients(lengths, monkeypatch):
    inputs = np.random.default_rng(0).normal(size=(9, 18, 4)).astype("float32")
    mask = np.arange(18) < np.array(lengths)[:, None]
    layer = BiLSTM(6, return_sequences=False)
    layer(inputs, mask=mask)
    randomize(layer)
    weighting = np.random.default_rng(1).normal(size=(9, 6)).astype("float32")

    def both():
        total = lambda inputs: ops.sum(layer(inputs, mask=mask) * weighting)  # noqa: E731
        return to_numpy(layer(inputs, mask=mask)), gradient(total, inputs)

    found = both()
    monkeypatch.setattr(bilstm, "SHORT", 100)
    for one, other in zip(found, both(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
