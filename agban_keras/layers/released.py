"""Layers of the AGBAN authors' released code: `WeightNormDense`, `ReleasedAttention` and `ReleasedCRF`."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from agban_keras.layers.networks import linear_initializer, width_initializer
from mner_keras.layers import CRF
from mner_keras.layers.base import BaseLayer, full_mask
from mner_keras.layers.checks import Count, Rate

FOLD = 3  # the ratio of the bilinear form's width to `rank`, as in the bilinear attention network
FORBIDDEN = -10000.0  # the initial score of a forbidden transition, which is trained like all others


class _WeightNormed(BaseLayer):
    """Base of layers with a matrix that is a length times a direction."""

    def add_matrix(self, shape, initializer) -> None:
        """Add the weights; the length is initialised to the direction's."""
        self.direction = self.add_weight(name="direction", shape=shape, initializer=initializer, autocast=False)
        self.length = self.add_weight(name="length", shape=(), initializer=self._norm, autocast=False)

    def matrix(self):
        """Return the matrix under the layer's precision."""
        return ops.cast(ops.convert_to_tensor(self.direction) * (self.length / self._norm()), self.compute_dtype)

    def _norm(self, shape=(), dtype=None):
        return ops.norm(ops.convert_to_tensor(self.direction))


@keras.saving.register_keras_serializable(package="agban_keras")
class WeightNormDense(_WeightNormed):
    """Apply a weight-normalised linear layer from `[..., d]` to `[..., units]`, with dropout and an activation.

    Equation: `y = f(x (s U / |U|) + b)`, with the norm over all entries of U: one number s is the length of the whole
    matrix. It is initialised to |U|, where the layer is a plain linear one.

    Args:
        units: width of the output.
        activation: f; by default none.
        dropout: rate on the inputs.

    Reference:
        Salimans & Kingma, "Weight normalization", NIPS 2016.
    """

    def __init__(self, units: Count, activation: str | None = None, dropout: Rate = 0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, inputs_shape) -> None:
        width = inputs_shape[-1]
        self.add_matrix((width, self.units), linear_initializer())
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=width_initializer(width))

    def call(self, inputs, training=None):
        outputs = ops.matmul(self.dropout(inputs, training=training), self.matrix())
        return keras.activations.get(self.activation)(outputs + self.bias)


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedAttention(_WeightNormed):
    """Apply bilinear attention over all pairs of objects and tokens, and gate its output for each token.

    Equations, with tokens T `[B, n, d]`, objects V `[B, k, d]` as rows, and in each place L for another
    `WeightNormDense`:

    - `V' = dropout(relu(L(V)))`, `T' = relu(L(T))`, of width 3 rank;
    - `logits[g, v, t] = sum_j V'[v, j] h[g, j] T'[t, j] + c[g]`, h a length times a direction as in L;
    - `A[g] = softmax(logits[g])` over all pairs of a post, 0 for an absent object. **Padded tokens get attention.**
    - for each glimpse g in turn: `b = A[g]^T relu(L(V))`, `T <- sigmoid(L([L(T); L(b)])) * b + T`.

    A is computed once, from the first T.

    Args:
        rank: a third of the bilinear form's width.
        glimpses: the number of distributions A, and of rounds of the gate.
        dropout: rate on V'.
        attention_dropout: rate on the inputs of the relu layers.

    Call arguments are those of `GatedBilinearAttention`, without `text_mask`.

    Returns:
        T after the last glimpse, `[B, n, d]`; with `return_attention_scores` also A, `[B, glimpses, k, n]`.

    Reference:
        Kim, Jun & Zhang, "Bilinear attention networks", NeurIPS 2018; the code of AGBAN's authors.
    """

    def __init__(
        self, rank: Count = 200, glimpses: Count = 1, dropout: Rate = 0.5, attention_dropout: Rate = 0.2, **kwargs
    ) -> None:
        super().__init__(**kwargs)

    def build(self, text_shape, objects_shape) -> None:
        text_shape, objects_shape = tuple(text_shape), tuple(objects_shape)
        width = text_shape[-1]

        def linear(units, shape, relu=False):
            rate = self.attention_dropout if relu else 0.0
            layer = WeightNormDense(units, "relu" if relu else None, rate, dtype=self.dtype_policy)
            layer.build(shape)
            return layer

        self.dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.object_net = linear(FOLD * self.rank, objects_shape, relu=True)
        self.text_net = linear(FOLD * self.rank, text_shape, relu=True)
        normal = keras.initializers.RandomNormal
        self.add_matrix((self.glimpses, FOLD * self.rank), normal(stddev=1.0))
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

    def _attention(self, text, objects, object_mask, training):
        """Return A, `[B, g, k, n]`."""
        values = self.dropout(self.object_net(objects, training=training), training=training)  # V' [B, k, 3 rank]
        keys = self.text_net(text, training=training)  # T' [B, n, 3 rank]
        weighted = values[:, None] * self.matrix()[None, :, None]  # [B, g, k, 3 rank]
        logits = ops.matmul(weighted, ops.transpose(keys, (0, 2, 1))[:, None])  # [B, g, k, n]
        # In float32: half precision cannot represent -1e9.
        logits = ops.cast(logits, "float32") + ops.convert_to_tensor(self.bias)[:, None, None]
        there = full_mask(object_mask, objects)[:, None, :, None]
        logits = ops.where(there, logits, -1e9)
        scores = ops.exp(logits - ops.logsumexp(logits, axis=(2, 3), keepdims=True))
        return ops.cast(ops.where(there, scores, 0.0), self.compute_dtype)


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedCRF(CRF):
    """Apply a CRF over labels: one for padding (0), one for each tag, START and STOP (the last two).

    A path's score includes the transitions from START to its first label and from its last label to STOP. The sum over
    paths includes all labels, also padding, START and STOP; only the transitions suppress these: transitions into
    START, out of STOP and into or out of padding are initialised to -10000, all others to 0.

    The call is that of `CRF`, with a score per label. Methods take and return tags; a label without one gives tag 0.

    Args:
        num_tags: the number of labels: the number of tags plus three.
        labels: the label of each tag; each label from 1 to `num_tags - 3` once.
        boundary: must be false; START and STOP replace it.

    Reference:
        Yang & Zhang, "NCRF++: an open-source neural sequence labeling toolkit", ACL 2018.
    """

    def __init__(self, num_tags: int, labels: Sequence[int], boundary: bool = False, **kwargs) -> None:
        if sorted(labels) != list(range(1, num_tags - 2)):
            expected = f"each number from 1 to {num_tags - 3} once"
            raise ValueError(f"`labels` must contain {expected}. Received: labels={list(labels)}")
        if boundary:
            raise ValueError("`boundary` must be false: START and STOP are labels. Received: boundary=True")
        super().__init__(num_tags, boundary=False, **kwargs)
        self.labels = [int(label) for label in labels]
        self._tags = np.zeros(num_tags, "int32")
        self._tags[self.labels] = np.arange(len(self.labels))

    def build(self, potentials_shape) -> None:
        super().build(potentials_shape)
        initial = np.zeros((self.num_tags, self.num_tags), "float32")
        initial[:, -2] = initial[-1] = initial[:, 0] = initial[0] = FORBIDDEN
        self.transitions.assign(initial)

    @property
    def tag_count(self) -> int:
        return len(self.labels)

    def log_likelihood(self, potentials, tags, mask=None, temperature: float = 1.0):
        tags = ops.cast(tags, "int32")
        if mask is not None:
            tags = ops.where(ops.cast(mask, "bool"), tags, 0)
        known = (tags >= 0) & (tags < self.tag_count)
        labels = ops.take(ops.convert_to_tensor(self.labels, "int32"), ops.where(known, tags, 0))
        labels = ops.where(known, labels, -1)
        return super().log_likelihood(potentials, labels, mask, temperature)

    def decode(self, potentials, mask=None):
        labels, score = super().decode(potentials, mask)
        return ops.take(ops.convert_to_tensor(self._tags), labels), score

    def top_k(self, potentials, mask=None, k: int = 5):
        labels, score = super().top_k(potentials, mask, k)
        return ops.take(ops.convert_to_tensor(self._tags), labels), score

    def marginals(self, potentials, mask=None, temperature: float = 1.0):
        reads_as = ops.one_hot(self._tags, len(self.labels), dtype="float32")
        return ops.matmul(super().marginals(potentials, mask, temperature), reads_as)

    def arrays(self) -> dict[str, np.ndarray]:
        return {**super().arrays(), "tags": self._tags}

    def get_config(self) -> dict:
        return {**super().get_config(), "labels": self.labels}

    def _scores(self):
        transitions, _, _ = super()._scores()
        return transitions, transitions[-2], transitions[:, -1]
