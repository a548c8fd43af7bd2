"""Features that authors gave out, brought into a store."""

import h5py
import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore
from mner_keras.vision.imports import import_features


@pytest.fixture
def zhang(tmp_path):
    path = tmp_path / "img_vgg_features.h5"
    maps = np.random.default_rng(0).normal(size=(2, 1, 512, 7, 7)).astype("float32")
    with h5py.File(path, "w") as file:
        file["16_05_01_123.jpg"], file["456"] = maps
    return path, maps


def block(name, names, rng):
    values = rng.normal(size=(len(names), 1024)).astype("float32")
    numbers = " ".join(f"{value:.9g}" for value in values.ravel())
    return values, f"{name}\n" + "\t".join(names) + f"\n{numbers}\n\n"


@pytest.fixture
def agban(tmp_path):
    rng = np.random.default_rng(1)
    first, text = block("113.jpg", ["person", "sports ball", "dog"], rng)
    second, more = block("7.jpg", [], rng)
    third, last = block("27.jpg", ["car"], rng)
    path = tmp_path / "object_features_15.txt"
    path.write_text(text + more + last.rstrip("\n"), encoding="utf-8")
    return path, {"113": first, "7": second, "27": third}


def test_zhang_s_maps_become_regions_row_by_row(zhang, tmp_path):
    source, maps = zhang
    out = tmp_path / "regions.h5"
    assert import_features(source, out) == 2
    store = FeatureStore(out)
    assert (store.count, store.dim, len(store)) == (49, 512, 2)
    found = store.read(["16_05_01_123", "456"], 49)[0].reshape(2, 7, 7, 512)
    np.testing.assert_array_equal(found, maps[:, 0].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(store.read(["456"], 49)[0], FeatureStore(source).read(["456"], 49)[0])
    about = {"extractor": "vgg16-zhang2018", "source": "img_vgg_features.h5", "kind": "regions"}
    assert about.items() <= store.attributes.items()


def test_agban_s_objects_keep_their_names(agban, tmp_path):
    source, values = agban
    out = tmp_path / "objects.h5"
    assert import_features(source, out) == 3
    store = FeatureStore(out)
    for image_id, expected in values.items():
        features, mask = store.read([image_id], 5)
        assert mask.sum() == len(expected)
        np.testing.assert_allclose(features[0, : len(expected)], expected, rtol=1e-7)
    assert store.objects("113", 5).names == ("person", "sports ball", "dog")
    assert store.attributes["extractor"] == "maskrcnn-agban"


def test_half_precision_and_a_second_import(agban, zhang, tmp_path):
    out = tmp_path / "objects.h5"
    import_features(agban[0], out, "float16")
    before = out.read_bytes()
    assert import_features(agban[0], out, "float16") == 3
    assert out.read_bytes() == before
    with h5py.File(out) as file:
        assert file["113"].dtype == np.float16
    with pytest.raises(InputError, match="expected a store of extractor 'vgg16-zhang2018' .* found 'maskrcnn-agban'"):
        import_features(zhang[0], out, "float16")
    assert import_features(zhang[0], out, overwrite=True) == 2


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("113.jpg\ncar\n1 2 3\n\n", 3, "expected 1 x 1024 numbers, as many as there are names, found 3"),
        ("113.jpg\n\n1 2 3\n\n", 3, "expected 0 x 1024 numbers, as many as there are names, found 3"),
        ("113.jpg\ncar\n1 x 3\n\n", 3, "expected numbers, found others"),
        ("113.jpg\ncar\n1 nan\n\n", 3, "expected finite numbers, found NaN or infinity at '113.jpg'"),
        ("113.jpg\ncar\n1e39\n\n", 3, "expected finite numbers, found NaN or infinity at '113.jpg'"),
        ("113.jpg\n\n\n\n\n", 5, "expected a picture's file name, found a blank line"),
        ("113.jpg\n\n\n7.jpg\n", 4, "expected a blank line after a picture's three lines, found text"),
        ("\n\n", 1, "expected a picture's file name, found a blank line"),
        ("", None, "expected features, found an empty file"),
        ("113.jpg\n\n\n\n27.jpg\ncar\n", 6, "found the end of the file: is it cut off?"),
        ("113.jpg\n\n\n\ncaf\udce9\n", 5, "expected UTF-8, found the byte 0xe9"),
    ],
)
def test_a_malformed_text_is_refused_with_its_line(tmp_path, text, line, found):
    path = tmp_path / "objects.txt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        import_features(path, tmp_path / "out.h5")
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert found in str(caught.value)


def test_a_malformed_file_replaces_no_store(agban, zhang, tmp_path):
    out, cut = tmp_path / "regions.h5", tmp_path / "cut.txt"
    import_features(zhang[0], out)
    before = out.read_bytes()
    cut.write_bytes(agban[0].read_bytes()[:-20])
    with pytest.raises(InputError, match="expected"):
        import_features(cut, out, overwrite=True)
    assert out.read_bytes() == before
    assert not out.with_name("regions.h5.parts").exists()


def test_other_files_are_refused(tmp_path, zhang):
    shapes, bytes_, empty = (tmp_path / name for name in ("weights.h5", "x.pkl", "empty.txt"))
    with h5py.File(shapes, "w") as file:
        file["a"] = np.ones((2, 3), "float32")
    bytes_.write_bytes(b"\x80\x04\x00")
    empty.touch()
    for path, found in (
        (shapes, r"expected floats of shape \(1, 512, 7, 7\) at 'a', found the shape \(2, 3\)"),
        (bytes_, "expected an HDF5 file of VGG16 features or AGBAN's text file"),
        (empty, "found an empty file"),
        (tmp_path / "none.txt", "found no such file"),
    ):
        with pytest.raises(InputError, match=found):
            import_features(path, tmp_path / "out.h5")
    with pytest.raises(InputError, match="expected another file to write"):
        import_features(zhang[0], zhang[0], overwrite=True)


@pytest.mark.parametrize("kind", ["zhang", "agban"])
def test_two_pictures_of_one_id_are_refused(tmp_path, zhang, agban, kind):
    if kind == "zhang":
        with h5py.File(zhang[0], "a") as file:
            file["456.png"] = np.ones((1, 512, 7, 7), "float32")
    else:
        agban[0].write_text("456\n\n\n\n456.png\n\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected one picture of the id '456', found 456 and 456.png"):
        import_features({"zhang": zhang, "agban": agban}[kind][0], tmp_path / "other.h5")
