"""Files of Mask R-CNN weights in the layout that Keras 2 wrote, with random values under which the network behaves."""

import functools

import h5py
import keras
import numpy as np

from mner_keras.vision.mask_rcnn import MaskRCNN
from mner_keras.vision.mask_rcnn.extractor import RPN_LAYERS, RPN_MODEL, weights_by_name

MASK_BRANCH = {
    **{("mrcnn_mask_conv1", "kernel"): (3, 3, 256, 256), ("mrcnn_mask_conv1", "bias"): (256,)},
    **{("mrcnn_mask_bn1", name): (256,) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    **{("mrcnn_mask_deconv", "kernel"): (2, 2, 256, 256), ("mrcnn_mask_deconv", "bias"): (256,)},
    **{("mrcnn_mask", "kernel"): (1, 1, 256, 81), ("mrcnn_mask", "bias"): (81,)},
}
WITHOUT_WEIGHTS = ("input_image", "zero_padding2d_1", "activation_1", "fpn_p5upsampled", "ROI", "mrcnn_detection")


@functools.cache
def small_network():
    """A network of the smallest side; its weights' shapes are those of any side."""
    return MaskRCNN(64, 10)


def expected_weights():
    """The shapes of the network's weights by layer and weight."""
    return {key: tuple(weight.shape) for key, weight in weights_by_name(small_network()).items()}


def random_value(key, shape, random, certainty):
    """Values that neither vanish nor grow through 33 blocks, and boxes that stay near their anchors.

    `certainty` scales the class' scores: random features under 10 make one of the 81 classes nearly certain.
    """
    layer, name = key
    if name == "kernel":
        value = random.standard_normal(shape, "float32") * np.float32((2 / np.prod(shape[:-1])) ** 0.5)
        scale = {"conv1": 0.01, "rpn_bbox_pred": 0.3, "mrcnn_bbox_fc": 0.3, "mrcnn_class_logits": certainty}
        scale |= {f"fpn_c{level}p{level}": 0.2 for level in (2, 3, 4, 5)}
        return value * np.float32(scale.get(layer, 1.0))
    if name in ("gamma", "moving_variance"):
        # A block's last batch norm is small, as training makes it: else each block would double the variance.
        return random.uniform(0.9, 1.1, shape).astype("float32") * (
            0.2 if layer.endswith("branch2c") and name == "gamma" else 1
        )
    return 0.05 * random.standard_normal(shape, "float32")


def write_legacy_file(path, seed=0, certainty=3.0, changes=None, root="", mask_branch=True, values=True):
    """Write such a file.

    Args:
        path: the file.
        seed: of the values.
        certainty: how sure the network is of its classes.
        changes: shapes by layer and weight, in the place of the right ones; `None` leaves the weight out.
        root: the group that holds the layers: `"model_weights"` where Keras 2 saved a whole model.
        mask_branch: whether the mask branch's layers are there, as in the published file.
        values: whether the file holds values, or names and shapes alone, which takes no time.
    """
    random = np.random.default_rng(seed)
    shapes = {**expected_weights(), **(MASK_BRANCH if mask_branch else {}), **(changes or {})}
    layers = {}
    for (layer, name), shape in shapes.items():
        if shape is not None:
            layers.setdefault(RPN_MODEL if layer in RPN_LAYERS else layer, []).append((layer, name, shape))
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        names = [*WITHOUT_WEIGHTS, *layers]
        top.attrs["layer_names"] = [name.encode() for name in names]
        top.attrs["backend"] = b"tensorflow"
        top.attrs["keras_version"] = b"2.0.8"
        for group_name in names:
            group = top.create_group(group_name)
            weights = layers.get(group_name, [])
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for layer, name, _ in weights]
            for layer, name, shape in weights:
                value = random_value((layer, name), shape, random, certainty) if values else None
                group.create_dataset(f"{layer}/{name}:0", shape, "float32", value)
    return path


def to_arrays(output):
    """A model's output as NumPy arrays by name; those of a list are numbered."""
    arrays = {}
    for key, value in output.items():
        items = {f"{key}{i}": item for i, item in enumerate(value)} if isinstance(value, list) else {key: value}
        arrays.update((name, keras.ops.convert_to_numpy(item)) for name, item in items.items())
    return arrays
