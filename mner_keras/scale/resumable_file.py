"""`ResumableFile`: an output that a killed process leaves so that the next one continues."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mner_keras.errors import InputError
from mner_keras.files import hold_lock, read_parsed, write_json


class ResumableFile:
    """A file written in steps, from the inputs in their order; a killed process loses its last step.

    The steps go to `.unfinished-NAME.steps`; after each, `NAME.progress.json` records how far it came, and inputs that
    could not be used are in `NAME.errors.csv`. The last step renames the file. Nothing finished is replaced unasked.

    Args:
        path: the file.
        about: what its content depends on, JSON values. `None` if that is unknown: such a file is never continued.
        overwrite: whether to replace a finished file, or one that was begun with another `about`.
        convert: makes the file from what `write` wrote, both given as paths; by default it is the file.

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
        convert: Callable[[Path, Path], None] | None = None,
    ) -> None:
        self.path, self._convert = path, convert
        self.errors_path, self._progress = Path(f"{path}.errors.csv"), Path(f"{path}.progress.json")
        # `write_whole`, which `convert` may use, has the name without the ending.
        self._unfinished = path.with_name(f".unfinished-{path.name}.steps")
        self._lock = hold_lock(path.with_name(f".unfinished-{path.name}.lock"))
        if self._lock is None:
            raise InputError("another process is writing the file", path)
        self._files: list[IO[bytes]] = []
        self._state = {"about": about, "done": 0, "failed": 0, "bytes": 0, "error_bytes": 0, "finished": False}
        try:
            self._open(overwrite)
        except Exception:
            self._release()
            raise

    def _open(self, overwrite: bool) -> None:
        before, about = self._read_progress(), self._state["about"]
        same = before is not None and before["about"] == about
        if same and before["finished"] and not overwrite:
            self._state = before
            self._complete()
            return
        files = {"bytes": self._unfinished, "error_bytes": self.errors_path}
        whole = same and all(self._size(path) >= before[size] for size, path in files.items())
        if whole and not before["finished"]:
            self._state = before
        elif not (same or overwrite):
            self._refuse(before)
        for size, path in files.items():
            file = open(path, "ab")  # noqa: SIM115 (open until the end)
            file.seek(self._state[size])
            file.truncate()
            self._files.append(file)
        self._save()

    @property
    def done(self) -> int:
        return self._state["done"]

    @property
    def failed(self) -> int:
        return self._state["failed"]

    @property
    def finished(self) -> bool:
        return self._state["finished"]

    def write(self, text: str, errors: Sequence[InputError], inputs: int) -> None:
        """Write a step: the text for so many inputs, and the errors among them."""
        table = io.StringIO()
        rows = [(error.line, error.reason) for error in errors]
        header = [] if self._state["error_bytes"] or not rows else [("line", "reason")]
        csv.writer(table, lineterminator="\n").writerows([*header, *rows])
        for file, content in zip(self._files, (text, table.getvalue()), strict=True):
            file.write(content.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        self._state["done"] += inputs
        self._state["failed"] += len(rows)
        self._state["bytes"], self._state["error_bytes"] = (file.tell() for file in self._files)
        self._save()

    def finish(self) -> None:
        """Make the finished file."""
        self._state["finished"] = True
        self._close_files()
        self._save()
        self._complete()

    def close(self) -> None:
        """Close the files; without `finish`, the next one continues."""
        empty = self._files and not self.finished and self.done == self.failed
        self._close_files()
        for path in (self._unfinished, self.errors_path, self._progress) if empty else ():
            path.unlink(missing_ok=True)
        self._release()

    def _close_files(self) -> None:
        for file in self._files:
            file.close()
        if self._files and not self._state["error_bytes"]:
            self.errors_path.unlink(missing_ok=True)
        self._files = []

    def _complete(self) -> None:
        """Rename or convert what is written, unless a killed process has done it."""
        if self._unfinished.exists():
            if self._convert is None:
                os.replace(self._unfinished, self.path)
            else:
                self._convert(self._unfinished, self.path)
                self._unfinished.unlink()
        self._release()

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._lock.lock_file)
        self._lock.release()

    def _read_progress(self) -> dict[str, Any] | None:
        """Return the state of an earlier process; `None` if it has tagged nothing that is still there."""
        if not self._progress.exists():
            return None

        def parse(text: str) -> dict[str, Any]:
            state = json.loads(text)
            if not isinstance(state, dict) or state.keys() != self._state.keys():
                raise ValueError("other keys")
            return state

        before = read_parsed(self._progress, "the progress of an output", parse)
        kept = self.path.exists() if before["finished"] else before["done"] > before["failed"]
        return before if kept or before["finished"] and self._unfinished.exists() else None

    def _refuse(self, before: dict[str, Any] | None) -> None:
        """Raise an error if there is anything to lose."""
        if before is not None:
            about, now = before["about"] or {}, self._state["about"] or {}
            changed = [name for name in now if about.get(name) != now[name]] or ["standard input"]
            state = "finished" if before["finished"] else "begun"
            reason = f"expected an output of the same command, found one {state} with another {' and '.join(changed)}"
            raise InputError(f"{reason}; --overwrite starts again", self.path)
        if self.path.exists():
            raise InputError("the file exists; --overwrite replaces it", self.path)

    def _save(self) -> None:
        if self._state["about"] is None:
            self._progress.unlink(missing_ok=True)
        else:
            write_json(self._progress, self._state)

    @staticmethod
    def _size(path: Path) -> int:
        return path.stat().st_size if path.exists() else 0
