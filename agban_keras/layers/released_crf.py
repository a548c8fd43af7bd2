"""`ReleasedCRF`: the CRF of the released code, with labels for start and stop."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mner_keras.layers import CRF

FORBIDDEN = -10000.0
"""The initial score of a forbidden transition, which is trained like all others."""


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedCRF(CRF):
    """Apply a CRF over labels: one for padding (0), one for each tag, START and STOP (the last two).

    A path's score includes the transitions from START to its first label and from its last label to STOP. The sum over
    paths includes all labels, also padding, START and STOP; only the transitions suppress these: transitions into
    START, out of STOP and into or out of padding are initialised to -10000, all others to 0.

    Potentials have a score per label. Methods take and return tags: a label without a tag is returned as tag 0.

    Args:
        num_tags: the number of labels: the number of tags plus three.
        labels: the label of each tag; each label from 1 to `num_tags - 3` once.
        boundary: must be false; START and STOP replace it.

    Weights: `transitions` `[num_tags, num_tags]` (from, to).

    Call arguments:
        potentials: scores of the labels, `[B, n, num_tags]`.
        mask: bool `[B, n]`, true for tokens; by default everywhere.

    Example:

    >>> crf = ReleasedCRF(num_tags=6, labels=[1, 2, 3])
    >>> potentials = crf(np.random.normal(size=(2, 5, 6)))
    >>> crf.marginals(potentials).shape
    TensorShape([2, 5, 3])

    Reference:
        Yang & Zhang, "NCRF++: an open-source neural sequence labeling toolkit", ACL 2018.
    """

    def __init__(self, num_tags: int, labels: Sequence[int], boundary: bool = False, **kwargs) -> None:
        if sorted(labels) != list(range(1, num_tags - 2)):
            raise ValueError(
                f"`labels` must contain each number from 1 to {num_tags - 3} once. Received: labels={list(labels)}"
            )
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
        """Return the log-likelihood of tag sequences, `[B]`; see `CRF.log_likelihood`."""
        tags = ops.cast(tags, "int32")
        if mask is not None:
            tags = ops.where(ops.cast(mask, "bool"), tags, 0)
        known = (tags >= 0) & (tags < self.tag_count)
        labels = ops.take(ops.convert_to_tensor(self.labels, "int32"), ops.where(known, tags, 0))
        labels = ops.where(known, labels, -1)
        return super().log_likelihood(potentials, labels, mask, temperature)

    def decode(self, potentials, mask=None):
        """Return the tags of the best path of labels, int32 `[B, n]`, and its score `[B]`; see `CRF.decode`."""
        labels, score = super().decode(potentials, mask)
        return ops.take(ops.convert_to_tensor(self._tags), labels), score

    def top_k(self, potentials, mask=None, k: int = 5):
        """Return the best paths as tags, int32 `[B, k, n]`, and their scores `[B, k]`; see `CRF.top_k`."""
        labels, score = super().top_k(potentials, mask, k)
        return ops.take(ops.convert_to_tensor(self._tags), labels), score

    def marginals(self, potentials, mask=None, temperature: float = 1.0):
        """Return the probability of each tag at each token, `[B, n, len(labels)]`; see `CRF.marginals`."""
        reads_as = ops.one_hot(self._tags, len(self.labels), dtype="float32")
        return ops.matmul(super().marginals(potentials, mask, temperature), reads_as)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return scores and the tag of each label as arrays; see `CRF.arrays`."""
        return {**super().arrays(), "tags": self._tags}

    def get_config(self) -> dict:
        return {**super().get_config(), "labels": self.labels}

    def _scores(self):
        transitions, _, _ = super()._scores()
        return transitions, transitions[-2], transitions[:, -1]
