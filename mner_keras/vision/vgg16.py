"""`VGG16Regions`: the regions of a picture as HSN reads them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from PIL import Image

from mner_keras.errors import InputError

SIDE = 224  # pixels


class VGG16Regions:
    """49 regions of a picture from VGG16's last pooling layer, `block5_pool`: float32 `[49, 512]`.

    The picture is brought to 224 x 224 pixels (bilinear; the sides' ratio is not kept) and preprocessed by
    `keras.applications.vgg16.preprocess_input`. Region `7 * row + column` is a cell of the 7 x 7 map.

    Args:
        weights: a file of VGG16 weights without the classifier (`.weights.h5` or `.h5`); by default Keras' own, trained
            on ImageNet, which are downloaded on first use.
        batch_size: pictures computed at once.

    Raises:
        InputError: weights that are not there, that do not fit, or that cannot be downloaded.

    Reference:
        Simonyan and Zisserman 2015; Tian et al. 2021, section 3.2.
    """

    blank_size = (SIDE, SIDE)

    def __init__(self, weights: str | os.PathLike | None = None, batch_size: int = 16) -> None:
        if weights is not None and not os.path.isfile(weights):
            raise InputError("expected a file of VGG16 weights, found no such file", weights)
        given = "imagenet" if weights is None else None
        try:
            self.model = keras.applications.VGG16(include_top=False, weights=given, input_shape=(SIDE, SIDE, 3))
            if weights is not None:
                self.model.load_weights(os.fspath(weights))
        except Exception as error:  # noqa: BLE001 (a bare Exception for a failed download, anything for other weights)
            reason = str(error).strip().partition("\n")[0][:200]
            message = f"the weights of VGG16 cannot be downloaded ({reason}); --weights takes a file of them"
            if weights is not None:
                message = f"expected VGG16's weights without the classifier, found others ({reason})"
            raise InputError(message, weights) from None
        self.batch_size = batch_size
        self.attributes: dict[str, Any] = {
            "extractor": "vgg16",
            "kind": "regions",
            "feature_dim": self.model.output_shape[-1],
            "weights": given or os.path.abspath(weights),
            "weights_hash": weights_hash(self.model),
            "preprocessing": f"RGB on white, {SIDE} x {SIDE} bilinear, keras.applications.vgg16.preprocess_input",
            "layer": "block5_pool, row by row from the top left",
            "backend": keras.backend.backend(),
        }

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return the network's input for an RGB picture, float32 `[224, 224, 3]`."""
        pixels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), "float32")
        return keras.applications.vgg16.preprocess_input(pixels)

    def extract(self, prepared: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Return the regions of pictures, `vectors` float32 `[49, 512]` each."""
        return [{"vectors": found.reshape(49, -1)} for found in predict_rows(self.model, prepared, self.batch_size)]


def predict_rows(model: keras.Model, rows: Sequence[Any], batch_size: int) -> Iterator[Any]:
    """Yield a model's output for each row; batches are filled up, so that features do not depend on the neighbours."""

    def fill(*arrays: np.ndarray) -> np.ndarray:
        batch = np.zeros((batch_size, *arrays[0].shape), "float32")
        batch[: len(arrays)] = arrays
        return batch

    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        outputs = model.predict_on_batch(keras.tree.map_structure(fill, *part))
        for row in range(len(part)):
            yield keras.tree.map_structure(lambda output, row=row: np.asarray(output[row]), outputs)


def weights_hash(model: keras.Model) -> str:
    """Return the SHA-256 of a model's weights, in order, as little-endian float32, whatever file they come from."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()
