"""A made-up corpus that trains in seconds: few words, two lengths of post, parts of speech given, tiny pictures."""

import json
import random
from pathlib import Path

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

# Arguments that make the models small.
SMALL = {
    "text": {"word_dim": 12, "char_dim": 6, "pos_dim": 4, "hidden_dim": 16, "dropout": 0.2},
    "hsn": {"word_dim": 12, "char_dim": 6, "pos_dim": 4, "hidden_dim": 16, "num_heads": 4, "dropout": 0.2},
    "agban": {
        "word_dim": 12,
        "char_dim": 6,
        "char_hidden_dim": 8,
        "hidden_dim": 16,
        "rank": 8,
        "gate_units": 8,
        "num_objects": OBJECTS,
        "dropout": 0.2,
    },
}
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
