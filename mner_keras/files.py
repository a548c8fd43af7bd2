"""File handling: atomic writes, hashes, locks and downloads.

Locks come from `filelock`. Downloads are our own: `pooch` and `keras.utils.get_file` start a broken download again from
its first byte, and the largest file here has 258 MB.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.errors import InputError

if TYPE_CHECKING:
    from filelock import FileLock

Progress = Callable[[int, int], None]
"""A function that receives the amount of work done and the total, 0 if it is unknown."""

ATTEMPTS = 3
TIMEOUT = 30  # seconds without a byte
_BLOCK = 2**20  # bytes


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under another name in the same folder, then rename it: readers only ever see a complete file.

    Args:
        path: the file.
        write: a function that writes the file at the path it receives.
    """
    # The suffix is kept because Keras derives the format from it.
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        write(unfinished)
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with `write_whole`."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def read_parsed(path: str | os.PathLike, what: str, parse: Callable[[str], Any]) -> Any:
    """Return the content of a text file.

    Args:
        path: the file.
        what: its content, for the error.
        parse: turns the text into values; a `ValueError` is reported with the path.

    Raises:
        InputError: the file cannot be read or parsed.
    """
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected {what}; {error.strerror or error}", path) from None
    except ValueError as error:
        raise InputError(f"expected {what}, found a file that does not parse ({error})", path) from None


def file_sha256(path: str | os.PathLike, algorithm: str | Callable = "sha256") -> str:
    """Return the SHA-256 of a file, in hexadecimal, or the hash of another of `hashlib`'s algorithms."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def file_record(path: str | os.PathLike, sha256: str | None = None) -> dict[str, Any]:
    """Identify a file's content: `sha256`, and `bytes` and `mtime_ns`, with which `is_same_file` avoids the hash.

    Args:
        path: the file.
        sha256: its hash if it is known already.
    """
    status = os.stat(path)
    return {"sha256": sha256 or file_sha256(path), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def is_same_file(path: str | os.PathLike, record: Mapping[str, Any]) -> bool:
    """Return whether a file still has the content that `file_record` identified.

    The hash decides. It is computed only if the modification time differs and the size does not.
    """
    try:
        status = os.stat(path)
    except OSError:
        return False
    if record.get("bytes", status.st_size) != status.st_size:
        return False
    return record.get("mtime_ns") == status.st_mtime_ns or record["sha256"] == file_sha256(path)


def hold_lock(path: str | os.PathLike) -> FileLock | None:
    """Lock a file for this process, without waiting.

    The operating system releases the lock when the process ends, however it ends.

    Args:
        path: the lock file, created if necessary.

    Returns:
        The lock, which `release()` or a `with` block releases; `None` if another process contains it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def numbered_lines(stream: Iterable[bytes], name: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """Yield lines as `decode_line` does, and their numbers."""
    for number, raw in enumerate(stream, start=1):
        yield number, decode_line(raw, name, number)


def decode_line(raw: bytes, name: str | os.PathLike, number: int) -> str:
    """Return a line of UTF-8 without its end; only a line feed ends a line, and nothing else is stripped.

    Raises:
        InputError: bytes that are not UTF-8, in line `number` of the file `name`.
    """
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8, found the byte 0x{raw[error.start]:02x}", name, number) from None
    return line.removesuffix("\n").removesuffix("\r")


def cache_folder() -> Path:
    """Return the folder for downloads: `$MNER_CACHE` or `~/.cache/mner-keras`. It is not created here."""
    return Path(os.path.expanduser(os.environ.get("MNER_CACHE") or "~/.cache/mner-keras"))


def download(address: str, path: Path, expected: str, pause: float = 1.0, progress: Progress = no_progress) -> None:
    """Download a file with `write_whole`. A broken connection is resumed where it broke, `ATTEMPTS` attempts in all.

    Args:
        address: the URL.
        path: the file to write, in an existing folder.
        expected: the file's SHA-256, or its MD5 where its publisher gives no better hash, in hexadecimal.
        pause: seconds before the second attempt, doubled before each further one.
        progress: called with the bytes received and the total.

    Raises:
        InputError: no network, no such file on the server, a connection that kept breaking, or another hash.
    """

    def write(unfinished: Path) -> None:
        unfinished.unlink(missing_ok=True)  # left by a killed process, perhaps from another address
        for attempt in range(ATTEMPTS):
            time.sleep(pause * 2 ** (attempt - 1) if attempt else 0)
            reason = _receive(address, unfinished, progress)
            if reason is None:
                break
        else:
            raise InputError(f"cannot be downloaded, {ATTEMPTS} attempts ({reason})", address)
        md5 = partial(hashlib.md5, usedforsecurity=False)
        if (found := file_sha256(unfinished, md5 if len(expected) == 32 else "sha256")) != expected:
            raise InputError(
                f"expected a file of the hash {expected[:12]}..., found {found[:12]}...; not kept", address
            )

    write_whole(path, write)


def _receive(address: str, unfinished: Path, progress: Progress) -> str | None:
    """Receive the bytes that the file still lacks, or all of them from a server that cannot resume.

    Returns:
        why the connection broke, `None` if it did not.
    """
    start = unfinished.stat().st_size if unfinished.exists() else 0
    try:
        request = urllib.request.Request(address, headers={"Range": f"bytes={start}-"} if start else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            with open(unfinished, "ab" if resumed else "wb") as file:
                length = answer.headers.get("Content-Length")
                total = (start if resumed else 0) + int(length) if length is not None else 0
                while block := answer.read(_BLOCK):
                    file.write(block)
                    progress(file.tell(), total)
                if length is not None and file.tell() != total:
                    raise http.client.IncompleteRead(b"", total - file.tell())
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise InputError(f"the server answers {error.code} {error.reason}", address) from None
        return f"{error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None)
        return str(cause if isinstance(cause, (OSError, str)) else error) or type(error).__name__
    except ValueError as error:
        raise InputError(f"expected the URL of a file, found {address!r} ({error})") from None
    return None
