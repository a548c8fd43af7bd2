"""`FirstSubwords`: token vectors from first word pieces."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer


@keras.saving.register_keras_serializable(package="mner_keras")
class FirstSubwords(BaseLayer):
    """Select the vector of each token's first word piece (Devlin et al. 2019).

    Call arguments:
        pieces: `[B, m, d]`.
        firsts: int `[B, n]`, the position of each token's first piece; 0, the position of `[CLS]`, for none.

    Returns:
        `[B, n, d]`, zeros for a token without a piece.

    Example:

    >>> FirstSubwords()(np.random.normal(size=(1, 5, 8)), np.array([[1, 3, 0]])).shape
    TensorShape([1, 3, 8])

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019, section 5.3.
    """

    def call(self, pieces, firsts):
        firsts = ops.cast(firsts, "int32")[..., None]
        return ops.where(firsts > 0, ops.take_along_axis(pieces, firsts, axis=1), ops.zeros((), pieces.dtype))

    def compute_output_spec(self, pieces, firsts):
        return keras.KerasTensor((*firsts.shape, pieces.shape[-1]), dtype=self.compute_dtype)
