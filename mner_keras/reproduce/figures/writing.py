"""Write a figure into a file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mner_keras.errors import InputError, did_you_mean
from mner_keras.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
_DPI = 200
_DATES = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def check_target(path: str | os.PathLike) -> Path:
    """The place of a figure, if one can be written there.

    Raises:
        InputError: an ending that is no figure's, no such folder, a folder in the place, no right to write.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        found = f"found {ending!r}.{did_you_mean(ending, ENDINGS)}" if ending else "found none"
        raise InputError(f"expected a file's ending ({', '.join(ENDINGS)}), {found}", path)
    if path.is_dir():
        raise InputError("expected a file to write, found a folder", path)
    if not path.parent.is_dir():
        raise InputError("expected a folder to write into, found none", path.parent)
    if not os.access(path.parent, os.W_OK):
        raise InputError("the folder cannot be written to", path.parent)
    return path


def write_figure(figure: Figure, path: str | os.PathLike) -> list[str]:
    """Write a figure as PNG, SVG or PDF, by the file's ending: wholly or not at all, the same bytes each time.

    Args:
        figure: the figure.
        path: the file.

    Returns:
        what a person should know: the characters that no font of the machine has.

    Raises:
        InputError: a place that cannot be written.
    """
    import matplotlib

    path = check_target(path)
    ending = path.suffix.lower()
    # No bounding box of matplotlib's: a figure has its size.
    settings = {"svg.hashsalt": "mner", "path.simplify": True}
    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context(settings):
        warnings.simplefilter("always")
        try:
            write_whole(path, lambda place: figure.savefig(place, format=ending[1:], dpi=_DPI, metadata=_DATES[ending]))
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", path) from None
    glyphs = {str(item.message) for item in caught if "missing from font" in str(item.message)}
    if not glyphs:
        return []
    return [f"{len(glyphs)} characters are in no font of this machine: boxes that name their script stand for them"]
