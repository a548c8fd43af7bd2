"""`EntityF1`: F1 over entities in `fit` and `evaluate`."""

from collections.abc import Sequence

import keras
from keras import ops

from mner_keras.layers.crf_recursions import Rows

__all__ = ["EntityF1"]


@keras.saving.register_keras_serializable(package="mner_keras")
class EntityF1(keras.metrics.Metric):
    """Micro-averaged F1 over entities, strict IOB2: an entity counts if its type and both its ends are right.

    Only `B-` opens an entity; an `I-` that follows no tag of its type is ignored. Equal to seqeval's
    `f1_score(..., mode="strict", scheme=IOB2)` on the same tags.

    `CRFModel(..., tags=[...])` decodes tags and updates it in `evaluate` and in the validation of `fit`. In a custom
    loop, pass it decoded tags. It cannot be used in `compile(metrics=[...])`, which provides no decoded tags.

    Args:
        tags: the tags' names, in the order of their indices.

    Example:

    >>> metric = EntityF1(["O", "B-PER", "I-PER"])
    >>> metric.update_state([[1, 2, 0]], [[1, 2, 0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, tags: Sequence[str], name: str = "f1", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.tags = list(tags)
        other = [tag for tag in self.tags if tag != "O" and not (tag[:2] in ("B-", "I-") and tag[2:])]
        if other:
            raise ValueError(f"`tags` must be names of the form O, B-X and I-X. Received: {other[0]!r} in tags")
        types = sorted({tag[2:] for tag in self.tags if tag != "O"})
        # For each tag, the index of the type that it opens and of the type that it continues; 0 for none.
        self._opens = [types.index(tag[2:]) + 1 if tag.startswith("B-") else 0 for tag in self.tags]
        self._goes_on = [types.index(tag[2:]) + 1 if tag.startswith("I-") else 0 for tag in self.tags]
        for count in ("correct", "predicted", "gold"):
            setattr(self, count, self.add_variable(shape=(), initializer="zeros", name=count))

    def update_state(self, y_true, y_pred, mask=None) -> None:
        """Count entities of gold and predicted tags, int `[B, n]`.

        `mask`, bool `[B, n]`, is true for tokens; values elsewhere are ignored, and valid positions count as adjacent.
        """
        gold_opens, gold_ends = self._read(y_true, mask)
        opens, ends = self._read(y_pred, mask)
        same = ops.logical_and(gold_opens == opens, gold_ends == ends)
        for variable, found in (
            (self.correct, ops.logical_and(gold_opens > 0, same)),
            (self.predicted, opens > 0),
            (self.gold, gold_opens > 0),
        ):
            variable.assign_add(ops.sum(ops.cast(found, "float32")))

    def result(self):
        return 2 * self.correct / ops.maximum(self.predicted + self.gold, 1.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "tags": self.tags}

    def _read(self, tags, mask):
        """Return for each token the type that opens there (0: none), and the next position that does not go on."""
        tags = ops.cast(tags, "int32")
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Padding reads the last entry of the tables, which opens and continues nothing.
            tags = Rows(mask).pack(ops.where(mask, tags, len(self.tags)))
        opens = ops.take(ops.convert_to_tensor([*self._opens, 0], "int32"), tags)
        goes_on = ops.take(ops.convert_to_tensor([*self._goes_on, 0], "int32"), tags)
        before = ops.pad((opens + goes_on)[:, :-1], ((0, 0), (1, 0)))
        end = ops.shape(tags)[1]
        breaks = ops.where(ops.logical_and(goes_on > 0, goes_on == before), end, ops.arange(end))
        # A table of all pairs of positions would take gigabytes for long posts.
        _, ends = ops.scan(
            lambda after, here: (ops.minimum(after, here), after),
            ops.zeros_like(breaks[:, 0]) + end,
            ops.transpose(breaks),
            length=breaks.shape[1],
            reverse=True,
        )
        return opens, ops.transpose(ends)
