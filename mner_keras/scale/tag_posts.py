"""Tag batches of posts in any process with `TagPosts`; `PostTagger` reads the pictures of the posts that it tags."""

import dataclasses
import functools
import inspect
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mner_keras.data.files import column_types
from mner_keras.data.post import Post, post_from_record
from mner_keras.errors import InputError, counted
from mner_keras.files import Progress, no_progress
from mner_keras.models import find_model_file, load_tagger, reads_store, visual_input
from mner_keras.tagged_post import System, TaggedPost, with_pictures
from mner_keras.vision.extraction import load_extractor
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.pictures import find_pictures, open_picture

CHUNK = 4096  # posts tagged at once, which bounds the memory
SHOWN = 10  # unreadable pictures and malformed posts that are named
_KEYS = ("id", "text", "tokens", "pos", "image", "picture")
_ADDED = ("tokens", "tags", "entities", "error")
_one_thread = threading.Lock()


class PostTagger:
    """Tags posts with their pictures, and counts the pictures that are missing or cannot be read.

    Args:
        tagger: the model.
        features: the store of the posts' pictures, by `image`; ignored by a model that reads none.
        pictures: instead of it a folder, by `image`; one picture for all posts; or `True` for the `picture` of each.
        weights: the extractor's weights; by default the published ones, downloaded once.
        scores: whether entities have scores.
        progress: called with the bytes of a download.
    """

    def __init__(
        self,
        tagger: System,
        features: str | None = None,
        pictures: str | os.PathLike | bool | None = None,
        weights: str | os.PathLike | None = None,
        scores: bool = True,
        progress: Progress = no_progress,
    ) -> None:
        if not scores and "scores" not in inspect.signature(tagger.tag).parameters:
            raise InputError(f"scores cannot be left out: a {type(tagger).__name__} always gives them")
        self._tag = tagger.tag if scores else functools.partial(tagger.tag, scores=False)
        self._blind = not features and pictures is None and reads_store(tagger)
        self._store = FeatureStore(features) if features and reads_store(tagger) else None
        self._place, self._known, self._picture_of = "store", self._store, None
        self.chunk = CHUNK
        self._named = self._missing = 0
        self._failed: Counter[str] = Counter()
        if pictures is True:
            self.chunk = CHUNK // 16  # whole pictures are in memory
            self._picture_of = lambda post: post.extra.get("picture")
        elif pictures is not None and os.path.isdir(pictures):
            self._place, self._known = "folder", find_pictures([pictures])[0]
            self._picture_of = lambda post: self._known.get(post.image_id)
        elif pictures is not None:
            picture = open_picture(pictures)
            self._picture_of = lambda post: picture
        if pictures is not None:
            self._extractor = load_extractor(visual_input(tagger), weights, progress)

    def __call__(self, posts: Sequence[Post]) -> tuple[list[TaggedPost], list[str | None]]:
        """Return the tagged posts, and for each the reason why its picture could not be read."""
        named, store = posts, self._store
        if self._picture_of is not None:
            named, store = with_pictures(posts, list(map(self._picture_of, posts)), self._extractor)
        tagged = self._tag(named, **({} if store is None else {"features": store}))
        failed = getattr(store, "failed", {})
        reasons = [failed.get(post.image_id) for post in named]
        ids = [post.image_id for post in posts if post.image_id is not None]
        self._named += len(ids)
        self._missing += 0 if self._known is None else sum(image_id not in self._known for image_id in ids)
        self._failed.update(filter(None, reasons))
        return [dataclasses.replace(one, post=post) for one, post in zip(tagged, posts, strict=True)], reasons

    def notes(self) -> Iterator[str]:
        """Yield lines for people about pictures that were missing or could not be read."""
        named, missing = (f"{counted(n, 'post')} name{'s' * (n == 1)} a picture" for n in (self._named, self._missing))
        if self._named and self._blind:
            yield f"warning: {named}, and the model sees none without --features or --pictures"
        elif self._missing and self._missing == self._named:
            yield f"warning: {named}, and the {self._place} contains none of them"
        elif self._missing:
            yield f"{missing} missing from the {self._place}: treated as none"
        for reason, number in list(self._failed.items())[:SHOWN]:
            yield f"{reason}: ignored in {counted(number, 'post')}"
        if len(self._failed) > SHOWN:
            yield f"{len(self._failed) - SHOWN:,} more pictures could not be read"


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
        on_error: `"skip"` gives the reason in the column `error`: a malformed post keeps its row, without entities, and
            a post with an unreadable picture is tagged without it. `"stop"` raises an `InputError`.

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
        rows, good = [], []
        for record in _records(posts):
            rows.append({"tokens": [], "tags": [], "entities": [], "error": None})
            try:
                good.append((_read_post(record), rows[-1]))
            except ValueError as error:
                rows[-1]["error"] = self._reported(str(error))
        for start in range(0, len(good), CHUNK):
            self._tag(*zip(*good[start : start + CHUNK], strict=True))
        return _with_columns(posts, {name: [row[name] for row in rows] for name in _ADDED})

    def _reported(self, reason: str) -> str:
        if self.on_error == "stop":
            raise InputError(reason)
        return reason

    def _tag(self, posts: Sequence[Post], rows: Sequence[dict[str, Any]]) -> None:
        """Fill the rows of good posts."""
        own = self.features is None and any("picture" in post.extra for post in posts)
        with _one_thread:
            tagger = _open(self.model, _changed(self.model), self.features, own, self.weights, self.scores)
            tagged, reasons = tagger(posts)
        for row, one, reason in zip(rows, tagged, reasons, strict=True):
            entities = [dict(vars(entity)) for entity in one.entities]
            row.update(tokens=list(one.post.tokens), tags=list(one.tags), entities=entities)
            row["error"] = reason and self._reported(reason)


def _read_post(record: Mapping[str, Any]) -> Post:
    if not isinstance(record, Mapping):
        raise ValueError(f"expected a dict per post, found {record!r}")
    given = {key: _plain(record[key]) for key in _KEYS if key in record}
    picture = given.get("picture")
    if isinstance(picture, Mapping):  # the undecoded image of Hugging Face Datasets
        given["picture"] = picture.get("bytes") or picture.get("path")
    return post_from_record({key: value for key, value in given.items() if value is not None})


def _absolute(path: str | os.PathLike | None) -> str | None:
    """Return a path as other processes find it, which may have another working folder; `pretrained` is a name."""
    return path if path is None or path == "pretrained" and not os.path.exists(path) else os.path.abspath(path)


def _changed(model: str) -> int:
    """The time of a model's last change, so that a model trained again is loaded again."""
    path = find_model_file(model)
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0


@functools.lru_cache(maxsize=2)
def _load(model: str, changed: int) -> System:
    return load_tagger(model)


@functools.lru_cache(maxsize=4)
def _open(model: str, changed: int, features: str | None, own: bool, weights: str | None, scores: bool) -> PostTagger:
    tagger = _load(model, changed)
    return PostTagger(tagger, features, True if own and visual_input(tagger) else None, weights, scores)


def _records(posts: Any) -> Iterable[Mapping[str, Any]]:
    """Return the posts of a batch as records of what `TagPosts` reads."""
    if isinstance(posts, list):
        return posts
    if _is(posts, "pandas", "DataFrame"):
        count, posts = len(posts), posts.filter(_KEYS).astype(object)
        posts = posts.where(posts.notna(), None)
    elif _is(posts, "pyarrow", "Table"):
        count, posts = len(posts), posts.select([key for key in _KEYS if key in posts.column_names]).to_pydict()
    elif isinstance(posts, Mapping):
        count = len(next(iter(posts.values()), ()))
    else:
        raise TypeError(
            "`posts` must be a list of dicts, a dict of columns, a pandas DataFrame or an Arrow table. Received: "
            f"{type(posts).__name__}"
        )
    names = [key for key in _KEYS if key in posts]
    if not names:
        return [{}] * count
    return [dict(zip(names, row, strict=True)) for row in zip(*(posts[name] for name in names), strict=True)]


def _with_columns(posts: Any, columns: dict[str, list]) -> Any:
    """Return a batch with columns added or replaced."""
    if isinstance(posts, list):
        rows = zip(*columns.values(), strict=True)
        given = (post if isinstance(post, Mapping) else {} for post in posts)
        return [{**post, **dict(zip(columns, row, strict=True))} for post, row in zip(given, rows, strict=True)]
    if _is(posts, "pandas", "DataFrame"):
        import pandas

        return posts.assign(**{name: pandas.Series(values, posts.index, object) for name, values in columns.items()})
    if _is(posts, "pyarrow", "Table"):
        import pyarrow

        types = column_types()
        added = {name: pyarrow.array(values, types.get(name, pyarrow.string())) for name, values in columns.items()}
        kept = dict(zip(posts.column_names, posts.columns, strict=True))
        return pyarrow.table({**kept, **added}, metadata=posts.schema.metadata)
    if any(isinstance(column, np.ndarray) for column in posts.values()):
        columns = {name: np.fromiter(values, object, len(values)) for name, values in columns.items()}
    return {**posts, **columns}


def _is(batch: Any, module: str, kind: str) -> bool:
    """Whether a batch is of a class of a library, which is loaded if it is."""
    library = sys.modules.get(module)
    return library is not None and isinstance(batch, getattr(library, kind))


def _plain(value: Any) -> Any:
    """Return a cell as plain Python; `None` for NaN."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return None if isinstance(value, float) and value != value else value
