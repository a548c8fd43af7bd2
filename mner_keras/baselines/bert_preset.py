"""The network and the word pieces of a pretrained BERT."""

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
"""The arguments of a `keras_hub.models.BertBackbone`."""


def make_backbone(sizes: dict[str, Any]) -> keras.Model:
    """Return the layers of a `keras_hub.models.BertBackbone` up to the word pieces' vectors, with fresh weights.

    Args:
        sizes: the backbone's arguments, named in `SIZES`.
    """
    if not isinstance(sizes, dict) or set(sizes) != set(SIZES):
        raise ValueError(f"`backbone` must be a dict of {', '.join(SIZES)}. Received: backbone={sizes!r}")
    return _without_pooler(_keras_hub().models.BertBackbone(**sizes))


def load_backbone(preset: str | os.PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Return the pretrained network of a preset, in the form of `make_backbone`, and its sizes.

    Args:
        preset: a preset of KerasHub's `BertBackbone`, or a Hugging Face folder (`config.json`, `model.safetensors`).

    Raises:
        InputError: no such preset or folder, a preset of another model, or the extra `bert` is missing.
    """
    kind = _keras_hub().models.BertBackbone
    backbone = _load(kind, preset)
    if not isinstance(backbone, kind):
        raise InputError(f"expected a BERT, found a {type(backbone).__name__}", preset)
    config = backbone.get_config()
    return _without_pooler(backbone), {name: config[name] for name in SIZES}


def load_subwords(preset: str | os.PathLike) -> Subwords:
    """Return the word pieces of a preset, with the sizes and weights of its BERT.

    Args:
        preset: as for `load_backbone`; a folder also contains `vocab.txt` and `tokenizer_config.json`.

    Raises:
        InputError: as `load_backbone`.
    """
    hub = _keras_hub()
    tokenizer = _load(hub.models.BertTokenizer, preset)
    backbone, sizes = load_backbone(preset)
    vocabulary = tokenizer.get_vocabulary()
    if len(vocabulary) > sizes["vocabulary_size"]:
        raise InputError(
            f"expected at most {sizes['vocabulary_size']:,} word pieces, found {len(vocabulary):,} in {preset!r}"
        )
    name = os.path.basename(os.fspath(preset))
    subwords = Subwords(vocabulary, tokenizer.lowercase, sizes["max_sequence_length"], name, sizes)
    subwords.weights = backbone.get_weights()
    return subwords


def _without_pooler(backbone: keras.Model) -> keras.Model:
    import keras

    # Layers that read `[CLS]` get no gradient here.
    return keras.Model(backbone.input, backbone.output["sequence_output"], name="backbone")


def _load(kind: Any, preset: str | os.PathLike, **options: Any) -> Any:
    try:
        return kind.from_preset(os.fspath(preset), **options)
    # Missing or damaged files, unreachable hubs: each library below has its own errors.
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
