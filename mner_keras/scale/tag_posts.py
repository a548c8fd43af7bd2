"""`TagPosts`: tag batches of posts in any process."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.files import column_types, post_from_record
from mner_keras.errors import InputError
from mner_keras.models import find_model_file, load_tagger, reads_store, visual_input
from mner_keras.tagged_post import with_pictures
from mner_keras.vision.extraction import Extractor, PictureFeatures, load_extractor
from mner_keras.vision.feature_store import FeatureStore

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagged_post import System, TaggedPost
    from mner_keras.tagger import Tagger

CHUNK = 4096
"""The number of posts tagged at once, which bounds the memory."""

_KEYS = ("id", "text", "tokens", "pos", "image", "picture")
_ADDED = ("tokens", "tags", "entities", "error")
_one_thread = threading.Lock()


class TagPosts:
    """Tag batches of posts: with pandas, Hugging Face Datasets, Spark, Dask, Ray Data or a loop.

    An instance contains paths and settings only, so it can be pickled and sent to other processes. Each process loads
    the model on its first batch, once for all instances with the same arguments.

    Args:
        model: a model's file, a run's folder, or `pretrained`.
        features: the store of the posts' pictures, by `image`. Without it, pictures come from `picture`. A model that
            reads the text alone ignores both.
        weights: the extractor's weights, a file or a folder; by default the published ones, downloaded once.
        scores: whether entities have scores; without them tagging is faster.
        on_error: what to do with a malformed post or an unreadable picture. `"skip"` gives the reason in the column
            `error`: a malformed post keeps its row, without entities; a post with an unreadable picture is tagged
            without it. `"stop"` raises an `InputError`. Jobs over many posts usually want the first, so it is the
            default.

    Call arguments:
        posts: a list of dicts, a dict of columns (lists or NumPy arrays), a pandas DataFrame or an Arrow table. A post
            has `text`, or `tokens` (a list of strings), and optionally `id`, `pos` (one Penn tag per token), `image`
            (the picture's id in the store) and `picture` (a path, the bytes of a file, or a PIL image). None and NaN
            count as absent. Other columns are kept.

    Returns:
        what was given, with the columns `tokens`, `tags`, `entities` and `error` (None for a good post) added or
        replaced. An entity is a dict with `text`, `type`, `start`, `end` (tokens), `score`, `start_char` and `end_char`
        (characters of `text`), all always present. The types do not depend on the posts.

    Raises:
        InputError: no such model or store; pictures that the model cannot read; with `on_error="stop"`, a bad post.
        TypeError: another kind of batch.

    Example:

    >>> tag = TagPosts("model.keras", features="regions.h5")
    >>> tag([{"text": "Benz in Los Angeles", "image": "113"}])[0]["entities"]
    >>> frame = tag(pandas.read_parquet("posts.parquet"))
    """

    def __init__(
        self,
        model: str | os.PathLike,
        features: str | os.PathLike | None = None,
        weights: str | os.PathLike | None = None,
        scores: bool = True,
        on_error: str = "skip",
    ) -> None:
        if on_error not in ("skip", "stop"):
            raise ValueError(f"`on_error` must be 'skip' or 'stop'. Received: on_error={on_error!r}")
        self.model, self.features, self.weights = map(_absolute, (model, features, weights))
        self.scores = scores
        self.on_error = on_error

    def __call__(self, posts: Any) -> Any:
        rows = [self._read(record) for record in _records(posts)]
        found: list[dict[str, Any]] = []
        for start in range(0, len(rows), CHUNK):
            found += self._tag(rows[start : start + CHUNK])
        return _with_columns(posts, {name: [row[name] for row in found] for name in _ADDED})

    def _read(self, record: Mapping[str, Any]) -> tuple[Post | str, Any]:
        """Return the post of a record, or the reason why there is none, and its picture."""
        try:
            if not isinstance(record, Mapping):
                raise ValueError(f"expected a dict per post, found {record!r}")
            given = {key: _plain(record[key]) for key in _KEYS if key in record}
            given = {key: value for key, value in given.items() if value is not None}
            picture = given.pop("picture", None)
            if isinstance(picture, Mapping):  # the undecoded image of Hugging Face Datasets
                picture = picture.get("bytes") or picture.get("path")
            return post_from_record(given), picture
        except ValueError as error:
            if self.on_error == "stop":
                raise InputError(str(error)) from None
            return str(error), None

    def _tag(self, rows: list[tuple[Post | str, Any]]) -> list[dict[str, Any]]:
        """Return the added columns of each row."""
        posts = [post for post, _ in rows if not isinstance(post, str)]
        pictures = [picture for post, picture in rows if not isinstance(post, str)]
        tagged: list[TaggedPost] = []
        reasons: list[str | None] = [None] * len(posts)
        if posts:
            with _one_thread:
                tagger, store = _load(self.model, _changed(self.model)), None
                if self.features is not None and reads_store(tagger):
                    store = _open_store(self.features)
                elif visual_input(tagger) and any(picture is not None for picture in pictures):
                    extractor = _load_extractor(self.model, _changed(self.model), self.weights)
                    posts, store = with_pictures(posts, pictures, extractor)
                options = {} if store is None else {"features": store}
                tagged = tagger.tag(posts, **options, **({} if self.scores else {"scores": False}))
                if isinstance(store, PictureFeatures):
                    reasons = [store.failed.get(post.image_id) for post in posts]
        if self.on_error == "stop" and any(reasons):
            raise InputError(next(filter(None, reasons)))
        answers = zip(tagged, reasons, strict=True)
        return [_row(post) if isinstance(post, str) else _row(*reversed(next(answers))) for post, _ in rows]


def _row(error: str | None, tagged: TaggedPost | None = None) -> dict[str, Any]:
    if tagged is None:
        return {"tokens": [], "tags": [], "entities": [], "error": error}
    entities = [dict(vars(entity)) for entity in tagged.entities]
    return {"tokens": list(tagged.post.tokens), "tags": list(tagged.tags), "entities": entities, "error": error}


def _absolute(path: str | os.PathLike | None) -> str | None:
    """Return a path as other processes find it, which may have another working folder; `pretrained` is a name."""
    return path if path is None or path == "pretrained" and not os.path.exists(path) else os.path.abspath(path)


def _changed(model: str) -> int:
    """The time of a model's last change, so that a model trained again is loaded again."""
    path = find_model_file(model)
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0


@functools.lru_cache(maxsize=2)
def _load(model: str, changed: int) -> Tagger | System:
    return load_tagger(model)


@functools.lru_cache(maxsize=2)
def _load_extractor(model: str, changed: int, weights: str | None) -> Extractor:
    return load_extractor(visual_input(_load(model, changed)), weights)


@functools.lru_cache(maxsize=2)
def _open_store(path: str) -> FeatureStore:
    return FeatureStore(path)


def _records(posts: Any) -> Iterable[Mapping[str, Any]]:
    """Return the posts of a batch as records of what `TagPosts` reads."""
    if isinstance(posts, list):
        return posts
    if _is(posts, "pandas", "DataFrame"):
        posts = posts[[key for key in _KEYS if key in posts.columns]].astype(object)
        return posts.where(posts.notna(), None).to_dict("records")
    if _is(posts, "pyarrow", "Table"):
        return posts.select([key for key in _KEYS if key in posts.column_names]).to_pylist()
    if isinstance(posts, Mapping):
        names = [key for key in _KEYS if key in posts]
        return [dict(zip(names, row, strict=True)) for row in zip(*(posts[name] for name in names), strict=True)]
    raise TypeError(
        "`posts` must be a list of dicts, a dict of columns, a pandas DataFrame or an Arrow table. Received: "
        f"{type(posts).__name__}"
    )


def _with_columns(posts: Any, columns: dict[str, list]) -> Any:
    """Return a batch with columns added or replaced."""
    if isinstance(posts, list):
        return [
            {**(post if isinstance(post, Mapping) else {}), **dict(zip(columns, row, strict=True))}
            for post, row in zip(posts, zip(*columns.values(), strict=True), strict=True)
        ]
    if _is(posts, "pandas", "DataFrame"):
        import pandas

        series = {name: pandas.Series(_objects(column), posts.index, object) for name, column in columns.items()}
        return posts.assign(**series)
    if _is(posts, "pyarrow", "Table"):
        import pyarrow

        types = column_types()
        for name, column in columns.items():
            values = pyarrow.array(column, types.get(name, pyarrow.string()))
            place = posts.column_names.index(name) if name in posts.column_names else None
            posts = posts.append_column(name, values) if place is None else posts.set_column(place, name, values)
        return posts
    arrays = any(isinstance(column, np.ndarray) for column in posts.values())
    return {**posts, **{name: _objects(values) if arrays else values for name, values in columns.items()}}


def _is(batch: Any, module: str, kind: str) -> bool:
    """Whether a batch is of a class of a library, which is loaded if it is."""
    library = sys.modules.get(module)
    return library is not None and isinstance(batch, getattr(library, kind))


def _objects(values: list) -> np.ndarray:
    return np.fromiter(values, object, len(values))


def _plain(value: Any) -> Any:
    """Return a cell as plain Python; `None` for NaN."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return None if isinstance(value, float) and value != value else value
