"""Text that any machine can draw: emoji by name where no font has them, right-to-left text in its order.

matplotlib brings DejaVu Sans along, which draws Latin, Greek, Cyrillic, Arabic and Hebrew (in their order and joined,
since matplotlib 3.11) and few emoji. For other letters the fonts of the machine are searched; where none has them,
matplotlib's last-resort font draws a box that names the script.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache, lru_cache

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

BASE = "DejaVu Sans"
_SCALE = 10  # text is measured at ten pixels a point
_JOINERS = {0x200D, 0xFE0E, 0xFE0F, 0x20E3, *range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)}
_FLAG = 0x1F1E6  # regional indicator A
_SPACES = {"\n": "⏎", "\r": "⏎", "\t": "⇥"}


def drawable(text: str) -> str:
    """Text that can be seen and drawn: emoji that no font has as `‹fire›`, white space as `␣`, controls by number."""
    if not text.strip():
        text = "".join(_SPACES.get(character, "␣") for character in text) or "␣"
    pieces: list[str] = []
    flag = ""
    for character in text:
        code = ord(character)
        if _FLAG <= code < _FLAG + 26:
            flag += chr(ord("A") + code - _FLAG)
            if len(flag) == 2:
                pieces.append(f"‹flag {flag}›")
                flag = ""
            continue
        if code in _JOINERS and pieces:
            continue
        if character in _SPACES:
            pieces.append(_SPACES[character])
        elif unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp"):
            pieces.append("" if pieces or len(text) > 1 else f"U+{code:04X}")
        elif unicodedata.category(character) in ("So", "Sk", "Sm") and not _font_with(code):
            pieces.append(f"‹{unicodedata.name(character, f'U+{code:04X}').lower()}›")
        else:
            pieces.append(character)
    return "".join(pieces) or " ".join(f"U+{ord(character):04X}" for character in text[:3])


def families(texts: Iterable[str]) -> list[str]:
    """The font families that draw some texts, DejaVu Sans first."""
    needed = {ord(character) for text in texts for character in text}
    found = [BASE]
    for code in sorted(needed):
        family = _font_with(code)
        if family and family not in found:
            found.append(family)
    return found


def is_right_to_left(tokens: Iterable[str]) -> bool:
    """Whether a post runs from right to left: more of its words begin so than not."""
    count = 0
    for token in tokens:
        strong = next((d for d in map(unicodedata.bidirectional, token) if d in ("L", "R", "AL")), "")
        if strong and not token.startswith(("@", "#", "http", "RT")):
            count += 1 if strong in ("R", "AL") else -1
    return count > 0


def text_width(text: str, size: float, family: tuple[str, ...] = (BASE,), weight: str = "normal") -> float:
    """The width of a text, in points."""
    return _width(text, round(size, 2), family, weight)


def shortened(text: str, width: float, size: float, family: tuple[str, ...] = (BASE,)) -> str:
    """A text that is no wider than so many points; an ellipsis stands for what does not fit."""
    if text_width(text, size, family) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle] + "…", size, family) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"


@lru_cache(maxsize=20_000)
def _width(text: str, size: float, family: tuple[str, ...], weight: str) -> float:
    properties = FontProperties(family=list(family), size=size, weight=weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        return _renderer().get_text_width_height_descent(text, properties, False)[0] / _SCALE


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, 72 * _SCALE)


@cache
def _font_with(code: int) -> str:
    """The family of a font that has a character, matplotlib's own first; empty where there is none."""
    if code in _characters(findfont(BASE)):
        return BASE
    for entry in fontManager.ttflist:
        # A colour font's glyphs are pictures, which matplotlib does not draw.
        if "color" not in entry.name.lower() and entry.style == "normal" and code in _characters(entry.fname):
            return entry.name
    return ""


@cache
def _characters(path: str) -> frozenset[int]:
    if "LastResort" in path:
        return frozenset()
    try:
        font = FT2Font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):
        return frozenset()
