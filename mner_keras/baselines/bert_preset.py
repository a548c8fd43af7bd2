"""A pretrained BERT: its network, its word pieces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mner_keras.data.subwords import Subwords
from mner_keras.errors import InputError

if TYPE_CHECKING:
    import keras

SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
    "num_segments",
)
"""What makes a `keras_hub.models.BertBackbone`."""


def make_backbone(sizes: dict[str, Any]) -> keras.Model:
    """A `keras_hub.models.BertBackbone` with fresh weights.

    Args:
        sizes: its arguments, those of `SIZES`.
    """
    if not isinstance(sizes, dict) or set(sizes) != set(SIZES):
        raise ValueError(f"`backbone` must be a dict of {', '.join(SIZES)}. Received: backbone={sizes!r}")
    return _keras_hub().models.BertBackbone(**sizes, name="backbone")


def load_backbone(preset: str | os.PathLike) -> keras.Model:
    """The pretrained network of a preset.

    Args:
        preset: a preset of KerasHub's `BertBackbone`, or a Hugging Face folder (`config.json`, `model.safetensors`).

    Raises:
        InputError: no such preset or folder, or one of another kind of model; the extra `bert` is missing.
    """
    backbone = _load(_keras_hub().models.BertBackbone, preset)
    if not isinstance(backbone, _keras_hub().models.BertBackbone):
        raise InputError(f"expected a BERT, found a {type(backbone).__name__}", preset)
    return backbone


def load_subwords(preset: str | os.PathLike) -> Subwords:
    """The word pieces of a preset, whose BERT says how many of them a post may have.

    Args:
        preset: as for `load_backbone`; a folder also holds `vocab.txt` and `tokenizer_config.json`.

    Raises:
        InputError: as `load_backbone`.
    """
    hub = _keras_hub()
    tokenizer = _load(hub.models.BertTokenizer, preset)
    backbone = _load(hub.models.BertBackbone, preset, load_weights=False)
    return Subwords(tokenizer.get_vocabulary(), tokenizer.lowercase, backbone.max_sequence_length)


def _load(kind: Any, preset: str | os.PathLike, **options: Any) -> Any:
    try:
        return kind.from_preset(os.fspath(preset), **options)
    # Files that are missing or damaged, hubs that do not answer: each library below has errors of its own.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"expected a BERT preset of KerasHub or the folder of a Hugging Face BERT, found {os.fspath(preset)!r}, "
            f"which does not load ({reason})"
        ) from error


def _keras_hub() -> Any:
    try:
        import keras_hub
        import safetensors  # noqa: F401 (KerasHub reads Hugging Face folders with it)
    except ImportError as error:
        raise InputError(f"a BERT needs {error.name}: pip install 'mner-keras[bert]'") from None
    return keras_hub
