"""The cache of word vectors: one file per source, choice of words and limit."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from mner_keras.files import cache_folder
from mner_keras.text.word_vectors import WordVectors

_CACHE_VERSION = 2


def cache_file(path: Path, needed: set[str], max_vectors: int, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Return the cache file for a file's vectors, reduced to the words needed."""
    status = path.stat()
    key = [_CACHE_VERSION, str(path), status.st_size, status.st_mtime_ns, max_vectors, sorted(needed)]
    digest = hashlib.sha256(json.dumps(key).encode("ascii")).hexdigest()
    folder = os.path.expanduser(cache_dir) if cache_dir else cache_folder()
    return Path(folder, f"vectors-{digest}.npz")


def load_cached(cached: Path, source: str) -> WordVectors | None:
    """Return the cached vectors; `None` if there are none, or damaged ones."""
    try:
        with open(cached, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            text = arrays["words"].tobytes().decode("utf-8")
            words = tuple(text.split("\n")) if text else ()
            about = json.loads(arrays["about"].tobytes())
            matrix = arrays["matrix"]
        if matrix.dtype != np.float32 or matrix.ndim != 2 or len(matrix) != len(words):
            return None
        broken_lines = [(number, reason) for number, reason in about["broken_lines"]]
        return WordVectors(words, matrix, source, about["sha256"], broken_lines, about["num_broken"])
    except Exception:  # A damaged cache can fail in any way; the source file remains.
        return None


def save_cached(cached: Path, vectors: WordVectors) -> None:
    """Write vectors to the cache, if possible."""
    about = {
        "sha256": vectors.sha256,
        "broken_lines": vectors.broken_lines,
        "num_broken": vectors.num_broken,
    }
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=cached.parent, suffix=".tmp")
    except OSError:
        return
    try:
        with open(descriptor, "wb") as file:
            np.savez(
                file,
                words=np.frombuffer("\n".join(vectors.words).encode("utf-8"), np.uint8),
                about=np.frombuffer(json.dumps(about).encode("utf-8"), np.uint8),
                matrix=vectors.matrix,
            )
        os.replace(unfinished, cached)
    except OSError:
        pass
    finally:
        Path(unfinished).unlink(missing_ok=True)
