"""`CRF`: a linear-chain conditional random field."""

from __future__ import annotations

import numbers

import keras
from keras import ops

UNROLL_UP_TO = 64
"""TensorFlow runs a loop of known length at most this long as a plain graph: it is faster, and XLA can take it."""


@keras.saving.register_keras_serializable(package="mner_keras")
class CRF(keras.layers.Layer):
    """Linear-chain conditional random field over tag sequences.

    A path `y` through the tags of a row scores `sum_t potentials[t, y_t] + sum_t transitions[y_t, y_t+1]`, with
    `boundary` also `start[y_1] + end[y_n]`; `p(y) = exp(score(y)) / Z`. The layer passes potentials through; its
    methods give the likelihood, the best path and the marginals. `mner_keras.CRFModel` trains it.

    Masks may have holes (subwords, say): valid positions count as adjacent. A row without a valid position has
    likelihood 0 and the tag 0. All computation is in float32, whatever the dtype policy.

    Args:
        num_tags: the number of tags, K.
        boundary: whether paths have start and end scores.
        dtype: float32; the layer does not compute in less.

    Weights: `transitions` `[K, K]` (from, to); with `boundary` also `start` `[K]` and `end` `[K]`.

    Call arguments:
        potentials: scores of the tags, `[B, n, K]`.
        mask: bool `[B, n]`, true where a token stands; by default everywhere.

    Example:

    >>> crf = CRF(num_tags=3)
    >>> potentials = crf(np.random.normal(size=(2, 5, 3)))
    >>> tags, score = crf.decode(potentials)
    >>> tags.shape
    TensorShape([2, 5])

    Reference:
        Lafferty, McCallum & Pereira, "Conditional random fields", ICML 2001; HSN eq. 3-4 and AGBAN eq. 18-21.
    """

    def __init__(self, num_tags: int, boundary: bool = True, dtype="float32", **kwargs) -> None:
        if isinstance(num_tags, bool) or not isinstance(num_tags, numbers.Integral) or num_tags < 1:
            raise ValueError(f"`num_tags` must be a positive integer. Received: num_tags={num_tags!r}")
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype != "float32":
            raise ValueError(f"`dtype` must be 'float32': a CRF needs its range. Received: dtype={dtype!r}")
        self.num_tags = int(num_tags)
        self.boundary = boundary
        self.supports_masking = True
        if keras.backend.backend() == "tensorflow":
            # The gradient of a loop of unknown length does not compile under TensorFlow's XLA.
            self.supports_jit = False

    def build(self, potentials_shape) -> None:
        if potentials_shape[-1] != self.num_tags:
            raise ValueError(
                f"`potentials` must have `num_tags`={self.num_tags} scores a token. "
                f"Received: potentials.shape={tuple(potentials_shape)}"
            )
        uniform = keras.initializers.RandomUniform(-0.1, 0.1)
        self.transitions = self.add_weight(
            name="transitions", shape=(self.num_tags, self.num_tags), initializer=uniform
        )
        if self.boundary:
            self.start = self.add_weight(name="start", shape=(self.num_tags,), initializer=uniform)
            self.end = self.add_weight(name="end", shape=(self.num_tags,), initializer=uniform)

    def call(self, potentials, mask=None):
        return potentials

    def compute_output_shape(self, potentials_shape, mask_shape=None):
        return potentials_shape

    def log_likelihood(self, potentials, tags, mask=None):
        """Log-likelihood of tag sequences, `[B]`.

        Computed as minus the log-sum of all paths' scores relative to the given path's, step by step: the difference of
        two large numbers is never taken, so that it stays exact for long rows and large potentials.

        Args:
            potentials: `[B, n, K]`.
            tags: int `[B, n]` in 0..K-1; what stands in masked positions is not read.
            mask: bool `[B, n]`; holes are allowed.
        """
        potentials, mask = self._prepare(potentials, mask)
        tags = ops.where(mask, ops.cast(tags, "int32"), 0)
        preceded, previous, last = _neighbours(tags, mask)
        one_hot = ops.one_hot(tags, self.num_tags, dtype="float32")  # [B, n, K]
        start, end, transitions = self._scores()
        # What each step adds to the given path's score: the way into the tag, and the tag's potential.
        way = ops.take(ops.reshape(transitions, (-1,)), previous * self.num_tags + tags)
        way = ops.where(preceded, way, ops.take(start, tags))
        # One after the other: a sum of the two would lose the way's digits beside a large potential.
        relative = potentials - ops.sum(one_hot * potentials, axis=-1, keepdims=True) - way[..., None]

        def advance(alpha, relative, mask, preceded):
            ways = ops.logsumexp(alpha[:, :, None] + transitions[None], axis=1)  # [B, K]
            return ops.where(mask, ops.where(preceded, ways, start) + relative, alpha)

        alpha = self._run(advance, relative, mask, preceded)
        others = ops.logsumexp(alpha + end, axis=-1) - ops.take(end, last)
        return ops.where(ops.any(mask, axis=1), -others, 0.0)

    def decode(self, potentials, mask=None):
        """The best path of each row (Viterbi).

        Args:
            potentials: `[B, n, K]`.
            mask: bool `[B, n]`; holes are allowed.

        Returns:
            tags int32 `[B, n]`, 0 in masked positions, and the path's score `[B]`.
        """
        potentials, mask = self._prepare(potentials, mask)
        preceded = _preceded(mask)
        start, end, transitions = self._scores()
        stay = ops.broadcast_to(ops.arange(self.num_tags, dtype="float32"), ops.shape(potentials[:, 0]))

        def advance(carry, x):
            best, potential = carry[:, : self.num_tags], x[:, : self.num_tags]
            mask, preceded = x[:, -2:-1] > 0, x[:, -1:] > 0
            ways = best[:, :, None] + transitions[None]  # [B, from, to]
            came_from = ops.cast(ops.argmax(ways, axis=1), "float32")
            new = ops.where(preceded, ops.max(ways, axis=1), start) + potential
            carry = ops.concatenate([ops.where(mask, new, best), ops.where(mask, came_from, stay)], axis=-1)
            return carry, carry

        initial = ops.zeros_like(ops.concatenate([potentials[:, 0], potentials[:, 0]], axis=-1))
        carry, steps = _scan(advance, initial, _time_major(potentials, mask, preceded))
        final = carry[:, : self.num_tags] + end
        any_valid = ops.any(mask, axis=1)
        came_from = ops.cast(steps[:, :, self.num_tags :], "int32")  # [n, B, K]

        def back(tag, came_from):
            return ops.take_along_axis(came_from, tag[:, None], axis=1)[:, 0], tag

        _, tags = _scan(back, ops.cast(ops.argmax(final, axis=-1), "int32"), came_from, reverse=True)
        tags = ops.where(mask, ops.transpose(tags), 0)
        return tags, ops.where(any_valid, ops.max(final, axis=-1), 0.0)

    def marginals(self, potentials, mask=None):
        """Probability of each tag at each token, `[B, n, K]`; zeros in masked positions (forward-backward).

        Args:
            potentials: `[B, n, K]`.
            mask: bool `[B, n]`; holes are allowed.
        """
        potentials, mask = self._prepare(potentials, mask)
        start, end, transitions = self._scores()

        def forward(carry, x):
            potential, mask, preceded = x[:, : self.num_tags], x[:, -2:-1] > 0, x[:, -1:] > 0
            ways = ops.logsumexp(carry[:, :, None] + transitions[None], axis=1)
            alpha = ops.where(preceded, ways, start) + potential
            carry = ops.where(mask, alpha - ops.max(alpha, axis=-1, keepdims=True), carry)
            return carry, carry

        def backward(carry, x):
            # The carry is beta of the position to the right plus its potential; the output is beta of this position.
            potential, mask, followed = x[:, : self.num_tags], x[:, -2:-1] > 0, x[:, -1:] > 0
            ways = ops.logsumexp(transitions[None] + carry[:, None, :], axis=2)
            beta = ops.where(followed, ways, end)
            beta = beta - ops.max(beta, axis=-1, keepdims=True)
            return ops.where(mask, beta + potential, carry), beta

        zeros = ops.zeros_like(potentials[:, 0])
        followed = ops.flip(_preceded(ops.flip(mask, axis=1)), axis=1)
        _, alpha = _scan(forward, zeros, _time_major(potentials, mask, _preceded(mask)))
        _, beta = _scan(backward, zeros, _time_major(potentials, mask, followed), reverse=True)
        probabilities = ops.transpose(ops.softmax(alpha + beta, axis=-1), (1, 0, 2))
        return ops.where(mask[..., None], probabilities, 0.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "num_tags": self.num_tags, "boundary": self.boundary}

    def _prepare(self, potentials, mask):
        potentials = ops.cast(ops.convert_to_tensor(potentials), "float32")
        if len(potentials.shape) != 3 or potentials.shape[-1] != self.num_tags:
            raise ValueError(
                f"`potentials` must have the shape [batch, tokens, {self.num_tags}]. "
                f"Received: potentials.shape={tuple(potentials.shape)}"
            )
        if mask is None:
            return potentials, ops.ones_like(potentials[..., 0], dtype="bool")
        mask = ops.cast(mask, "bool")
        if len(mask.shape) != 2:
            raise ValueError(f"`mask` must have the shape [batch, tokens]. Received: mask.shape={tuple(mask.shape)}")
        return potentials, mask

    def _scores(self):
        if not self.built:
            raise ValueError("the CRF has no weights yet: call it on potentials first")
        transitions = ops.cast(self.transitions, "float32")
        if not self.boundary:
            none = ops.zeros_like(transitions[0])
            return none, none, transitions
        return ops.cast(self.start, "float32"), ops.cast(self.end, "float32"), transitions

    def _run(self, advance, potentials, mask, preceded):
        """The last state of a recursion over the tokens."""
        length = potentials.shape[1]
        state = ops.zeros_like(potentials[:, 0])
        if keras.backend.backend() == "tensorflow" and length is not None and length <= UNROLL_UP_TO:
            for t in range(length):
                state = advance(state, potentials[:, t], mask[:, t, None], preceded[:, t, None])
            return state

        def step(carry, x):
            carry = advance(carry, x[:, : self.num_tags], x[:, -2:-1] > 0, x[:, -1:] > 0)
            return carry, carry

        return _scan(step, state, _time_major(potentials, mask, preceded))[0]


def pack(values, mask):
    """Values `[B, n]` with those of valid positions first, each group in its own order."""
    length = ops.shape(values)[1]
    place = ops.arange(length, dtype="int32")[None]
    order = ops.argsort(ops.where(mask, place, place + length), axis=1)
    return ops.take_along_axis(values, ops.cast(order, "int32"), axis=1)


def _scan(step, initial, xs, reverse=False):
    """`ops.scan`, for an unknown length too."""
    return ops.scan(step, initial, xs, length=xs.shape[0], reverse=reverse)


def _time_major(potentials, mask, flag):
    """Potentials, mask and a flag in one tensor `[n, B, K + 2]`: a scan over several fails for an unknown length."""
    flags = ops.cast(ops.stack([mask, flag], axis=-1), "float32")
    return ops.transpose(ops.concatenate([potentials, flags], axis=-1), (1, 0, 2))


def _preceded(mask):
    """Whether a valid position stands before each position, bool `[B, n]`."""
    valid = ops.cast(mask, "int32")
    return ops.cumsum(valid, axis=1) - valid > 0


def _neighbours(tags, mask):
    """Whether a valid position precedes each, that one's tag, both `[B, n]`, and each row's last tag `[B]`."""
    valid = ops.cast(mask, "int32")
    rank = ops.cumsum(valid, axis=1)  # 1 for the first valid position
    packed = pack(tags, mask)
    previous = ops.take_along_axis(packed, ops.maximum(rank - valid - 1, 0), axis=1)
    last = ops.take_along_axis(packed, ops.maximum(rank[:, -1:] - 1, 0), axis=1)[:, 0]
    return rank - valid > 0, previous, last
