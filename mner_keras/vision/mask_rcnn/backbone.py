"""ResNet-101 and the feature pyramid on it, layer by layer under the names of the Matterport implementation."""

from __future__ import annotations

from functools import partial
from string import ascii_lowercase
from typing import Any

import keras

STAGES = {2: (3, (64, 64, 256)), 3: (4, (128, 128, 512)), 4: (23, (256, 256, 1024)), 5: (3, (512, 512, 2048))}
"""Blocks of each of ResNet-101's stages, and the filters of a block's three convolutions."""

PYRAMID = 256
"""Channels of each level of the pyramid."""

EPSILON = 0.001
"""What batch normalisation adds to the variance."""

convolution = partial(keras.layers.Conv2D, data_format="channels_last")
"""A convolution over `[B, h, w, C]`, whatever Keras' image format is set to."""


def normalised(x: Any, filters: int, size: int, conv: str, norm: str, strides: int = 1, padding: str = "valid") -> Any:
    """A convolution with a bias, and its batch normalisation."""
    x = convolution(filters, size, strides, padding, name=conv)(x)
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=norm)(x)


def resnet101(pixels: Any) -> list[Any]:
    """The outputs of ResNet-101's stages 2 to 5, at a fourth to a 32nd of the picture's sides (He et al. 2016).

    Strides stand in a block's first convolution, as in the original; where a stage changes the size it also has one in
    the shortcut.
    """
    x = keras.layers.ZeroPadding2D(3, data_format="channels_last", name="zero_padding")(pixels)
    x = keras.layers.ReLU(name="relu1")(normalised(x, 64, 7, "conv1", "bn_conv1", strides=2))
    x = keras.layers.MaxPooling2D(3, 2, "same", data_format="channels_last", name="pool1")(x)
    stages = []
    for stage, (blocks, filters) in STAGES.items():
        for block in ascii_lowercase[:blocks]:
            strides = 2 if block == "a" and stage > 2 else 1
            x = _block(x, f"{stage}{block}", filters, strides, shortcut=block == "a")
        stages.append(x)
    return stages


def _block(x: Any, name: str, filters: tuple[int, int, int], strides: int, shortcut: bool) -> Any:
    short = x
    names = [(f"res{name}_branch{branch}", f"bn{name}_branch{branch}") for branch in ("2a", "2b", "2c", "1")]
    x = keras.layers.ReLU(name=f"relu{name}_a")(normalised(x, filters[0], 1, *names[0], strides=strides))
    x = keras.layers.ReLU(name=f"relu{name}_b")(normalised(x, filters[1], 3, *names[1], padding="same"))
    x = normalised(x, filters[2], 1, *names[2])
    if shortcut:
        short = normalised(short, filters[2], 1, *names[3], strides=strides)
    return keras.layers.ReLU(name=f"res{name}_out")(keras.layers.Add(name=f"add{name}")([x, short]))


def feature_pyramid(stages: list[Any]) -> list[Any]:
    """P2 to P5 from the stages' outputs 2 to 5 (Lin et al. 2017)."""
    top, levels = None, []
    for level, stage in reversed(list(enumerate(stages, start=2))):
        side = convolution(PYRAMID, 1, name=f"fpn_c{level}p{level}")(stage)
        if top is not None:
            up = keras.layers.UpSampling2D(
                2, data_format="channels_last", interpolation="nearest", name=f"fpn_p{level + 1}upsampled"
            )(top)
            side = keras.layers.Add(name=f"fpn_p{level}add")([up, side])
        top = side
        levels.append(convolution(PYRAMID, 3, padding="same", name=f"fpn_p{level}")(top))
    return levels[::-1]
