"""Pictures themselves, in the place of a store: `Tagger.tag(pictures=...)` and `mner tag --pictures`."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mner_keras
from mner_keras import load
from mner_keras.data import read_jsonl
from mner_keras.errors import InputError
from mner_keras.vision import load_extractor

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")
SAMPLE = Path(mner_keras.__file__).parent / "data" / "sample"


@pytest.fixture(scope="module")
def model(tiles_model):
    return load(tiles_model)


@pytest.fixture(scope="module")
def posts():
    return [post for post in read_jsonl(SAMPLE / "test.jsonl")][:30]


def scores(tagged):
    return [entity.score for post in tagged for entity in post.entities]


def path_of(post):
    return None if post.image_id is None else SAMPLE / "images" / f"{post.image_id}.png"


def test_a_picture_says_what_its_features_in_the_store_say(model, posts):
    stored = model.tag(posts, SAMPLE / "objects.h5")
    direct = model.tag(posts, pictures=[path_of(post) for post in posts])
    assert [post.tags for post in direct] == [post.tags for post in stored]
    assert [post.post for post in direct] == posts
    # The store's numbers are of half precision.
    np.testing.assert_allclose(scores(direct), scores(stored), atol=5e-3)
    assert scores(model.tag(posts)) != scores(direct)


def test_paths_and_open_pictures_are_the_same(model, posts):
    seen = [post for post in posts if post.image_id is not None][:4]
    by_path = model.tag(seen, pictures=[str(path_of(post)) for post in seen])
    opened = model.tag(seen, pictures=[Image.open(path_of(post)) for post in seen])
    assert opened == by_path
    assert len(model.tag(["Benz in Rome"], pictures=[path_of(seen[0])])) == 1


def test_a_picture_that_cannot_be_read_counts_as_none_and_is_warned_of(model, posts, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="bad.jpg: is no picture in .*: ignored"):
        found = model.tag(posts[:3], pictures=[bad, None, bad])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.tag(posts[:3], pictures=[None] * 3) == found


def test_what_does_not_fit_is_refused(model, posts):
    with pytest.raises(ValueError, match="`pictures` must contain one entry per post, 2. Received: 1"):
        model.tag(posts[:2], pictures=[None])
    with pytest.raises(ValueError, match="Received: one"):
        model.tag(posts[:1], pictures="a.jpg")
    with pytest.raises(ValueError, match="exclude each other"):
        model.tag(posts[:1], SAMPLE / "objects.h5", pictures=[None])


def test_extractors_that_cannot_be_had_are_refused():
    from mner_keras.vision.visual_input import VisualInput

    with pytest.raises(InputError, match="reads the text alone"):
        load_extractor(None)
    with pytest.raises(InputError, match="trained without pictures"):
        load_extractor(VisualInput("regions", 49, 512))
    with pytest.raises(InputError, match=r"can make \(vgg16, mask-rcnn, tiles, backbone\), found 'captions'"):
        load_extractor(VisualInput("regions", 49, 512, "captions"))
    with pytest.raises(InputError, match="expected options of Mask R-CNN .* found depth: the model is of another"):
        load_extractor(VisualInput("objects", 3, 1024, "mask-rcnn", options='{"top": 3, "depth": 50}'))
    with pytest.raises(InputError, match="none.h5: expected an HDF5 file of Mask R-CNN weights, found no such file"):
        load_extractor(VisualInput("objects", 3, 1024, "mask-rcnn", options='{"side": 64}'), "none.h5")
    with pytest.raises(InputError, match="none.weights.h5: expected a file of VGG16 weights"):
        load_extractor(VisualInput("regions", 49, 512, "vgg16"), "none.weights.h5")


def test_other_weights_than_the_store_s_are_refused(monkeypatch):
    from mner_keras.vision import vgg16
    from mner_keras.vision.visual_input import VisualInput

    class Stub:
        def __init__(self, weights, batch_size):
            self.attributes = {"weights_hash": "0" * 64}

    monkeypatch.setattr(vgg16, "VGG16Regions", Stub)
    assert load_extractor(VisualInput("regions", 49, 512, "vgg16", "0" * 64))
    with pytest.raises(InputError, match=r"expected the weights that .* \(111111111111\.\.\.\), found others"):
        load_extractor(VisualInput("regions", 49, 512, "vgg16", "1" * 64))


# === mner tag --pictures ===


def test_a_folder_of_pictures_stands_in_for_a_store(mner, tiles_model, tmp_path):
    file = tmp_path / "posts.jsonl"
    file.write_text("".join((SAMPLE / "test.jsonl").read_text("utf-8").splitlines(True)[:60]), encoding="utf-8")
    stored = mner("tag", tiles_model, file, "--features", SAMPLE / "objects.h5")
    direct = mner("tag", tiles_model, file, "--pictures", SAMPLE / "images")
    assert (direct.code, direct.err) == (0, "")
    lines = [[json.loads(line) for line in result.out.splitlines()] for result in (stored, direct)]
    assert [line["image"] for line in lines[0]] == [line["image"] for line in lines[1]]
    assert sum(a["tags"] == b["tags"] for a, b in zip(*lines, strict=True)) > 0.98 * len(lines[0])


def test_one_picture_is_that_of_every_post(mner, tiles_model, model, posts):
    picture = path_of(next(post for post in posts if post.image_id is not None))
    result = mner("tag", tiles_model, "--pictures", picture, stdin=b"Anyway the best Benz in Los Angeles\n")
    assert (result.code, result.err) == (0, "")
    expected = model.tag(["Anyway the best Benz in Los Angeles"], pictures=[picture])[0]
    assert json.loads(result.out)["tags"] == list(expected.tags)


def test_pictures_that_are_not_there_or_cannot_be_read_are_told(mner, tiles_model, tmp_path):
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    records = [{"tokens": ["Rome"], "image": name} for name in ("a", "sub/b.jpg", "a", "c.png")] + [{"tokens": ["x"]}]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    result = mner("tag", tiles_model, "--pictures", tmp_path, stdin=lines)
    assert result.code == 0
    assert len(result.out.splitlines()) == 5
    assert result.err.splitlines() == [
        "1 post names a picture missing from the folder: treated as none",
        f"{tmp_path / 'a.png'}: is no picture in JPEG, PNG, WEBP, GIF or BMP: ignored in 2 posts",
        f"{tmp_path / 'b.jpg'}: is no picture in JPEG, PNG, WEBP, GIF or BMP: ignored in 1 post",
    ]
    mner("tag", tiles_model, "--pictures", tmp_path / "a.png", stdin=b"Rome\n").refused("a.png: is no picture")
    mner("tag", tiles_model, "--pictures", tmp_path / "none", stdin=b"Rome\n").refused("cannot be read")
    both = ["--pictures", tmp_path, "--features", SAMPLE / "objects.h5"]
    mner("tag", tiles_model, *both, stdin=b"Rome\n").refused("exclude each other")


def test_posts_bring_their_own_pictures(mner, tiles_model, posts, model, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stored = [list(post.tags) for post in model.tag(posts, SAMPLE / "objects.h5")]
    records = [{"tokens": list(post.tokens), "image": post.image_id} for post in posts]
    paths = [path_of(post) for post in posts]
    lines = [{**record, "picture": path and str(path)} for record, path in zip(records, paths, strict=True)]
    rows = [{**record, "picture": path and path.read_bytes()} for record, path in zip(records, paths, strict=True)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        result = mner("tag", tiles_model, tmp_path / name, "--pictures", "posts")
        assert (result.code, result.err) == (0, "")
        found = [json.loads(line) for line in result.out.splitlines()]
        assert [one["tags"] for one in found] == stored
        assert [one["image"] for one in found] == [post.image_id for post in posts]
    bad = b'{"tokens": ["Rome"], "picture": 5}\n{"tokens": ["Rome"], "picture": "none.png"}\n'
    result = mner("tag", tiles_model, "--pictures", "posts", stdin=bad)
    assert (result.code, len(result.out.splitlines()), result.err.count(": ignored in 1 post\n")) == (0, 2, 2)
