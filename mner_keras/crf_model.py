"""`CRFModel`: a functional model that a CRF trains."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.crf import CRF


@keras.saving.register_keras_serializable(package="mner_keras")
class CRFModel(keras.Model):
    """A functional model with a `CRF` behind its potentials; the loss is built in.

    `compile(optimizer)` needs no loss, `fit(x, tags)` takes int32 tags `[B, n]`; what stands in masked positions of the
    tags is not read. The loss is the mean over the rows (that hold a token) of the negative log-likelihood, and the
    losses that layers add.

    Args:
        inputs: the functional model's inputs.
        outputs: a dict with `potentials`, what a `CRF` layer returned, and `mask`, bool `[B, n]`, true where a token
            stands; without `mask` every position counts, and so the CRF must not have been given one.
        name: the model's name.

    Example:

    >>> ids = keras.Input((None,), dtype="int32")
    >>> mask = ids != 0
    >>> features = keras.layers.Embedding(100, 16)(ids)
    >>> potentials = CRF(num_tags=5)(keras.layers.Dense(5)(features), mask=mask)
    >>> model = CRFModel(ids, {"potentials": potentials, "mask": mask})
    >>> model.compile("adam")
    """

    def __init__(self, inputs, outputs, name=None, **kwargs) -> None:
        if not isinstance(outputs, dict) or "potentials" not in outputs:
            raise ValueError(
                "`outputs` must be a dict with the key 'potentials' and, for rows of unequal length, 'mask'. "
                f"Received: outputs={outputs!r}"
            )
        super().__init__(inputs, outputs, name=name, **kwargs)
        layers = [layer for layer in self.layers if isinstance(layer, CRF)]
        if len(layers) != 1:
            raise ValueError(f"`outputs` must come through exactly one CRF layer. Received: {len(layers)} of them")
        self.crf = layers[0]
        if self.crf.was_given_mask and "mask" not in outputs:
            raise ValueError(
                "`outputs` must hold the 'mask' that the CRF layer was given, or padding would be trained on. "
                f"Received: outputs with {', '.join(outputs)}"
            )

    def compile(self, optimizer="rmsprop", **kwargs) -> None:
        if kwargs.get("loss") is not None:
            raise ValueError(f"the loss is the CRF's own: `loss` must be left out. Received: loss={kwargs['loss']!r}")
        super().compile(optimizer, **kwargs)
        # An optimiser that makes its variables within the first step has TensorFlow trace that step twice.
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = self.crf_loss(y, y_pred, sample_weight)
        return loss + ops.sum(ops.stack(self.losses)) if self.losses else loss

    def crf_loss(self, tags, outputs, sample_weight=None):
        """Mean over the rows that hold a token of the negative log-likelihood, a scalar.

        Args:
            tags: int `[B, n]`.
            outputs: the model's outputs.
            sample_weight: float `[B]`, a weight for each row.
        """
        if tags is None:
            raise ValueError("`y` must be the tags, [batch, tokens]. Received: y=None")
        losses = -self.crf.log_likelihood(outputs["potentials"], tags, outputs.get("mask"))
        if sample_weight is not None:
            if len(sample_weight.shape) != 1:
                raise ValueError(
                    "`sample_weight` must hold one number a row, [batch]. "
                    f"Received: sample_weight.shape={tuple(sample_weight.shape)}"
                )
            losses = losses * ops.cast(sample_weight, losses.dtype)
        return self.reduce_rows(losses, outputs)

    def reduce_rows(self, values, outputs):
        """The mean of one value a row over the rows that hold a token."""
        mask = outputs.get("mask")
        if mask is None:
            return ops.mean(values)
        rows = ops.cast(ops.any(mask, axis=1), values.dtype)
        return ops.sum(values * rows) / ops.maximum(ops.sum(rows), 1.0)

    def decode(self, x, batch_size: int | None = None):
        """The best tags of arrays of inputs, int32 `[B, n]`, 0 in masked positions."""
        outputs = self.predict(x, batch_size=batch_size, verbose=0)
        return ops.convert_to_numpy(self.crf.decode(outputs["potentials"], outputs.get("mask"))[0])
