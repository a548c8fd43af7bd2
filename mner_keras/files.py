"""File handling: atomic writes, hashes, locks and downloads.

Locks come from `filelock`. Downloads are our own: `pooch` and `keras.utils.get_file` start a broken download again from
its first byte, and several files here have more than a gigabyte.
"""

import contextlib
import hashlib
import http.client
import importlib.metadata
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.errors import InputError

if TYPE_CHECKING:
    from filelock import AcquireReturnProxy

Progress = Callable[[int, int], None]  # a function that receives the work done and the total, 0 if it is unknown
Report = Callable[[str], None]  # a function that receives a line for people

ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt of a download, doubled before each further one
TIMEOUT = 30  # seconds without a byte
_BLOCK = 2**20  # bytes
_PAGE = (b"<!doctype html", b"<html")
_PART = re.compile(r"part-([0-9]+)-of-([0-9]+)(\.\w+)")


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


def report_nothing(line: str) -> None:
    """Print nothing."""


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with another name in the same folder, then rename the file: readers only ever see a complete one."""
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
    """Return what `parse` makes of a text file; raise `InputError` if it cannot be read, or for a `ValueError`."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected {what}; {error.strerror or error}", path) from None
    except ValueError as error:
        raise InputError(f"expected {what}, found a file that does not parse ({error})", path) from None


def part_name(number: int, count: int, ending: str) -> str:
    """Return the name of the file that one of `count` shards writes into a folder: `part-003-of-064.h5`."""
    width = max(3, len(str(count)))
    return f"part-{number:0{width}}-of-{count:0{width}}{ending}"


def files_of(path: str | os.PathLike) -> list[Path]:
    """Return the file, or all parts of a folder, in order; raise `InputError` if one is missing."""
    if not os.path.isdir(path):
        return [Path(path)]
    found = [match for match in map(_PART.fullmatch, os.listdir(path)) if match]
    kinds = sorted({match.group(2, 3) for match in found})
    if len(kinds) != 1:
        seen = " and ".join(f"-of-{count}{ending}" for count, ending in kinds) or "none"
        raise InputError(f"expected the files part-1-of-N to part-N-of-N, found {seen}", path)
    count, ending = int(kinds[0][0]), kinds[0][1]
    parts = (Path(path, part_name(number, count, ending)) for number in range(1, count + 1))
    if len(found) < count:
        lacking = next(part.name for part in parts if not part.exists())
        raise InputError(f"expected {count:,} parts, found {len(found):,}: {lacking} is missing", path)
    return list(parts)


def file_sha256(path: str | os.PathLike, algorithm: str | Callable = "sha256") -> str:
    """Return the SHA-256 of a file, in hexadecimal, or the hash of another of `hashlib`'s algorithms."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def file_record(path: str | os.PathLike, sha256: str | None = None) -> dict[str, Any]:
    """Identify a file's content: `sha256`, and `bytes` and `mtime_ns`, with which `is_same_file` avoids the hash.

    Of a folder of parts, these are the hash of the parts' hashes and the sums over the parts.
    """
    return {"sha256": sha256 or _content_sha256(path), **_status(path)}


def is_same_file(path: str | os.PathLike, record: Mapping[str, Any]) -> bool:
    """Return whether a file still has the content that `file_record` identified.

    The hash decides, and is computed only if the modification time differs and the size does not.
    """
    try:
        status = _status(path)
    except OSError:
        return False
    same_size = record.get("bytes", status["bytes"]) == status["bytes"]
    return same_size and (record.get("mtime_ns") == status["mtime_ns"] or record["sha256"] == _content_sha256(path))


def _status(path: str | os.PathLike) -> dict[str, int]:
    found = list(map(os.stat, files_of(path)))
    return {"bytes": sum(one.st_size for one in found), "mtime_ns": sum(one.st_mtime_ns for one in found)}


def _content_sha256(path: str | os.PathLike) -> str:
    hashes = list(map(file_sha256, files_of(path)))
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


class Lock:
    """A locked file, created if necessary, until `close` or the end of this process, however it ends.

    If another process holds the lock, it raises an `InputError` with the message about `place`.
    """

    def __init__(self, path: str | os.PathLike, message: str, place: Path) -> None:
        from filelock import FileLock, Timeout

        self._lock = FileLock(path, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(message, place) from None

    def close(self) -> None:
        """Remove the file and release it, unless this is done."""
        if self._lock.is_locked:  # otherwise the file may be the next process's
            with contextlib.suppress(OSError):  # Windows deletes no open file
                os.unlink(self._lock.lock_file)
            self._lock.release()


def decode_line(raw: bytes, name: str | os.PathLike, number: int) -> str:
    """Return line `number` of a file without its end, nothing else stripped; raise `InputError` if it is not UTF-8."""
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8, found the byte 0x{raw[error.start]:02x}", name, number) from None
    return line.removesuffix("\n").removesuffix("\r")


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def cache_folder() -> Path:
    """Return the folder for downloads: `$MNER_CACHE` or `~/.cache/mner-keras`. It is not created here."""
    return Path(os.path.expanduser(os.environ.get("MNER_CACHE") or "~/.cache/mner-keras"))


def wait_for_lock(path: Path, report: Report = report_nothing) -> "AcquireReturnProxy":
    """Lock a file for a `with` block of this process; wait while another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        report(f"waiting for another process ({path})")
        return lock.acquire()


def download(
    address: str,
    path: Path,
    expected: str = "",
    progress: Progress = no_progress,
    report: Report = report_nothing,
    resolve: Callable[[str], str] = lambda page: "",
) -> None:
    """Download a file that does not exist yet into an existing folder, and check its hash with `check_download`.

    A broken connection is resumed where it broke, `ATTEMPTS` attempts in all. After that, or after an interruption, the
    next call resumes if the server names the version of its file (`ETag` or `Last-Modified`). Of several processes,
    one downloads and the others wait.

    Args:
        address, path, expected: the URL, the file to write, and its published hash, if there is one.
        progress: called with the bytes received and the total.
        report: receives a line for people: the size before the download, and what is waited for.
        resolve: returns the file's address from the web page that the server sends in its place; empty if it has none.

    Raises:
        InputError: no network, no such file, a web page in its place, a broken connection, a full disk, another hash.
    """
    unfinished = path.with_name(f".unfinished-{path.name}")
    # Contains the address, and in a second line what the server calls the version of its file.
    version = path.with_name(f".unfinished-{path.name}.version")
    lock = path.with_name(f".{path.name}.lock")
    with wait_for_lock(lock, report):
        try:
            if path.is_file():
                return
            if not version.is_file() or version.read_text("utf-8").partition("\n")[0] != address:
                unfinished.unlink(missing_ok=True)
            for attempt in range(ATTEMPTS):
                time.sleep(PAUSE * 2 ** (attempt - 1) if attempt else 0)
                try:
                    _receive(address, unfinished, version, progress, report, resolve)
                    break
                except urllib.error.HTTPError as error:
                    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                        unfinished.unlink()  # nothing was lacking, or the file became shorter
                    elif error.code < 500:
                        raise InputError(f"the server answers {error.code} {error.reason}", address) from None
                    reason = f"{error.code} {error.reason}"
                except (OSError, http.client.HTTPException) as error:
                    cause = getattr(error, "reason", None)
                    reason = str(cause if isinstance(cause, (OSError, str)) else error) or type(error).__name__
                except UnicodeError as error:  # of an address with letters beyond ASCII, or with a label too long
                    raise InputError(f"expected the URL of a file, found {address!r} ({error})") from None
            else:
                kept = "; the next attempt resumes" if version.is_file() else ""
                raise InputError(f"cannot be downloaded, {ATTEMPTS} attempts ({reason}){kept}", address)
            check_download(path, expected, unfinished, address)
            os.replace(unfinished, path)
        finally:
            # Only a part of a known version can be resumed later.
            if path.is_file() or not version.is_file():
                unfinished.unlink(missing_ok=True)
                version.unlink(missing_ok=True)
            if path.is_file():
                with contextlib.suppress(OSError):  # Windows deletes no open file
                    lock.unlink()


def _receive(
    address: str,
    unfinished: Path,
    version: Path,
    progress: Progress,
    report: Report,
    resolve: Callable[[str], str],
    resolved: str = "",
) -> None:
    """Receive the bytes that an unfinished file still lacks, or all of them from a server that cannot resume."""
    start = unfinished.stat().st_size if unfinished.exists() else 0
    headers = {"User-Agent": "Mozilla/5.0 (mner-keras)"}  # some servers refuse Python's own name
    if start:
        known = version.read_text("utf-8").partition("\n")[2] if version.is_file() else ""
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": known} if known else {})
    try:
        request = urllib.request.Request(resolved or address, headers=headers)
    except ValueError as error:
        raise InputError(f"expected the URL of a file, found {address!r} ({error})") from None
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        block = answer.read(_BLOCK)
        if not start and block[:1024].lstrip().lower().startswith(_PAGE):
            found = "" if resolved else resolve((block + answer.read(_BLOCK)).decode("utf-8", "replace"))
            if not found:
                raise InputError("expected a file, found a web page", address)
            _receive(address, unfinished, version, progress, report, resolve, found)
            return
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length is not None else 0
        if not start:
            report(f"{address}: {total / 1e6:,.1f} MB" if total else f"{address}: of unknown size")
            known = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            if known:
                version.write_text(f"{address}\n{known}", encoding="utf-8")
            else:
                version.unlink(missing_ok=True)
        free = shutil.disk_usage(unfinished.parent).free
        if total - start > free:
            expected = f"expected {(total - start) / 1e6:,.0f} MB of free disk"
            raise InputError(f"{expected}, found {free / 1e6:,.0f}", unfinished.parent)
        while block or not unfinished.exists():  # the file may be empty
            try:
                with open(unfinished, "ab" if start else "wb") as file:
                    file.write(block)
            except OSError as error:
                raise InputError(f"cannot be written ({error.strerror})", unfinished) from None
            start += len(block)
            progress(start, total)
            block = answer.read(_BLOCK)
        if length is not None and start != total:
            raise http.client.IncompleteRead(b"", total - start)


def check_download(path: Path, expected: str = "", file: Path | None = None, address: str = "") -> None:
    """Compare a file with its hash: the published one, or the one that its first download recorded in `PATH.sha256`.

    Args:
        path, expected: the file, and its SHA-256, or MD5 where its publisher gives no better hash, in hexadecimal.
        file: the file before it has its name, from `address`; removed, with an `InputError`, if its hash is another.
    """
    record, hint = path.with_name(f"{path.name}.sha256"), ""
    if not expected and record.is_file():
        expected = record.read_text("utf-8").partition(" ")[0]
        hint = f". If the publisher replaced the file, delete {record}"
    md5 = partial(hashlib.md5, usedforsecurity=False)
    found = file_sha256(file or path, md5 if len(expected) == 32 else "sha256")
    if not expected:
        # The format of `sha256sum --check`.
        write_whole(record, lambda unfinished: unfinished.write_text(f"{found}  {path.name}\n", encoding="utf-8"))
    elif found != expected:
        if file is not None:
            file.unlink()
            path.with_name(f"{file.name}.version").unlink(missing_ok=True)
            hint = f"; not kept{hint}"
        message = f"expected a file of the hash {expected[:12]}..., found {found[:12]}...{hint}"
        raise InputError(message, address or path)
