"""`BackboneRegions`: the regions of a picture from any image backbone of KerasHub."""

import json
import os
from typing import Any

import keras
import numpy as np
from PIL import Image

from mner_keras.errors import InputError
from mner_keras.text.backbone import keras_hub, load_preset
from mner_keras.vision.vgg16 import predict_rows, weights_hash

# Classes that put the class, distillation and register tokens before the patches.
LEADING_TOKENS = ("ViTBackbone", "DeiTBackbone", "DINOV2Backbone", "DINOV3Backbone", "CLIPVisionEncoder")
_NOT_KEPT = ("name", "trainable", "dtype")  # settings of a converter that do not describe pixels


class BackboneRegions:
    """Regions of a picture from the last output of an image backbone of KerasHub: float32 `[k, f]`.

    A feature map `[h, w, f]` gives `h * w` regions. A sequence gives one region per patch, without class, distillation
    and register tokens. Regions are in row order from the top left. Of CLIP and SigLIP, only the vision encoder is
    used; of SigLIP, the tokens before its pooling head. The preset's image converter does the preprocessing, in the
    backbone's picture size if that is fixed.

    Args:
        preset: the name of a KerasHub preset (downloaded on first use), or a folder that `save_to_preset` wrote.
        batch_size: pictures computed at once.

    Raises:
        InputError: KerasHub is not installed, the preset does not load, or its output is not understood.
    """

    def __init__(self, preset: str | os.PathLike, batch_size: int = 16) -> None:
        self.batch_size = batch_size
        is_folder = os.path.isdir(preset)
        name = os.path.basename(os.path.abspath(preset)) if is_folder else os.fspath(preset)
        self.converter, encoder, output = _load(os.path.abspath(preset) if is_folder else name)
        self._channels_first = keras.config.image_data_format() == "channels_first"
        if self._channels_first and len(output.shape) == 4:
            output = keras.ops.transpose(output, (0, 2, 3, 1))
        self.model = keras.Model(encoder.inputs, output)
        size = encoder.inputs[0].shape[2:] if self._channels_first else encoder.inputs[0].shape[1:3]
        if None not in size:
            self.converter.image_size = size
        elif (size := self.converter.image_size) is None:
            raise InputError("expected a preset with a picture size, found none in its backbone or converter", preset)
        self.blank_size = (size[1], size[0])
        # The number of tokens is measured: the shape that KerasHub declares for SigLIP has a class token too many.
        (found,) = predict_rows(self.model, [self.prepare(Image.new("RGB", self.blank_size))], batch_size)
        self._first = _first_patch(encoder, found.shape, size)
        config = {key: value for key, value in self.converter.get_config().items() if key not in _NOT_KEPT}
        self.attributes: dict[str, Any] = {
            "extractor": "backbone",
            "kind": "regions",
            "feature_dim": found.shape[-1],
            "weights": name,
            "weights_hash": weights_hash(self.model),
            "preprocessing": f"RGB on white, {type(self.converter).__name__} {json.dumps(config, default=str)}",
            "options": json.dumps({} if is_folder else {"preset": name}),  # a model must not depend on a folder
            "layer": f"{type(encoder).__name__}, row by row from the top left",
            "backend": keras.backend.backend(),
        }

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return what the preset's image converter makes of an RGB picture, float32."""
        pixels = np.asarray(picture).transpose((2, 0, 1) if self._channels_first else (0, 1, 2))
        return keras.ops.convert_to_numpy(self.converter(pixels)).astype("float32")

    def extract(self, prepared: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Return the regions of pictures, `vectors` float32 `[k, f]` each."""
        outputs = predict_rows(self.model, prepared, self.batch_size)  # [h, w, f] or [tokens, f]
        return [{"vectors": found.reshape(-1, found.shape[-1])[self._first :].astype("float32")} for found in outputs]


def _load(preset: str) -> tuple[Any, Any, Any]:
    """Load a preset's image converter and image encoder; the third value is the output to read."""
    hub = keras_hub()
    converter = load_preset(hub.layers.ImageConverter, preset, "an image backbone")
    backbone = load_preset(hub.models.Backbone, preset, "an image backbone")
    encoder = getattr(backbone, "vision_encoder", None) or backbone
    pools = isinstance(encoder, hub.models.SigLIPVisionEncoder)
    output = encoder.post_layer_norm.output if pools else encoder.output
    shapes, shape = [tensor.shape for tensor in encoder.inputs], getattr(output, "shape", ())
    if len(shapes) != 1 or len(shapes[0]) != 4 or len(shape) not in (3, 4):
        raise _not_understood(encoder, f"inputs {shapes} and output {shape}")
    return converter, encoder, output


def _first_patch(encoder: Any, shape: tuple[int, ...], size: tuple[int, int]) -> int:
    """Return the number of tokens before the patches in an output of a shape; 0 for a feature map."""
    if len(shape) == 3:
        return 0
    patch = getattr(encoder, "patch_size", None) or 0
    height, width = (patch, patch) if isinstance(patch, int) else patch
    extra = shape[0] - (size[0] // height) * (size[1] // width) if height else -1
    if extra < 0 or extra and type(encoder).__name__ not in LEADING_TOKENS:
        raise _not_understood(encoder, f"{shape[0]} tokens for {size[0]} x {size[1]} pixels, patch size {patch}")
    return extra


def _not_understood(encoder: Any, found: str) -> InputError:
    expected = "expected a backbone that gives a feature map, or one token per patch, of a picture"
    return InputError(f"{expected}; found {type(encoder).__name__} with {found}")
