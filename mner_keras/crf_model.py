"""`CRFModel`: a functional model that a CRF trains."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mner_keras.layers.crf import CRF
from mner_keras.metrics import EntityF1
from mner_keras.replicas import shared_loss, sum_over_replicas, whole_loss, without_bools


@keras.saving.register_keras_serializable(package="mner_keras")
class CRFModel(keras.Model):
    """A functional model with a `CRF` at its end and the CRF's loss built in.

    `compile(optimizer)` needs no loss and `fit(x, tags)` takes int32 tags `[B, n]`; tags at masked positions are
    ignored. The loss is the mean, over the rows that contain a token, of the negative log-likelihood, plus the losses
    that layers add. `sample_weight` `[B]` weighs rows.

    Under `tf.distribute` the mean is over the rows of all replicas, so that a step equals that of one device. As in
    Keras, the first batch must divide evenly between the replicas.

    Args:
        outputs: a dict with `potentials`, the output of a `CRF` layer, and `mask`, bool `[B, n]`, true for tokens.
            Without `mask` every position counts, and the CRF must have been called without one.
        tags: the names of the tags (`O`, `B-X`, `I-X`), in the order of their indices. With them, `evaluate` reports
            `f1` and `fit` reports `val_f1` over entities (`mner_keras.metrics.EntityF1`), for callbacks and tuners to
            watch.

    Example:

    >>> ids = keras.Input((None,), dtype="int32")
    >>> mask = ids != 0
    >>> features = keras.layers.Embedding(100, 16)(ids)
    >>> potentials = CRF(num_tags=5)(keras.layers.Dense(5)(features), mask=mask)
    >>> tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    >>> model = CRFModel(ids, {"potentials": potentials, "mask": mask}, tags=tags)
    >>> model.compile("adam")
    """

    loss_reduction = "mean"

    # Keras saves a functional subclass only if its positional arguments are `inputs`, `outputs` and `name`.
    def __init__(self, inputs, outputs, name=None, *, tags: Sequence[str] | None = None, **kwargs) -> None:
        if not isinstance(outputs, dict) or "potentials" not in outputs:
            expected = "a dict with the key 'potentials' and, for rows of unequal length, 'mask'"
            raise ValueError(f"`outputs` must be {expected}. Received: outputs={outputs!r}")
        super().__init__(inputs, outputs, name=name, **kwargs)
        layers = [layer for layer in self.layers if isinstance(layer, CRF)]
        if len(layers) != 1:
            raise ValueError(f"`outputs` must come through exactly one CRF layer. Received: {len(layers)} of them")
        self.crf = layers[0]
        if self.crf.was_given_mask and "mask" not in outputs:
            raise ValueError(
                "`outputs` must contain the 'mask' that the CRF layer was given, or padding would be trained on. Add "
                "the tensor that was passed to the CRF, for example 'mask': ids != 0; an Embedding with mask_zero=True "
                f"gives it as embedding.compute_mask(ids). Received: outputs with {', '.join(outputs)}"
            )
        if tags is not None and len(tags) != self.crf.tag_count:
            raise ValueError(f"`tags` must name the {self.crf.tag_count} tags of the CRF. Received: {len(tags)} names")
        self.f1 = None if tags is None else EntityF1(tags)
        self._evaluates = False

    def compile(self, optimizer="rmsprop", **kwargs) -> None:
        _refuse("the loss is the CRF's own", kwargs, "loss", "loss_weights")
        _refuse(_METRICS, kwargs, "metrics", "weighted_metrics")
        super().compile(optimizer, **kwargs)
        # An optimiser that creates its variables within the first step makes TensorFlow trace that step twice.
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, x=None, y=None, *args, validation_data=None, class_weight=None, **kwargs):
        _refuse(_ROWS, {"class_weight": class_weight}, "class_weight")
        self._check_tags("y", x, y)
        if isinstance(validation_data, list | tuple) and len(validation_data) > 1:
            self._check_tags("validation_data[1]", *validation_data[:2])
        x, y, validation_data = (without_bools(self, data) for data in (x, y, validation_data))
        return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has checked its validation data
            self._check_tags("y", x, y)
        self._evaluates = True
        try:
            return super().evaluate(without_bools(self, x), y, *args, **kwargs)
        finally:
            self._evaluates = False

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        _refuse(_ROWS, {"class_weight": class_weight}, "class_weight")
        return super().train_on_batch(x, y, sample_weight, return_dict=return_dict)

    def test_on_batch(self, *args, **kwargs):
        self._evaluates = True
        try:
            return super().test_on_batch(*args, **kwargs)
        finally:
            self._evaluates = False

    def quantize(self, *args, **kwargs) -> None:
        raise ValueError(
            f"a {type(self).__name__} cannot be quantized: the file would not load. For a smaller model use half "
            "precision: call `keras.config.set_dtype_policy('mixed_bfloat16')` before the model is built"
        )

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = self.crf_loss(y, y_pred, sample_weight)
        if self.f1 is not None and not training:
            # Not in `compute_metrics`, which does not see the weights on JAX.
            tags, _ = self.crf.decode(y_pred["potentials"], y_pred.get("mask"))
            self.f1.update_state(y, tags, y_pred.get("mask"))
        # Without a loss function, Keras returns the losses that layers add.
        return loss + super().compute_loss(x, y, y_pred, sample_weight, training) if self.losses else loss

    def get_metrics_result(self) -> dict:
        results = super().get_metrics_result()
        if self.f1 is not None and not self._evaluates:
            results.pop(self.f1.name, None)  # nothing is decoded in training
        return results

    def crf_loss(self, tags, outputs, sample_weight=None):
        """Return the negative log-likelihood of tags (int `[B, n]`), reduced over the rows; a scalar."""
        if tags is None:
            raise ValueError("`y` must be the tags, [batch, tokens]. Received: y=None")
        losses = -self.crf.log_likelihood(outputs["potentials"], tags, outputs.get("mask"))
        if sample_weight is not None:
            if len(shape := tuple(sample_weight.shape)) != 1:
                expected = "`sample_weight` must contain one number per row, [batch]"
                raise ValueError(f"{expected}. Received: sample_weight.shape={shape}")
            losses = losses * ops.cast(sample_weight, losses.dtype)
        return self.reduce_rows(losses, outputs)

    def reduce_rows(self, values, outputs):
        """Reduce one value per row to a scalar: the mean or sum over the rows with a token, of all replicas."""
        mask = outputs.get("mask")
        rows = ops.ones_like(values, dtype="bool") if mask is None else ops.any(mask, axis=1)
        loss = ops.sum(ops.where(rows, values, 0.0))
        if self.loss_reduction == "mean":
            loss = loss / ops.maximum(sum_over_replicas(ops.sum(ops.cast(rows, values.dtype))), 1.0)
        return shared_loss(loss)

    def track_loss(self, tracker: keras.metrics.Mean, loss, outputs) -> None:
        """Add a part of the loss to a tracker, weighted by the batch's rows as Keras weights the whole loss."""
        tracker.update_state(whole_loss(loss), sample_weight=ops.shape(outputs["potentials"])[0])

    def get_config(self) -> dict:
        return {**super().get_config(), "tags": None if self.f1 is None else self.f1.tags}

    def _select(self, inputs):
        """Return the inputs that the model uses."""
        return {name: inputs[name] for name in self.input} if isinstance(self.input, dict) else inputs

    def _check_tags(self, name: str, x, y) -> None:
        """Raise `ValueError` for an array with a tag out of range at a token."""
        if not hasattr(y, "shape") or len(y.shape) != 2:
            return
        tags = ops.convert_to_numpy(y)
        wrong = (tags < 0) | (tags >= self.crf.tag_count)
        if wrong.any() and "mask" in self.output:
            mask = keras.Model(self.input, self.output["mask"]).predict(self._select(x), verbose=0)
            wrong &= mask.astype(bool)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            expected = f"`{name}` must contain tags from 0 to {self.crf.tag_count - 1} wherever the mask is true"
            raise ValueError(f"{expected}. Received: {tags[row, column]} in row {row}, column {column}")

    def decode(self, x, batch_size: int | None = None):
        """Return the best tags for arrays of inputs, int32 `[B, n]`, 0 in masked positions."""
        outputs = self.predict(x, batch_size=batch_size, verbose=0)
        return ops.convert_to_numpy(self.crf.decode(outputs["potentials"], outputs.get("mask"))[0])


_ROWS = "a row has many tags. Weigh rows with `sample_weight` of shape [batch]"
_METRICS = (
    "Keras' metrics read no tag sequences. A CRFModel built with `tags=[...]`, the names of the tags, reports `f1` and "
    "`val_f1` over entities"
)


def _refuse(reason: str, arguments: dict, *names: str) -> None:
    for name in names:
        if arguments.get(name) is not None:
            raise ValueError(f"`{name}` must be left out: {reason}. Received: {name}={arguments[name]!r}")
