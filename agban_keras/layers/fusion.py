"""AGBAN's fusion of words and objects: `GatedBilinearAttention`, and its baseline `ObjectConcatenation`."""

from typing import Literal

import keras
from keras import ops

from agban_keras.layers.networks import linear_initializer
from mner_keras.layers.base import BaseLayer, full_mask, masked_softmax
from mner_keras.layers.checks import Count


@keras.saving.register_keras_serializable(package="agban_keras")
class GatedBilinearAttention(BaseLayer):
    """Add attended objects to each token, through a gate.

    Equations, with tokens T `[B, n, d]` and objects V `[B, k, d]` as rows:

    - `A = softmax(((1 p^T) * T W_t) (V W_v)^T)`, `[B, n, k]` (eq. 9);
    - `V_att = A (V W_a)` (eq. 10);
    - `h_v = tanh(V_att W_gv)`, `h_t = tanh(T W_gt)`, `g = sigmoid([h_v; h_t] W_g)` (eq. 11-13);
    - `M = g * V_att + T` (eq. 14).

    No matrix has a bias. All weights, p included, are initialised uniformly within `1 / sqrt(rows)`. The paper applies
    the softmax of eq. 9 "element-wisely", which leaves its axis open; figure 6(b) settles it: one object is selected
    and is the most relevant to one token. This needs one softmax over all pairs, as in bilinear attention networks and
    the authors' released code. With a softmax for each token, a single object gets the weight 1 from every token.

    Args:
        rank: width d' of the bilinear form.
        gate_units: width d_g of the gate's inner layers.
        gate: whether the gate filters the objects (without it, eq. 14 has g = 1: Object-BAN).
        softmax: `"pairs"` for one distribution over all pairs of tokens and objects; `"objects"` for one per token.

    Call arguments:
        text: T, `[B, n, d]`.
        objects: V, `[B, k, d]`.
        text_mask: bool `[B, n]`, true for a token. With `softmax="pairs"` a padded token has the weight 0.
        object_mask: bool `[B, k]`, true for an object; others have the weight 0. Without objects A = 0 and M = T.
        return_attention_scores: whether to return A as well.

    Returns:
        M, `[B, n, d]`; with `return_attention_scores` also A, `[B, n, k]`.

    Example:

    >>> words, objects = np.random.normal(size=(2, 7, 200)), np.random.normal(size=(2, 3, 200))
    >>> GatedBilinearAttention()(words, objects).shape
    TensorShape([2, 7, 200])

    Reference:
        Zheng et al. 2021 (see `AGBAN`), section III-E.
    """

    def __init__(
        self,
        rank: Count = 200,
        gate_units: Count = 200,
        gate: bool = True,
        softmax: Literal["objects", "pairs"] = "pairs",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)

    def build(self, text_shape, objects_shape) -> None:
        width = text_shape[-1]

        def weight(name, *shape):
            return self.add_weight(name=name, shape=shape, initializer=linear_initializer())

        self.text_kernel = weight("text_kernel", width, self.rank)  # W_t
        self.object_kernel = weight("object_kernel", objects_shape[-1], self.rank)  # W_v
        self.pooling = weight("pooling", self.rank)  # p
        self.attended_kernel = weight("attended_kernel", objects_shape[-1], width)  # W_a
        if self.gate:
            self.gate_object_kernel = weight("gate_object_kernel", width, self.gate_units)  # W_gv
            self.gate_text_kernel = weight("gate_text_kernel", width, self.gate_units)  # W_gt
            self.gate_kernel = weight("gate_kernel", 2 * self.gate_units, width)  # W_g

    def call(self, text, objects, text_mask=None, object_mask=None, return_attention_scores=False):
        there = full_mask(object_mask, objects)[:, None, :]  # [B, 1, k]
        kernels = [self.text_kernel, self.gate_text_kernel] if self.gate else [self.text_kernel]
        projected = ops.matmul(text, ops.concatenate(kernels, axis=1))
        tokens = projected[..., : self.rank] * self.pooling
        match = ops.matmul(tokens, ops.transpose(ops.matmul(objects, self.object_kernel), (0, 2, 1)))  # [B, n, k]
        if self.softmax == "pairs":
            scores = masked_softmax(match, there & full_mask(text_mask, text)[:, :, None], axis=(1, 2))
        else:
            scores = masked_softmax(match, there)
        values = ops.matmul(objects, self.attended_kernel)  # [B, k, d]
        attended = ops.matmul(scores, values)  # [B, n, d]
        if self.gate:
            # V_att W_gv = A (V W_a W_gv): the objects are fewer than the tokens.
            from_objects = ops.tanh(ops.matmul(scores, ops.matmul(values, self.gate_object_kernel)))
            from_text = ops.tanh(projected[..., self.rank :])
            opened = ops.matmul(ops.concatenate([from_objects, from_text], axis=-1), self.gate_kernel)
            attended = ops.sigmoid(opened) * attended
        output = attended + text
        return (output, scores) if return_attention_scores else output


@keras.saving.register_keras_serializable(package="agban_keras")
class ObjectConcatenation(BaseLayer):
    """Add one vector of all objects to each token ("Object-Concat" in AGBAN's table III).

    Equation, from the paper's description of its variants (section IV): `M_i = t_i + relu([v_1; ...; v_k] W + b)`,
    zeros for missing objects. The paper leaves the activation of its "feed forward layer" open.

    Each object's place has its own weights: unlike attention, this layer depends on the order of the objects.

    Args:
        num_objects: the number of places, k; further objects are ignored.

    Call arguments:
        text: T, `[B, n, d]`.
        objects: V, `[B, m, d']`.
        object_mask: bool `[B, m]`, true for objects.

    Returns:
        M, `[B, n, d]`.

    Example:

    >>> words, objects = np.random.normal(size=(2, 7, 200)), np.random.normal(size=(2, 3, 200))
    >>> ObjectConcatenation(num_objects=3)(words, objects).shape
    TensorShape([2, 7, 200])
    """

    def __init__(self, num_objects: Count = 3, **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, text_shape, objects_shape) -> None:
        shape = (None, self.num_objects * objects_shape[-1])
        self.dense = self.add_dense(text_shape[-1], shape, activation="relu", kernel_initializer=linear_initializer())

    def call(self, text, objects, object_mask=None):
        objects = ops.where(full_mask(object_mask, objects)[..., None], objects, ops.zeros_like(objects))
        places = ops.pad(objects, ((0, 0), (0, self.num_objects), (0, 0)))[:, : self.num_objects]
        joined = ops.reshape(places, (-1, self.num_objects * objects.shape[-1]))
        return text + self.dense(joined)[:, None, :]
