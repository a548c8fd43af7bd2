"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def print_scores(title: str, scores: dict[str, Any]) -> None:
    """Print precision, recall, F1 and support of all entities and by type."""
    rows = [("all", scores["micro"]), *scores["types"].items()]
    print_table(
        title,
        ["", "precision", "recall", "F1", "entities"],
        [
            [name, *(f"{row[key]:.2f}" for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in rows
        ],
    )


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, header_shown: bool = True
) -> None:
    """Print a table, numbers to the right.

    Args:
        title: the line above the table.
        header: the columns' names.
        rows: the cells.
        left: the number of left-aligned text columns at the start.
        header_shown: whether to print the columns' names.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", show_header=header_shown)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
