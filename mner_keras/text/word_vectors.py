"""`WordVectors`: words and their vectors."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(eq=False)
class WordVectors:
    """Words and their vectors, in the order of the file they come from.

    Attributes:
        words: The words kept.
        matrix: float32 [len(words), dim]; row i belongs to `words[i]`.
        source: Name of the file, without its folder.
        sha256: Hash of the file's bytes on disk (compressed, if the file is).
        broken_lines: The first ten broken lines: number, counted from 1, and reason (in the binary format, the number
            of the word).
        num_broken: The number of broken lines.
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
