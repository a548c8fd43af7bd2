"""The numbers that the two papers print, as printed, from the TOML files in `reference/`."""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from mner_keras.errors import InputError, check_known

PAPERS = ("hsn", "agban")
OVERALL = "overall"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str  # of the rows' values
    name: str  # the heading as printed
    entity_type: str | None = None  # "PER", "LOC", "ORG", "MISC" or "overall"; None where rows are types, or nothing is
    metric: str | None = None  # "precision", "recall" or "f1"; None where the row has it, or for what is no score


@dataclasses.dataclass(frozen=True)
class TableRow:
    """A row of a table; in a table of results, a system."""

    key: str  # its name in this package, unique in the table
    name: str  # its name as printed, without reference numbers and signs
    values: Mapping[str, float]  # numbers as printed, by the column's key
    part: str = ""  # the part of the table that contains it
    model: str | None = None  # the system's name in the registry; one in `-like` only resembles the original program
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of the model
    vectors: str | None = None  # "twitter" or "crawl", where the paper names the word vectors
    entity_type: str | None = None  # as a column's, where rows are types
    metric: str | None = None  # as a column's, where a system has several rows
    # What the number sets: "model." and an argument, "training." and a field of `registry.Training`, or "num_tags".
    setting: str | None = None
    source: str | None = None  # where the row's numbers come from, if it differs from the table's
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)  # of single numbers, by the column's key
    significant: bool = False  # whether the paper marks the row's F1 as significantly better than its baseline's
    note: str = ""  # what a reader should know


@dataclasses.dataclass(frozen=True)
class Misprint:
    """Printed numbers that cannot be right."""

    row: str  # the key of their row
    columns: Sequence[str]  # the keys of their columns; several where it is unknown which of them is wrong
    note: str  # why they cannot be right


@dataclasses.dataclass(frozen=True)
class PublishedNumber:
    """One number with all that is known of it; a misprint says why it cannot be right.

    `unit` is `"percent"`, `"count"` or `"setting"`. `source` is `"computed"` by the paper's authors,
    `"published-elsewhere"` where the paper says that it copied the number, or `"unstated"`. A `significant` number is
    marked by the paper as significantly better than its baseline.
    """

    value: float
    unit: str
    source: str
    significant: bool = False
    misprint: Misprint | None = None

    def __str__(self) -> str:
        """As printed: percentages have two decimals."""
        return f"{self.value:.2f}" if self.unit == "percent" else f"{self.value:g}"


@dataclasses.dataclass(frozen=True)
class PublishedTable:
    """A table of a paper as printed: its title, columns and rows, and the numbers that cannot be right.

    In a table of results, `reference` is the key of the `row` that the others are compared with, and its `role`:
    `"baseline"`, which the others should beat, or `"best"`, which should beat the others.
    """

    paper: str  # "hsn" or "agban"
    number: str
    title: str
    kind: str  # "statistics" of the data, "settings", or "results"
    unit: str  # of its numbers, as in `PublishedNumber`
    source: str  # of its numbers, unless a row says otherwise
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    misprints: tuple[Misprint, ...] = ()
    data: str | None = None  # "twitter2015" or "real-world", where results or counts are of one data set
    reference: Mapping[str, str] = dataclasses.field(default_factory=dict)
    note: str = ""  # what a reader should know

    def choose_rows(self, keys: Sequence[str]) -> tuple[TableRow, ...]:
        """Return the rows with these keys or models, or raise `InputError`; all rows for no keys."""
        known = dict.fromkeys(name for row in self.rows for name in (row.key, row.model) if name)
        for key in keys:
            check_known(f"a row of {self.paper}'s table {self.number}", key, known)
        return tuple(row for row in self.rows if not keys or row.key in keys or row.model in keys)

    def find_number(self, row: str, column: str) -> PublishedNumber:
        """Return the number in a row and column, by their keys; raise `KeyError` if there is none."""
        found = {row.key: row for row in self.rows}[row]
        metric = {column.key: column for column in self.columns}[column].metric or found.metric
        source = found.sources.get(column) or found.source or self.source
        misprint = next((m for m in self.misprints if m.row == row and column in m.columns), None)
        significant = found.significant and metric == "f1"
        return PublishedNumber(found.values[column], self.unit, source, significant, misprint)


@dataclasses.dataclass(frozen=True)
class Published:
    """What a paper prints: its title, authors, journal and year, and its tables in order."""

    paper: str
    title: str
    citation: str
    tables: tuple[PublishedTable, ...]


def load_published(paper: str) -> Published:
    """Load everything that a paper (`"hsn"` or `"agban"`) prints; raise `InputError` for an unknown paper.

    Example:

    >>> [table.number for table in load_published("hsn").tables]
    ['1', '2', '3', '4', '5']
    """
    name = paper.strip().lower()
    check_known("a paper", name, PAPERS)
    file = resources.files("mner_keras.papers") / "reference" / f"{name}.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    tables = []
    for entry in content.pop("table"):
        columns = tuple(Column(**column) for column in entry.pop("column"))
        rows = tuple(TableRow(**row) for row in entry.pop("row"))
        misprints = tuple(Misprint(**misprint) for misprint in entry.pop("misprint", ()))
        tables.append(PublishedTable(paper=name, columns=columns, rows=rows, misprints=misprints, **entry))
    return Published(**content, tables=tuple(tables))


def find_table(paper: str, number: str | int) -> PublishedTable:
    """Return a table of a paper, by its number in Roman numerals of either case or in digits: 3 is also III.

    Raises:
        InputError: an unknown paper, or a table that it does not have.

    Example:

    >>> table = find_table("hsn", 5)
    >>> str(table.find_number("hsn-without-mi", "f1"))
    '73.02'
    """
    published = load_published(paper)
    wanted = str(number).strip().upper()
    for digits, roman, table in zip("123456", ("I", "II", "III", "IV", "V", "VI"), published.tables, strict=False):
        if wanted in (digits, roman):
            return table
    known = ", ".join(table.number for table in published.tables)
    raise InputError(f"expected a table of {published.paper} ({known}), found {str(number)!r}")
