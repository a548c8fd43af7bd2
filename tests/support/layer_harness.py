"""One check that every public layer passes, and helpers that differ between backends."""

import inspect
import json

import keras
import numpy as np
import pytest


def to_numpy(value) -> np.ndarray:
    array = keras.ops.convert_to_numpy(value)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def as_list(outputs) -> list:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def check_layer(
    make_layer,
    inputs,
    masks=None,
    *,
    call_arguments=None,
    expected_shapes,
    expected_dtypes=None,
    policies=("mixed_float16", "mixed_bfloat16"),
    garbage=(),
    refuses=True,
    tmp_path,
):
    """What users expect of a layer, whatever it computes.

    The configuration holds every constructor argument and makes an equal layer; symbolic and eager calls agree in
    value, shape and type; a saved functional model comes back with the same weights and outputs; half precision gives
    finite values; what stands in masked positions reaches no valid output.

    Args:
        make_layer: makes the layer, taking further keyword arguments (`dtype`).
        inputs: the positional arguments, arrays `[B, n, ...]`; the axis n is left unknown in the functional model.
        masks: the mask arguments by name.
        call_arguments: further arguments of the call, `return_attention_scores=True` for instance.
        expected_shapes: the shape of each output.
        expected_dtypes: the type of each output under float32; by default float32.
        policies: dtype policies under which the outputs must be finite.
        garbage: (number of an input, its mask's name, for each output the mask's name of its axis 1 or `None`).
        refuses: whether every bad argument and mask is named; parts that only one model uses leave it to that.
        tmp_path: a folder.

    Returns:
        the layer, built.
    """
    masks = masks or {}
    call_arguments = call_arguments or {}
    keras.utils.set_random_seed(1)
    layer = make_layer()
    eager = [to_numpy(output) for output in as_list(layer(*inputs, **masks, **call_arguments))]
    assert [output.shape for output in eager] == [tuple(shape) for shape in expected_shapes]
    assert [output.dtype.name for output in eager] == (expected_dtypes or ["float32"] * len(eager))
    assert all(np.isfinite(output).all() for output in eager)

    _check_config(layer)
    if refuses:
        _check_refusals(layer, inputs, masks)
    _check_functional(layer, inputs, masks, call_arguments, eager, tmp_path)
    for policy in policies:
        _check_half_precision(make_layer, policy, inputs, masks, call_arguments, eager)
    for number, mask_name, output_masks in garbage:
        _check_mask_invariance(layer, inputs, masks, call_arguments, eager, number, mask_name, output_masks)
    return layer


def _check_config(layer):
    config = layer.get_config()
    arguments = [
        name
        for name, parameter in inspect.signature(type(layer).__init__).parameters.items()
        if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    assert [name for name in arguments if name not in config] == []
    again = type(layer).from_config(config)
    assert again.get_config() == config
    # Registered, and plain JSON: what a `.keras` file needs.
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    revived = keras.saving.deserialize_keras_object(serialized)
    assert type(revived) is type(layer)
    assert json.dumps(revived.get_config(), default=str) == json.dumps(config, default=str)


def _check_refusals(layer, inputs, masks):
    """A value that an argument cannot take, and a mask of another shape, are named with what was expected."""
    for name, value in constructor_arguments(layer).items():
        bad = {bool: "yes", int: 2.5, float: -0.5, str: "nonsense", tuple: ("4",)}.get(type(value))
        if bad is not None:
            with pytest.raises(ValueError, match=rf"^`{name}` must .* Received: {name}="):
                type(layer)(**{**layer.get_config(), name: bad})
    for name, mask in masks.items():
        for wrong in (mask[:1], mask[:, :-1], mask[0], mask[..., None]):
            with pytest.raises(ValueError, match=rf"`{name}` must have .*{name}.shape="):
                layer(*inputs, **{**masks, name: wrong})


def constructor_arguments(layer) -> dict:
    """A layer's own arguments, as `get_config` gives them."""
    config, known = layer.get_config(), inspect.signature(type(layer).__init__).parameters
    return {name: config[name] for name in known if name in config and name not in ("name", "dtype", "trainable")}


def _check_functional(layer, inputs, masks, call_arguments, eager, tmp_path):
    symbolic_inputs = [_symbolic(array) for array in inputs]
    symbolic_masks = {name: _symbolic(array) for name, array in masks.items()}
    outputs = as_list(layer(*symbolic_inputs, **symbolic_masks, **call_arguments))
    for symbolic, array in zip(outputs, eager, strict=True):
        assert len(symbolic.shape) == array.ndim
        assert all(size in (None, real) for size, real in zip(symbolic.shape, array.shape, strict=True))
        assert symbolic.shape[-1] == array.shape[-1] or symbolic.shape[-1] is None
        assert keras.backend.standardize_dtype(symbolic.dtype) == array.dtype.name
    model = keras.Model([*symbolic_inputs, *symbolic_masks.values()], outputs)
    arrays = [*inputs, *masks.values()]
    _assert_close(model(arrays), eager, 1e-5)

    path = tmp_path / f"{layer.name}.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert len(model.weights) == len(loaded.weights)
    for before, after in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(before.value), to_numpy(after.value))
        assert before.trainable == after.trainable
    _assert_close(loaded(arrays), eager, 1e-5)


def _check_half_precision(make_layer, policy, inputs, masks, call_arguments, eager):
    layer = make_layer(dtype=policy)
    outputs = as_list(layer(*inputs, **masks, **call_arguments))
    half = policy.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {half}
    for output, reference in zip(outputs, eager, strict=True):
        assert to_numpy(output).shape == reference.shape
        assert np.isfinite(to_numpy(output)).all()
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in layer.trainable_weights} <= {"float32"}


def _check_mask_invariance(layer, inputs, masks, call_arguments, eager, number, mask_name, output_masks):
    mask = masks[mask_name]
    assert not mask.all(), "nothing is masked: the check would be empty"
    changed = list(inputs)
    there = mask.reshape(mask.shape + (1,) * (inputs[number].ndim - 2))
    changed[number] = np.where(there, inputs[number], np.asarray(77, inputs[number].dtype))
    outputs = [to_numpy(output) for output in as_list(layer(*changed, **masks, **call_arguments))]
    for output, reference, name in zip(outputs, eager, output_masks, strict=True):
        valid = np.ones(output.shape[:2], bool) if name is None else masks[name]
        np.testing.assert_allclose(output[valid], reference[valid], rtol=0, atol=1e-6)


def _symbolic(array):
    return keras.Input((None, *array.shape[2:]), dtype=array.dtype.name)


def _assert_close(outputs, expected, tolerance):
    for output, reference in zip(as_list(outputs), expected, strict=True):
        np.testing.assert_allclose(to_numpy(output), reference, rtol=0, atol=tolerance)


def gradient(function, value) -> np.ndarray:
    """The gradient of a scalar function of one array."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        value = tf.constant(value)
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = function(value)
        return tf.convert_to_tensor(tape.gradient(result, value)).numpy()  # a table gives a sparse gradient
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(jax.numpy.asarray(value)))
    import torch

    value = torch.tensor(value, requires_grad=True)
    function(value).backward()
    return value.grad.numpy()


def weight_gradient(function, weight) -> np.ndarray:
    """The gradient of a scalar function (of no argument) by one weight of a layer."""

    def of_value(value):
        with keras.StatelessScope(state_mapping=[(weight, value)]):
            return function()

    return gradient(of_value, to_numpy(weight.value))


def numpy_weights(layer) -> dict[str, np.ndarray]:
    """The weights of a layer in float64, by the end of their path."""
    weights = {}
    for weight in layer.weights:
        parts = weight.path.split("/")
        weights["/".join(parts[1:])] = to_numpy(weight.value).astype("float64")
    return weights


def randomize(layer, scale=1.0, seed=0):
    """Give every weight of a layer a value of some size: what begins at zero or one hides mistakes."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if "seed" not in weight.path:
            weight.assign(rng.normal(0, scale, weight.shape).astype("float32"))
