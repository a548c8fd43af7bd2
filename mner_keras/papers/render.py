"""A measured table as Markdown, which is also printed, CSV and LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from mner_keras.errors import counted

Record = dict[str, Any]  # of a table, a row or a cell, as in `table.json`
NOTHING = "–"
_LONGEST = 30  # letters of a name before the columns of a comparison, in 80 of a terminal
_LATEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%#_{}$"}
    | {"±": r"$\pm$", "–": "--", "‡": r"$^\ddagger$", "✓": r"$\checkmark$", "✗": r"$\times$"}
)


def heading(table: Record) -> str:
    """Return paper, number and title."""
    return f"{table['paper'].upper()}, table {table['number']}: {table['title']}"


def row_names(table: Record) -> list[str]:
    """Return the rows' names; rows of the same name are preceded by their part of the table."""
    names = [row["name"] for row in table["rows"]]
    return [f"{row['part']}: {row['name']}" if names.count(row["name"]) > 1 else row["name"] for row in table["rows"]]


def joined_rows(table: Record) -> list[tuple[str, list[Record]]]:
    """Return the rows by the name to show: one for rows that differ in the paper's vectors and share the runs here."""
    rows: dict[str, list[Record]] = {}
    for name, row in zip(row_names(table), table["rows"], strict=True):
        twin = next((of for of in rows.values() if (of[0]["name"], of[0]["runs"]) == (row["name"], row["runs"])), None)
        if row["runs"] and twin is not None:
            twin.append(row)
        else:
            rows[name] = [row]
    return [(of[0]["name"] if len(of) > 1 else name, of) for name, of in rows.items()]


def text_rows(table: Record) -> list[tuple[str, list[list[str]]]]:
    """Return each name and the lines to print, each with what it contains, then its cells.

    These are the published numbers, the measured ones, and the difference if it has a meaning; of joined rows the
    measured numbers, then the others of each row.
    """
    groups = []
    for name, rows in joined_rows(table):
        what = "default" if table["kind"] == "settings" else "on SAMPLE" if table["data"] == "sample" else "measured"
        what += f" ({counted(len(rows[0]['seeds']), 'seed')})" if rows[0]["seeds"] else ""
        measured = [what, *(_measured(table, cell) for cell in rows[0]["cells"].values())]
        lines = [measured] if len(rows) > 1 else []
        for row in rows:
            cells = row["cells"].values()
            lines.append([row["part"] if len(rows) > 1 else "published", *(_published(table, cell) for cell in cells)])
            lines += [measured] if len(rows) == 1 else []
            if table["kind"] != "settings" and any(cell["difference"] is not None for cell in cells):
                lines.append(["difference", *(_difference(table, cell) for cell in cells)])
        groups.append((name, lines))
    return groups


def note_lines(table: Record) -> list[str]:
    """Return the legend of the signs in the table, the failures and the notes."""
    text = " ".join(cell for _, lines in text_rows(table) for _, *cells in lines for cell in cells)
    signs = {
        "‡": "‡: copied by the paper from an earlier publication",
        "?": "?: cannot be right, see the notes",
        "±": "±: standard deviation over seeds",
        "✓✗": f"✓ and ✗: within {table['tolerance']} points of the published number, or not",
    }
    legend = [meaning for either, meaning in signs.items() if any(sign in text for sign in either)]
    named = zip(row_names(table), table["rows"], strict=True)
    return [*legend, *(f"{name}: {why}" for name, row in named for why in row["failures"]), *table["notes"]]


def comparison_table(table: Record) -> tuple[str, list[str], list[list[str]]]:
    """Return title, header and rows of the comparison with the table's reference; no rows where there is none."""
    named = joined_rows(table)
    header, rows = comparison_cells({name: of[0]["comparison"] for name, of in named if of[0]["comparison"]})
    names = {row["key"]: name for name, of in named for row in of}
    return f"Against {names.get(table['reference'].get('row'))}", header, rows


def comparison_cells(compared: Mapping[str, Record]) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row per comparison (`Comparison` as a dict), by the name of what is compared."""
    rows = []
    for name, found in compared.items():
        interval = f"[{found['low']:+.2f}, {found['high']:+.2f}]"
        t_test = NOTHING if found["t_test"] is None else f"{found['t_test']:.4f}"
        rows.append([name, f"{found['difference']:+.2f}", f"{found['bootstrap']:.3f}", interval, t_test])
    header = ["", "F1 difference", "bootstrap p", "95 % interval", "t-test p"]
    width = len(header) if any(found["t_test"] is not None for found in compared.values()) else len(header) - 1
    return header[:width], [row[:width] for row in rows]


def provenance_lines(table: Record) -> list[str]:
    """Return where the numbers come from, one line each."""
    found, lines = table["provenance"], []
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
        commits = ", ".join(commit[:12] for commit in found.get("git_commit") or ())
        total = f"{found['runs']} runs, {found['seconds']:,.0f} s of training and scoring in all"
        lines.append(total + (f"; commit {commits}" if commits else ""))
    return lines


def print_measured(table: Record) -> None:
    """Print a table on the terminal, before what differs from the paper's setting and the notes."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(_head(table)))
    print()
    _print_aligned([("", [["", *table["columns"]]]), *text_rows(table)])
    title, header, compared = comparison_table(table)
    if compared:
        print(f"\n{title}\n")
        rows = [(row[0], [["", *row[1:]]]) if len(row[0]) > _LONGEST else ("", [row]) for row in compared]
        _print_aligned([("", [header]), *rows])
    print()
    console.print(Markdown("\n\n".join(_notes(table))))


def _print_aligned(groups: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> None:
    """Print lines of cells in columns, each group under its name: a name of any length stays whole."""
    first, *widths = (max(map(len, column)) for column in zip(*(line for _, of in groups for line in of), strict=True))
    for name, of in groups:
        if name:
            print(name)
        for what, *cells in of:
            aligned = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
            print(f"  {what:{first}}", *aligned, sep="  ")


def to_markdown(table: Record) -> str:
    """Return GitHub's Markdown."""
    caveats, *notes = _notes(table)
    rows = [[name if not place else "", *cells] for name, of in text_rows(table) for place, cells in enumerate(of)]
    parts = [_head(table), caveats, _markdown_table(["", "", *table["columns"]], rows, 2)]
    title, header, compared = comparison_table(table)
    if compared:
        parts.append(f"{title}:\n\n" + _markdown_table(header, compared, 1))
    return "\n\n".join(part for part in [*parts, *notes] if part) + "\n"


def _head(table: Record) -> str:
    sample = "**On the sample corpus: a demonstration, not a result.** " if table["data"] == "sample" else ""
    return f"## {heading(table)}\n\n{sample}Measured: {table['measured']}."


def _notes(table: Record) -> tuple[str, str, str]:
    """Return what differs from the paper's setting, the notes and where the numbers come from."""
    parts = (table["caveats"], note_lines(table), provenance_lines(table))
    caveats, *notes = ("\n".join("- " + line.replace("<", "\\<") for line in lines) for lines in parts)
    return caveats and "**What differs from the paper's setting**\n\n" + caveats, *notes


def to_csv(table: Record) -> str:
    """Return CSV with one row per number; numbers are not rounded."""
    file = io.StringIO()
    fields = ("published", "source", "mean", "standard_deviation", "difference", "within_tolerance", "misprint")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["paper", "table", "row", "name", "column", "seeds", *fields])
    for row in table["rows"]:
        about = [table["paper"], table["number"], row["key"], row["name"]]
        for column, cell in row["cells"].items():
            writer.writerow([*about, column, len(row["seeds"]) or None, *(cell[field] for field in fields)])
    return file.getvalue()


def to_latex(table: Record) -> str:
    """Return a `tabular` for the package booktabs, with caveats and notes as comments above it."""
    above = (heading(table), f"Measured: {table['measured']}.", *table["caveats"], *note_lines(table))
    lines = [f"% {' '.join(text.split())}" for text in above]
    lines += [r"\begin{tabular}{ll" + "r" * len(table["columns"]) + "}", r"\toprule"]
    lines += [" & ".join(["", "", *(name.translate(_LATEX) for name in table["columns"])]) + r" \\", r"\midrule"]
    for number, (name, rows) in enumerate(text_rows(table)):
        lines += [r"\addlinespace"] if number else []
        for place, cells in enumerate(rows):
            lines.append(" & ".join(cell.translate(_LATEX) for cell in ["" if place else name, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _published(table: Record, cell: Record) -> str:
    if cell["published"] is None:
        return NOTHING
    number = f"{cell['published']:.2f}" if table["unit"] == "percent" else f"{cell['published']:g}"
    marks = {"‡": cell["source"] == "published-elsewhere", "*": cell["significant"], "?": cell["misprint"] is not None}
    return number + "".join(mark for mark, applies in marks.items() if applies)


def _measured(table: Record, cell: Record) -> str:
    if cell["mean"] is None:
        return NOTHING
    if table["unit"] != "percent":
        return f"{cell['mean']:g}" if table["unit"] == "setting" else f"{cell['mean']:.0f}"
    deviation = cell["standard_deviation"]
    return f"{cell['mean']:.2f}" + ("" if deviation is None else f"±{deviation:.2f}")


def _difference(table: Record, cell: Record) -> str:
    difference, within = cell["difference"], cell["within_tolerance"]
    if difference is None:
        return NOTHING
    text = f"{difference:+.2f}" if table["unit"] == "percent" else f"{difference:+g}".replace("+0", "0")
    return text + ("" if within is None else " ✓" if within else " ✗")


def _markdown_table(header: list[str], rows: list[list[str]], left: int) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---" if place < left else "---:" for place in range(len(header))) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])
