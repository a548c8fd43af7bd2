"""`CRF`: a linear-chain conditional random field."""

from __future__ import annotations

import numbers

import keras
import numpy as np
from keras import ops

from mner_keras.layers.constraints import Constraints
from mner_keras.layers.crf_recursions import (
    FORBIDDEN,
    best_path,
    best_paths,
    expectations,
    followed,
)


@keras.saving.register_keras_serializable(package="mner_keras")
class CRF(keras.layers.Layer):
    """Apply a linear-chain conditional random field over tag sequences.

    A path `y` through the tags of a row scores `sum_t potentials[t, y_t] + sum_t transitions[y_t, y_t+1]`, with
    `boundary` also `start[y_1] + end[y_n]`; `p(y) = exp(score(y)) / Z`. The layer passes potentials through; its
    methods give the likelihood, the best path and the marginals. `mner_keras.CRFModel` trains it.

    Masks may have holes (subwords, for example): valid positions count as adjacent. A row without a valid position has
    likelihood 0 and the tag 0. All computation is in float32, whatever the dtype policy.

    Args:
        num_tags: the number of tags, K.
        boundary: whether paths have start and end scores.
        constraints: the allowed transitions, for example `bio_constraints(tags)`. They apply to `decode`, `top_k` and
            `marginals`, never to the likelihood: gold data may violate them.
        dtype: must be float32.

    Weights: `transitions` `[K, K]` (from, to); with `boundary` also `start` `[K]` and `end` `[K]`.

    Call arguments:
        potentials: scores of the tags, `[B, n, K]`.
        mask: bool `[B, n]`, true for tokens; by default everywhere.

    Example:

    >>> crf = CRF(num_tags=3)
    >>> potentials = crf(np.random.normal(size=(2, 5, 3)))
    >>> tags, score = crf.decode(potentials)
    >>> tags.shape
    TensorShape([2, 5])

    Reference:
        Lafferty, McCallum & Pereira, "Conditional random fields", ICML 2001; HSN eq. 3-4 and AGBAN eq. 18-21.
    """

    def __init__(
        self,
        num_tags: int,
        boundary: bool = True,
        constraints: Constraints | None = None,
        dtype="float32",
        **kwargs,
    ) -> None:
        if isinstance(num_tags, bool) or not isinstance(num_tags, numbers.Integral) or num_tags < 1:
            raise ValueError(f"`num_tags` must be a positive integer. Received: num_tags={num_tags!r}")
        if isinstance(constraints, dict):
            constraints = keras.saving.deserialize_keras_object(constraints)
        if constraints is not None and not isinstance(constraints, Constraints):
            raise ValueError(
                "`constraints` must be a Constraints, for example `bio_constraints(tags)`. "
                f"Received: constraints={constraints!r}"
            )
        if constraints is not None and constraints.num_tags != num_tags:
            raise ValueError(
                f"`constraints` must be over `num_tags`={num_tags} tags. Received: constraints over "
                f"{constraints.num_tags} tags"
            )
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype != "float32":
            raise ValueError(f"`dtype` must be 'float32': a CRF needs its range. Received: dtype={dtype!r}")
        self.num_tags = int(num_tags)
        self.boundary = boundary
        self.constraints = constraints
        self.was_given_mask = False
        self.supports_masking = True

    def build(self, potentials_shape) -> None:
        if potentials_shape[-1] != self.num_tags:
            raise ValueError(
                f"`potentials` must have `num_tags`={self.num_tags} scores per token. "
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

    def compute_output_spec(self, potentials, mask=None):
        self.was_given_mask = mask is not None
        return super().compute_output_spec(potentials, mask=mask)

    @property
    def tag_count(self) -> int:
        """Return the number of tags that `log_likelihood` takes and `decode` gives."""
        return self.num_tags

    def log_likelihood(self, potentials, tags, mask=None):
        """Return the log-likelihood of tag sequences, `[B]`.

        Computed as minus the log-sum of all paths' scores relative to the given path's, which stays exact for long rows
        and large potentials because no difference of large numbers is taken. The gradient is the observed minus the
        expected counts, from the forward and backward recursions; second derivatives are zero. Constraints do not
        apply.

        Args:
            potentials: `[B, n, K]`.
            tags: int `[B, n]` in 0..K-1; values at masked positions are ignored.
            mask: bool `[B, n]`; holes are allowed.

        Raises:
            ValueError: tags of another shape; a tag out of range in an array. In a compiled function, where values are
                unknown, the value and the gradient of such a row are NaN.
        """
        given, given_mask = tags, mask
        potentials, mask = self._prepare(potentials, mask)
        tags = ops.cast(tags, "int32")
        _check_shape("tags", tags, potentials)
        self._check_tags(given, given_mask)
        tags = ops.where(mask, tags, 0)
        known = (tags >= 0) & (tags < self.num_tags)
        tags = ops.where(known, tags, 0)
        weights = self._scores()
        # The value, of constants: the gradient follows below.
        constants = [ops.stop_gradient(weight) for weight in weights]
        start, end, transitions = constants
        scores = ops.stop_gradient(potentials)
        preceded, previous, last = _neighbours(tags, mask)
        observed = ops.one_hot(tags, self.num_tags, dtype="float32") * ops.cast(mask, "float32")[..., None]
        # What each step adds to the given path's score: the transition into the tag, and the tag's potential.
        way = ops.take(ops.reshape(transitions, (-1,)), previous * self.num_tags + tags)
        way = ops.where(preceded, way, ops.take(start, tags))
        # Subtracted one after the other: their sum would lose the transition's digits next to a large potential.
        relative = scores - ops.sum(observed * scores, axis=-1, keepdims=True) - way[..., None]
        log_z, expected, expected_moves = expectations(relative, mask, constants)
        value = ops.where(ops.any(mask, axis=1), ops.take(end, last) - log_z, 0.0)

        # The gradient: zero-valued terms whose derivatives are observed minus expected counts.
        excess = observed - ops.transpose(expected, (1, 0, 2))  # [B, n, K]
        moved = ops.cast(mask & preceded, "float32")[..., None]
        observed_before = ops.one_hot(previous, self.num_tags, dtype="float32") * moved
        observed_moves = ops.matmul(ops.transpose(observed_before, (0, 2, 1)), observed)
        excess_start = ops.sum(observed * (1 - moved), axis=1) - expected_moves[:, -1]
        excess_end = ops.sum(excess * ops.cast(mask & ~followed(mask), "float32")[..., None], axis=1)
        value += ops.sum(excess * (potentials - scores), axis=(1, 2))
        value += ops.sum((observed_moves - expected_moves[:, :-1]) * (weights[2] - transitions), axis=(1, 2))
        value += ops.sum(excess_start * (weights[0] - start) + excess_end * (weights[1] - end), axis=1)
        # The factor makes the gradient NaN as well.
        return value * ops.where(ops.all(known, axis=1), 1.0, float("nan"))

    def decode(self, potentials, mask=None):
        """Return the best path of each row (Viterbi).

        Args:
            potentials: `[B, n, K]`.
            mask: bool `[B, n]`; holes are allowed.

        Returns:
            tags int32 `[B, n]`, 0 in masked positions, and the path's score `[B]`. If the constraints allow no path,
                the score is -inf and the tags violate as few of them as possible.
        """
        potentials, mask = self._prepare(potentials, mask)
        tags, score = best_path(potentials, mask, self._constrained_scores())
        return ops.where(mask, tags, 0), ops.where(ops.any(mask, axis=1), _or_none(score), 0.0)

    def top_k(self, potentials, mask=None, k: int = 5):
        """Return the `k` best paths of each row, best first.

        Args:
            potentials: `[B, n, K]`.
            mask: bool `[B, n]`; holes are allowed.
            k: the number of paths.

        Returns:
            tags int32 `[B, k, n]`, 0 in masked positions, and the paths' scores `[B, k]`. A row with fewer than `k`
            paths has the score -inf and the tags 0 for the rest; an empty row has one path, of score 0.
        """
        if isinstance(k, bool) or not isinstance(k, numbers.Integral) or k < 1:
            raise ValueError(f"`k` must be a positive integer. Received: k={k!r}")
        potentials, mask = self._prepare(potentials, mask)
        tags, score = best_paths(potentials, mask, self._constrained_scores(), k)
        score = _or_none(score)
        empty = ops.where(ops.arange(k) == 0, 0.0, -float("inf"))
        score = ops.where(ops.any(mask, axis=1, keepdims=True), score, empty)
        return ops.where(mask[:, None, :] & (score > -float("inf"))[..., None], tags, 0), score

    def marginals(self, potentials, mask=None):
        """Return the probability of each tag at each token, `[B, n, K]`, by forward-backward; zeros in masked
        positions.

        Constraints apply: a forbidden tag has probability 0. No gradient flows through.

        Args:
            potentials: `[B, n, K]`.
            mask: bool `[B, n]`; holes are allowed.
        """
        potentials, mask = self._prepare(potentials, mask)
        potentials = ops.stop_gradient(potentials - ops.max(potentials, axis=-1, keepdims=True))
        scores = [ops.stop_gradient(score) for score in self._constrained_scores()]
        _, tags, _ = expectations(potentials, mask, scores, wide=self.constraints is not None)
        return ops.transpose(tags, (1, 0, 2))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "boundary": self.boundary,
            "constraints": keras.saving.serialize_keras_object(self.constraints),
        }

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
        _check_shape("mask", mask, potentials)
        # Values in masked positions may be anything, NaN included.
        return ops.where(mask[..., None], potentials, 0.0), mask

    def _check_tags(self, tags, mask):
        """Check the values of tags that are arrays."""
        if ops.is_tensor(tags) or ops.is_tensor(mask):
            return
        tags = np.asarray(tags)
        read = tags if mask is None else tags[np.asarray(mask, bool)]
        if read.size and (read.min() < 0 or read.max() >= self.num_tags):
            raise ValueError(
                f"`tags` must be from 0 to {self.num_tags - 1} wherever the mask is true. "
                f"Received: tags from {read.min()} to {read.max()}"
            )

    def _scores(self):
        if not self.built:
            raise ValueError("the CRF has no weights yet: call it on potentials first")
        transitions = ops.cast(self.transitions, "float32")
        if not self.boundary:
            none = ops.zeros_like(transitions[0])
            return none, none, transitions
        return ops.cast(self.start, "float32"), ops.cast(self.end, "float32"), transitions

    def _constrained_scores(self):
        start, end, transitions = self._scores()
        if self.constraints is None:
            return start, end, transitions
        allowed = self.constraints
        return (
            ops.where(np.array(allowed.start), start, FORBIDDEN),
            ops.where(np.array(allowed.end), end, FORBIDDEN),
            ops.where(np.array(allowed.transitions), transitions, FORBIDDEN),
        )


def _or_none(score):
    """Replace the scores of paths that violate the constraints by -inf."""
    return ops.where(score < FORBIDDEN / 2, -float("inf"), score)


def _check_shape(name, values, potentials):
    """Check that values have the potentials' first two axes, as far as both are known."""
    shape, expected = tuple(values.shape), tuple(potentials.shape)
    if len(shape) != 2 or any(None not in pair and pair[0] != pair[1] for pair in zip(shape, expected, strict=False)):
        raise ValueError(
            f"`{name}` must have the shape [batch, tokens] of the potentials. "
            f"Received: {name}.shape={shape}, potentials.shape={expected}"
        )


def pack(values, mask):
    """Return values `[B, n]` with those of valid positions first, each group in its own order."""
    length = ops.shape(values)[1]
    place = ops.arange(length, dtype="int32")[None]
    order = ops.argsort(ops.where(mask, place, place + length), axis=1)
    return ops.take_along_axis(values, ops.cast(order, "int32"), axis=1)


def _neighbours(tags, mask):
    """Return whether a valid position precedes each, the tag there, both `[B, n]`, and each row's last tag `[B]`."""
    valid = ops.cast(mask, "int32")
    rank = ops.cumsum(valid, axis=1)  # 1 for the first valid position
    packed = pack(tags, mask)
    previous = ops.take_along_axis(packed, ops.maximum(rank - valid - 1, 0), axis=1)
    last = ops.take_along_axis(packed, ops.maximum(rank[:, -1:] - 1, 0), axis=1)[:, 0]
    return rank - valid > 0, previous, last
