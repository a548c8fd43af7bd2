"""A made-up corpus that trains in seconds, and a small model of each name in the registry that reads it.

Few words, two lengths of post, parts of speech given, tiny pictures. Importing this module does not import Keras.
"""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NAMES = {
    "PER": ("Anna", "Ben Cole"),
    "LOC": ("Rome", "New York"),
}
FILLERS = ("the", "a", "we", "saw", "with", "at", "so", "good", "today", "#now", "http://t.co/x", "2nd")
LENGTHS = (5, 8)
SIZES = {"train": 40, "dev": 12, "test": 12}
# So many posts of each split name a picture that no store holds.
MISSING = {"train": 3, "dev": 2, "test": 1}
OBJECTS, OBJECT_WIDTH = 2, 6
REGIONS, REGION_WIDTH = 4, 8

_TEXT = {"word_dim": 12, "char_dim": 6, "hidden_dim": 16, "dropout": 0.2}
# Arguments that make the models small.
SMALL = {
    "text": {**_TEXT, "pos_dim": 4},
    "hsn": {**_TEXT, "pos_dim": 4, "num_heads": 4},
    "agban": {**_TEXT, "char_hidden_dim": 8, "rank": 8, "gate_units": 8, "num_objects": OBJECTS},
    "agban-released": {**_TEXT, "char_hidden_dim": 8, "rank": 4, "attention_dropout": 0.2, "num_objects": OBJECTS},
    "cnn-bilstm-crf": {**_TEXT, "char_filters": 6},
    "bilstm-crf": {**_TEXT, "char_hidden_dim": 8},
    "adaptive-co-attention": {
        **_TEXT,
        "char_filters": 6,
        "char_hidden_dim": 8,
        "char_units": 6,
        "fusion_dim": 8,
    },
    "mner-ma": {**_TEXT, "char_hidden_dim": 8, "modality_dim": 12},
    "vam": {**_TEXT, "char_hidden_dim": 8, "attention_dim": 8},
    "disan": {**_TEXT, "pos_dim": 4, "attention_dim": 8},
}
SMALL |= {f"hsn-without-{part}": SMALL["hsn"] for part in ("mi", "ha", "mp", "vf")}
SMALL |= {f"agban-{form}": SMALL["agban"] for form in ("gban", "ban", "concat")}
# Settings with which two epochs of the small corpus teach something.
SETTINGS = {
    "text": {"batch_size": 5, "learning_rate": 0.03},
    "hsn": {"batch_size": 5, "learning_rate": 0.03},
    "agban": {"batch_size": 5, "optimizer": "adam", "learning_rate": 0.02, "learning_rate_decay": 0.05},
}


def make_records(split):
    """The posts of a split as JSON objects."""
    rng = random.Random(split)
    records = []
    for number in range(SIZES[split]):
        length = LENGTHS[number % len(LENGTHS)]
        kind = rng.choice(list(NAMES))
        name = rng.choice(NAMES[kind]).split()
        start = rng.randrange(length - len(name) + 1)
        rest = [rng.choice(FILLERS) for _ in range(length - len(name))]
        image = None if number % 5 == 4 else f"{split}-{number}"
        records.append(
            {
                "id": f"{split}-{number}",
                "tokens": rest[:start] + name + rest[start:],
                "tags": ["O"] * start
                + [("B-" if i == 0 else "I-") + kind for i in range(len(name))]
                + ["O"] * (length - len(name) - start),
                "pos": ["DT"] * start + ["NNP"] * len(name) + ["VB"] * (length - len(name) - start),
                "image": image,
            }
        )
    return records


def write_records(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def write_store(path, image_ids, count, width, blank=None):
    rng = np.random.default_rng(7)
    with h5py.File(path, "w") as file:
        file.attrs["extractor"] = "made up"
        for number, image_id in enumerate(image_ids):
            # Objects vary in number, one picture has none; regions do not.
            rows = count if blank is not None else number % (count + 1)
            file[image_id] = rng.normal(size=(rows, width)).astype("float16")
        if blank is not None:
            file["_blank"] = np.full((count, width), blank, "float16")


def write_corpus(folder):
    """Write train, dev and test with both feature stores into a folder, and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = []
    for split in SIZES:
        records = make_records(split)
        write_records(folder / f"{split}.jsonl", records)
        images = [record["image"] for record in records if record["image"] is not None]
        held += images[MISSING[split] :]
    write_store(folder / "objects.h5", held, OBJECTS, OBJECT_WIDTH)
    write_store(folder / "regions.h5", held, REGIONS, REGION_WIDTH, blank=0.5)
    return folder


def train_arguments(model, corpus, epochs=2):
    """The arguments of `mner train` but `--out`."""
    settings = {key: value for key, value in SETTINGS[model].items() if key != "learning_rate_decay"}
    return [
        "train",
        model,
        "--data",
        corpus,
        "--epochs",
        epochs,
        *(part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", value)),
        *(part for key, value in SMALL[model].items() for part in ("--set", f"{key}={value}")),
    ]


# === Models ===


@dataclasses.dataclass
class World:
    """Posts, their features, and a small model without dropout."""

    name: str
    posts: list
    store: Any
    preprocessor: Any

    def build(self, **arguments):
        import keras

        from mner_keras.registry import find_model

        keras.utils.set_random_seed(0)
        arguments = {**_arguments(self.name, of_preprocessor=False), **arguments}
        return find_model(self.name).load_class()(self.preprocessor, **arguments)

    def batch(self, rows=None, posts=None):
        """The inputs and tags of some posts, padded to the longest of all."""
        from mner_keras.data.batches import PostBatches

        posts = self.posts if posts is None else posts
        rows = np.arange(len(posts)) if rows is None else np.asarray(rows)
        return PostBatches(self.preprocessor, posts, self.store, len(rows)).batch(rows)


def make_posts(split="train", count=None):
    """Posts of a split; the last one is a single token."""
    from mner_keras.data import Post

    fields = [(r["tokens"], r["tags"], r["image"], r["pos"]) for r in make_records(split)]
    posts = [Post(*some) for some in fields[: None if count is None else count - 1]]
    return [*posts, Post(["Rome"], ["B-LOC"], None, ["NNP"])]


def make_world(name, corpus, vectors=None, **options):
    """The world of a model by its name in the registry.

    Args:
        name: the name.
        corpus: the folder that `write_corpus` wrote.
        vectors: pretrained word vectors.
        options: other arguments of `fit_preprocessor`.
    """
    from mner_keras.registry import find_model
    from mner_keras.vision import FeatureStore

    model_class, posts = find_model(name).load_class(), make_posts(count=20)
    visual = model_class.preprocessing.get("visual")
    store = None if visual is None else FeatureStore(Path(corpus) / f"{visual.kind}.h5")
    options = {"max_characters": 8, **_arguments(name, of_preprocessor=True), **options}
    return World(name, posts, store, model_class.fit_preprocessor(posts, vectors, store, **options))


def _arguments(name, of_preprocessor):
    """The small arguments of the model or of its preprocessor."""
    from mner_keras.registry import find_model
    from mner_keras.run.config import split_arguments

    entry = find_model(name)
    arguments = {**SMALL[name], "dropout": 0.0, **entry.arguments}
    if "attention_dropout" in arguments:
        arguments["attention_dropout"] = 0.0
    if name == "bilstm-crf":
        arguments["unknown_rate"] = 0.0
    return split_arguments(entry.load_class(), arguments)[0 if of_preprocessor else 1]
