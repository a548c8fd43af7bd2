"""`TextBackbone`: a pretrained text model of KerasHub that gives each token a contextual vector."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.errors import InputError
from mner_keras.text.subwords import Subwords, padded_length

if TYPE_CHECKING:
    import keras

POSTS = 32  # that a frozen backbone reads at once


@dataclasses.dataclass(eq=False, repr=False)
class TextBackbone:
    """A text backbone of KerasHub with its subwords: BERT, DistilBERT, RoBERTa, XLM-R or DeBERTa-v3.

    A token's contextual vector is the last layer's vector of its first subword. A fine-tuned backbone is a layer of the
    model. A frozen one computes the vectors once per post, before the model. The file of a model contains either.

    Args:
        subwords: splits tokens.
        class_name: the backbone's class in `keras_hub.models`.
        config: the arguments of the class.
        preset: the name of the pretrained backbone, for reference.
        fine_tune: whether training changes it.
        caption: whether it reads the caption of a post's picture behind the post, as a second segment.
    """

    subwords: Subwords | dict[str, Any]
    class_name: str
    config: dict[str, Any]
    preset: str = ""
    fine_tune: bool = False
    caption: bool = False

    weights = None  # the pretrained weights that a new model copies; not saved with the preprocessor

    def __post_init__(self) -> None:
        if isinstance(self.subwords, dict):
            self.subwords = Subwords(**self.subwords)

    @classmethod
    def load(cls, preset: str | os.PathLike, fine_tune: bool = False, caption: bool = False) -> TextBackbone:
        """Read a pretrained backbone.

        Args:
            preset: a preset of KerasHub (`"roberta_base_en"`), or a folder of KerasHub's or Hugging Face's
                (`config.json`, `model.safetensors`, `tokenizer.json` or the tokenizer's own files).
            fine_tune, caption: as in the class.

        Raises:
            InputError: no such preset or folder, another kind of model, or the extra `backbones` is missing.
        """
        hub, path = keras_hub(), Path(os.fspath(preset))
        backbone = load_preset(hub.models.Backbone, preset, "a text backbone")
        known = inspect.signature(type(backbone).__init__).parameters
        config = {name: value for name, value in backbone.get_config().items() if name in known and name != "dtype"}
        if "max_sequence_length" not in config or "token_ids" not in backbone.input:
            raise InputError(f"expected a text backbone, found a {type(backbone).__name__}", preset)
        if (path / "tokenizer.json").is_file() and (path / "model.safetensors").is_file():
            subwords = Subwords.from_file(path / "tokenizer.json", config["max_sequence_length"])
        else:
            tokenizer = load_preset(hub.tokenizers.Tokenizer, preset, "a text backbone")
            subwords = Subwords.from_hub(tokenizer, config["max_sequence_length"])
        found = cls(subwords, type(backbone).__name__, config, path.name, fine_tune, caption)
        found.weights = _last_layer(backbone).get_weights()
        return found

    def inputs(self, of_layer: bool = False) -> dict[str, keras.KerasTensor]:
        """Return a `keras.Input` for each array that a model with the backbone reads, or that the backbone reads."""
        import keras

        if not self.fine_tune and not of_layer:
            return {"contextual": keras.Input((None, self.config["hidden_dim"]), name="contextual")}
        dtypes = {"subword_ids": "int32", "subword_mask": "bool", "first_subwords": "int32"}
        dtypes |= {"subword_segments": "int32"} if self.caption else {}
        return {name: keras.Input((None,), dtype=dtype, name=name) for name, dtype in dtypes.items()}

    def make_layer(self) -> keras.Model:
        """Return a model from `arrays` to contextual vectors `[B, n, d]`, with the pretrained weights if known."""
        import keras

        from mner_keras.layers import FirstSubwords

        inputs = self.inputs(of_layer=True)
        ids = inputs["subword_ids"]
        backbone = getattr(keras_hub().models, self.class_name)(**self.config)
        given = {"token_ids": ids, "padding_mask": keras.ops.cast(inputs["subword_mask"], "int32")}
        if "segment_ids" in backbone.input:
            given["segment_ids"] = inputs.get("subword_segments", keras.ops.zeros_like(ids))
        vectors = FirstSubwords(name="first_subwords_of")(_last_layer(backbone)(given), inputs["first_subwords"])
        layer = keras.Model(inputs, vectors, name="backbone")
        if self.weights is not None:
            layer.set_weights(self.weights)
        layer.trainable = self.fine_tune
        return layer

    @cached_property
    def frozen(self) -> keras.Model:
        """The layer that `vectors` uses, where the backbone is not fine-tuned."""
        return self.make_layer()

    def arrays(
        self,
        pieces: Sequence[Sequence[Sequence[int]]],
        captions: Sequence[Sequence[int] | None],
        shape: tuple[int, int],
    ) -> dict[str, np.ndarray]:
        """Return the arrays of a batch, as `PostPreprocessor` describes them.

        Args:
            pieces: for each post the subwords of its tokens.
            captions: for each post the subwords of its picture's caption, or `None`.
            shape: B and n; the rows after the posts are empty.
        """
        layouts = [self.subwords.layout(*both) for both in zip(pieces, captions, strict=True)]
        width = min(padded_length(max(len(ids) for ids, _, _ in layouts)), self.subwords.max_length)
        ids, segments = np.zeros((2, shape[0], width), "int32")
        mask, firsts = np.zeros((shape[0], width), bool), np.zeros(shape, "int32")
        for i, (row, first, second) in enumerate(layouts):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = True
            segments[i, second : len(row)] = 1
            firsts[i, : len(first)] = first
        found = {"subword_ids": ids, "subword_mask": mask, "first_subwords": firsts}
        return {**found, "subword_segments": segments} if self.caption else found

    def vectors(
        self, pieces: Sequence[Sequence[Sequence[int]]], captions: Sequence[Sequence[int] | None]
    ) -> np.ndarray:
        """Return the contextual vectors of posts' tokens by the frozen backbone, float32 `[T, d]`, post by post."""
        starts = np.cumsum([0, *map(len, pieces)])
        found = np.zeros((starts[-1], self.config["hidden_dim"]), "float32")
        order = sorted(range(len(pieces)), key=lambda i: (len(pieces[i]), sum(map(len, pieces[i]))))
        for start in range(0, len(order), POSTS):
            rows = order[start : start + POSTS]
            shape = POSTS, padded_length(max(len(pieces[i]) for i in rows))
            batch = self.arrays([pieces[i] for i in rows], [captions[i] for i in rows], shape)
            for i, values in zip(rows, np.asarray(self.frozen.predict_on_batch(batch)), strict=False):
                found[starts[i] : starts[i + 1]] = values[: len(pieces[i])]
        return found


def load_preset(kind: type, preset: str | os.PathLike, expected: str) -> Any:
    """Return `kind.from_preset(preset)` of a KerasHub class; raise `InputError` if it is not the `expected` preset."""
    try:
        return kind.from_preset(os.fspath(preset))
    # Missing or damaged files, unreachable hubs: each library below has its own errors.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(":")
        expected += ": a preset of KerasHub, or a folder of KerasHub's or Hugging Face's"
        found = f"{os.fspath(preset)!r}, which does not load ({reason})"
        raise InputError(f"expected {expected}; found {found}") from error


def keras_hub() -> Any:
    """Import KerasHub; raise `InputError` if a package of the extra `backbones` is missing."""
    try:
        import keras_hub
        import safetensors  # noqa: F401 (KerasHub reads Hugging Face folders with it)
        import sentencepiece  # noqa: F401
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise InputError(f"a pretrained backbone needs {error.name}: pip install 'mner-keras[backbones]'") from None
    return keras_hub


def _last_layer(backbone: keras.Model) -> keras.Model:
    """Return the backbone up to its last layer's vectors: a pooler gets no gradient here."""
    import keras

    outputs = backbone.output
    return keras.Model(backbone.input, outputs["sequence_output"] if isinstance(outputs, dict) else outputs)
