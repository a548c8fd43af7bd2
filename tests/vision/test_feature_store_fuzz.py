"""Damaged stores by the hundred: each is read or refused with an `InputError` that names the file."""

import random

import h5py
import numpy as np
import pytest
from damage import mutate

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore, FeatureWriter
from mner_keras.vision.imports import import_features


def write_ours(path):
    # Strings of fixed length: on damaged ones of variable length the HDF5 library itself hangs or crashes.
    with h5py.File(path, "w") as file:
        file.attrs.update({"extractor": np.bytes_("stub"), "kind": np.bytes_("objects"), "dtype": np.bytes_("float32")})
        for name in ("_blank", *"abcdefgh"):
            dataset = file.create_dataset(name, data=np.ones((2, 3), "float32"))
            dataset.attrs.update({"names": np.array([b"car", b"dog"]), "boxes": np.ones((2, 4)), "scores": np.ones(2)})


def write_zhang(path):
    with h5py.File(path, "w") as file:
        for name in "abc":
            file.create_dataset(f"{name}.jpg", (1, 512, 7, 7), "float16", fillvalue=1)


def use(path):
    """Return what users do with a store, one function each."""
    store = FeatureStore(path)
    ids = ["a", "b", "h", "a.jpg", "_blank", None, "nowhere"]
    return [
        store.describe,
        store.check,
        lambda: store.read(ids, 3),
        lambda: store.blank(3),
        *(lambda image_id=image_id: store.objects(image_id, 2).names for image_id in ids),
        lambda: append(path) if "kind" in store.attributes else import_features(path, f"{path}.out", overwrite=True),
    ]


def append(path):
    with FeatureWriter(path, {"extractor": "stub", "kind": "objects"}) as writer:
        writer.add("z", np.ones((2, 3)))


@pytest.mark.parametrize(("write", "cases"), [(write_ours, 200), (write_zhang, 50)])
def test_a_damaged_store_is_read_or_refused(write, cases, tmp_path):
    good, bad = tmp_path / "good.h5", tmp_path / "bad.h5"
    write(good)
    data, rng, refused = good.read_bytes(), random.Random(2015), 0
    for number in range(cases):
        bad.write_bytes(mutate(data, rng))
        for step in use(bad):
            try:
                step()
            except InputError as error:
                assert str(bad) in str(error), (number, error)
                refused += 1
    assert refused > cases / 10
