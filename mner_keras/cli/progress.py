"""Progress bars, shown only on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from mner_keras.files import Progress, no_progress

if TYPE_CHECKING:
    import rich.progress


def make_bar(stream: TextIO) -> rich.progress.Progress | None:
    """Return a bar that disappears when it ends, or `None` if the stream is not a terminal."""
    if not stream.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(file=stream), transient=True)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on the error stream from the first call of the yielded function on."""
    bar = make_bar(sys.stderr)
    if bar is None:
        yield no_progress
        return
    task = bar.add_task(what)

    def show(done: int, total: int) -> None:
        bar.start()  # no effect if started
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
