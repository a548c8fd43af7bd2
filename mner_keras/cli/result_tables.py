"""A measured table on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mner_keras.reproduce.render import (
    comparison_cells,
    comparison_header,
    names_of,
    notes_of,
    provenance_lines,
    reference_name,
    rows_of,
)
from mner_keras.reproduce.result import TableResult


def print_result(result: TableResult) -> None:
    """Print what differs from the paper's setting, the table, the comparison with its reference, and the notes."""
    console = Console(highlight=False)
    console.print(result.heading, style="bold", markup=False)
    console.print(f"measured: {result.measured}", markup=False)
    if result.differs:
        console.print("what differs from the paper's setting:", style="bold")
        for line in result.differs:
            console.print(f"  - {line}", markup=False)
    table = Table()
    for number, name in enumerate(["", "", *result.columns]):
        table.add_column(name, justify="left" if number < 2 else "right")
    last = None
    for name, what, cells in rows_of(result):
        if last not in (None, name):
            table.add_section()
        table.add_row("" if name == last else name, what, *cells)
        last = name
    console.print(table)
    header = comparison_header(result)
    if header:
        table = Table(title=f"against {reference_name(result)}", title_justify="left")
        for number, name in enumerate(["", *header]):
            table.add_column(name, justify="left" if number == 0 else "right")
        for name, line in zip(names_of(result), result.lines, strict=True):
            if line.comparison is not None:
                table.add_row(name, *comparison_cells(line, header))
        console.print(table)
    for note in notes_of(result):
        console.print(f"  - {note}", markup=False)
    for line in provenance_lines(result):
        console.print(line, markup=False, style="dim")
