"""The sample corpus in the package: sound, small, and what its script makes."""

import importlib.util
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "mner_keras" / "data" / "sample"
SCRIPT = ROOT / "scripts" / "make_sample_corpus.py"
SIZES = {"train": 600, "dev": 200, "test": 200}
TYPES = ("PER", "LOC", "ORG", "OTHER")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def splits():
    return {name: read(SAMPLE / f"{name}.jsonl") for name in SIZES}


@pytest.fixture(scope="module")
def posts(splits):
    return [post for split in splits.values() for post in split]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_sample_corpus", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_posts_are_sound(splits, posts):
    assert {name: len(split) for name, split in splits.items()} == SIZES
    assert all(set(post) == {"id", "tokens", "tags", "pos", "image"} for post in posts)
    assert len({post["id"] for post in posts}) == len(posts)
    texts = {" ".join(t for t in post["tokens"] if not t.startswith(("@", "#", "http"))).lower() for post in posts}
    assert len(texts) == len(posts)
    for post in posts:
        assert len(post["tokens"]) == len(post["tags"]) == len(post["pos"]) > 0
        assert all(token and not any(c.isspace() for c in token) for token in post["tokens"])
        for previous, tag in zip(("O", *post["tags"]), post["tags"], strict=False):
            assert tag == "O" or (tag[:2] in ("B-", "I-") and tag[2:] in TYPES)
            assert tag[:2] != "I-" or previous[2:] == tag[2:]
    # Small enough to ship.
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 8_000_000


def test_every_picture_is_there_and_in_both_stores(posts):
    images = [post["image"] for post in posts if post["image"] is not None]
    assert len(set(images)) == len(images)
    assert {path.stem for path in (SAMPLE / "images").iterdir()} == set(images)
    with h5py.File(SAMPLE / "regions.h5") as regions, h5py.File(SAMPLE / "objects.h5") as objects:
        for store, kind in ((regions, "regions"), (objects, "objects")):
            attributes = [store.attrs[key] for key in ("extractor", "kind", "weights", "weights_hash")]
            assert attributes == ["tiles", kind, "", ""]
            assert {data.dtype for data in store.values()} == {np.dtype("float16")}
            assert {data.shape[1] for data in store.values()} == {store.attrs["feature_dim"]}
        assert all(len(data) == 9 for data in regions.values())
        assert len(objects["_blank"]) == 0
        for data in objects.values():
            names, boxes, scores = (data.attrs.get(key, ()) for key in ("names", "boxes", "scores"))
            assert len(names) == len(boxes) == len(scores) == len(data)
            assert (np.diff(scores) <= 0).all()
        assert np.mean([len(objects[image]) > 0 for image in images]) > 0.98


def test_stores_hold_what_the_extractor_says(posts):
    from mner_keras.vision import open_picture
    from mner_keras.vision.tiles import TilesExtractor

    with h5py.File(SAMPLE / "regions.h5") as regions, h5py.File(SAMPLE / "objects.h5") as objects:
        for image in [post["image"] for post in posts if post["image"] is not None][::50]:
            picture = [open_picture(SAMPLE / "images" / f"{image}.png")]
            np.testing.assert_allclose(
                regions[image], TilesExtractor("regions").extract(picture)[0]["vectors"], atol=2e-3
            )
            found = TilesExtractor("objects").extract(picture)[0]
            np.testing.assert_allclose(objects[image], found["vectors"], atol=2e-3)
            assert list(objects[image].attrs["names"]) == found["names"]
            np.testing.assert_array_equal(objects[image].attrs["boxes"], found["boxes"])


def test_default_seed_writes_the_same_posts(script, tmp_path):
    rng, seen, first = script.random.Random(script.DEFAULT_SEED), set(), 0
    for name, size in SIZES.items():
        drafts = script.make_drafts(size, rng, seen)
        script.write_posts(drafts, tmp_path / f"{name}.jsonl", first, pictures=True)
        first += size
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (SAMPLE / f"{name}.jsonl").read_bytes()


@pytest.mark.slow
def test_the_script_remakes_the_folder(script, tmp_path):
    if not script.DEFAULT_FONT.is_file():
        pytest.skip("the font Noto Color Emoji is not installed")
    script.main(tmp_path)
    for name in (*(f"{split}.jsonl" for split in SIZES), "README.md"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()
    made = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert made == sorted(path.name for path in (SAMPLE / "images").iterdir())
    for name in made[::40]:  # another version of the font or of Pillow may draw a little differently
        with Image.open(tmp_path / "images" / name) as new, Image.open(SAMPLE / "images" / name) as old:
            difference = np.abs(np.asarray(new.convert("RGB"), float) - np.asarray(old.convert("RGB"), float))
        assert difference.mean() < 8
    with h5py.File(tmp_path / "regions.h5") as new, h5py.File(SAMPLE / "regions.h5") as old:
        assert set(new) == set(old)


def test_posts_only_need_no_font_and_empty_splits_no_file(script, tmp_path):
    script.main(tmp_path / "out", sizes=(0, 0, 2000), pictures=False, font=tmp_path / "missing.ttf")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "test.jsonl"]
    posts = read(tmp_path / "out" / "test.jsonl")
    assert len(posts) == 2000
    assert all(post["image"] is None for post in posts)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"font": Path("missing.ttf")}, "fonts-noto-color-emoji.*missing.ttf"),
        ({"pictures": False, "sizes": (0, 0, 0)}, "--sizes"),
        ({"pictures": False, "sizes": (-1, 5, 5)}, "--sizes"),
    ],
)
def test_a_missing_font_and_bad_sizes_are_clear_errors(script, tmp_path, options, named):
    with pytest.raises(SystemExit, match=named):
        script.main(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
