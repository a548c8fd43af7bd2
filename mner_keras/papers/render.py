"""A measured table as terminal text, Markdown, CSV, LaTeX and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any

from mner_keras.papers.compare import Comparison
from mner_keras.papers.measured import Cell, MeasuredTable

NOTHING = "–"
_LATEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%#_{}$"}
    | {"±": r"$\pm$", "–": "--", "‡": r"$^\ddagger$", "✓": r"$\checkmark$", "✗": r"$\times$"}
)


def text_rows(table: MeasuredTable) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Return each row's name and the lines to print: what a line contains, and its cells.

    The lines are the published numbers, the measured ones and, where both are comparable, their difference.
    """
    rows = []
    for name, row in zip(table.names, table.rows, strict=True):
        seeds = f" ({len(row.runs)} seed{'s' if len(row.runs) > 1 else ''})" if row.runs else ""
        what = "default" if table.table.kind == "settings" else f"measured{seeds}"
        lines = [
            ("published", [_published(cell) for cell in row.cells]),
            (what, [_measured(table, cell) for cell in row.cells]),
        ]
        if table.table.kind != "settings" and any(cell.difference is not None for cell in row.cells):
            lines.append(("difference", [_difference(table, cell) for cell in row.cells]))
        rows.append((name, lines))
    return rows


def note_lines(table: MeasuredTable) -> list[str]:
    """Return the legend of the signs in the table, the failures and the notes."""
    text = " ".join(cell for _, lines in text_rows(table) for _, cells in lines for cell in cells)
    signs = {
        "‡": "‡: copied by the paper from an earlier publication",
        "?": "?: cannot be right, see the notes",
        "±": "±: standard deviation over seeds",
        "✓✗": f"✓ and ✗: within {table.tolerance} points of the published number, or not",
    }
    legend = [meaning for either, meaning in signs.items() if any(sign in text for sign in either)]
    failures = [f"{name}: {why}" for name, row in zip(table.names, table.rows, strict=True) for why in row.failures]
    return [*legend, *failures, *table.notes]


def comparison_table(table: MeasuredTable) -> tuple[str, list[str], list[list[str]]]:
    """Return title, header and rows of the comparison with the table's reference; no rows where there is none."""
    compared = {name: row.comparison for name, row in zip(table.names, table.rows, strict=True) if row.comparison}
    names = {row.row.key: name for name, row in zip(table.names, table.rows, strict=True)}
    header, rows = comparison_cells(compared)
    return f"Against {names.get(table.table.reference.get('row'))}", header, rows


def comparison_cells(compared: dict[str, Comparison]) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row per comparison, by the name of what is compared."""
    with_t_test = any(found.t_test is not None for found in compared.values())
    header = ["", "F1 difference", "bootstrap p", "95 % interval", *(["t-test p"] if with_t_test else [])]
    rows = []
    for name, found in compared.items():
        interval = f"[{found.low:+.2f}, {found.high:+.2f}]"
        t_test = NOTHING if found.t_test is None else f"{found.t_test:.4f}"
        cells = [name, f"{found.difference:+.2f}", f"{found.bootstrap:.3f}", interval, t_test]
        rows.append(cells[: len(header)])
    return header, rows


def provenance_lines(table: MeasuredTable) -> list[str]:
    """Return where the numbers come from, one line each."""
    found, lines = table.provenance, []
    for data in found.get("data", ()):
        hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in data["sha256"].items())
        lines.append(f"data: {data['name']} ({hashes}); scheme: {found['scheme']}")
    for store in found.get("features", ()):
        lines.append(f"features: {store.get('extractor', 'of unknown origin')}, sha256 {store['sha256'][:12]}")
    for vectors in found.get("vectors", ()):
        lines.append(f"vectors: {vectors['file']}, sha256 {vectors['sha256'][:12]}")
    if found.get("versions"):
        lines.append("versions: " + ", ".join(f"{name} {version}" for name, version in found["versions"].items()))
        where = [*found["backend"], *found["machine"], *(", ".join(devices) for devices in found["devices"])]
        lines.append("; ".join([*where, *found["precision"]]))
        commits = found.get("git_commit") or []
        lines.append(
            f"{found['runs']} runs, {found['seconds']:,.0f} s of training and scoring in all"
            + (f"; commit {', '.join(commit[:12] for commit in commits)}" if commits else "")
        )
    return lines


def print_measured(table: MeasuredTable) -> None:
    """Print a table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)

    def print_rows(header: list[str], groups: list[list[list[str]]], left: int, title: str | None = None) -> None:
        body = Table(title=title, title_justify="left")
        for place, name in enumerate(header):
            body.add_column(name, justify="left" if place < left else "right")
        for rows in groups:
            for cells in rows:
                body.add_row(*cells)
            body.add_section()
        console.print(body)

    console.print(table.heading, style="bold")
    console.print(f"measured: {table.measured}")
    if table.caveats:
        console.print("differences from the paper's setting:", style="bold")
    for line in table.caveats:
        console.print(f"  - {line}")
    print_rows(["", "", *table.columns], _groups(table), 2)
    title, header, compared = comparison_table(table)
    if compared:
        print_rows(header, [compared], 1, title)
    for note in note_lines(table):
        console.print(f"  - {note}")
    for line in provenance_lines(table):
        console.print(line, style="dim")


def to_markdown(table: MeasuredTable) -> str:
    """Return GitHub's Markdown."""
    parts = [f"## {table.heading}", f"Measured: {table.measured}."]
    if table.caveats:
        parts.append("**What differs from the paper's setting**\n\n" + "\n".join(f"- {line}" for line in table.caveats))
    parts.append(_markdown_table(["", "", *table.columns], [cells for rows in _groups(table) for cells in rows], 2))
    title, header, compared = comparison_table(table)
    if compared:
        parts.append(f"{title}:\n\n" + _markdown_table(header, compared, 1))
    parts += ["\n".join(f"- {line}" for line in lines) for lines in (note_lines(table), provenance_lines(table))]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(table: MeasuredTable) -> str:
    """Return CSV with one row per number; numbers are not rounded."""
    file = io.StringIO()
    fields = ("published", "source", "mean", "standard_deviation", "difference", "within_tolerance", "misprint")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["paper", "table", "row", "name", "column", "seeds", *fields])
    for row in to_json(table)["rows"]:
        about = [table.table.paper, table.table.number, row["key"], row["name"]]
        for column, cell in row["cells"].items():
            writer.writerow([*about, column, len(row["seeds"]) or None, *(cell[field] for field in fields)])
    return file.getvalue()


def to_latex(table: MeasuredTable) -> str:
    """Return a `tabular` for the package booktabs, with caveats and notes as comments above it."""
    above = (table.heading, f"Measured: {table.measured}.", *table.caveats, *note_lines(table))
    lines = [f"% {' '.join(text.split())}" for text in above]
    lines += [r"\begin{tabular}{ll" + "r" * len(table.columns) + "}", r"\toprule"]
    lines += [" & ".join(["", "", *(name.translate(_LATEX) for name in table.columns)]) + r" \\", r"\midrule"]
    for number, rows in enumerate(_groups(table)):
        lines += [r"\addlinespace"] if number else []
        lines += [" & ".join(cell.translate(_LATEX) for cell in cells) + r" \\" for cells in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def to_json(table: MeasuredTable) -> dict[str, Any]:
    """Return everything as JSON values; numbers are not rounded."""
    rows = [
        {
            "key": row.row.key,
            "name": row.row.name,
            "part": row.row.part,
            "seeds": list(row.runs),
            "cells": {
                column: _cell_json(cell, table.tolerance) for column, cell in zip(table.columns, row.cells, strict=True)
            },
            "comparison": None if row.comparison is None else dataclasses.asdict(row.comparison),
            "failures": list(row.failures),
            "runs": [str(folder) for folder in row.runs.values()],
        }
        for row in table.rows
    ]
    published = {name: getattr(table.table, name) for name in ("paper", "number", "title", "kind", "unit")}
    return {
        **published,
        "measured": table.measured,
        "reference": dict(table.table.reference),
        "tolerance": table.tolerance,
        "caveats": list(table.caveats),
        "columns": list(table.columns),
        "rows": rows,
        "notes": list(table.notes),
        "provenance": dict(table.provenance),
    }


def _groups(table: MeasuredTable) -> list[list[list[str]]]:
    """Return the lines of each row; the first one starts with the row's name."""
    return [
        [["" if number else name, what, *cells] for number, (what, cells) in enumerate(lines)]
        for name, lines in text_rows(table)
    ]


def _cell_json(cell: Cell, tolerance: float | None) -> dict[str, Any]:
    number = cell.published
    return {
        "published": None if number is None else number.value,
        "source": None if number is None else number.source,
        "significant": number is not None and number.significant,
        "misprint": None if number is None or number.misprint is None else number.misprint.note,
        "mean": cell.mean,
        "standard_deviation": cell.deviation,
        "values": list(cell.values),
        "difference": cell.difference,
        "within_tolerance": cell.agrees(tolerance),
    }


def _published(cell: Cell) -> str:
    if cell.published is None:
        return NOTHING
    marks = "‡" if cell.published.source == "published-elsewhere" else ""
    marks += "*" if cell.published.significant else ""
    return f"{cell.published}{marks}{'?' if cell.published.misprint is not None else ''}"


def _measured(table: MeasuredTable, cell: Cell) -> str:
    if cell.mean is None:
        return NOTHING
    if table.table.unit != "percent":
        return f"{cell.mean:g}" if table.table.unit == "setting" else f"{cell.mean:.0f}"
    return f"{cell.mean:.2f}" + ("" if cell.deviation is None else f" ± {cell.deviation:.2f}")


def _difference(table: MeasuredTable, cell: Cell) -> str:
    if cell.difference is None:
        return NOTHING
    text = f"{cell.difference:+.2f}" if table.table.unit == "percent" else f"{cell.difference:+g}".replace("+0", "0")
    within = cell.agrees(table.tolerance)
    return text + ("" if within is None else " ✓" if within else " ✗")


def _markdown_table(header: list[str], rows: list[list[str]], left: int) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---" if place < left else "---:" for place in range(len(header))) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])
