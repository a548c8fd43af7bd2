"""Errors for bad input: a message for the user, without a traceback on the command line."""

import difflib
import os
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input that the user can correct: a file, an option, a name.

    Args:
        message: what was expected and what was found; the attribute `reason`.
        path: the file at fault, if there is one.
        line: the line in it, or the row, counted from 1.
    """

    def __init__(self, message: str, path: str | os.PathLike | None = None, line: int | None = None) -> None:
        self.reason = message
        self.path = path
        self.line = line
        place = "" if path is None else f"{os.fspath(path)}: " if line is None else f"{os.fspath(path)}:{line}: "
        super().__init__(place + message)


class TrainingDiverged(InputError):
    """The loss became NaN or infinite; a lower learning rate may help."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 post", "1,204 posts"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise `InputError` for a name that is not one of the known ones; suggest the nearest."""
    if name not in known:
        raise InputError(f"expected {what} ({', '.join(known)}), found {name!r}.{did_you_mean(name, known)}")
