"""Convert the arrays of the released PyTorch module to the weights of `ReleasedAGBAN`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.errors import did_you_mean

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger


def load_arrays(model: Tagger, arrays: Mapping[str, Any]) -> None:
    """Assign all arrays, or none of them, to the weights of a `ReleasedAGBAN`; see its `load_released_state`."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    weights = dict(_weights(model))
    shapes = {name: shape for name, (_, shape, _) in weights.items()}
    shapes |= {name.replace("running_var", "num_batches_tracked"): () for name in shapes if "running_var" in name}
    problems = [*_problems(arrays, weights, {**shapes, "modal_clf_loss.weight": (2,)})]
    if problems:
        raise ValueError("`arrays` must be those of the released module.\n" + "\n".join(problems))
    for name, (variable, _, transposed) in weights.items():
        value = np.asarray(arrays[name], "float32")
        value = value.T if transposed else value.reshape(variable.shape)
        # An LSTM has two biases there, which come one after the other, and one here.
        (variable.assign_add if ".bias_hh_" in name else variable.assign)(value)


def _problems(arrays: dict[str, np.ndarray], required, known: dict[str, tuple]) -> Iterator[str]:
    for name in required:
        if name not in arrays:
            yield f"Expected {name!r} of the shape {known[name]}. Received: no array of this name"
    for name, array in arrays.items():
        if name not in known:
            hint = did_you_mean(str(name), known)
            yield f"Expected no array {name!r}.{hint} Received: {name!r} of the shape {array.shape}"
        elif array.shape != known[name]:
            yield f"Expected {name!r} of the shape {known[name]}. Received: the shape {array.shape}"
        elif array.dtype.kind not in "fiu":
            yield f"Expected numbers in {name!r}. Received: {array.dtype}"


def _weights(model: Tagger) -> Iterator[tuple[str, tuple]]:
    """Yield the name of each array, and the variable that it sets, its shape, and whether it is transposed."""

    def plain(variable, name, shape=None):
        yield name, (variable, shape or tuple(variable.shape), False)

    def matrix(variable, name):
        yield name, (variable, tuple(reversed(variable.shape)), True)

    def linear(dense, name):
        yield from matrix(dense.kernel, f"{name}.weight")
        yield from plain(dense.bias, f"{name}.bias")

    def weight_norm(layer, name):
        yield from plain(layer.bias, f"{name}.bias")
        yield from plain(layer.length, f"{name}.weight_g")
        yield from matrix(layer.direction, f"{name}.weight_v")

    def both_lstms(bilstm, name):
        # Both frameworks use the same order of gates: input, forget, cell, output.
        for lstm, suffix in ((bilstm.forward_lstm, "l0"), (bilstm.backward_lstm, "l0_reverse")):
            yield from matrix(lstm.cell.kernel, f"{name}.weight_ih_{suffix}")
            yield from matrix(lstm.cell.recurrent_kernel, f"{name}.weight_hh_{suffix}")
            yield from plain(lstm.cell.bias, f"{name}.bias_ih_{suffix}")
            yield from plain(lstm.cell.bias, f"{name}.bias_hh_{suffix}")

    def batch_norm(norm, name):
        for part, variable in zip(("weight", "bias", "running_mean", "running_var"), norm.weights, strict=True):
            yield from plain(variable, f"{name}.{part}")

    def network(layer, name):
        # Linear, batch norm, relu, and so on: relu has an index but no array.
        for i, (dense, norm) in enumerate(zip(layer.inner, layer.norms, strict=True)):
            yield from linear(dense, f"{name}.{3 * i}")
            yield from batch_norm(norm, f"{name}.{3 * i + 1}")
        yield from linear(layer.outer, f"{name}.{3 * len(layer.inner)}")

    chars, attention = model.get_layer("char_bilstm"), model.get_layer("attention")
    rounds, width = attention.direction.shape
    yield from plain(chars.embedding.embeddings, "char_embeddings.weight")
    yield from both_lstms(chars.lstm, "char_lstm")
    yield from plain(model.get_layer("word_embedding").table, "word_embeddings.weight")
    yield from both_lstms(model.get_layer("bilstm"), "word_lstm")
    yield from plain(attention.bias, "v_att.logits.h_bias", (1, rounds, 1, 1))
    yield from plain(attention.length, "v_att.logits.h_mat_g")
    yield from plain(attention.direction, "v_att.logits.h_mat_v", (1, rounds, 1, width))
    yield from weight_norm(attention.object_net, "v_att.logits.v_net.main.1")
    yield from weight_norm(attention.text_net, "v_att.logits.q_net.main.1")
    for i in range(rounds):
        yield from weight_norm(attention.attended_nets[i], f"b_net.{i}.main.1")
        yield from weight_norm(attention.gate_text_nets[i], f"g_t_prj.{i}.main.0")
        yield from weight_norm(attention.gate_object_nets[i], f"g_v_prj.{i}.main.0")
        yield from weight_norm(attention.gate_nets[i], f"g_prj.{i}.main.0")
    yield from batch_norm(model.get_layer("fusion_norm"), "cat_bn")
    yield from linear(model.get_layer("potentials"), "hidden2tag")
    yield from plain(model.crf.transitions, "crf.transitions")
    yield from network(model.get_layer("visual_projector"), "map_to_text")
    yield from network(model.get_layer("modality_classifier").network, "modal_clf")
