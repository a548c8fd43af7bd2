"""Convert the arrays of the released PyTorch module to the weights of `ReleasedAGBAN`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from mner_keras.errors import did_you_mean

if TYPE_CHECKING:
    from agban_keras.layers import MaskedNetwork, WeightNormDense
    from mner_keras.layers import BiLSTM
    from mner_keras.tagger import Tagger


class ReleasedState:
    """The arrays that a model loads: names, shapes, and the weight for each.

    Args:
        model: a `ReleasedAGBAN`, whose module imports this one.

    Attributes:
        shapes: the shape of each required array.
        ignored: the shape of each optional array that is ignored.
    """

    def __init__(self, model: Tagger) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.ignored: dict[str, tuple[int, ...]] = {"modal_clf_loss.weight": (2,)}
        self._moves: list[tuple[keras.Variable, list[str], Callable[[np.ndarray], np.ndarray]]] = []
        chars, attention = model.get_layer("char_bilstm"), model.get_layer("attention")
        self._add(chars.embedding.embeddings, "char_embeddings.weight")
        self._lstm(chars.lstm, "char_lstm")
        self._add(model.get_layer("word_embedding").table, "word_embeddings.weight")
        self._lstm(model.get_layer("bilstm"), "word_lstm")
        self._add(attention.bias, "v_att.logits.h_bias", lambda a: a.reshape(-1), (1, attention.glimpses, 1, 1))
        self._add(attention.length, "v_att.logits.h_mat_g")
        width = attention.direction.shape[-1]
        self._add(
            attention.direction,
            "v_att.logits.h_mat_v",
            lambda a: a.reshape(-1, width),
            (1, attention.glimpses, 1, width),
        )
        self._weight_norm(attention.object_net, "v_att.logits.v_net.main.1")
        self._weight_norm(attention.text_net, "v_att.logits.q_net.main.1")
        for i in range(attention.glimpses):
            self._weight_norm(attention.attended_nets[i], f"b_net.{i}.main.1")
            self._weight_norm(attention.gate_text_nets[i], f"g_t_prj.{i}.main.0")
            self._weight_norm(attention.gate_object_nets[i], f"g_v_prj.{i}.main.0")
            self._weight_norm(attention.gate_nets[i], f"g_prj.{i}.main.0")
        self._norm(model.get_layer("fusion_norm"), "cat_bn")
        self._linear(model.get_layer("potentials"), "hidden2tag")
        self._add(model.crf.transitions, "crf.transitions")
        self._network(model.get_layer("visual_projector"), "map_to_text")
        self._network(model.get_layer("modality_classifier").network, "modal_clf")

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Assign the arrays, or none of them.

        Raises:
            ValueError: the name, expected and received shape of each array that is unknown, missing or of another
                shape.
        """
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        problems = [*self._problems(arrays)]
        if problems:
            raise ValueError("`arrays` must be those of the released module.\n" + "\n".join(problems))
        for variable, names, move in self._moves:
            variable.assign(move(sum(np.asarray(arrays[name], "float32") for name in names)))

    def _problems(self, arrays: dict[str, np.ndarray]):
        known = {**self.shapes, **self.ignored}
        for name, shape in self.shapes.items():
            if name not in arrays:
                yield f"Expected {name!r} of the shape {shape}. Received: no array of this name"
        for name, array in arrays.items():
            if name not in known:
                hint = did_you_mean(str(name), known)
                yield f"Expected no array {name!r}.{hint} Received: {name!r} of the shape {array.shape}"
            elif array.shape != known[name]:
                yield f"Expected {name!r} of the shape {known[name]}. Received: the shape {array.shape}"
            elif array.dtype.kind not in "fiu":
                yield f"Expected numbers in {name!r}. Received: {array.dtype}"

    def _add(self, variable, names, move=lambda array: array, shape=None) -> None:
        """Set a weight from an array, or from the sum of several."""
        names = [names] if isinstance(names, str) else names
        self._moves.append((variable, names, move))
        for name in names:
            self.shapes[name] = tuple(variable.shape) if shape is None else shape

    def _matrix(self, variable, name: str) -> None:
        self._add(variable, name, np.transpose, tuple(reversed(variable.shape)))

    def _linear(self, dense: keras.layers.Dense, name: str) -> None:
        self._matrix(dense.kernel, f"{name}.weight")
        self._add(dense.bias, f"{name}.bias")

    def _weight_norm(self, layer: WeightNormDense, name: str) -> None:
        self._add(layer.bias, f"{name}.bias")
        self._add(layer.length, f"{name}.weight_g")
        self._matrix(layer.direction, f"{name}.weight_v")

    def _lstm(self, bilstm: BiLSTM, name: str) -> None:
        # Both frameworks use the same order of gates: input, forget, cell, output.
        for lstm, suffix in ((bilstm.forward_lstm, "l0"), (bilstm.backward_lstm, "l0_reverse")):
            self._matrix(lstm.cell.kernel, f"{name}.weight_ih_{suffix}")
            self._matrix(lstm.cell.recurrent_kernel, f"{name}.weight_hh_{suffix}")
            self._add(lstm.cell.bias, [f"{name}.bias_ih_{suffix}", f"{name}.bias_hh_{suffix}"])

    def _norm(self, norm: keras.layers.BatchNormalization, name: str) -> None:
        self._add(norm.gamma, f"{name}.weight")
        self._add(norm.beta, f"{name}.bias")
        self._add(norm.moving_mean, f"{name}.running_mean")
        self._add(norm.moving_variance, f"{name}.running_var")
        self.ignored[f"{name}.num_batches_tracked"] = ()

    def _network(self, network: MaskedNetwork, name: str) -> None:
        # Linear, batch norm, relu, and so on: relu has an index but no array.
        for i, (dense, norm) in enumerate(zip(network.inner, network.norms, strict=True)):
            self._linear(dense, f"{name}.{3 * i}")
            self._norm(norm, f"{name}.{3 * i + 1}")
        self._linear(network.outer, f"{name}.{3 * len(network.inner)}")
