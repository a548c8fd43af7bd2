"""`WordVectors`, and a streaming reader of them in text and binary formats, with a cache."""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import itertools
import json
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import cache_folder, file_sha256, write_whole

_CACHE_VERSION = 2
_LONGEST_LINE = 1 << 20
_LINES_FOR_DIMENSION = 100
_REPORTED_LINES = 10
_PICKLE = "a Python pickle, which is never read; save it again with KeyedVectors.save_word2vec_format"
_FOREIGN_FORMATS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file; fetch the file with `git lfs pull`",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\xba\x16\x4f\x2f": "fastText's own model format; take its .vec file",
    **{b"\x80" + bytes([protocol]): _PICKLE for protocol in range(2, 6)},
}


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


def read_vectors(path: str | os.PathLike[str], needed: Iterable[str] = (), max_vectors: int = 200_000) -> WordVectors:
    """Read word vectors from a file; only the vectors kept are in memory, and in a cache if it can be written.

    The format is detected from the content: GloVe's text (no header), word2vec's text and fastText's `.vec` (first line
    "count dimension"; the count is not checked), each optionally gzipped, and word2vec's binary format by gensim
    (`pip install "mner-keras[word2vec]"`), which loads the whole file when `needed` is given. The last `dim` fields of
    a line, each after a space or a tab, are the vector; everything before is the word, so a word may contain spaces.
    Without a header, `dim` is the commonest length in the first 100 lines. The first vector of a repeated word counts.
    Broken lines are skipped and reported in the result; the values of words that are not kept are only counted.

    Args:
        path: the file.
        needed: words to keep wherever they are in the file, as written or lower-cased.
        max_vectors: number of words to keep from the top of the file, where the frequent ones are.

    Raises:
        FileNotFoundError, IsADirectoryError: `path` is no file.
        ImportError: the file is in word2vec's binary format and gensim is not installed.
        ValueError: the file is empty, damaged, in an unsupported format, or has more broken lines than valid ones.
    """
    if not isinstance(max_vectors, int) or max_vectors < 0:
        raise ValueError(f"`max_vectors` must be an integer of at least 0. Received: max_vectors={max_vectors!r}")
    if isinstance(needed, str):
        raise TypeError(f"`needed` must be a collection of words. Received: the string {needed!r}")
    path = Path(os.path.abspath(os.path.expanduser(path)))
    if path.is_dir():
        raise IsADirectoryError(f"`path` must be a file of word vectors. Received: the folder {path}")
    if not path.exists():
        raise FileNotFoundError(f"`path` must be a file of word vectors. Received: {path}, which does not exist")
    needed = set(needed)

    status = path.stat()
    key = [_CACHE_VERSION, str(path), status.st_size, status.st_mtime_ns, max_vectors, sorted(needed)]
    cached = cache_folder() / f"vectors-{hashlib.sha256(json.dumps(key).encode('ascii')).hexdigest()}.npz"
    vectors = _load_cached(cached, path.name)
    if vectors is None:
        vectors = _read_file(path, needed, max_vectors)
        _save_cached(cached, vectors)
    return vectors


def _read_file(path: Path, needed: set[str], max_vectors: int) -> WordVectors:
    with open(path, "rb") as file:
        magic = file.peek(32)[:32]
        for start, description in _FOREIGN_FORMATS.items():
            if magic.startswith(start):
                raise InputError(f"expected word vectors, found {description}", path)
        is_gzipped = magic.startswith(b"\x1f\x8b")
        stream = gzip.GzipFile(fileobj=file) if is_gzipped else file
        try:
            lines = iter(functools.partial(stream.readline, _LONGEST_LINE), b"")
            words, matrix, broken_lines, num_broken = _read_lines(path, lines, needed, max_vectors, is_gzipped)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"expected a whole gzip file, but it is damaged or cut off ({error})", path) from error
    return WordVectors(words, matrix, path.name, file_sha256(path), broken_lines, num_broken)


def _read_lines(path: Path, lines: Iterator[bytes], needed: set[str], max_vectors: int, is_gzipped: bool):
    """Return words, matrix, the first broken lines and their number."""
    head = list(itertools.islice(lines, _LINES_FOR_DIMENSION + 1))
    if not head:
        raise InputError("expected word vectors, found an empty file", path)
    head[0] = head[0].removeprefix(b"\xef\xbb\xbf")
    header = re.fullmatch(rb"([0-9]{1,12})[ \t]([0-9]{1,6})", _strip(head[0]))
    if header:
        dim = int(header[2])
        del head[0]
        if dim and _is_binary(head, dim):
            return _read_binary(path, needed, max_vectors, is_gzipped)
    else:
        counts = Counter(_strip(line).replace(b"\t", b" ").count(b" ") for line in head[:_LINES_FOR_DIMENSION])
        del counts[0]
        dim = counts.most_common(1)[0][0] if counts else 0
    if not dim:
        found = "a header of dimension 0" if header else f"{head[0][:40]!r}"
        raise InputError(f"expected a word and numbers with one space or tab between, found {found}", path, line=1)

    wanted = {form.encode("utf-8", "surrogatepass") for word in needed for form in (word, word.lower())}
    rows: dict[bytes, int] = {}
    matrix = np.empty((min(max_vectors, 1024), dim), np.float32)
    valid = num_broken = 0
    broken_lines: list[tuple[int, str]] = []
    for number, line in enumerate(_whole_lines(itertools.chain(head, lines)), 2 if header else 1):
        try:
            token, values = _split(line, dim)
            if token not in rows and (len(rows) < max_vectors or token in wanted):
                vector = _parse(values)
                if len(rows) == len(matrix):
                    # In place: a copy would double the memory.
                    matrix.resize((2 * len(matrix) + 1, dim), refcheck=False)
                matrix[len(rows)] = vector
                rows[token] = len(rows)
            valid += 1
        except ValueError as reason:
            num_broken += 1
            if len(broken_lines) < _REPORTED_LINES:
                broken_lines.append((number, str(reason)))
    if not valid or num_broken > valid:
        found = f"{num_broken:,} broken lines and {valid:,} valid ones" if valid else "no valid line"
        first = f"; line {broken_lines[0][0]}: {broken_lines[0][1]}" if broken_lines else ""
        raise InputError(f"expected words with {dim} values each, found {found}{first}", path)
    matrix.resize((len(rows), dim), refcheck=False)
    return tuple(token.decode("utf-8") for token in rows), matrix, broken_lines, num_broken


def _whole_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Drop everything after the first piece of a line that is too long to be read at once."""
    in_long_line = False
    for line in lines:
        if not in_long_line:
            yield line
        in_long_line = len(line) == _LONGEST_LINE and not line.endswith(b"\n")


def _strip(line: bytes) -> bytes:
    # fastText and word2vec end each line with a space.
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    return line[:-1] if line[-1:] in (b" ", b"\t") else line


def _split(line: bytes, dim: int) -> tuple[bytes, bytes]:
    """Return the word of a line and its values, not yet parsed."""
    if len(line) == _LONGEST_LINE:
        raise ValueError(f"longer than {_LONGEST_LINE} bytes")
    line = _strip(line)
    if not line:
        raise ValueError("empty line")
    spaced = line.replace(b"\t", b" ")
    found = spaced.count(b" ")
    if found < dim:
        raise ValueError(f"expected {dim} values, found {found}")
    end = spaced.index(b" ") if found == dim else len(spaced.rsplit(b" ", dim)[0])
    # A word may be a tab, but a word that ends in a tab has a second separator after it.
    token = line[:end].rstrip(b"\t") or line[:end]
    if not token:
        raise ValueError("empty word")
    # A word may contain spaces, but one that ends in a space or a number is a line with too many values.
    if found > dim and _is_number_or_empty(token.rpartition(b" ")[2]):
        raise ValueError(f"expected {dim} values, found {found}")
    if not token.isascii():
        try:
            token.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"the word {token!r} is not UTF-8") from None
    return token, spaced[end + 1 :]


def _is_number_or_empty(field: bytes) -> bool:
    try:
        float(field or 0)
    except ValueError:
        return False
    return True


def _parse(values: bytes) -> np.ndarray:
    with np.errstate(over="ignore"):
        vector = np.array(list(map(float, values.split(b" "))), np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("a value is not finite")
    return vector


def _is_binary(head: list[bytes], dim: int) -> bool:
    """Return whether no line after the header is text, and some bytes cannot be."""
    for line in head:
        with contextlib.suppress(ValueError):
            _parse(_split(line, dim)[1])
            return False
    sample = b"".join(head)[:_LONGEST_LINE]
    try:
        return "\0" in sample[:-4].decode("utf-8")  # the cut may fall within a character
    except UnicodeDecodeError:
        return True


def _read_binary(path: Path, needed: set[str], max_vectors: int, is_gzipped: bool):
    """Return the same as `_read_lines` for a file in word2vec's binary format."""
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        message = f'{path} is in word2vec\'s binary format, which gensim reads: pip install "mner-keras[word2vec]"'
        raise ImportError(message) from None
    with tempfile.TemporaryDirectory() as folder:
        name = path
        if is_gzipped != (path.suffix == ".gz"):
            # gensim detects the compression by the file's extension.
            name = Path(folder, "vectors.bin.gz" if is_gzipped else "vectors.bin")
            name.symlink_to(path)
        limit = None if needed else max_vectors or 1
        try:
            loaded = KeyedVectors.load_word2vec_format(str(name), binary=True, limit=limit, unicode_errors="replace")
        except (EOFError, ValueError) as error:
            reason = f"expected word2vec's binary format, but it is damaged or cut off ({error})"
            raise InputError(reason, path) from error
    is_finite = np.isfinite(loaded.vectors).all(axis=1)
    broken = [(row + 1, "a value is not finite") for row in np.flatnonzero(~is_finite).tolist()]
    wanted = needed | {word.lower() for word in needed}
    top = set(np.flatnonzero(is_finite)[:max_vectors].tolist())
    rows = [row for row, word in enumerate(loaded.index_to_key) if is_finite[row] and (row in top or word in wanted)]
    words = tuple(loaded.index_to_key[row] for row in rows)
    return words, loaded.vectors[rows].astype(np.float32, copy=False), broken[:_REPORTED_LINES], len(broken)


def _load_cached(cached: Path, source: str) -> WordVectors | None:
    """Return the cached vectors; `None` if there are none, or damaged ones."""
    try:
        with open(cached, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            text = arrays["words"].tobytes().decode("utf-8")
            words = tuple(text.split("\n")) if text else ()
            about = json.loads(arrays["about"].tobytes())
            about["broken_lines"] = [tuple(line) for line in about["broken_lines"]]
            return WordVectors(words, arrays["matrix"], source, **about)
    except Exception:  # A damaged cache can fail in any way; the source file remains.
        return None


def _save_cached(cached: Path, vectors: WordVectors) -> None:
    """Write vectors to the cache, if possible."""
    about = {name: getattr(vectors, name) for name in ("sha256", "broken_lines", "num_broken")}
    words = np.frombuffer("\n".join(vectors.words).encode("utf-8"), np.uint8)
    arrays = {"words": words, "about": np.frombuffer(json.dumps(about).encode("utf-8"), np.uint8)}
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_whole(cached, lambda unfinished: np.savez(unfinished, matrix=vectors.matrix, **arrays))
