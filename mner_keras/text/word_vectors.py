"""`WordVectors`: words and their vectors, and their cache: one file per source, choice of words and limit."""

import contextlib
import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from mner_keras.files import cache_folder, write_whole

_CACHE_VERSION = 2


@dataclasses.dataclass(eq=False)
class WordVectors:
    """Words and their vectors, in the order of the file they come from.

    Attributes:
        words: the words kept.
        matrix: float32 [len(words), dim]; row i belongs to `words[i]`.
        source, sha256: name of the file, without its folder, and the hash of its bytes on disk.
        broken_lines: the first ten broken lines: number (of the line, or of the word in the binary format) and reason.
        num_broken: the number of broken lines.
    """

    words: tuple[str, ...] = dataclasses.field(repr=False)
    matrix: np.ndarray = dataclasses.field(repr=False)
    source: str
    sha256: str
    broken_lines: list[tuple[int, str]]
    num_broken: int

    @property
    def dim(self) -> int:
        """Return the length of a vector."""
        return self.matrix.shape[1]

    def lookup(self, word: str) -> int:
        """Return the row of `word` as written, else of its lower-cased form, else -1."""
        row = self._rows.get(word)
        return self._rows.get(word.lower(), -1) if row is None else row

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}


def cache_file(path: Path, needed: set[str], max_vectors: int) -> Path:
    """Return the cache file for a file's vectors, reduced to the words needed."""
    status = path.stat()
    key = [_CACHE_VERSION, str(path), status.st_size, status.st_mtime_ns, max_vectors, sorted(needed)]
    digest = hashlib.sha256(json.dumps(key).encode("ascii")).hexdigest()
    return cache_folder() / f"vectors-{digest}.npz"


def load_cached(cached: Path, source: str) -> WordVectors | None:
    """Return the cached vectors; `None` if there are none, or damaged ones."""
    try:
        with open(cached, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            text = arrays["words"].tobytes().decode("utf-8")
            words = tuple(text.split("\n")) if text else ()
            about = json.loads(arrays["about"].tobytes())
            matrix = arrays["matrix"]
        about["broken_lines"] = [tuple(line) for line in about["broken_lines"]]
        return WordVectors(words, matrix, source, **about)
    except Exception:  # A damaged cache can fail in any way; the source file remains.
        return None


def save_cached(cached: Path, vectors: WordVectors) -> None:
    """Write vectors to the cache, if possible."""
    about = {name: getattr(vectors, name) for name in ("sha256", "broken_lines", "num_broken")}
    words = np.frombuffer("\n".join(vectors.words).encode("utf-8"), np.uint8)
    arrays = {"words": words, "about": np.frombuffer(json.dumps(about).encode("utf-8"), np.uint8)}
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_whole(cached, lambda unfinished: np.savez(unfinished, matrix=vectors.matrix, **arrays))
