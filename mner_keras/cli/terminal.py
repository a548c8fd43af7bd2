"""What commands print: notes, JSON, tables, and progress bars, which appear only on a terminal."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from mner_keras.files import Progress, no_progress

if TYPE_CHECKING:
    import rich.progress


_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def note(line: str) -> None:
    """Print a line on the error stream."""
    print(line, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_scores(title: str, scores: dict[str, Any]) -> None:
    """Print precision, recall, F1 and support of all entities and by type."""
    rows = [
        [name, *(f"{row[key]:.2f}" for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for name, row in {"all": scores["micro"], **scores["types"]}.items()
    ]
    print_table(title, ["", "precision", "recall", "F1", "entities"], rows)


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, header_shown: bool = True
) -> None:
    """Print a table with `left` columns of text, then numbers, aligned to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", show_header=header_shown)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


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


@contextlib.contextmanager
def ends_interrupt() -> Iterator[None]:
    """Let closing the terminal or ending a batch job interrupt the command, like Ctrl-C."""
    ends = [number for number in _ENDS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
