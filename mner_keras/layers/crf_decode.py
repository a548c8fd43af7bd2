"""`CRFDecode`: the best tags of a CRF inside a graph."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.crf import CRF


@keras.saving.register_keras_serializable(package="mner_keras")
class CRFDecode(keras.layers.Layer):
    """Return the best tags of a CRF and their marginal probabilities.

    With this layer a functional model gives tags instead of potentials, and so does the model that `model.export`
    writes. The layer shares the weights of the CRF.

    Args:
        crf: the CRF layer, already called on its potentials.
        temperature: divides all scores before the probabilities; the tags do not depend on it.

    Call arguments:
        potentials: float `[B, n, K]`, as the CRF layer returned them.
        mask: bool `[B, n]`, true for tokens; `None` if all positions are tokens.

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
