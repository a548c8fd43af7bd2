"""`Subwords`: the subwords of a pretrained text model, and the position of each token's first subword."""

import base64
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from mner_keras.errors import InputError


@dataclasses.dataclass(eq=False, repr=False)
class Subwords:
    """Split tokens into the subwords of a pretrained model, without TensorFlow.

    `tokenizers` splits into word pieces and byte pairs, `sentencepiece` the rest; each token as if after a space.

    Args:
        tokenizer: a tokenizer of `tokenizers` as JSON, or a SentencePiece model in base64.
        start, middle, end: the ids before a post (`[CLS]` for a BERT), between a post and its caption, and at the end.
        unknown: the id of an unknown subword.
        max_length: maximum number of subwords per post, with these: the model's number of positions.
        shift: for SentencePiece, what to add to its ids; `None` for `tokenizers`.
    """

    tokenizer: str
    start: list[int]
    middle: list[int]
    end: list[int]
    unknown: int
    max_length: int = 512
    shift: int | None = None

    def __post_init__(self) -> None:
        if self.shift is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_str(self.tokenizer)
        else:
            from sentencepiece import SentencePieceProcessor

            self._tokenizer = SentencePieceProcessor(model_proto=base64.b64decode(self.tokenizer))

    @classmethod
    def from_file(cls, path: Path, max_length: int) -> Self:
        """Read a `tokenizer.json`, as Hugging Face's folders contain it."""
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 (the library raises bare exceptions)
            found = f"a file that does not load ({error})"
            raise InputError(f"expected Hugging Face's tokenizer, found {found}", path) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        single, pair = tokenizer.encode("").ids, tokenizer.encode("", "").ids
        if len(single) < 2 or pair[: len(single)] != single:
            raise InputError("expected a tokenizer that puts special subwords around a post, found none", path)
        middle = pair[1 : len(pair) - len(single) + 1]
        unknown = next((i for i in map(tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None), single[-1])
        return cls(tokenizer.to_str(), single[:1], middle, single[1:], unknown, max_length)

    @classmethod
    def from_hub(cls, tokenizer: Any, max_length: int) -> Self:
        """Return the subwords of a KerasHub tokenizer: word pieces, byte pairs or SentencePiece."""
        start, end = _special(tokenizer, "start", "cls"), _special(tokenizer, "end", "sep")
        # RoBERTa and its multilingual form separate by two end subwords.
        middle = [end, end] if "Roberta" in type(tokenizer).__name__ else [end]
        if getattr(tokenizer, "proto", None) is not None:
            proto, shift = tokenizer.proto, 1 if type(tokenizer).__name__.startswith("XLM") else 0
            unknown = tokenizer.token_to_id("<unk>" if shift else "[UNK]")
            return cls(base64.b64encode(proto).decode(), [start], middle, [end], unknown, max_length, shift)
        import tokenizers

        if getattr(tokenizer, "merges", None) is not None:
            merges = [tuple(merge.split(" ")) for merge in tokenizer.merges if not merge.startswith("#version:")]
            found = tokenizers.Tokenizer(tokenizers.models.BPE(dict(tokenizer.vocabulary), merges))
            found.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
            unknown = tokenizer.vocabulary.get("<unk>", end)
        else:
            # KerasHub keeps accents where BERT removes them with lower-casing; `tokenizers` follows BERT's program.
            ids = {piece: i for i, piece in enumerate(tokenizer.get_vocabulary())}
            found = tokenizers.BertWordPieceTokenizer(ids, lowercase=tokenizer.lowercase)
            unknown = ids["[UNK]"]
        return cls(found.to_str(), [start], middle, [end], unknown, max_length)

    def ids(self, words: Sequence[str]) -> list[list[int]]:
        """Return the subwords of each word; the unknown one for an empty word (a control character)."""
        if self.shift is None:
            encoded = self._tokenizer.encode_batch([" " + word for word in words], add_special_tokens=False)
            return [word.ids or [self.unknown] for word in encoded]
        unknown = self._tokenizer.unk_id()
        return [
            [self.unknown if i == unknown else i + self.shift for i in found] or [self.unknown]
            for found in self._tokenizer.encode(list(words))
        ]

    def layout(
        self, pieces: Sequence[Sequence[int]], caption: Sequence[int] | None = None
    ) -> tuple[list[int], list[int], int]:
        """Return the input of a post: the start, the words' subwords, and the end, with a caption before it.

        A post with too many subwords keeps the first p of each word (`pieces`, from `ids`), with the largest p that
        fits. If not even one subword per word fits, the last words are dropped. The caption gets the room that is left.

        Returns:
            the ids, at most `max_length`; for each word the position of its first subword, 0 for a dropped word; the
            position at which the second segment starts, the number of ids without a caption.
        """
        room = self.max_length - len(self.start) - len(self.end)
        limits = range(max(map(len, pieces), default=1), 1, -1)
        most = next((limit for limit in limits if sum(min(len(word), limit) for word in pieces) <= room), 1)
        row, firsts = list(self.start), []
        for word in (word[:most] for word in pieces):
            fits = len(row) + len(word) <= self.max_length - len(self.end)
            firsts.append(len(row) if fits else 0)
            if fits:
                row += word
        left = self.max_length - len(row) - len(self.middle) - len(self.end)
        if caption is None or left < 1:
            return [*row, *self.end], firsts, len(row) + len(self.end)
        row += self.middle
        return [*row, *caption[:left], *self.end], firsts, len(row)


def padded_length(length: int) -> int:
    """Return the length to pad to: a multiple of 8 up to 64, of 64 beyond, so that few programs are compiled."""
    step = 8 if length <= 64 else 64
    return -(-length // step) * step


def _special(tokenizer: Any, *names: str) -> int:
    found = (getattr(tokenizer, f"{name}_token_id", None) for name in names)
    return next(number for number in found if number is not None)
