"""`VGG16Regions`: the regions of a picture as HSN reads them."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import keras
import numpy as np
from PIL import Image

from mner_keras.errors import InputError

SIDE = 224  # pixels
IMAGENET = "imagenet"


class VGG16Regions:
    """49 regions of a picture from VGG16's last pooling layer, `block5_pool`: float32 `[49, 512]`.

    The picture is brought to 224 x 224 pixels (bilinear; the sides' ratio is not kept) and preprocessed as the weights
    want it (`keras.applications.vgg16.preprocess_input`: blue, green, red, less ImageNet's means). The 7 x 7 map is
    read row by row from the top left: region `7 * row + column`.

    Args:
        weights: a file of VGG16 weights without the classifier (`.weights.h5` or `.h5`); by default Keras' own, trained
            on ImageNet, which are downloaded on first use.
        batch_size: pictures computed at once; smaller batches are filled up, so that a picture's features do not depend
            on the pictures beside it.

    Raises:
        InputError: weights that are not there, that do not fit, or that cannot be downloaded.

    Reference:
        Simonyan and Zisserman 2015; Tian et al. 2021, section 3.2.

    Example:

    >>> extractor = VGG16Regions("vgg16_notop.weights.h5")
    >>> extractor.extract([extractor.prepare(open_picture("113.jpg"))])[0]["vectors"].shape
    (49, 512)
    """

    blank_size = (SIDE, SIDE)

    def __init__(self, weights: str | os.PathLike | None = None, batch_size: int = 16) -> None:
        self.batch_size = batch_size
        self.model = _load(weights)
        self.attributes: dict[str, Any] = {
            "extractor": "vgg16",
            "kind": "regions",
            "feature_dim": self.model.output_shape[-1],
            "weights": IMAGENET if weights is None else os.path.abspath(weights),
            "weights_hash": weights_hash(self.model),
            "preprocessing": f"RGB on white, {SIDE} x {SIDE} bilinear, keras.applications.vgg16.preprocess_input",
            "layer": "block5_pool, row by row from the top left",
            "backend": keras.backend.backend(),
        }

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """The pixels of an RGB picture, uint8 `[224, 224, 3]`."""
        return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))

    def extract(self, prepared: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """The regions of pictures, `vectors` float32 `[49, 512]` each."""
        found: list[dict[str, np.ndarray]] = []
        for start in range(0, len(prepared), self.batch_size):
            part = prepared[start : start + self.batch_size]
            pixels = np.zeros((self.batch_size, SIDE, SIDE, 3), "float32")
            pixels[: len(part)] = part
            maps = np.asarray(self.model.predict_on_batch(keras.applications.vgg16.preprocess_input(pixels)))
            found += [{"vectors": vectors} for vectors in maps[: len(part)].reshape(len(part), 49, -1)]
        return found


def weights_hash(model: keras.Model) -> str:
    """The SHA-256 of a model's weights, one after the other as little-endian float32: the same from any file format."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()


def _load(weights: str | os.PathLike | None) -> keras.Model:
    settings = {"include_top": False, "input_shape": (SIDE, SIDE, 3)}
    if weights is None:
        try:
            return keras.applications.VGG16(weights=IMAGENET, **settings)
        except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception for a failed download)
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"the weights of VGG16 cannot be downloaded ({reason}); --weights takes a file of them"
            ) from None
    if not os.path.isfile(weights):
        raise InputError("expected a file of VGG16 weights, found no such file", weights)
    model = keras.applications.VGG16(weights=None, **settings)
    try:
        model.load_weights(os.fspath(weights))
    except Exception as error:  # noqa: BLE001 (whatever a file that holds other weights leads to)
        reason = str(error).strip().partition("\n")[0][:200]
        raise InputError(f"expected VGG16's weights without the classifier, found others ({reason})", weights) from None
    return model
