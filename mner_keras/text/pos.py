"""Tokens and parts of speech (HSN's ten categories) by NLTK."""

import functools
import html
import html.entities
import re
import unicodedata
from collections.abc import Sequence

_TAGS = {
    "Adjective": "JJ.*",
    "Verb": "VB.*|MD",
    "Noun": "NN.*",
    "Preposition or subordinating conjunction": "IN|TO",
    "Coordinating conjunction": "CC",
    "Symbol": r"SYM|#|\$",
    "Wh-pronoun": r"WP\$?",
    "Adverb": "RB.*",
    "Determiner": "DT|PDT|WDT",
    "Other": ".*",
}

POS_CATEGORIES: tuple[str, ...] = tuple(_TAGS)
"""The categories of Tian et al. (2021), section 4.3, in the paper's order."""

_TAGGER = "averaged_perceptron_tagger_eng"
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")
# Thai, Lao, Myanmar, Khmer, kana and Chinese characters are written without spaces between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{5,}"
)


class TaggerDataMissing(RuntimeError):
    """NLTK is installed, but the data of its part-of-speech tagger is not."""


@functools.cache
def pos_category(penn_tag: str) -> str:
    """Return the category, one of `POS_CATEGORIES`, of a Penn Treebank tag.

    The paper names the categories but not their tags. The map is ours and total: unknown tags are `Other`, as are
    pronouns, numbers, particles, wh-adverbs and punctuation.
    """
    return next(name for name, tags in _TAGS.items() if re.fullmatch(tags, penn_tag, re.DOTALL))


def tag_pos(sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Tag tokenised sentences with Penn Treebank tags, by NLTK's averaged perceptron; any string is a token.

    Raises:
        TaggerDataMissing: NLTK does not find the tagger's data.
    """
    tagger = _load_tagger()
    tags = []
    for sentence in sentences:
        if isinstance(sentence, str):
            raise TypeError(f"`sentences` must be sequences of tokens. Received: the string {sentence[:40]!r}")
        tags.append(tuple(tag for _, tag in tagger.tag(list(sentence))))
    return tags


def tagger_is_there() -> bool:
    """Return whether NLTK finds the tagger's data."""
    try:
        _load_tagger()
    except TaggerDataMissing:
        return False
    return True


def download_tagger() -> None:
    """Download the tagger's data into NLTK's own folder, if NLTK does not find it; raise `OSError` on failure."""
    import nltk

    if not tagger_is_there() and not nltk.download(_TAGGER, quiet=True):
        raise OSError("NLTK cannot download the data of its tagger; https://www.nltk.org/data.html explains other ways")


@functools.cache
def _load_tagger():
    from nltk.tag import PerceptronTagger

    try:
        return PerceptronTagger(lang="eng")
    except (LookupError, OSError):
        message = f"The data of NLTK's tagger is missing: run `python -m nltk.downloader {_TAGGER}`,\n"
        raise TaggerDataMissing(f"{message}or set NLTK_DATA to a folder that contains taggers/{_TAGGER}.") from None


def tokenize(text: str) -> list[str]:
    """Return the tokens of `tokenize_with_offsets` without their offsets."""
    return [token for token, _, _ in tokenize_with_offsets(text)]


def tokenize_with_offsets(text: str) -> list[tuple[str, int, int]]:
    """Split plain text into tokens with their offsets.

    The tokens are those of NLTK's `TweetTokenizer(match_phone_numbers=False)`, with two differences: no token contains
    white space (". . ." is three), and what looks like an HTML entity but is none (`&bogus;`, `&#0;`) is kept. Other
    changes by NLTK remain: `&amp;` gives the token "&" (its offsets span the five characters), and a run of four or
    more of the same character, not a letter or digit, is cut to three (the third one's offsets span the rest).

    Returns:
        `(token, start, end)` in the order of the text, `end` exclusive. The spans do not overlap; between them is only
            white space (also as an entity, `&nbsp;`). Other characters without a glyph, such as U+200B, are tokens.
    """
    if not isinstance(text, str):
        raise TypeError(f"`text` must be a string. Received: {type(text).__name__}")
    from nltk.tokenize.casual import HANG_RE

    characters, spans = _decode_entities(text)
    for run in reversed(list(HANG_RE.finditer("".join(characters)))):
        kept, end = run.start() + 3, run.end()
        spans[kept - 1] = (spans[kept - 1][0], spans[end - 1][1])
        del characters[kept:end], spans[kept:end]
    prepared = "".join(characters)
    tokens = []
    position = 0
    # TweetTokenizer decodes entities again; with each "&" escaped it sees `prepared`, so its tokens are found there.
    for match in _tweet_tokenizer().tokenize(prepared.replace("&", "&amp;")):
        for token in match.split():
            position = prepared.index(token, position)
            end = position + len(token)
            tokens.append((token, spans[position][0], spans[end - 1][1]))
            position = end
    return tokens


def lacks_spaces(text: str) -> bool:
    """Return whether a third of a text or more is in a script without spaces between words, which are not found."""
    return not text.isascii() and 3 * sum(map(len, _UNSPACED.findall(text))) > sum(map(len, text.split()))


def token_offsets(text: str, tokens: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Return start and end of each token in the text, or `None` if one is not found in its order.

    The tokens of `tokenize` are found even where they differ from the text, as "&" in "&amp;" does.
    """
    offsets, place = [], 0
    for token in tokens:
        start = text.find(token, place)
        place = start + len(token)
        offsets.append((start, place))
    found = all(start >= 0 for start, _ in offsets)
    if not found or "".join(text.split()) != "".join("".join(tokens).split()):
        pieces = tokenize_with_offsets(text)
        if [token for token, _, _ in pieces] == list(tokens):
            return tuple((start, end) for _, start, end in pieces)
    return tuple(offsets) if found else None


@functools.cache
def _tweet_tokenizer():
    from nltk.tokenize import TweetTokenizer

    # The pattern for phone numbers joins unrelated numbers ("100 2015") and breaks those of nine digits.
    return TweetTokenizer(match_phone_numbers=False)


def _decode_entities(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the characters of a text without HTML entities, and the span of each in `text`."""
    characters, spans = list(text), [(i, i + 1) for i in range(len(text))]
    for entity in reversed(list(_ENTITY.finditer(text))):
        if character := _entity_character(entity[0]):
            start, end = entity.span()
            characters[start:end], spans[start:end] = [character], [(start, end)]
    return characters, spans


def _entity_character(entity: str) -> str:
    """Return the character of an entity such as `&amp;`, or ""."""
    character = html.unescape(entity) if entity.startswith("&#") else html.entities.html5.get(entity[1:], "")
    if len(character) != 1 or character == "\ufffd":
        return ""
    is_control = unicodedata.category(character) == "Cc" and not character.isspace()
    return "" if is_control else character
