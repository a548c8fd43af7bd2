"""`Subwords`: a BERT's word pieces, and which of them a post's tokens begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mner_keras.errors import InputError

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"


class Subwords:
    """Splits tokens into a BERT's word pieces, by the `tokenizers` package.

    A tokenizer of KerasHub gives tensors of another kind on each backend and keeps accents where BERT lower-cases them
    away; `tokenizers` follows BERT's own program and needs no backend.

    Args:
        vocabulary: the word pieces, in the order of their ids.
        lowercase: whether words are lower-cased and lose their accents first, as an uncased BERT wants it.
        max_length: word pieces of a post at most, `[CLS]` and `[SEP]` included: the BERT's table of positions.
        preset: the name of the pretrained BERT, for the record.
        backbone: its sizes, the arguments of `keras_hub.models.BertBackbone`.

    Raises:
        InputError: the package is not installed, or the vocabulary lacks one of the special pieces.
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
        """The pretrained weights, which a new model copies. They are not saved with the preprocessor."""
        ids = {piece: i for i, piece in enumerate(self.vocabulary)}
        for piece in (UNKNOWN, START, END):
            if piece not in ids:
                raise InputError(f"expected a BERT's vocabulary of word pieces, found one without {piece!r}")
        self._unknown, self._start, self._end = ids[UNKNOWN], ids[START], ids[END]
        self._tokenizer = BertWordPieceTokenizer(ids, lowercase=lowercase)

    def ids(self, words: Sequence[str]) -> list[list[int]]:
        """The word pieces of each word; one of which nothing is left (a control character) is the unknown piece."""
        found = self._tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [encoded.ids or [self._unknown] for encoded in found]

    def layout(self, pieces: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
        """What a BERT reads of a post: `[CLS]`, the words' pieces, `[SEP]`.

        A post of too many pieces keeps the first p of each word, p the largest number with which it fits; words that
        do not even fit with one piece each are left out at the end.

        Args:
            pieces: those of each word, as `ids` gives them.

        Returns:
            the pieces' ids, at most `max_length`, and for each word the position of its first piece, 0 for one that
            was left out.
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
        """The arguments, as plain JSON values."""
        names = ("vocabulary", "lowercase", "max_length", "preset", "backbone")
        return {name: getattr(self, name) for name in names}
