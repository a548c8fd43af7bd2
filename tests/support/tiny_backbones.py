"""Small image backbones of KerasHub with random weights, saved as presets together with their image converters."""

SIDE, PATCH, WIDTH = 16, 4, 8
# Families of backbones, and how many class, distillation and register tokens come before the patches.
LEADING = {"ViT": 1, "DeiT": 2, "DINOV2": 1 + 3, "CLIP": 1, "SigLIP": 0, "ResNet": 0}
# ViT's and DeiT's pictures are twice as wide as high, so that rows and columns cannot be mixed up.
SIZES = {family: (SIDE, 2 * SIDE if family in ("ViT", "DeiT") else SIDE) for family in LEADING}


def write_preset(family, folder):
    """Write the preset of a family into a folder."""
    import keras
    import keras_hub
    import numpy as np

    models = keras_hub.models
    deep = {"num_layers": 1, "num_heads": 2, "hidden_dim": WIDTH}
    image = {"image_shape": (*SIZES[family], 3), "patch_size": PATCH, **deep}
    text = {"vocabulary_size": 9, "embedding_dim": WIDTH, "intermediate_dim": 8, **deep}
    keras.utils.set_random_seed(3)
    if family == "ViT":
        backbone = models.ViTBackbone(**image, mlp_dim=8)
    elif family == "DeiT":
        backbone = models.DeiTBackbone(**image, intermediate_dim=8)
    elif family == "DINOV2":
        places = {"position_embedding_shape": (24, 24, 3), "num_register_tokens": 3}
        backbone = models.DINOV2Backbone(**image, **places, intermediate_dim=8)
    elif family == "CLIP":
        seer = models.CLIPVisionEncoder(**image, intermediate_dim=8)
        backbone = models.CLIPBackbone(seer, models.CLIPTextEncoder(**text), projection_dim=8)
    elif family == "SigLIP":
        seer = models.SigLIPVisionEncoder(**image, intermediate_dim=8)
        backbone = models.SigLIPBackbone(seer, models.SigLIPTextEncoder(**text))
    else:
        backbone = models.ResNetBackbone([64], [7], [64], [1], [1], block_type="basic_block")
    rng = np.random.default_rng(11)
    for weight in backbone.weights:  # biases and class tokens too, so that each of them matters
        if weight.dtype.startswith("float"):
            weight.assign(rng.uniform(0.1, 0.3, weight.shape))
            if "variance" not in weight.path:
                weight.assign(rng.normal(0, 0.3, weight.shape))
    converter = getattr(keras_hub.layers, f"{family}ImageConverter")
    converter = converter(image_size=SIZES[family], scale=[1 / 50, 1 / 60, 1 / 70], offset=[-2.0, -1.0, -3.0])
    for part in (backbone, converter):
        part.save_to_preset(str(folder))
