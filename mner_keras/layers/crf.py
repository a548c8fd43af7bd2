"""`CRF`: a linear-chain conditional random field; `CRFDecode`: its best tags inside a graph."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mner_keras.layers.checks import check_count, check_mask
from mner_keras.layers.constraints import Constraints
from mner_keras.layers.crf_recursions import FORBIDDEN, Rows, best_path, best_paths, both_ways, counts


@keras.saving.register_keras_serializable(package="mner_keras")
class CRF(keras.layers.Layer):
    """Apply a linear-chain conditional random field over tag sequences.

    A path `y` through the tags of a row scores `sum_t potentials[t, y_t] + sum_t transitions[y_t, y_t+1]`, with
    `boundary` also `start[y_1] + end[y_n]`; `p(y) = exp(score(y)) / Z`. The layer passes potentials through; its
    methods give likelihood, best path and marginals for the same arguments. `mner_keras.CRFModel` trains it.

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
        self, num_tags: int, boundary: bool = True, constraints: Constraints | None = None, dtype="float32", **kwargs
    ) -> None:
        check_count("num_tags", num_tags)
        if isinstance(constraints, dict):
            constraints = keras.saving.deserialize_keras_object(constraints)
        if not isinstance(constraints, (Constraints, type(None))):
            expected = "`constraints` must be a Constraints, for example `bio_constraints(tags)`"
            raise ValueError(f"{expected}. Received: constraints={constraints!r}")
        if constraints is not None and constraints.num_tags != num_tags:
            found = f"constraints over {constraints.num_tags} tags"
            raise ValueError(f"`constraints` must be over `num_tags`={num_tags} tags. Received: {found}")
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
            expected = f"`num_tags`={self.num_tags} scores per token"
            raise ValueError(f"`potentials` must have {expected}. Received: potentials.shape={tuple(potentials_shape)}")
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

    def log_likelihood(self, potentials, tags, mask=None, temperature: float = 1.0):
        """Return the log-likelihood of tag sequences, `[B]`.

        It stays exact for long rows and large potentials: it is minus the log-sum of all paths' scores relative to the
        given path's, without a difference of large numbers. The gradient is the observed minus the expected counts;
        there is no second derivative. Constraints do not apply.

        Args:
            potentials, mask: those of the call.
            tags: int `[B, n]` in 0..K-1; values at masked positions are ignored.
            temperature: divides potentials, transitions, start and end alike.

        Raises:
            ValueError: tags of another shape; a tag out of range in an array. In a compiled function, where values are
                unknown, the value and the gradient of such a row are NaN.
        """
        given, given_mask = tags, mask
        potentials, mask = self._prepare(potentials, mask, temperature)
        tags = ops.cast(tags, "int32")
        check_mask("tags", tags, "potentials", potentials)
        self._check_tags(given, given_mask)
        tags = tags * ops.cast(mask, "int32")
        known = (tags >= 0) & (tags < self.num_tags)
        tags = tags * ops.cast(known, "int32")

        def value_and_gradient(potentials, transitions, *boundary):
            rows = Rows(mask)
            packed, path = rows.pack(potentials), rows.pack(tags)
            previous = ops.concatenate([path[:, :1], path[:, :-1]], axis=1)
            step = previous * self.num_tags + path
            way = ops.take(ops.reshape(transitions, (-1,)), step) * (1 - rows.is_first)
            observed = ops.one_hot(path, self.num_tags, dtype="float32")
            # Relative to the given path, step by step: the tag's potential, and the transition into the tag, subtracted
            # one after the other. Their sum would lose the transition's digits next to a large potential.
            relative = packed - ops.sum(observed * packed, axis=-1, keepdims=True) - way[..., None]
            at_ends = (rows.is_first, rows.is_last)[: len(boundary)]
            for ends, at in zip(boundary, at_ends, strict=True):
                relative = relative + at[..., None] * (ends - ops.take(ends, path)[..., None])
            log_z, states = both_ways(relative, rows.length, transitions)

            def gradient(*args, upstream=None):
                if upstream is None:
                    (upstream,) = args
                expected, expected_moves = counts(*states, upstream)
                weights = rows.there * upstream[:, None]
                excess = observed * weights[..., None] - expected  # [B, n, K]
                moves = ops.reshape(weights * (1 - rows.is_first), (-1,))
                moves = ops.segment_sum(moves, ops.reshape(step, (-1,)), self.num_tags**2)
                moves = ops.reshape(moves, transitions.shape) - expected_moves
                ends = [ops.sum(at[..., None] * excess, axis=(0, 1)) for at in at_ends]
                return rows.unpack(excess) * ops.cast(mask, "float32")[..., None], moves, *ends

            return ops.where(rows.length > 0, -log_z, 0.0), gradient

        transitions, start, end = _divided(self._scores(), temperature)
        boundary = () if start is None else (start, end)
        value = ops.custom_gradient(value_and_gradient)(potentials, transitions, *boundary)
        # The factor makes the gradient NaN as well.
        return value * ops.where(ops.all(known, axis=1), 1.0, float("nan"))

    def decode(self, potentials, mask=None):
        """Return the best path of each row (Viterbi).

        Returns:
            tags int32 `[B, n]`, 0 in masked positions, and the path's score `[B]`. If the constraints allow no path,
                the score is -inf and the tags violate as few of them as possible.
        """
        potentials, mask = self._prepare(potentials, mask)
        transitions, start, end = self._constrained_scores()
        rows = Rows(mask)
        tags, score = best_path(rows.with_ends(potentials, start, end), rows.length, transitions)
        return rows.unpack(tags) * ops.cast(mask, "int32"), ops.where(rows.length > 0, _or_none(score), 0.0)

    def top_k(self, potentials, mask=None, k: int = 5):
        """Return the `k` best paths of each row, best first.

        Returns:
            tags int32 `[B, k, n]`, 0 in masked positions, and the paths' scores `[B, k]`. A row with fewer than `k`
            paths has the score -inf and the tags 0 for the rest; an empty row has one path, of score 0.
        """
        check_count("k", k)
        potentials, mask = self._prepare(potentials, mask)
        transitions, start, end = self._constrained_scores()
        rows = Rows(mask)
        tags, score = best_paths(rows.with_ends(potentials, start, end), rows.length, transitions, k)
        score = _or_none(score)
        empty = ops.where(ops.arange(k) == 0, 0.0, -float("inf"))
        score = ops.where(rows.length[:, None] > 0, score, empty)
        tags = ops.transpose(rows.unpack(ops.transpose(tags, (0, 2, 1))), (0, 2, 1))
        return ops.where(mask[:, None, :] & (score > -float("inf"))[..., None], tags, 0), score

    def marginals(self, potentials, mask=None, temperature: float = 1.0):
        """Return the probability of each tag at each token, `[B, n, K]`, zeros in masked positions.

        Constraints apply: a forbidden tag has probability 0. No gradient flows through. `temperature` divides all
        scores: above 1 the probabilities are less certain, and the best path stays the best.
        """
        potentials, mask = self._prepare(potentials, mask, temperature)
        transitions, start, end = _divided(self._constrained_scores(), temperature)
        rows = Rows(mask)
        potentials = rows.with_ends(potentials - ops.max(potentials, axis=-1, keepdims=True), start, end)
        _, states = both_ways(potentials, rows.length, transitions, wide=self.constraints is not None)
        tags, _ = counts(*states, ops.ones_like(potentials[:, 0, 0]))
        return ops.stop_gradient(rows.unpack(tags) * ops.cast(mask, "float32")[..., None])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what `decode` and `marginals` read, for programs without Keras.

        These are `transitions` float32 `[K, K]`, `start` and `end` `[K]`, constraints included, and `tags` int32 `[K]`,
        the tag of each of the K labels: here the label itself.
        """
        found = self._constrained_scores()
        scores = [np.zeros(self.num_tags, "float32") if x is None else ops.convert_to_numpy(x) for x in found]
        return {**dict(zip(("transitions", "start", "end"), scores, strict=True)), "tags": np.arange(self.num_tags)}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "boundary": self.boundary,
            "constraints": keras.saving.serialize_keras_object(self.constraints),
        }

    def _prepare(self, potentials, mask, temperature=1.0):
        (potentials,) = _divided([ops.cast(ops.convert_to_tensor(potentials), "float32")], temperature)
        if len(potentials.shape) != 3 or potentials.shape[-1] != self.num_tags:
            expected = f"the shape [batch, tokens, {self.num_tags}]"
            raise ValueError(f"`potentials` must have {expected}. Received: potentials.shape={tuple(potentials.shape)}")
        if mask is None:
            return potentials, ops.ones_like(potentials[..., 0], dtype="bool")
        mask = ops.cast(mask, "bool")
        check_mask("mask", mask, "potentials", potentials)
        # Values in masked positions may be anything, NaN included. TensorFlow is slow at a select that broadcasts.
        there = ops.broadcast_to(mask[..., None], ops.shape(potentials))
        return ops.where(there, potentials, ops.zeros_like(potentials)), mask

    def _check_tags(self, tags, mask):
        """Check the values of tags that are arrays."""
        if ops.is_tensor(tags) or ops.is_tensor(mask):
            return
        tags = np.asarray(tags)
        read = tags if mask is None else tags[np.asarray(mask, bool)]
        if read.size and (read.min() < 0 or read.max() >= self.num_tags):
            expected = f"from 0 to {self.num_tags - 1} wherever the mask is true"
            raise ValueError(f"`tags` must be {expected}. Received: tags from {read.min()} to {read.max()}")

    def _scores(self):
        if not self.built:
            raise ValueError("the CRF has no weights yet: call it on potentials first")
        transitions = ops.cast(self.transitions, "float32")
        if not self.boundary:
            return transitions, None, None
        return transitions, ops.cast(self.start, "float32"), ops.cast(self.end, "float32")

    def _constrained_scores(self):
        scores, allowed = self._scores(), self.constraints
        if allowed is None:
            return scores
        pairs = zip((allowed.transitions, allowed.start, allowed.end), scores, strict=True)
        return [ops.where(np.array(mask), 0.0 if score is None else score, FORBIDDEN) for mask, score in pairs]


def _divided(scores, temperature):
    return [x if x is None or temperature == 1 else x / temperature for x in scores]


def _or_none(score):
    """Replace the scores of paths that violate the constraints by -inf."""
    return ops.where(score < FORBIDDEN / 2, -float("inf"), score)


@keras.saving.register_keras_serializable(package="mner_keras")
class CRFDecode(keras.layers.Layer):
    """Return the best tags of a CRF and their marginal probabilities.

    With this layer a functional model gives tags instead of potentials, and so does the model that `model.export`
    writes. The layer shares the weights of the CRF.

    Args:
        crf: the CRF layer, already called on its potentials.
        temperature: divides all scores before the probabilities; the tags do not depend on it.

    Call arguments are those of the CRF, whose result are the potentials.

    Returns:
        tags int32 `[B, n]`, 0 in masked positions, and the probability of each tag, float32 `[B, n]`.

    Example:

    >>> inputs = keras.Input((None, 8))
    >>> crf = CRF(num_tags=3)
    >>> potentials = crf(keras.layers.Dense(3)(inputs))
    >>> tagger = keras.Model(inputs, CRFDecode(crf)(potentials)[0])
    >>> tagger.predict(np.zeros((1, 5, 8)), verbose=0).shape
    (1, 5)
    """

    def __init__(self, crf: CRF, temperature: float = 1.0, **kwargs) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.supports_masking = True
        self.crf = crf
        self.temperature = temperature

    def call(self, potentials, mask=None):
        tags, _ = self.crf.decode(potentials, mask)
        marginals = self.crf.marginals(potentials, mask, self.temperature)
        return tags, ops.take_along_axis(marginals, tags[..., None], axis=-1)[..., 0]

    def compute_output_spec(self, potentials, mask=None):
        shape = tuple(potentials.shape)[:-1]
        return keras.KerasTensor(shape, "int32"), keras.KerasTensor(shape, "float32")

    def get_config(self) -> dict:
        crf = keras.saving.serialize_keras_object(self.crf)
        return {**super().get_config(), "crf": crf, "temperature": self.temperature}

    @classmethod
    def from_config(cls, config: dict) -> CRFDecode:
        return cls(**{**config, "crf": keras.saving.deserialize_keras_object(config["crf"])})
