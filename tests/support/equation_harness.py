"""Proof that a layer computes an equation: output and gradient against a NumPy form of the paper, in float64."""

import keras
import numpy as np
from keras import ops
from layer_harness import to_numpy

STEP = 1e-5


def prove(form, call, inputs, weights, valid=None, places=None):
    """Assert that a layer computes what the form computes, and that its gradient is the form's.

    Args:
        form: float64 arrays, by name, to an array.
        call: float32 arrays, by name, to the layer's output; reads the weights from the layer.
        inputs: the arrays by which the gradient is taken, by the form's names.
        weights: the layer's variables, by the form's names.
        valid: bool, the places of the output that mean something; everywhere by default.
        places: the number of places of each array at which the gradient is compared; all by default.

    Returns:
        the layer's gradients by name.
    """
    exact = float64({**inputs, **{name: to_numpy(weight.value) for name, weight in weights.items()}})
    expected = form(**exact)
    valid = np.ones(expected.shape, bool) if valid is None else np.broadcast_to(valid, expected.shape)
    output = to_numpy(call(**inputs))
    assert output.shape == expected.shape
    np.testing.assert_allclose(output[valid], expected[valid], rtol=1e-5, atol=1e-5)

    # One number out of many: every place of the output with a weight of its own.
    probe = np.random.default_rng(5).normal(size=expected.shape) * valid
    found = gradients(lambda **arrays: ops.sum(call(**arrays) * ops.cast(probe, "float32")), inputs, weights)
    assert_gradients(found, lambda **arrays: float((form(**arrays) * probe).sum()), exact, places)
    return found


def assert_gradients(found, form, exact, places=None):
    """Assert that gradients, by name, are the central differences of a scalar form in float64."""
    rng = np.random.default_rng(6)
    for name, gradient in found.items():
        assert gradient.shape == exact[name].shape, name
        assert np.isfinite(gradient).all(), name
        everywhere = list(np.ndindex(gradient.shape))
        if places is not None and len(everywhere) > places:
            everywhere = [everywhere[i] for i in rng.choice(len(everywhere), places, replace=False)]
        for place in everywhere:
            moved = []
            for sign in (1, -1):
                array = exact[name].copy()
                array[place] += sign * STEP
                moved.append(form(**{**exact, name: array}))
            expected = (moved[0] - moved[1]) / (2 * STEP)
            np.testing.assert_allclose(gradient[place], expected, rtol=1e-3, atol=1e-4, err_msg=f"{name}{place}")


def gradients(function, inputs, weights=None) -> dict[str, np.ndarray]:
    """The gradients of a scalar function by its arguments and by the variables that it reads, by name."""
    weights = weights or {}

    def of_values(*values):
        arrays = dict(zip([*inputs, *weights], values, strict=True))
        mapping = [(weight, arrays.pop(name)) for name, weight in weights.items()]
        with keras.StatelessScope(state_mapping=mapping):
            return function(**arrays)

    values = [*inputs.values(), *(to_numpy(weight.value) for weight in weights.values())]
    return dict(zip([*inputs, *weights], _differentiate(of_values, values), strict=True))


def _differentiate(function, values) -> list[np.ndarray]:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        values = [tf.constant(value) for value in values]
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(*values)
        found = tape.gradient(result, values, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient).numpy() for gradient in found]
    if backend == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(values))))(*(jax.numpy.asarray(value) for value in values))
        return [np.asarray(gradient) for gradient in found]
    import torch

    values = [torch.tensor(value, requires_grad=True) for value in values]
    function(*values).backward()
    return [np.zeros(value.shape) if value.grad is None else value.grad.numpy() for value in values]


def float64(arrays) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, "float64") for name, array in arrays.items()}


def scatter(rows, mask) -> np.ndarray:
    """Arrays of the valid places of each row, put back into `[B, n, ...]`; zeros elsewhere."""
    output = np.zeros((*mask.shape, *rows[0].shape[1:]))
    for row, values in enumerate(rows):
        output[row, mask[row]] = values
    return output


def set_weights(layer, seed=0, scale=1.0):
    """Random weights of a size that keeps sums over the rows near one; variances stay positive."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if "seed" in weight.path or weight.path.endswith(("step", "total_steps")):
            continue
        rows = weight.shape[0] if len(weight.shape) > 1 else 4
        value = rng.normal(0, scale * rows**-0.5, tuple(weight.shape))
        if weight.path.endswith("moving_variance"):
            value = 0.5 + np.abs(value)
        elif weight.path.endswith("gamma"):
            value += 1
        weight.assign(value.astype("float32"))
