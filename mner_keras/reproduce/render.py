"""A measured table for people and for papers: terminal text, Markdown, CSV, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from mner_keras.reproduce.result import Cell, ResultLine, TableResult, agrees

NOTHING = "–"


def rows_of(result: TableResult) -> Iterator[tuple[str, str, list[str]]]:
    """The rows to print: a line's name, what the row holds, and its cells as text.

    A line has a row of what is published, one of what is measured and, where both are of the same thing, one of their
    difference.
    """
    for name, line in zip(names_of(result), result.lines, strict=True):
        yield name, "published", [_published(cell) for cell in line.cells]
        if result.table.kind == "settings":
            yield name, "default", [_measured(result, cell) for cell in line.cells]
            continue
        seeds = f" ({len(line.seeds)} seed{'s' if len(line.seeds) > 1 else ''})" if line.seeds else ""
        yield name, f"measured{seeds}", [_measured(result, cell) for cell in line.cells]
        if any(cell.difference is not None for cell in line.cells):
            yield name, "difference", [_difference(result, cell) for cell in line.cells]


def names_of(result: TableResult) -> list[str]:
    """The lines' names; those of one name stand in different parts, and are told apart by them."""
    names = [line.name for line in result.lines]
    return [f"{line.part}: {line.name}" if names.count(line.name) > 1 else line.name for line in result.lines]


def notes_of(result: TableResult) -> list[str]:
    """The notes, what failed, and what the signs in the table mean."""
    text = " ".join(cell for _, _, cells in rows_of(result) for cell in cells)
    signs = {
        "‡": "‡: taken over by the paper from an earlier publication",
        "?": "?: cannot be right, see the notes",
        "±": "±: standard deviation over seeds",
        "✓": f"✓ and ✗: within {result.tolerance} points of the published number, or not",
        "✗": f"✓ and ✗: within {result.tolerance} points of the published number, or not",
    }
    legend = dict.fromkeys(meaning for sign, meaning in signs.items() if sign in text)
    lines = zip(names_of(result), result.lines, strict=True)
    failures = [f"{name}: {why}" for name, line in lines for why in line.failures]
    return [*legend, *failures, *result.notes]


def comparison_header(result: TableResult) -> list[str]:
    """The headings of the comparison with the table's reference; empty where there is none."""
    if all(line.comparison is None for line in result.lines):
        return []
    header = ["F1 difference", "bootstrap p", "95 % interval"]
    if any(line.comparison is not None and line.comparison.t_test is not None for line in result.lines):
        header.append("t-test p")
    return header


def comparison_cells(line: ResultLine, header: list[str]) -> list[str]:
    """What `comparison_header` announces, for a line."""
    found = line.comparison
    if found is None:
        return [NOTHING] * len(header)
    cells = [f"{found.difference:+.2f}", f"{found.bootstrap:.3f}", f"[{found.low:+.2f}, {found.high:+.2f}]"]
    return cells + ([NOTHING if found.t_test is None else f"{found.t_test:.4f}"] if len(header) > 3 else [])


def to_markdown(result: TableResult) -> str:
    """GitHub's Markdown: what differs, the table, the comparison, the notes, where the numbers come from."""
    parts = [f"## {result.heading}", f"Measured: {result.measured}."]
    if result.differs:
        parts.append(
            "**What differs from the paper's setting**\n\n" + "\n".join(f"- {line}" for line in result.differs)
        )
    header = ["", "", *result.columns]
    body, last = [], None
    for name, what, cells in rows_of(result):
        body.append(["" if name == last else name, what, *cells])
        last = name
    parts.append(_markdown_table(header, body))
    comparison = comparison_header(result)
    if comparison:
        rows = [
            [name, *comparison_cells(line, comparison)]
            for name, line in zip(names_of(result), result.lines, strict=True)
            if line.comparison is not None
        ]
        parts.append(f"Against {reference_name(result)}:\n\n" + _markdown_table(["", *comparison], rows))
    notes = notes_of(result)
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    parts.append("\n".join(f"- {line}" for line in provenance_lines(result)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(result: TableResult) -> str:
    """One row a number; numbers are not rounded."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["paper", "table", "row", "name", "column", "published", "source", "mean", "standard_deviation", "seeds"]
        + ["difference", "within_tolerance", "misprint"]
    )
    for line in result.lines:
        for column, cell in zip(result.columns, line.cells, strict=True):
            number = cell.published
            values = [
                None if number is None else number.value,
                None if number is None else number.source,
                cell.mean,
                cell.deviation,
                len(line.seeds) or None,
                cell.difference,
                agrees(cell, result.tolerance),
                number.misprint.note if number is not None and number.misprint is not None else None,
            ]
            writer.writerow([result.table.paper, result.table.number, line.key, line.name, column, *values])
    return file.getvalue()


def to_latex(result: TableResult) -> str:
    """A `tabular` for the package booktabs; what differs and the notes stand above it as comments."""
    above = (result.heading, f"Measured: {result.measured}.", *result.differs, *notes_of(result))
    lines = [f"% {_one_line(text)}" for text in above]
    lines += [r"\begin{tabular}{ll" + "r" * len(result.columns) + "}", r"\toprule"]
    lines += [" & ".join(["", "", *map(_latex, result.columns)]) + r" \\", r"\midrule"]
    last = None
    for name, what, cells in rows_of(result):
        if last not in (None, name):
            lines.append(r"\addlinespace")
        lines.append(" & ".join(_latex(text) for text in ["" if name == last else name, what, *cells]) + r" \\")
        last = name
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def provenance_lines(result: TableResult) -> list[str]:
    """Where the numbers come from, a line each."""
    found = result.provenance
    if not found:
        return []
    data = found["data"]
    hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in data["sha256"].items())
    lines = [f"data: {data['name']} ({hashes}); scheme: {found['scheme']}"]
    for store in found.get("features", ()):
        lines.append(f"features: {store.get('extractor', 'of unknown making')}, sha256 {store['sha256'][:12]}")
    for vectors in found.get("vectors", ()):
        lines.append(f"vectors: {vectors['file']}, sha256 {vectors['sha256'][:12]}")
    if found.get("versions"):
        lines.append("versions: " + ", ".join(f"{name} {version}" for name, version in found["versions"].items()))
        where = [*found["backend"], *found["machine"], *(", ".join(devices) for devices in found["devices"])]
        lines.append("; ".join([*where, *found["precision"]]))
        lines.append(f"{found['runs']} runs, {found['seconds']:,.0f} s of training and scoring in all")
    return lines


def reference_name(result: TableResult) -> str:
    """The name of the system that the others are compared with."""
    reference = result.table.reference
    names = dict(zip((line.key for line in result.lines), names_of(result), strict=True))
    return "" if reference is None else names.get(reference.system, reference.system)


def _published(cell: Cell) -> str:
    if cell.published is None:
        return NOTHING
    marks = {"published-elsewhere": "‡"}.get(cell.published.source, "")
    marks += "*" if cell.published.significant else ""
    return f"{cell.published}{marks}{'?' if cell.published.misprint is not None else ''}"


def _measured(result: TableResult, cell: Cell) -> str:
    if cell.mean is None:
        return NOTHING
    if result.table.unit == "setting":
        return f"{cell.mean:g}"
    if result.table.unit == "count":
        return f"{cell.mean:.0f}"
    return f"{cell.mean:.2f}" + ("" if cell.deviation is None else f" ± {cell.deviation:.2f}")


def _difference(result: TableResult, cell: Cell) -> str:
    if cell.difference is None:
        return NOTHING
    text = f"{cell.difference:+.2f}" if result.table.unit == "percent" else f"{cell.difference:+g}".replace("+0", "0")
    within = agrees(cell, result.tolerance)
    return text + ("" if within is None else " ✓" if within else " ✗")


def _markdown_table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---" if place < 2 else "---:" for place in range(len(header))) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def _latex(text: str) -> str:
    signs = {"±": r"$\pm$", "–": "--", "‡": r"$^\ddagger$", "✓": r"$\checkmark$", "✗": r"$\times$"}
    for sign in "&%#_{}$":
        text = text.replace(sign, "\\" + sign)
    for sign, command in signs.items():
        text = text.replace(sign, command)
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
