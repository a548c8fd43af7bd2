"""The inputs of the systems compared with, by batch key, and what the picture side of them has in common."""

from __future__ import annotations

import keras

from mner_keras.data.encoder import VisualInput
from mner_keras.layers.checks import check_count
from mner_keras.tagger import Tagger

VGG16_REGIONS = VisualInput("regions", count=49, dim=512)


def token_inputs(max_characters: int) -> dict[str, keras.KerasTensor]:
    """Words, characters and the mask of the tokens."""
    return {
        "word_ids": keras.Input((None,), dtype="int32", name="word_ids"),
        "char_ids": keras.Input((None, max_characters), dtype="int32", name="char_ids"),
        "token_mask": keras.Input((None,), dtype="bool", name="token_mask"),
    }


def region_inputs(visual_dim: int) -> dict[str, keras.KerasTensor]:
    """The picture's regions and their mask."""
    return {
        "visual_features": keras.Input((None, visual_dim), name="visual_features"),
        "visual_mask": keras.Input((None,), dtype="bool", name="visual_mask"),
    }


def check_widths(**widths: int) -> None:
    """Each must be a whole number of at least 1, two of them for a width that both directions of a BiLSTM share."""
    for name, width in widths.items():
        check_count(name, width, 2 if name.endswith("hidden_dim") else 1)


class RegionTagger(Tagger):
    """A tagger that looks at a picture's regions; a post without a picture sees the blank picture's."""

    encoder_defaults = {"use_pos": False, "visual": "regions"}

    @classmethod
    def no_pictures(cls, count: int | None = None) -> VisualInput:
        """What an encoder without a feature store gives: VGG16's 49 regions of 512, all zero."""
        return VGG16_REGIONS
