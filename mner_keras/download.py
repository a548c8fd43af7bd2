"""Download files that are either whole or not there."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mner_keras.errors import InputError
from mner_keras.run.files import write_whole

ATTEMPTS = 3
TIMEOUT = 30  # seconds without a byte
_BLOCK = 2**20  # bytes


def download(
    address: str,
    path: Path,
    check: Callable[[Path], Any],
    pause: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Download a file; it is written under another name, checked, and then renamed.

    A connection that breaks is tried again, from the start, `ATTEMPTS` times in all.

    Args:
        address: where it is.
        path: where it goes, in a folder that is there.
        check: called with the file before it is renamed; it raises what keeps the file from being kept.
        pause: seconds before the second attempt, twice as many before each further one.
        progress: called with the bytes done and, where the server tells, their number, else 0.

    Raises:
        InputError: no network, no such file on the server, a connection that kept breaking.
    """

    def write(unfinished: Path) -> None:
        _try_often(address, unfinished, pause, progress)
        check(unfinished)

    write_whole(path, write)


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable MNER_CACHE, else `~/.cache/mner-keras`; not made here."""
    return Path(os.path.expanduser(os.environ.get("MNER_CACHE") or "~/.cache/mner-keras"))


def _try_often(address: str, unfinished: Path, pause: float, progress: Callable[[int, int], None]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(address, unfinished, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise InputError(f"the server answers {error.code} {error.reason}", address) from None
            reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None)
            reason = str(cause if isinstance(cause, (OSError, str)) else error) or type(error).__name__
        except ValueError as error:
            raise InputError(f"expected an address of files, found {address!r} ({error})") from None
        if attempt < ATTEMPTS:
            time.sleep(pause * 2 ** (attempt - 1))
    raise InputError(f"cannot be fetched, {ATTEMPTS} attempts ({reason})", address)


def _receive(address: str, unfinished: Path, progress: Callable[[int, int], None]) -> None:
    """One attempt, from the file's start."""
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, open(unfinished, "wb") as file:
        length = answer.headers.get("Content-Length")
        total = int(length) if length is not None else 0
        while block := answer.read(_BLOCK):
            file.write(block)
            progress(file.tell(), total)
        if length is not None and file.tell() != total:
            raise http.client.IncompleteRead(b"", total - file.tell())
