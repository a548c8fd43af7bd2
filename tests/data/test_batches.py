"""`PostBatches` and the data sets made of it: shapes, order, filling, pictures."""

import importlib.util
import random

import h5py
import numpy as np
import pytest

from mner_keras.data import Post, PostPreprocessor
from mner_keras.data.batches import PostBatches, _py_dataset, as_dataset, count_missing
from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore
from mner_keras.vision.visual_input import VisualInput


def make_posts(number, longest=20, seed=0):
    """Posts whose first word is their own: it tells in a batch which post a row is."""
    rng = random.Random(seed)
    posts = []
    for i in range(number):
        length = rng.randint(1, longest)
        tokens = (f"w{i}", *rng.choices(("a", "bb", "ccc"), k=length - 1))
        tags = ("B-PER", *("I-PER" if i % 2 else "O" for _ in tokens[1:]))
        posts.append(Post(tokens, tags, image_id=f"p{i}" if i % 3 else None, pos=("NN",) * length))
    return posts


POSTS = make_posts(53)


@pytest.fixture(scope="module")
def preprocessor():
    return PostPreprocessor.fit(POSTS, max_characters=5)


def first_words(preprocessor, inputs):
    ids = np.asarray(inputs["word_ids"])[:, 0]
    return [int(preprocessor.words[i - 2][1:]) for i in ids if i]


def equal(a, b):
    (x, s), (y, t) = a, b
    return (
        x.keys() == y.keys()
        and all(np.array_equal(np.asarray(x[key]), np.asarray(y[key])) for key in x)
        and np.array_equal(np.asarray(s), np.asarray(t))
    )


# === Arrays ===


def test_each_row_is_the_encoding_of_its_post(preprocessor):
    (inputs, tags), posts = next(iter(PostBatches(preprocessor, POSTS, batch_size=8))), POSTS[:8]
    n = tags.shape[1]
    shapes = {key: (value.shape, value.dtype.name) for key, value in (*inputs.items(), ("tags", tags))}
    ids = {key: ((8, n), "int32") for key in ("word_ids", "pos_ids", "tags")}
    assert shapes == {**ids, "char_ids": ((8, n, 5), "int32"), "token_mask": ((8, n), "bool")}
    for row, post in enumerate(posts):
        n = len(post)
        assert inputs["word_ids"][row, :n].tolist() == [preprocessor.word_id(token) for token in post.tokens]
        for i, token in enumerate(post.tokens):
            ids = preprocessor.char_ids(token)
            assert inputs["char_ids"][row, i].tolist() == ids + [0] * (5 - len(ids))
        assert inputs["pos_ids"][row, :n].tolist() == preprocessor.pos_ids([post])[0]
        assert tags[row, :n].tolist() == preprocessor.tag_ids(post.tags)
        assert inputs["token_mask"][row].tolist() == [True] * n + [False] * (len(tags[row]) - n)
        for array in (*inputs.values(), tags):
            assert not array[row, n:].any()


def test_unlabelled_posts_give_inputs_only(preprocessor):
    posts = [Post(post.tokens, pos=post.pos) for post in POSTS[:3]]
    for mixed in (posts, [POSTS[5], *posts]):
        batch = next(iter(PostBatches(preprocessor, mixed)))
        assert isinstance(batch, dict)
        assert isinstance(next(iter(preprocessor.dataset(mixed))), dict)
        (inputs,) = _py_dataset(PostBatches(preprocessor, mixed))[0]
        assert set(inputs) == {"word_ids", "char_ids", "pos_ids", "token_mask"}


def test_there_must_be_posts_and_a_batch_of_one_at_least(preprocessor):
    with pytest.raises(InputError, match="expected posts, found none"):
        PostBatches(preprocessor, [])
    with pytest.raises(ValueError, match="`batch_size` must be at least 1. Received: batch_size=0"):
        PostBatches(preprocessor, POSTS, batch_size=0)


# === Order ===


@pytest.mark.parametrize("size", [1, 7, 53, 100])
def test_without_shuffling_posts_keep_their_order_and_no_row_is_added(preprocessor, size):
    batches = PostBatches(preprocessor, POSTS, batch_size=size)
    for _ in range(2):
        rows = [first_words(preprocessor, inputs) for inputs, _ in batches]
        assert [len(row) for row in rows[:-1]] == [size] * (len(rows) - 1)
        assert sum(rows, []) == list(range(53))
        assert len(rows) == len(batches) == -(-53 // size)
    for inputs, _ in batches:
        assert inputs["token_mask"].any(axis=1).all()


@pytest.mark.parametrize("size", [1, 7, 53, 100])
def test_shuffled_every_post_comes_once_an_epoch_and_empty_rows_fill_up(preprocessor, size):
    batches = PostBatches(preprocessor, POSTS, batch_size=size, shuffle=True, seed=3)
    for _ in range(3):
        epoch = list(batches)
        assert len(epoch) == len(batches) == -(-53 // size)
        assert sorted(sum((first_words(preprocessor, inputs) for inputs, _ in epoch), [])) == list(range(53))
        assert all(len(tags) == size for _, tags in epoch)
        empty = [int((~inputs["token_mask"].any(axis=1)).sum()) for inputs, _ in epoch]
        assert sum(empty) == len(epoch) * size - 53
        assert sum(count > 0 for count in empty) <= 1
        for inputs, tags in epoch:
            unused = ~inputs["token_mask"].any(axis=1)
            assert not any(array[unused].any() for array in (*inputs.values(), tags))


@pytest.mark.parametrize("shuffle", [True, False])
def test_without_buckets_posts_of_all_lengths_are_mixed_and_padded_to_the_longest(shuffle):
    posts = make_posts(300, longest=60)
    preprocessor = PostPreprocessor.fit(posts, bucket=False)
    batches = PostBatches(preprocessor, posts, batch_size=8, shuffle=shuffle, seed=0)
    seen = [inputs["token_mask"] for inputs, _ in batches]
    assert sorted(int(n) for mask in seen for n in mask.sum(axis=1) if n) == sorted(map(len, posts))
    assert all(mask.shape[1] == mask.sum(axis=1).max() for mask in seen)
    assert np.mean([np.ptp(mask.sum(axis=1)[mask.any(axis=1)]) for mask in seen]) > 30
    if shuffle:
        (first, second), (third, _) = (batches.rows(epoch)[:2] for epoch in (0, 1))
        assert len({tuple(rows) for rows in (first, second, third)}) == 3


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_have_six_lengths_at_most(shuffle):
    posts = make_posts(300, longest=60)
    preprocessor = PostPreprocessor.fit(posts)
    batches = PostBatches(preprocessor, posts, batch_size=8, shuffle=shuffle, seed=0)
    lengths = {tags.shape[1] for _ in range(3) for _, tags in batches}
    assert len(lengths) <= 6
    if shuffle:
        # Posts of like length share a batch: less than half of what is computed is padding.
        masks = [inputs["token_mask"] for inputs, _ in batches]
        assert sum(mask.sum() for mask in masks) > 0.7 * sum(mask.size for mask in masks)


def test_the_order_is_made_from_seed_and_epoch(preprocessor):
    def batches(seed):
        return PostBatches(preprocessor, POSTS, batch_size=8, shuffle=True, seed=seed)

    def order(batches, epoch=0):
        return np.concatenate(batches.rows(epoch)).tolist()

    one = batches(1)
    assert order(one) == order(batches(1))
    assert order(one, 5) == order(batches(1), 5)
    assert order(one) != order(one, 1)
    assert order(one) != order(batches(2))
    assert len({tuple(order(batches(None))) for _ in range(5)}) == 5
    # A finished pass moves on to the next epoch.
    passes = [[tags.tobytes() for _, tags in one] for _ in range(2)]
    assert one.epoch == 2
    assert passes[0] != passes[1]
    one.epoch = 0
    assert [tags.tobytes() for _, tags in one] == passes[0]


# === Data sets for Keras ===


@pytest.mark.parametrize("shuffle", [True, False])
def test_both_kinds_of_data_set_give_the_same_batches(preprocessor, shuffle):
    tf = pytest.importorskip("tensorflow")

    def batches():
        return PostBatches(preprocessor, POSTS, batch_size=8, shuffle=shuffle, seed=1)

    by_tensorflow, by_keras = as_dataset(batches()), _py_dataset(batches())
    assert isinstance(by_tensorflow, tf.data.Dataset)
    assert len(by_keras) == int(by_tensorflow.cardinality()) == 7
    inputs, tags = by_tensorflow.element_spec
    assert tags.dtype == tf.int32
    assert inputs["char_ids"].shape.as_list() == [None, None, 5]
    first = None
    for _ in range(2):
        a, b = list(by_tensorflow), [by_keras[i] for i in range(7)]
        assert equal(by_keras[2], b[2])  # any batch at any time
        by_keras.on_epoch_end()
        assert all(equal(x, y) for x, y in zip(a, b, strict=True))
        assert first is None or shuffle != all(equal(x, y) for x, y in zip(a, first, strict=True))
        first = a


def test_without_tensorflow_the_data_set_is_one_of_keras(preprocessor, monkeypatch):
    import keras

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "tensorflow" else find_spec(name))
    assert isinstance(preprocessor.dataset(POSTS), keras.utils.PyDataset)


# === Pictures ===

WIDTH = 4


@pytest.fixture
def store(tmp_path):
    """Pictures of posts 1, 2, 4 and 5; `p2` holds five vectors, `p4` one, `p5` none."""
    path = tmp_path / "store.h5"
    with h5py.File(path, "w") as file:
        for number, (name, rows) in enumerate({"p1": 3, "p2": 5, "p4": 1, "p5": 0}.items(), start=1):
            file[name] = (10 * number + np.arange(rows)[:, None] + np.zeros((rows, WIDTH))).astype("float16")
        file["_blank"] = np.full((3, WIDTH), -1, "float32")
    return FeatureStore(path)


def picture_arrays(store, kind, features=True, shuffle=False, posts=POSTS[:8]):
    preprocessor = PostPreprocessor.fit(posts, features=store, visual=VisualInput(kind, 3, 1))
    batches = PostBatches(preprocessor, posts, store if features else None, 10, shuffle=shuffle, seed=0)
    inputs, _ = batches.batch(np.arange(len(posts)))
    assert inputs["visual_features"].dtype == np.float32
    assert inputs["visual_features"].shape == (10 if shuffle else len(posts), 3, WIDTH)
    return inputs["visual_features"][..., 0].tolist(), inputs["visual_mask"].tolist(), batches


NONE, BLANK = [0, 0, 0], [-1, -1, -1]
OFF, ON = [False] * 3, [True] * 3


@pytest.mark.parametrize(("kind", "blank"), [("regions", (BLANK, ON)), ("objects", (NONE, OFF))])
def test_a_post_without_a_picture_sees_the_blank_regions_or_no_object(store, kind, blank):
    features, mask, _ = picture_arrays(store, kind)
    # Posts 0, 3 and 6 name no picture, 7 names one that the store lacks, 5 one without a vector.
    for row in (0, 3, 5, 6, 7):
        assert (features[row], mask[row]) == blank
    assert (features[1], mask[1]) == ([10, 11, 12], ON)
    assert (features[2], mask[2]) == ([20, 21, 22], ON)  # of five vectors
    assert (features[4], mask[4]) == ([30, 0, 0], [True, False, False])
    # Rows that fill up a batch see nothing.
    features, mask, _ = picture_arrays(store, kind, shuffle=True)
    assert (features[8:], mask[8:]) == ([NONE] * 2, [OFF] * 2)


def test_without_a_store_every_post_is_one_without_a_picture(store):
    features, mask, _ = picture_arrays(store, "regions", features=False)
    assert (features, mask) == ([BLANK] * 8, [ON] * 8)
    features, mask, _ = picture_arrays(store, "objects", features=False)
    assert (features, mask) == ([NONE] * 8, [OFF] * 8)


def test_a_store_without_a_blank_picture_gives_zeros(tmp_path):
    path = tmp_path / "store.h5"
    with h5py.File(path, "w") as file:
        file["p1"] = np.ones((3, WIDTH), "float32")
    features, mask, _ = picture_arrays(FeatureStore(path), "regions")
    assert (features[0], mask[0]) == (NONE, ON)


def test_pictures_that_the_store_lacks_are_counted_and_another_width_is_refused(store):
    assert [count_missing(POSTS[:8], features) for features in (store, store.path, None)] == [1, 1, 0]
    preprocessor = PostPreprocessor.fit(POSTS, visual=VisualInput("objects", 3, WIDTH + 1))
    with pytest.raises(InputError) as caught:
        PostBatches(preprocessor, POSTS, store)
    assert str(caught.value) == f"{store.path}: expected features of width 5, found 4"


def test_without_pictures_the_store_gives_sizes_and_the_blank_picture_alone(store):
    for kind, seen in (("regions", BLANK), ("objects", NONE)):
        preprocessor = PostPreprocessor.fit(POSTS, features=store, visual=VisualInput(kind, 3, 1), pictures=False)
        assert (preprocessor.visual.dim, preprocessor.visual.pictures) == (WIDTH, False)
        inputs, _ = PostBatches(preprocessor, POSTS[:8], store).batch(np.arange(8))
        assert inputs["visual_features"][..., 0].tolist() == [seen] * 8


def test_pictures_come_with_the_tensorflow_data_set(store):
    pytest.importorskip("tensorflow")
    _, _, batches = picture_arrays(store, "objects", posts=POSTS)
    dataset = as_dataset(batches)
    inputs, _ = dataset.element_spec
    assert inputs["visual_features"].shape.as_list() == [None, 3, WIDTH]
    again = PostBatches(batches.preprocessor, POSTS, store, 10)
    assert all(equal(a, b) for a, b in zip(dataset, again, strict=True))
