"""The numbers that the two papers print, read from the TOML files in `reference/`.

Numbers are kept as printed. One that cannot be right carries a `Misprint`, which says why.
"""

from __future__ import annotations

import dataclasses
import tomllib
from importlib import resources
from typing import Any

from mner_keras.errors import InputError, did_you_mean
from mner_keras.reproduce.table import Column, Misprint, PublishedTable, Reference, Row

PAPERS = ("hsn", "agban")


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting that stands in a paper's text and in none of its tables.

    Args:
        name: what is set.
        place: where the paper says it.
        setting: as `Row.setting`.
        value: what it is set to.
    """

    name: str
    place: str
    setting: str
    value: float | str


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper's text says of a table: a row is above others.

    Args:
        place: where the paper says it.
        says: what it says, in our words.
        table: the table's number.
        row: the key of the row that is above.
        columns: the keys of the columns in which it is.
        over: the keys of the rows that it is above; empty for all others.
        fails: the keys of the columns in which the table says otherwise.
        note: how the table says otherwise.
    """

    place: str
    says: str
    table: str
    row: str
    columns: tuple[str, ...]
    over: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Published:
    """What a paper prints.

    Args:
        paper: `"hsn"` or `"agban"`.
        title: the paper's title.
        citation: authors, journal, year.
        tables: in the paper's order.
        settings: settings that stand in the text only.
        claims: what the text says of the tables.
    """

    paper: str
    title: str
    citation: str
    tables: tuple[PublishedTable, ...]
    settings: tuple[Setting, ...] = ()
    claims: tuple[Claim, ...] = ()

    def find_table(self, number: str | int) -> PublishedTable:
        """The table of a number: as the paper prints it, in either case, or in digits.

        Raises:
            InputError: the paper has no such table.
        """
        wanted = str(number).strip()
        for place, table in enumerate(self.tables, start=1):
            if wanted.upper() == table.number or wanted == str(place):
                return table
        known = [table.number for table in self.tables]
        hint = did_you_mean(wanted.upper(), known)
        raise InputError(f"expected a table of {self.paper} ({', '.join(known)}), found {wanted!r}.{hint}")


def load_published(paper: str) -> Published:
    """Everything that a paper prints.

    Args:
        paper: `"hsn"` or `"agban"`.

    Raises:
        InputError: an unknown paper; the nearest known one is suggested.

    Example:

    >>> table = load_published("hsn").find_table(5)
    >>> str(table.find_number("hsn-without-mi", "f1"))
    '73.02'
    """
    name = paper.strip().lower()
    if name not in PAPERS:
        raise InputError(f"expected a paper ({', '.join(PAPERS)}), found {paper!r}.{did_you_mean(name, PAPERS)}")
    file = resources.files("mner_keras.reproduce") / "reference" / f"{name}.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return Published(
        paper=content["paper"],
        title=content["title"],
        citation=content["citation"],
        tables=tuple(_table(name, entry) for entry in content["table"]),
        settings=tuple(Setting(**entry) for entry in content["setting"]),
        claims=tuple(Claim(**_frozen(entry)) for entry in content["claim"]),
    )


def find_table(paper: str, number: str | int) -> PublishedTable:
    """A table of a paper.

    Args:
        paper: `"hsn"` or `"agban"`.
        number: as printed, or in digits: AGBAN's table III is also 3.

    Raises:
        InputError: an unknown paper, or a table that it does not have.

    Example:

    >>> find_table("agban", "III").find_number("t-ner", "f1").source
    'published-elsewhere'
    """
    return load_published(paper).find_table(number)


def _table(paper: str, entry: dict[str, Any]) -> PublishedTable:
    """A `[[table]]` of the file."""
    fields = {name: value for name, value in entry.items() if name not in ("column", "row", "misprint", "reference")}
    return PublishedTable(
        paper=paper,
        columns=tuple(Column(**column) for column in entry["column"]),
        rows=tuple(Row(**row) for row in entry["row"]),
        misprints=tuple(Misprint(**_frozen(misprint)) for misprint in entry.get("misprint", ())),
        reference=Reference(**entry["reference"]) if "reference" in entry else None,
        **fields,
    )


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    """The same with tuples in the place of lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
