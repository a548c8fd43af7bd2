"""`VGG16Regions`: the numbers of Keras' own VGG16, row by row from the top left."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore, extract_features, find_pictures, load_extractor, open_picture


def real(*parts):
    home = os.environ.get("MNER_DATA")
    path = Path(home or ".").joinpath(*parts)
    if not home or not path.exists():
        pytest.skip(f"MNER_DATA names no folder that holds {'/'.join(parts)}")
    return path


@pytest.fixture(scope="module")
def weights():
    return real("weights", "vgg16_notop.weights.h5")


@pytest.fixture(scope="module")
def extractor(weights):
    from mner_keras.vision.vgg16 import VGG16Regions

    return VGG16Regions(weights, batch_size=4)


@pytest.fixture(scope="module")
def pictures():
    return find_pictures([real("twitter2015", "images")])[0]


@pytest.mark.slow
def test_the_store_holds_what_keras_applications_gives_by_hand(extractor, weights, pictures, tmp_path):
    import keras

    chosen = {name: pictures[name] for name in ("113", "27", "654")}
    result = extract_features(chosen, extractor, tmp_path / "store.h5", batch_size=4)
    assert (result.added, result.kept, result.failed) == (3, 0, {})
    store = FeatureStore(tmp_path / "store.h5")
    assert (store.count, store.dim) == (49, 512)
    # By hand, the way that Keras' guides show: RGB, 224 x 224, `preprocess_input`.
    model = keras.applications.VGG16(include_top=False, weights=str(weights))
    for name, path in chosen.items():
        with Image.open(path) as image:
            if name == "113":  # a PNG with transparency, which Keras' own loader would show as whatever lies under it
                rgba = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
            pixels = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), "float32")
        if name != "113":
            loaded = keras.utils.load_img(path, target_size=(224, 224), interpolation="bilinear")
            np.testing.assert_array_equal(pixels, keras.utils.img_to_array(loaded))
        maps = np.asarray(model.predict(keras.applications.vgg16.preprocess_input(pixels[None]), verbose=0))[0]
        found, mask = store.read([name], 49)
        assert mask.all()
        for row in range(7):
            for column in range(7):
                np.testing.assert_allclose(found[0, 7 * row + column], maps[row, column], rtol=1e-5, atol=1e-5)
    white = keras.applications.vgg16.preprocess_input(np.full((1, 224, 224, 3), 255.0, "float32"))
    expected = np.asarray(model.predict(white, verbose=0)).reshape(49, 512)
    np.testing.assert_allclose(store.blank(49), expected, rtol=1e-5, atol=1e-5)
    assert store.attributes["extractor"] == "vgg16"
    assert len(store.attributes["weights_hash"]) == 64


@pytest.mark.slow
def test_a_picture_s_features_do_not_depend_on_its_neighbours(extractor, pictures):
    a, b, c = (extractor.prepare(open_picture(pictures[name])) for name in ("27", "130", "278"))
    alone = extractor.extract([a])[0]["vectors"]
    np.testing.assert_array_equal(extractor.extract([b, c, a])[2]["vectors"], alone)
    np.testing.assert_array_equal(extractor.extract([b, c, b, c, a])[4]["vectors"], alone)


def test_weights_that_are_none_are_refused(tmp_path):
    from mner_keras.vision.vgg16 import VGG16Regions

    with pytest.raises(InputError, match="expected a file of VGG16 weights, found no such file"):
        VGG16Regions(tmp_path / "none.weights.h5")
    wrong = tmp_path / "wrong.weights.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(InputError, match="wrong.weights.h5: expected VGG16's weights without the classifier"):
        VGG16Regions(wrong)


BACKEND = """
import sys
import numpy as np
from mner_keras.vision import open_picture
from mner_keras.vision.vgg16 import VGG16Regions

extractor = VGG16Regions(sys.argv[1], batch_size=1)
pictures = [extractor.prepare(open_picture(path)) for path in sys.argv[3:]]
np.save(sys.argv[2], np.stack([found["vectors"] for found in extractor.extract(pictures)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_backends_agree(extractor, weights, pictures, tmp_path, backend):
    pytest.importorskip(backend)
    paths = [str(pictures[name]) for name in ("113", "27")]
    command = [sys.executable, "-c", BACKEND, str(weights), str(tmp_path / "found.npy"), *paths]
    subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, check=True, timeout=300)
    ours = extractor.extract([extractor.prepare(open_picture(path)) for path in paths])
    expected = np.stack([found["vectors"] for found in ours])
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_saved_model_names_the_extractor_of_its_features(extractor, weights, pictures, tmp_path):
    from hsn_keras import HSN
    from mner_keras import load
    from mner_keras.data import Post

    chosen = {name: pictures[name] for name in ("27", "130")}
    store = extract_features(chosen, extractor, tmp_path / "store.h5", batch_size=4).path
    posts = [
        Post(("Anna", "saw", "Rome"), ("B-PER", "O", "B-LOC"), name, ("NNP", "VBD", "NNP")) for name in (*chosen, None)
    ]
    preprocessor = HSN.fit_preprocessor(posts, features=store)
    HSN(preprocessor, hidden_dim=8, char_dim=4).save(tmp_path / "model.keras")
    # The file names the extractor and the hash of its weights, but no path of the machine.
    model = load(tmp_path / "model.keras")
    assert load_extractor(model.preprocessor.visual, weights).attributes == extractor.attributes
    direct = model.tag(posts, pictures=[*chosen.values(), None], extractor=extractor)
    assert [post.tags for post in direct] == [post.tags for post in model.tag(posts, store)]
    with Image.open(chosen["27"]) as opened:
        assert model.tag(posts[:1], pictures=[opened], extractor=extractor)[0].tags == direct[0].tags
    with pytest.raises(InputError, match="expected the weights that the model's features were made with"):
        load_extractor(dataclasses.replace(model.preprocessor.visual, weights_hash="0" * 64), weights)
