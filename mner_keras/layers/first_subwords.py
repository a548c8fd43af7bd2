"""`FirstSubwords`: the vector of each token's first subword."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer


@keras.saving.register_keras_serializable(package="mner_keras")
class FirstSubwords(BaseLayer):
    """Select the vector of each token's first subword (Devlin et al. 2019).

    Call arguments:
        subwords: `[B, m, d]`.
        firsts: int `[B, n]`, the position of each token's first subword; 0, the position of the start, for none.

    Returns:
        `[B, n, d]`, zeros for a token without a subword.

    Example:

    >>> FirstSubwords()(np.random.normal(size=(1, 5, 8)), np.array([[1, 3, 0]])).shape
    TensorShape([1, 3, 8])

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019, section 5.3.
    """

    def call(self, subwords, firsts):
        firsts = ops.cast(firsts, "int32")[..., None]
        return ops.where(firsts > 0, ops.take_along_axis(subwords, firsts, axis=1), ops.zeros((), subwords.dtype))
