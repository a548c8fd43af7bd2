"""Twenty small posts, their pictures' features, and a small model of each kind."""

import dataclasses

import h5py
import keras
import numpy as np

from mner_keras.data import Post, PostPreprocessor
from mner_keras.data.batches import PostBatches
from mner_keras.registry import find_model
from mner_keras.vision import FeatureStore

KINDS = ("text", "hsn", "agban")
# The systems that the papers compare with, by the kind of world that they live in.
BASELINES = {
    **{name: "text" for name in ("cnn-bilstm-crf", "bilstm-crf")},
    **{name: "hsn" for name in ("adaptive-co-attention", "mner-ma", "vam", "disan")},
}
# The registry's names with the kind of world that they live in.
VARIANTS = {
    "text": "text",
    **{f"hsn{row}": "hsn" for row in ("", "-without-mi", "-without-ha", "-without-mp", "-without-vf")},
    **{f"agban{row}": "agban" for row in ("", "-concat", "-ban", "-gban")},
    **BASELINES,
}
DIM = 6
REGIONS = 4
OBJECTS = 3

SIZES = {
    "text": dict(word_dim=12, char_dim=6, pos_dim=4, hidden_dim=24, dropout=0.0),
    "hsn": dict(word_dim=12, char_dim=6, pos_dim=4, hidden_dim=24, num_heads=4, dropout=0.0),
    "agban": dict(word_dim=12, char_dim=6, char_hidden_dim=8, hidden_dim=24, rank=8, gate_units=8, dropout=0.0),
    "cnn-bilstm-crf": dict(word_dim=12, char_dim=6, char_filters=6, hidden_dim=24, dropout=0.0),
    "bilstm-crf": dict(word_dim=12, char_dim=6, char_hidden_dim=8, hidden_dim=24, dropout=0.0, unknown_rate=0.0),
    "adaptive-co-attention": dict(
        word_dim=12,
        char_dim=6,
        char_filters=6,
        char_hidden_dim=8,
        char_units=6,
        hidden_dim=24,
        fusion_dim=8,
        dropout=0.0,
    ),
    "mner-ma": dict(word_dim=12, char_dim=6, char_hidden_dim=8, modality_dim=12, hidden_dim=24, dropout=0.0),
    "vam": dict(word_dim=12, char_dim=6, char_hidden_dim=8, hidden_dim=24, attention_dim=8, dropout=0.0),
    "disan": dict(word_dim=12, char_dim=6, pos_dim=4, hidden_dim=24, attention_dim=8, dropout=0.0),
}

_NAMES = [("PER", "Ann"), ("PER", "Bob Lee"), ("LOC", "Rome"), ("LOC", "New York City"), ("ORG", "Acme")]
_FILLERS = [("saw", "VBD"), ("the", "DT"), ("in", "IN"), ("and", "CC"), ("nice", "JJ"), ("7", "CD"), ("!", ".")]


def make_posts(count=20, seed=0):
    """Posts of 1 to 8 tokens; some without a picture, some whose picture is nowhere."""
    rng = np.random.default_rng(seed)
    posts = []
    for number in range(count):
        tokens, tags, pos = [], [], []
        while not tokens or (number and rng.random() < 0.75 and len(tokens) < 6):
            kind, name = _NAMES[rng.integers(len(_NAMES))]
            if rng.random() < 0.5 or not number:
                for i, word in enumerate(name.split()):
                    tokens.append(word)
                    tags.append(("I-" if i else "B-") + kind)
                    pos.append("NNP")
            else:
                word, tag = _FILLERS[rng.integers(len(_FILLERS))]
                tokens.append(word)
                tags.append("O")
                pos.append(tag)
        image_id = None if number % 4 == 1 else f"p{number}"
        posts.append(Post(tokens, tags, image_id, pos))
    return posts


def write_store(path, posts, kind):
    """Features of the posts' pictures: four regions, or one to three objects; one picture is left out."""
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file.attrs["extractor"] = "made up"
        for number, post in enumerate(posts):
            if post.image_id is not None and number != 2:
                count = REGIONS if kind == "regions" else 1 + number % OBJECTS
                file[post.image_id] = rng.normal(size=(count, DIM)).astype("float32")
        if kind == "regions":
            file["_blank"] = np.full((REGIONS, DIM), 0.25, "float32")
    return FeatureStore(path)


@dataclasses.dataclass
class World:
    """A kind of model with its encoder, posts and features."""

    kind: str
    posts: list[Post]
    store: FeatureStore | None
    encoder: PostPreprocessor

    def build(self, variant=None, **arguments):
        """A small model of the kind, or of a variant of it by its name in the registry."""
        keras.utils.set_random_seed(0)
        entry = find_model(variant or self.kind)
        sizes = SIZES.get(variant) or SIZES[self.kind]
        return entry.load_class()(self.preprocessor, **{**sizes, **entry.arguments, **arguments})

    def batch(self, rows=None, posts=None):
        posts = self.posts if posts is None else posts
        rows = np.arange(len(posts)) if rows is None else np.asarray(rows)
        return PostBatches(self.preprocessor, posts, self.store, len(rows)).batch(rows)


def make_world(kind, folder, vectors=None):
    posts = make_posts()
    store = None
    options = {"max_characters": 8}
    if kind == "hsn":
        store = write_store(folder / "regions.h5", posts, "regions")
    elif kind == "agban":
        store = write_store(folder / "objects.h5", posts, "objects")
        options["visual_count"] = OBJECTS
    preprocessor = find_model(kind).load_class().fit_preprocessor(posts, vectors, store, **options)
    return World(kind, posts, store, encoder)
