"""`BackboneRegions`: the numbers of KerasHub called by hand, for small random backbones of six families."""

import functools
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from tiny_backbones import LEADING, PATCH, SIZES, write_preset

import mner_keras
from mner_keras.data import read_jsonl
from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore, backbones, load_extractor, open_picture
from mner_keras.vision.backbones import BackboneRegions
from mner_keras.vision.visual_input import VisualInput

hub = pytest.importorskip("keras_hub")
SAMPLE = Path(mner_keras.__file__).parent / "data" / "sample"


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """The folder of a family's preset, written once."""
    folder = tmp_path_factory.mktemp("presets")

    @functools.cache
    def written(family):
        write_preset(family, folder / family)
        return folder / family

    return written


@pytest.fixture(scope="module")
def extractor(preset):
    """The extractor of a family, loaded once."""
    return functools.cache(lambda family: BackboneRegions(preset(family), batch_size=2))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), "uint8")) for h, w in ((20, 30), (64, 40), (16, 32))]


def by_hand(family, preset, picture):
    """The last output of KerasHub for a picture, `[h, w, f]` or `[tokens, f]`, as its guides show it."""
    converter = getattr(hub.layers, f"{family}ImageConverter").from_preset(str(preset))
    backbone = hub.models.Backbone.from_preset(str(preset))
    images = converter(np.asarray(picture)[None])
    if family == "CLIP":
        found = backbone.vision_encoder({"images": images})
    elif family == "SigLIP":
        found = backbone.vision_encoder.embedding(images)
        for block in backbone.vision_encoder.encoder_layers:
            found = block(found)
        found = backbone.vision_encoder.post_layer_norm(found)
    else:
        found = backbone({"images": images} if family == "DINOV2" else images)
    return keras.ops.convert_to_numpy(found)[0]


@pytest.mark.parametrize("family", LEADING)
def test_regions_are_what_keras_hub_gives_by_hand(family, preset, extractor, pictures):
    found = extractor(family).extract([extractor(family).prepare(picture) for picture in pictures])
    height, width = (side // PATCH for side in SIZES[family])
    for picture, features in zip(pictures, found, strict=True):
        expected = by_hand(family, preset(family), picture)
        if family == "ResNet":
            assert expected.shape == (height, width, 64)
            expected = [expected[row, column] for row in range(height) for column in range(width)]
        else:
            expected = expected[LEADING[family] :]
        assert len(expected) == height * width
        np.testing.assert_allclose(features["vectors"], expected, rtol=1e-4, atol=1e-5)
    assert np.std(found[0]["vectors"], axis=0).mean() > 1e-2  # regions differ
    attributes = extractor(family).attributes
    assert (attributes["extractor"], attributes["kind"]) == ("backbone", "regions")
    assert attributes["feature_dim"] == found[0]["vectors"].shape[1]
    assert (attributes["weights"], attributes["options"]) == (family, "{}")  # no path of this machine
    assert attributes["preprocessing"].startswith(f"RGB on white, {family}ImageConverter {{")
    assert f'"image_size": {list(SIZES[family])}, "scale": [0.02, ' in attributes["preprocessing"]
    assert len(attributes["weights_hash"]) == 64


@pytest.mark.parametrize("family", ["ViT", "DeiT", "SigLIP", "ResNet"])
def test_regions_are_row_by_row_from_the_top_left(family, extractor):
    height, width = SIZES[family]
    pixels = np.full((height, width, 3), 100, "uint8")
    row, column = 1, width // PATCH - 2
    changed = pixels.copy()
    changed[PATCH * row : PATCH * (row + 1), PATCH * column : PATCH * (column + 1)] = (255, 0, 30)
    plain, other = extractor(family).extract(
        [extractor(family).prepare(Image.fromarray(image)) for image in (pixels, changed)]
    )
    moved = np.abs(other["vectors"] - plain["vectors"]).mean(1)
    assert moved.argmax() == row * (width // PATCH) + column


def test_a_feature_map_with_channels_first(extractor, pictures, tmp_path):
    expected = extractor("ResNet").extract([extractor("ResNet").prepare(pictures[0])])[0]["vectors"]
    keras.config.set_image_data_format("channels_first")
    try:
        backbone = hub.models.ResNetBackbone(
            [64], [7], [64], [1], [1], block_type="basic_block", image_shape=(3, None, None)
        )
        backbone.set_weights(extractor("ResNet").model.get_weights())
        backbone.save_to_preset(str(tmp_path))
        converter = extractor("ResNet").converter.get_config() | {"name": "converter"}
        hub.layers.ResNetImageConverter.from_config(converter).save_to_preset(str(tmp_path))
        other = BackboneRegions(tmp_path)
        found = other.extract([other.prepare(pictures[0])])[0]["vectors"]
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


# === What is refused ===


def test_presets_that_do_not_load_are_refused(preset, tmp_path, monkeypatch):
    with pytest.raises(
        InputError,
        match="an image backbone: .* found 'no_such', which does not load .Unknown preset",
    ):
        BackboneRegions("no_such")
    with pytest.raises(InputError, match="which does not load .*config.json"):
        BackboneRegions(tmp_path)
    shutil.copytree(preset("ResNet"), tmp_path / "bare")
    (tmp_path / "bare" / "image_converter.json").unlink()
    with pytest.raises(InputError, match="which does not load .*image_converter.json"):
        BackboneRegions(tmp_path / "bare")
    bert = hub.models.BertBackbone(9, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4)
    bert.save_to_preset(str(tmp_path / "bert"))
    with pytest.raises(InputError, match="BertBackbone"):
        BackboneRegions(tmp_path / "bert")
    sizeless = tmp_path / "sizeless"
    shutil.copytree(preset("ResNet"), sizeless)
    hub.layers.ResNetImageConverter().save_to_preset(str(sizeless))
    with pytest.raises(InputError, match="sizeless: expected a preset with a picture size, found none"):
        BackboneRegions(sizeless)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(InputError, match=r"needs keras_hub: pip install 'mner-keras\[backbones\]'"):
        BackboneRegions(preset("ResNet"))


def test_outputs_that_are_not_understood_are_refused_by_class(preset, monkeypatch):
    monkeypatch.setattr(backbones, "LEADING_TOKENS", ())
    with pytest.raises(InputError, match="found ViTBackbone with 33 tokens for 16 x 32 pixels"):
        BackboneRegions(preset("ViT"))
    assert BackboneRegions(preset("SigLIP")).attributes["feature_dim"] == 8
    folder = preset("DeiT")  # made before the class is changed
    two = property(lambda self: 2, lambda self, value: None)
    monkeypatch.setattr(hub.models.DeiTBackbone, "patch_size", two, raising=False)
    with pytest.raises(InputError, match="found DeiTBackbone with 34 tokens for 16 x 32 pixels, patch size 2"):
        BackboneRegions(folder)


# === Stores and models ===


@pytest.fixture(scope="module")
def store(preset, tmp_path_factory):
    """A store of the sample's pictures, made in two runs, and what the runs printed."""
    from typer.testing import CliRunner

    from mner_keras.cli import app

    folder = tmp_path_factory.mktemp("store")
    places = sorted((SAMPLE / "images").iterdir())[:6]
    printed = []
    for number in (4, 6):
        command = ["features", "backbone", *map(str, places[:number]), "--out", str(folder / "regions.h5")]
        printed.append(CliRunner().invoke(app, [*command, "--preset", str(preset("DINOV2"))]).output)
    return FeatureStore(folder / "regions.h5"), places, printed


def test_a_store_is_continued(store, extractor):
    found, places, printed = store
    assert "4 pictures added, 0 already there" in printed[0]
    assert "2 pictures added, 4 already there" in printed[1]
    prepared = [extractor("DINOV2").prepare(open_picture(place)) for place in places]
    prepared.append(extractor("DINOV2").prepare(Image.new("RGB", (5, 5), "white")))
    expected = [features["vectors"] for features in extractor("DINOV2").extract(prepared)]
    vectors, mask = found.read([place.name for place in places], 16)
    assert mask.all()
    np.testing.assert_allclose(vectors, expected[:-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.blank(16), expected[-1], rtol=1e-4, atol=1e-5)
    assert VisualInput("regions", 49, 512).of_store(found) == VisualInput(
        "regions", 16, 8, "backbone", extractor("DINOV2").attributes["weights_hash"], "{}"
    )


def test_a_store_of_another_backbone_is_not_continued(store, preset):
    from mner_keras.vision import extract_features

    with pytest.raises(InputError, match="expected a store of weights_hash"):
        extract_features({}, BackboneRegions(preset("CLIP")), store[0].path)


def test_a_model_tags_pictures_with_the_backbone_of_its_store(store, preset, tmp_path, capfd):
    from small_corpus import SMALL
    from typer.testing import CliRunner

    from hsn_keras import HSN
    from mner_keras.cli import app

    posts = [post for post in read_jsonl(SAMPLE / "train.jsonl") if post.image_id in store[0]]
    keras.utils.set_random_seed(3)
    model = HSN(HSN.fit_preprocessor(posts, features=store[0]), **SMALL["hsn"])
    assert model.preprocessor.visual.count == 16
    model.save(tmp_path / "model.keras")
    lines = "".join(json.dumps({"tokens": post.tokens, "image": post.image_id}) + "\n" for post in posts)
    tag = ["tag", str(tmp_path / "model.keras"), "-"]
    pictures = ["--pictures", str(SAMPLE / "images"), "--weights", str(preset("DINOV2"))]
    direct = CliRunner().invoke(app, [*tag, *pictures], input=lines)
    stored = CliRunner().invoke(app, [*tag, "--features", store[0].path], input=lines)
    without = CliRunner().invoke(app, tag, input=lines)
    assert direct.exit_code == 0
    assert direct.stdout == stored.stdout != without.stdout
    with pytest.raises(InputError, match="a KerasHub preset in a folder: name it with --weights"):
        load_extractor(model.preprocessor.visual)
    with pytest.raises(InputError, match="expected the weights that the model's features were made with"):
        load_extractor(model.preprocessor.visual, preset("CLIP"))


def test_a_preset_is_loaded_again_by_its_name(preset, extractor, monkeypatch):
    names = {"tiny_vit": str(preset("ViT"))}
    for module in (hub.layers.ImageConverter, hub.models.Backbone):
        plain = module.from_preset
        monkeypatch.setattr(module, "from_preset", lambda name, plain=plain: plain(names[name]))
    named = BackboneRegions("tiny_vit").attributes
    assert (named["weights"], named["options"]) == ("tiny_vit", '{"preset": "tiny_vit"}')
    visual = VisualInput("regions", 32, 8, "backbone", named["weights_hash"], named["options"])
    assert load_extractor(visual).attributes["weights_hash"] == extractor("ViT").attributes["weights_hash"]
