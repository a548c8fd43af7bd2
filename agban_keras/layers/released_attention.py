"""`ReleasedAttention`: the released code's fusion of words and objects."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.weight_norm_dense import WeightNormDense
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count

FOLD = 3
"""The ratio of the bilinear form's width to `rank`, as in the bilinear attention network that it is taken from."""


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedAttention(BaseLayer):
    """Apply bilinear attention over all pairs of objects and tokens, and gate its output for each token.

    Equations, with tokens T `[B, n, d]`, objects V `[B, k, d]` as rows, and L for a separate `WeightNormDense` with
    bias in each place:

    - `V' = dropout(relu(L(V)))`, `T' = relu(L(T))`, of width 3 rank;
    - `logits[g, v, t] = sum_j V'[v, j] h[g, j] T'[t, j] + c[g]`, h a length times a direction as in L;
    - `A[g] = softmax(logits[g])` over all pairs of a post at once. An absent object's logits are -1e9, and its
      attention is then set to 0. **Padded tokens get attention.**
    - for each glimpse g in turn: `b = A[g]^T relu(L(V))`, `T <- sigmoid(L([L(T); L(b)])) * b + T`.

    A is computed once, from the first T.

    Args:
        rank: a third of the bilinear form's width.
        glimpses: the number of distributions A, and of rounds of the gate.
        dropout: rate on V'.
        attention_dropout: rate on the inputs of the relu layers.

    Call arguments:
        text: T, `[B, n, d]`.
        objects: V, `[B, k, d]`.
        object_mask: bool `[B, k]`, true for objects; by default everywhere.
        return_attention_scores: whether to return A as well.

    Returns:
        T after the last glimpse, `[B, n, d]`; with `return_attention_scores` also A, `[B, glimpses, k, n]`.

    Example:

    >>> words, objects = np.random.normal(size=(2, 7, 200)), np.random.normal(size=(2, 3, 200))
    >>> ReleasedAttention()(words, objects).shape
    TensorShape([2, 7, 200])

    Reference:
        Kim, Jun & Zhang, "Bilinear attention networks", NeurIPS 2018; the code of AGBAN's authors.
    """

    def __init__(
        self, rank: int = 200, glimpses: int = 1, dropout: float = 0.5, attention_dropout: float = 0.2, **kwargs
    ) -> None:
        check_count("rank", rank)
        check_count("glimpses", glimpses)
        super().__init__(**kwargs)
        self.rank = rank
        self.glimpses = glimpses
        self.rate = dropout
        self.attention_dropout = attention_dropout

    def build(self, text_shape, objects_shape) -> None:
        text_shape, objects_shape = tuple(text_shape), tuple(objects_shape)
        width = text_shape[-1]

        def linear(units, shape, relu=False):
            rate = self.attention_dropout if relu else 0.0
            layer = WeightNormDense(units, "relu" if relu else None, rate, dtype=self.dtype_policy)
            layer.build(shape)
            return layer

        self.dropout = keras.layers.Dropout(self.rate, dtype=self.dtype_policy)
        self.object_net = linear(FOLD * self.rank, objects_shape, relu=True)
        self.text_net = linear(FOLD * self.rank, text_shape, relu=True)
        normal = keras.initializers.RandomNormal
        shape = (self.glimpses, FOLD * self.rank)
        self.direction = self.add_weight(name="direction", shape=shape, initializer=normal(stddev=1.0), autocast=False)
        self.length = self.add_weight(name="length", shape=(), initializer=self._norm, autocast=False)
        self.bias = self.add_weight(name="bias", shape=(self.glimpses,), initializer=normal(stddev=1.0), autocast=False)
        rounds = range(self.glimpses)
        self.attended_nets = [linear(width, objects_shape, relu=True) for _ in rounds]
        self.gate_text_nets = [linear(width, text_shape) for _ in rounds]
        self.gate_object_nets = [linear(width, text_shape) for _ in rounds]
        self.gate_nets = [linear(width, (*text_shape[:-1], 2 * width)) for _ in rounds]

    def call(self, text, objects, object_mask=None, return_attention_scores=False, training=None):
        scores = self._attention(text, objects, object_mask, training)
        output = text
        for glimpse in range(self.glimpses):
            values = self.attended_nets[glimpse](objects, training=training)  # [B, k, d]
            attended = ops.matmul(ops.transpose(scores[:, glimpse], (0, 2, 1)), values)  # b [B, n, d]
            inner = [self.gate_text_nets[glimpse](output), self.gate_object_nets[glimpse](attended)]
            gate = ops.sigmoid(self.gate_nets[glimpse](ops.concatenate(inner, axis=-1)))
            output = gate * attended + output
        return (output, scores) if return_attention_scores else output

    def get_config(self) -> dict:
        return {**super().get_config(), "dropout": self.rate}

    def _attention(self, text, objects, object_mask, training):
        """Return A, `[B, g, k, n]`."""
        values = self.dropout(self.object_net(objects, training=training), training=training)  # V' [B, k, 3 rank]
        keys = self.text_net(text, training=training)  # T' [B, n, 3 rank]
        direction = ops.convert_to_tensor(self.direction)
        form = ops.cast(direction * (self.length / ops.norm(direction)), self.compute_dtype)  # h [g, 3 rank]
        weighted = values[:, None] * form[None, :, None]  # [B, g, k, 3 rank]
        logits = ops.matmul(weighted, ops.transpose(keys, (0, 2, 1))[:, None])  # [B, g, k, n]
        # In float32: half precision cannot represent -1e9.
        logits = ops.cast(logits, "float32") + ops.convert_to_tensor(self.bias)[:, None, None]
        if object_mask is None:
            object_mask = ops.ones_like(objects[..., 0], dtype="bool")
        there = ops.cast(object_mask, "bool")[:, None, :, None]
        logits = ops.where(there, logits, -1e9)
        scores = ops.exp(logits - ops.logsumexp(logits, axis=(2, 3), keepdims=True))
        return ops.cast(ops.where(there, scores, 0.0), self.compute_dtype)

    def _norm(self, shape, dtype=None):
        return ops.cast(ops.norm(ops.convert_to_tensor(self.direction)), dtype)
