"""`PostBatches`: batches of NumPy arrays from posts, and how Keras gets them."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.text.subwords import padded_length

if TYPE_CHECKING:
    from mner_keras.vision.feature_store import FeatureStore

# A bucketed data set is padded to at most six lengths, since a compiler makes a program per length. They are closer
# together for long posts, where a wide step would pad most.
LENGTH_QUANTILES = (0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
TOKENS, POSTS = 8192, 512  # the most tokens, padding included, and posts in a batch of `by_length`, by default
MAX_TOKENS = 32_768  # the most tokens in any batch of `by_length`
PREFETCH = 4

Batch = dict[str, np.ndarray]


class PostBatches:
    """Make the batches of `PostPreprocessor.dataset`, which explains the arguments, as NumPy arrays.

    Args:
        labelled: whether to read the posts' tags, if all of them have tags.

    Attributes:
        epoch: the epoch of the next pass; a finished pass adds one.
        char_ids: the characters of each distinct token, `[U, c]`, the first row for padding.
        char_vectors: `[U, d]`; if given, batches contain each token's `char_vectors` `[B, n, d]` instead of `char_ids`.
    """

    def __init__(
        self,
        preprocessor,
        posts: Iterable[Post],
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int = 16,
        shuffle: bool = False,
        seed: int | None = None,
        labelled: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
        self.preprocessor = preprocessor
        self.posts = list(posts)
        if not self.posts:
            raise InputError("expected posts, found none")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = int(np.random.SeedSequence().entropy % 2**32) if seed is None else seed
        self.epoch = 0
        self.char_vectors: np.ndarray | None = None
        self.labelled = labelled and all(post.tags is not None for post in self.posts)
        visual = preprocessor.visual
        self.store = open_store(features) if features is not None and preprocessor.reads_store else None
        if self.store is not None and visual is not None and visual.pictures and self.store.dim != visual.dim:
            raise InputError(f"expected features of width {visual.dim}, found {self.store.dim}", self.store.path)
        self.lengths = np.array([len(post) for post in self.posts])
        self._index_tokens()
        # Without buckets, any length may be padded to: a batch gets that of its longest post.
        self._boundaries = np.unique(
            np.quantile(self.lengths, LENGTH_QUANTILES, method="higher") if preprocessor.bucket else self.lengths
        )

    def __len__(self) -> int:
        return -(-len(self.posts) // self.batch_size)

    def rows(self, epoch: int) -> list[np.ndarray]:
        """Return the posts of each batch, as positions in `posts`, in the order of the epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.posts)) if self.shuffle else np.arange(len(self.posts))
        if self.shuffle and self.preprocessor.bucket:
            bucket = np.searchsorted(self._boundaries, self.lengths[order])
            # A bucket's remainder moves to the next longer one, so that only the very last batch is not full.
            order = order[np.argsort(bucket, kind="stable")]
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        return [batches[i] for i in rng.permutation(len(batches))] if self.shuffle else batches

    def by_length(self, batch_size: int | None = None, compiled: bool = True) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield the posts' positions and inputs, posts of similar length together if the preprocessor buckets.

        Args:
            batch_size: posts per batch, by default as many as `TOKENS` and `POSTS` permit; fewer long ones, for memory.
            compiled: whether a program is compiled for each shape: empty rows and padding then make shapes few.
        """
        bucket = self.preprocessor.bucket
        order = np.argsort(self.lengths, kind="stable") if bucket else np.arange(len(self.posts))
        most_posts, most_tokens = (POSTS, TOKENS) if batch_size is None else (batch_size, MAX_TOKENS)
        start = 0
        while start < len(order):
            end = min(start + most_posts, len(order))
            while end - start > 1 and (end - start) * self.lengths[order[start:end]].max() > most_tokens:
                end = start + (end - start) // 2
            rows = order[start:end]
            size, length = len(rows), int(self.lengths[rows].max())
            if bucket and compiled:
                size, length = 1 << (size - 1).bit_length(), padded_length(length)
            yield rows, self.batch(rows, size, length)[0]
            start = end

    def batch(
        self, rows: np.ndarray, size: int | None = None, length: int | None = None
    ) -> tuple[Batch, np.ndarray | None]:
        """Return the arrays of the posts at these positions: inputs, and tags int32 `[B, n]` if every post has tags.

        Args:
            size: B; rows after the posts are empty. By default the batch size if shuffled, else the number of posts.
            length: n; by default the next of the pass's lengths.
        """
        if size is None:
            size = self.batch_size if self.shuffle else len(rows)
        if length is None:
            length = int(self._boundaries[np.searchsorted(self._boundaries, self.lengths[rows].max())])
        mask = np.zeros((size, length), bool)
        mask[: len(rows)] = np.arange(length) < self.lengths[rows, None]
        places = np.zeros((size, length), "int64")
        places[: len(rows)] = self._starts[rows, None] + np.arange(length)

        def of_tokens(values: np.ndarray) -> np.ndarray:
            shown = mask.reshape(mask.shape + (1,) * (values.ndim - 1))
            return np.where(shown, values.take(places, axis=0, mode="clip"), 0)

        inputs: Batch = {"token_mask": mask, **{name: of_tokens(values) for name, values in self._columns.items()}}
        tokens = of_tokens(self._tokens)
        if self.char_vectors is not None:
            inputs["char_vectors"] = self.char_vectors[tokens]
        elif self.preprocessor.use_characters:
            inputs["char_ids"] = self.char_ids[tokens].astype("int32")
        if self.preprocessor.backbone is not None and self.preprocessor.backbone.fine_tune:
            inputs.update(self.preprocessor.backbone.arrays(*self._subwords(rows), mask.shape))
        if self.preprocessor.visual is not None:
            inputs.update(self._pictures(rows, size))
        return inputs, of_tokens(self._tags) if self.labelled else None

    def __iter__(self) -> Iterator[tuple[Batch, np.ndarray] | Batch]:
        epoch = self.epoch
        for number, rows in enumerate(self.rows(epoch), start=1):
            inputs, tags = self.batch(rows)
            if number == len(self):  # before the reader, which may not ask for more, sets the next epoch
                self.epoch = epoch + 1
            yield (inputs, tags) if self.labelled else inputs

    def _index_tokens(self) -> None:
        """Encode each distinct token once; a post is then a run of positions in that table."""
        preprocessor, posts = self.preprocessor, self.posts
        index: dict[str, int] = {}
        self._tokens = np.array([index.setdefault(token, len(index) + 1) for post in posts for token in post.tokens])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        # Row 0 is the padding.
        self.char_ids = np.zeros((len(index) + 1, preprocessor.max_characters), "uint16")
        for token, row in index.items():
            ids = preprocessor.char_ids(token)
            self.char_ids[row, : len(ids)] = ids
        self._columns: Batch = {}
        if preprocessor.use_words:
            self._columns["word_ids"] = np.array([0, *map(preprocessor.word_id, index)], "int32")[self._tokens]
        if preprocessor.use_pos:
            self._columns["pos_ids"] = np.array([i for ids in preprocessor.pos_ids(posts) for i in ids], "int32")
        if self.labelled:
            self._tags = np.array([i for post in posts for i in preprocessor.tag_ids(post.tags)], "int32")
        if (backbone := preprocessor.backbone) is not None:
            self._pieces = [[], *backbone.subwords.ids(list(index))]
            self._captions: list[list[int] | None] = [None] * len(posts)
            for row, post in enumerate(posts) if backbone.caption and self.store is not None else ():
                caption = self.store.caption(post.image_id)
                if caption is not None:
                    self._captions[row] = [i for word in backbone.subwords.ids(caption.split()) for i in word]
            if not backbone.fine_tune:
                self._columns["contextual"] = backbone.vectors(*self._subwords(range(len(posts))))

    def _subwords(self, rows: Iterable[int]) -> tuple[list, list]:
        """Return the subwords of the tokens of some posts, and of their captions."""
        tokens = (self._tokens[self._starts[row] : self._starts[row + 1]] for row in rows)
        return [[self._pieces[token] for token in post] for post in tokens], [self._captions[row] for row in rows]

    def _pictures(self, rows: np.ndarray, size: int) -> Batch:
        visual = self.preprocessor.visual
        features = np.zeros((size, visual.count, visual.dim), "float32")
        mask = np.zeros((size, visual.count), bool)
        if self.store is not None and visual.pictures:
            ids = [self.posts[row].image_id for row in rows]
            features[: len(rows)], mask[: len(rows)] = self.store.read(ids, visual.count)
        if visual.kind == "regions":
            # HSN: a post without a picture sees the blank picture, unmasked.
            absent = ~mask.any(axis=1)
            absent[len(rows) :] = False
            mask[absent] = True
            if self.preprocessor.blank is not None:
                features[absent] = self.preprocessor.blank
        return {"visual_features": features, "visual_mask": mask}


def open_store(features: FeatureStore | str | os.PathLike) -> FeatureStore:
    """Open a feature store if `features` is a path; return a store as it is."""
    if not isinstance(features, (str, os.PathLike)):
        return features
    from mner_keras.vision.feature_store import FeatureStore

    return FeatureStore(features)


def count_missing(posts: Iterable[Post], features: FeatureStore | str | os.PathLike | None) -> int:
    """Return the number of posts whose picture the store does not contain; 0 without a store."""
    if features is None:
        return 0
    store = open_store(features)
    return sum(post.image_id is not None and post.image_id not in store for post in posts)


def check_pictures(posts: Iterable[Post], features: FeatureStore | str | os.PathLike | None, whose: str) -> None:
    """Raise `InputError` if posts, called `whose` in the message, name pictures and the store contains none of them."""
    named = [post for post in posts if post.image_id is not None]
    if named and count_missing(named, features) == len(named):
        found = f"none of them ({len(named):,} posts, the first names {named[0].image_id!r})"
        message = f"expected the pictures that {whose} name, found {found}. Are the ids the same in both?"
        raise InputError(message, open_store(features).path)


def as_dataset(batches: PostBatches) -> Any:
    """Return the batches for Keras, as `PostPreprocessor.dataset` does; each finished pass increments the epoch."""
    if importlib.util.find_spec("tensorflow") is None:
        return _py_dataset(batches)
    import tensorflow as tf

    def spec(name: str, array: np.ndarray) -> tf.TensorSpec:
        # Rows and tokens vary from batch to batch; characters, objects and widths do not.
        fixed = 1 if name.startswith("visual_") else 2
        return tf.TensorSpec([None] * min(fixed, array.ndim) + list(array.shape[fixed:]), array.dtype)

    inputs, tags = batches.batch(np.array([0]))
    signature: Any = {name: spec(name, array) for name, array in inputs.items()}
    if tags is not None:
        signature = (signature, spec("tags", tags))
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    options = tf.data.Options()
    # The autotuner's thread doubles its sleep each time, and an iterator that ends waits until it wakes: each pass
    # would take 2.56, 5.12, 10.24 ... seconds. There is nothing to tune here.
    options.autotune.enabled = False
    known = tf.data.experimental.assert_cardinality(len(batches))
    return dataset.apply(known).prefetch(PREFETCH).with_options(options)


def _py_dataset(batches: PostBatches) -> Any:
    import keras

    rows = functools.lru_cache(1)(batches.rows)

    class PostDataset(keras.utils.PyDataset):
        """The batches of one epoch by number; `on_epoch_end` starts the next."""

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            inputs, tags = batches.batch(rows(batches.epoch)[index])
            # PyDataset reads a tuple as (inputs, targets).
            return (inputs,) if tags is None else (inputs, tags)

        def on_epoch_end(self) -> None:
            batches.epoch += 1

    return PostDataset()
