"""Run folders as training leaves them, made up in no time."""

import json
import random

import h5py
import numpy as np

from mner_keras.data import Post, load_dataset
from mner_keras.run.run import write_predictions

TYPES = ("PER", "LOC")


def make_posts(count=40, seed=0):
    """Posts with one entity each."""
    rng = random.Random(seed)
    posts = []
    for number in range(count):
        tags = ["O"] * 6
        start = rng.randrange(5)
        kind = rng.choice(TYPES)
        tags[start : start + 2] = [f"B-{kind}", f"I-{kind}"]
        tokens = tuple(f"w{number}x{i}" for i in range(6))
        posts.append(Post(tokens, tuple(tags), image_id=None if number % 4 else str(number)))
    return posts


def predict(posts, rate, seed):
    """Tags that are right for about a share of the posts."""
    rng = random.Random(seed)
    return [post.tags if rng.random() < rate else ("O",) * len(post) for post in posts]


def finish_run(folder, config, predicted, posts=None, **provenance):
    """Leave a finished run with these predictions of the test split in a folder."""
    data = None if posts is not None else load_dataset(config.data)
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder / "config.toml")
    write_predictions(folder / "predictions.jsonl", posts if posts is not None else data["test"], predicted)
    record = {
        "versions": {"keras": "3"},
        "backend": "tensorflow",
        "devices": ["cpu:0"],
        "machine": "m",
        "precision": "float32",
        "git_commit": None,
        "features": None,
        "vectors": None,
        "seconds": 2.0,
        "data": {"name": "d", "sha256": {} if data is None else data.hashes()},
        **provenance,
    }
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


def write_store(path, images, kind, extractor="tiles", blank=True):
    """A feature store of three vectors per picture; returns its path."""
    with h5py.File(path, "w") as file:
        file.attrs.update(kind=kind, extractor=extractor)
        for image in (*images, *(["_blank"] if blank else [])):
            file[image] = np.ones((3, 4), "float32")
    return str(path)
