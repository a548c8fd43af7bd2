"""`ResumableFile`, an output that a killed process leaves for the next one, and copies of files in object stores."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from mner_keras.errors import InputError
from mner_keras.files import Lock, cache_folder, read_parsed, wait_for_lock, write_json, write_whole

_STATE = ("about", "done", "failed", "bytes", "error_bytes", "finished")
_OUTPUT = ("", ".errors.csv", ".progress.json")  # the files of a `ResumableFile`


class ResumableFile:
    """A file written in steps, from the inputs in their order; a killed process loses its last step.

    The steps go to `.unfinished-NAME.steps`; after each, `NAME.progress.json` records how far it came, and inputs that
    could not be used are in `NAME.errors.csv`. The last step renames the file. Nothing finished is replaced unasked.

    Args:
        path: the file.
        about: what its content depends on, JSON values. `None` if that is unknown: such a file is never continued.
        overwrite: whether to replace a finished file, or one that was begun with another `about`.
        convert: writes the file, given its path and the lines that `write` wrote; by default these are the file.

    Attributes:
        done: the number of inputs that are finished, `failed` of which could not be used.
        finished: whether the file is complete.

    Raises:
        InputError: a finished file of another `about` or of unknown origin, one begun with another `about`, or another
            process is writing it.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any] | None,
        overwrite: bool = False,
        convert: Callable[[Path, Iterable[str]], None] | None = None,
    ) -> None:
        self.path, self.about, self._convert = path, about, convert
        self.done = self.failed = self.bytes = self.error_bytes = 0
        self.finished = False
        self.errors_path, self._progress = Path(f"{path}.errors.csv"), Path(f"{path}.progress.json")
        # `write_whole` has the name without the ending.
        self._unfinished = path.with_name(f".unfinished-{path.name}.steps")
        self._files: list[IO[bytes]] = []
        place = path.with_name(f".unfinished-{path.name}.lock")
        self._lock = Lock(place, "another process is writing the file", path)
        try:
            self._open(overwrite)
        except Exception:
            self._lock.close()
            raise

    def _open(self, overwrite: bool) -> None:
        before = self._read_progress()
        same = before is not None and before["about"] == self.about
        if same and before["finished"] and not overwrite:
            vars(self).update(before)
            self._complete()
            return
        files = {"bytes": self._unfinished, "error_bytes": self.errors_path}
        if same and not before["finished"]:
            if all((path.stat().st_size if path.exists() else 0) >= before[size] for size, path in files.items()):
                vars(self).update(before)
        elif before is not None and not (same or overwrite):
            about, now = before["about"] or {}, self.about or {}
            changed = [name for name in now if about.get(name) != now[name]] or ["standard input"]
            state = "finished" if before["finished"] else "begun"
            reason = f"expected an output of the same command, found one {state} with another {' and '.join(changed)}"
            raise InputError(f"{reason}; --overwrite starts again", self.path)
        elif self.path.exists() and not overwrite:
            raise InputError("the file exists; --overwrite replaces it", self.path)
        for size, path in files.items():
            file = open(path, "ab")  # noqa: SIM115 (open until the end)
            file.seek(getattr(self, size))
            file.truncate()
            self._files.append(file)
        self._save()

    def write(self, text: str, errors: Sequence[InputError], inputs: int) -> None:
        """Write a step: the text for so many inputs, and the errors among them."""
        table = io.StringIO()
        header = [] if self.error_bytes or not errors else [("line", "reason")]
        rows = [(error.line, error.reason) for error in errors]
        csv.writer(table, lineterminator="\n").writerows([*header, *rows])
        for file, content in zip(self._files, (text, table.getvalue()), strict=True):
            file.write(content.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        self.done += inputs
        self.failed += len(errors)
        self.bytes, self.error_bytes = (file.tell() for file in self._files)
        self._save()

    def finish(self) -> None:
        """Make the finished file."""
        self.finished = True
        self._close_files()
        self._save()
        self._complete()

    def close(self) -> None:
        """Close the files; without `finish`, the next one continues."""
        empty = self._files and self.done == self.failed
        self._close_files()
        for path in (self._unfinished, self.errors_path, self._progress) if empty else ():
            path.unlink(missing_ok=True)
        self._lock.close()

    def _close_files(self) -> None:
        for file in self._files:
            file.close()
        if self._files and not self.error_bytes:
            self.errors_path.unlink(missing_ok=True)
        self._files = []

    def _complete(self) -> None:
        """Rename or convert what is written, unless a killed process has done it."""
        if self._unfinished.exists() and self._convert is None:
            os.replace(self._unfinished, self.path)
        elif self._unfinished.exists():
            with open(self._unfinished, encoding="utf-8", newline="\n") as lines:
                write_whole(self.path, lambda path: self._convert(path, lines))
            self._unfinished.unlink()
        self._lock.close()

    def _read_progress(self) -> dict[str, Any] | None:
        """Return the state of an earlier process; `None` if it has tagged nothing that is still there."""
        if not self._progress.exists():
            return None

        def parse(text: str) -> dict[str, Any]:
            state = json.loads(text)
            if not isinstance(state, dict) or state.keys() != set(_STATE):
                raise ValueError("other keys")
            return state

        before = read_parsed(self._progress, "the progress of an output", parse)
        if before["finished"]:
            return before if self.path.exists() or self._unfinished.exists() else None
        return before if before["done"] > before["failed"] else None

    def _save(self) -> None:
        if self.about is None:
            self._progress.unlink(missing_ok=True)
        else:
            write_json(self._progress, {name: getattr(self, name) for name in _STATE})


def is_remote(path: str | os.PathLike) -> bool:
    """Return whether a path is an address of an object store: `s3://`, `gs://` and what else pyarrow reads."""
    return "://" in str(path)


def extended(address: str, more: str) -> str:
    """Return an address with more at the end of its path; what follows a `?` are the store's options."""
    parts = urlsplit(address)
    return parts._replace(path=parts.path.rstrip("/") + more).geturl()


def local_path(address: str) -> Path:
    """Return the place on this machine for a copy of a remote file or folder."""
    folder = cache_folder() / "remote" / hashlib.sha256(address.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / Path(urlsplit(address).path).name


def download(address: str) -> Path:
    """Copy a remote file to its place on this machine, unless the copy there is of its size and time.

    Raise `InputError` for no such file, another kind of address, no access, or without pyarrow.
    """
    path = local_path(address)
    known = Path(f"{path}.remote.json")
    with wait_for_lock(Path(f"{path}.lock")):
        store, name, info = _find(address)
        if not info.is_file:
            raise InputError("expected a file, found none at this address", address)
        state = {"size": info.size, "time": str(info.mtime)}
        if not (path.is_file() and known.is_file() and json.loads(known.read_text("utf-8")) == state):
            write_whole(path, lambda part: _copy(address, name, str(part), source_filesystem=store))
            write_json(known, state)
    return path


def pull_output(path: Path, address: str, overwrite: bool) -> None:
    """Copy an output with its errors and progress to this machine, unless it is to be replaced, or is begun there.

    A copy of this machine is replaced: another machine may have tagged again since.
    """
    begun = Path(f"{path}.progress.json").exists() and not path.exists()
    for ending in _OUTPUT:
        store, name, info = _find(extended(address, ending))
        if info.is_file and not (overwrite or begun):
            _copy(address, name, f"{path}{ending}", source_filesystem=store)


def push_output(path: Path, address: str) -> None:
    """Copy an output with its errors and progress to the store; errors of an output that it replaces go."""
    for ending in _OUTPUT:
        store, name, info = _find(extended(address, ending))
        if Path(f"{path}{ending}").exists():
            _copy(address, f"{path}{ending}", name, destination_filesystem=store)
        elif info.is_file:
            store.delete_file(name)


def _find(address: str) -> tuple[Any, str, Any]:
    """Return the store, the name in it, and what the store says of it."""
    try:
        from pyarrow import fs
    except ImportError:
        raise InputError("an address needs pyarrow: pip install 'mner-keras[parquet]'", address) from None
    try:
        store, name = fs.FileSystem.from_uri(address)
        return store, name, store.get_file_info(name)
    except (OSError, ValueError) as error:
        raise InputError(f"expected an address such as s3://BUCKET/FILE ({error})", address) from None


def _copy(address: str, source: str, target: str, **stores: Any) -> None:
    from pyarrow import fs

    here = fs.LocalFileSystem()
    try:
        stores.get("destination_filesystem", here).create_dir(target.rpartition("/")[0])
        fs.copy_files(source, target, **{"source_filesystem": here, "destination_filesystem": here, **stores})
    except OSError as error:
        raise InputError(f"cannot be copied: {error}", address) from None
