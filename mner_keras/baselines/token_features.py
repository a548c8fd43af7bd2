"""Features of tokens for a linear-chain CRF, after Stanford NER and T-NER."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mner_keras.errors import InputError

BOUNDARY = 2  # characters at each end of a long word whose place counts in its shape
_PATTERNS = {
    "capitalised": r"[A-Z].*",
    "capitals": r"[A-Z]+",
    "mixed": r".*[a-z][A-Z].*",
    "initial": r"[A-Z]\.",
    "digits": r"[0-9]+",
    "has-digit": r".*[0-9].*",
    "has-hyphen": r".*-.*",
    "has-apostrophe": r".*'.*",
    "punctuation": r"\W+",
    "hashtag": r"#\w.*",
    "user": r"@\w.*",
    "link": r"(https?://|www\.).*",
    "roman": r"[IVXLCDM]+",
}
_SPELLINGS = {name: re.compile(pattern, re.DOTALL) for name, pattern in _PATTERNS.items()}


def word_shape(word: str) -> str:
    """Return Stanford NER's word shape "chris2", without its list of known words.

    Capitals become X, other letters x, digits d; other characters are kept. In a word of more than four characters, the
    first and the last two keep their places; of the others only the set counts.
    """
    kinds = ["X" if c.isupper() or c.istitle() else "d" if c.isdigit() else "x" if c.isalpha() else c for c in word]
    if len(kinds) <= 2 * BOUNDARY:
        return "".join(kinds)
    return "".join([*kinds[:BOUNDARY], *sorted(set(kinds[BOUNDARY:-BOUNDARY])), *kinds[-BOUNDARY:]])


def stanford_features(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Yield, for each token, the features that Stanford NER documents for its English models.

    The word, its neighbours and their pairs with it, character n-grams of up to six at both ends, shapes alone and in
    sequence, and the words within four to the left and to the right.
    """
    words = ["<s>", *tokens, "</s>"]
    shapes = ["<s>", *map(word_shape, tokens), "</s>"]
    for i in range(1, len(words) - 1):
        before, word, after = words[i - 1 : i + 2]
        shape_before, shape, shape_after = shapes[i - 1 : i + 2]
        sizes = range(1, min(6, len(word)) + 1)
        yield [
            "bias",
            f"w={word}",
            f"w-1={before}",
            f"w+1={after}",
            f"w-1,w={before}|{word}",
            f"w,w+1={word}|{after}",
            *(f"prefix={word[:size]}" for size in sizes),
            *(f"suffix={word[-size:]}" for size in sizes),
            f"shape={shape}",
            f"shape-1={shape_before}",
            f"shape+1={shape_after}",
            f"shapes-1,0={shape_before}|{shape}",
            f"shapes0,1={shape}|{shape_after}",
            f"shapes-1,0,1={shape_before}|{shape}|{shape_after}",
            f"w-1,shape={before}|{shape}",
            f"shape,w+1={shape}|{after}",
            *sorted({f"left={other}" for other in words[max(1, i - 4) : i]}),
            *sorted({f"right={other}" for other in words[i + 1 : min(len(words) - 1, i + 5)]}),
        ]


def t_ner_features(tokens: Sequence[str], gazetteers: dict[str, set[tuple[str, ...]]]) -> Iterator[list[str]]:
    """Yield, for each token, Ritter et al.'s three families of features: context, spelling, dictionaries.

    Each token of the longest entry found in the gazetteers (`read_gazetteers`) gets the list's name.
    """
    lower = [token.lower() for token in tokens]
    listed = _listed(lower, gazetteers)
    padded = ["<s>", "<s>", *lower, "</s>", "</s>"]
    for i, word in enumerate(tokens):
        around = padded[i : i + 5]
        sizes = range(1, min(4, len(word)) + 1)
        yield [
            "bias",
            f"w={word}",
            *(f"w{place - 2:+d}={other}" for place, other in enumerate(around)),
            f"w-1,w={around[1]}|{around[2]}",
            f"w,w+1={around[2]}|{around[3]}",
            *(f"prefix={lower[i][:size]}" for size in sizes),
            *(f"suffix={lower[i][-size:]}" for size in sizes),
            f"shape={word_shape(word)}",
            *(f"is={name}" for name, pattern in _SPELLINGS.items() if pattern.fullmatch(word)),
            *(["first"] if i == 0 else []),
            *(["last"] if i == len(tokens) - 1 else []),
            *(f"list-1={name}" for name in (listed[i - 1] if i else ())),
            *(f"list+0={name}" for name in listed[i]),
            *(f"list+1={name}" for names in listed[i + 1 : i + 2] for name in names),
        ]


def read_gazetteers(folder: str | os.PathLike) -> dict[str, set[tuple[str, ...]]]:
    """Read a folder of lists of names, one `NAME.txt` each with one entry per line; lower-cased."""
    paths = sorted(Path(folder).glob("*.txt"))
    if not paths:
        raise InputError("expected a folder of gazetteers (NAME.txt, one entry per line), found none", folder)
    lines = {path.stem: path.read_text(encoding="utf-8").lower().splitlines() for path in paths}
    return {name: {tuple(line.split()) for line in of_list} - {()} for name, of_list in lines.items()}


def _listed(tokens: list[str], gazetteers: dict[str, set[tuple[str, ...]]]) -> list[list[str]]:
    """Return the lists that contain each token's span, by name; the longest span from each token counts."""
    found: list[list[str]] = [[] for _ in tokens]
    for name, entries in sorted(gazetteers.items()):
        longest = max(map(len, entries), default=0)
        start = 0
        while start < len(tokens):
            sizes = range(min(longest, len(tokens) - start), 0, -1)
            size = next((size for size in sizes if tuple(tokens[start : start + size]) in entries), 0)
            for place in range(start, start + size):
                found[place].append(name)
            start += max(size, 1)
    return found
