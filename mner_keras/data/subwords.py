"""`Subwords`: word pieces of a BERT, and the position of each token's first piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mner_keras.errors import InputError

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"


class Subwords:
    """Split tokens into a BERT's word pieces with the `tokenizers` package.

    KerasHub's tokenizer returns backend tensors and keeps accents where BERT removes them with lower-casing;
    `tokenizers` follows BERT's own program and needs no backend.

    Args:
        vocabulary: the word pieces, in the order of their ids.
        lowercase: whether to lower-case words and remove their accents first, as for an uncased BERT.
        max_length: maximum number of word pieces per post, with `[CLS]` and `[SEP]`: the BERT's number of positions.
        preset: the name of the pretrained BERT, for reference.
        backbone: the arguments of `keras_hub.models.BertBackbone`.

    Raises:
        InputError: the package is not installed, or the vocabulary lacks a special piece.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        lowercase: bool,
        max_length: int = 512,
        preset: str = "",
        backbone: dict[str, Any] | None = None,
    ) -> None:
        try:
            from tokenizers import BertWordPieceTokenizer
        except ImportError:
            raise InputError("a BERT's word pieces need tokenizers: pip install 'mner-keras[bert]'") from None
        self.vocabulary = list(vocabulary)
        self.lowercase = lowercase
        self.max_length = max_length
        self.preset = preset
        self.backbone = backbone
        self.weights: list[np.ndarray] | None = None
        """The pretrained weights that a new model copies; not saved with the preprocessor."""
        ids = {piece: i for i, piece in enumerate(self.vocabulary)}
        for piece in (UNKNOWN, START, END):
            if piece not in ids:
                raise InputError(f"expected a BERT's vocabulary of word pieces, found one without {piece!r}")
        self._unknown, self._start, self._end = ids[UNKNOWN], ids[START], ids[END]
        self._tokenizer = BertWordPieceTokenizer(ids, lowercase=lowercase)

    def ids(self, words: Sequence[str]) -> list[list[int]]:
        """Return the word pieces of each word; the unknown piece for an empty one (a control character)."""
        found = self._tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [encoded.ids or [self._unknown] for encoded in found]

    def layout(self, pieces: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
        """Return the BERT input of a post: `[CLS]`, the words' pieces, `[SEP]`.

        A post with too many pieces keeps the first p pieces of each word, with the largest p that fits. If not even one
        piece per word fits, the last words are dropped.

        Args:
            pieces: the pieces of each word, from `ids`.

        Returns:
            the pieces' ids, at most `max_length`, and for each word the position of its first piece, 0 for a dropped
            word.
        """
        room = self.max_length - 2
        if sum(map(len, pieces)) > room:
            most = max(map(len, pieces))
            while most > 1 and sum(min(len(word), most) for word in pieces) > room:
                most -= 1
            pieces = [word[:most] for word in pieces]
        row, firsts = [self._start], []
        for word in pieces:
            fits = len(row) + len(word) < self.max_length
            firsts.append(len(row) if fits else 0)
            if fits:
                row += word
        return [*row, self._end], firsts

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as JSON values."""
        names = ("vocabulary", "lowercase", "max_length", "preset", "backbone")
        return {name: getattr(self, name) for name in names}
