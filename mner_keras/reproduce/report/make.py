"""`make_report`: read tables and runs, and put together what the page shows."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mner_keras.errors import InputError
from mner_keras.papers.measured import MeasuredTable
from mner_keras.registry import find_model
from mner_keras.reproduce.report.confusion import Confusion, count_confusion
from mner_keras.reproduce.report.curves import Chart, make_charts
from mner_keras.reproduce.report.facts import provenance_facts, setting_facts
from mner_keras.reproduce.report.hard_posts import HardPost, hardest_posts
from mner_keras.reproduce.report.pictures import PictureShelf, ShelvedPicture
from mner_keras.reproduce.report.sources import TableSource, find_sources
from mner_keras.run.run import Run
from mner_keras.text import TaggerDataMissing


@dataclasses.dataclass(frozen=True)
class RunPart:
    """What the page says of a run.

    Args:
        key: the id of its section.
        title: the model and the seed; where two runs share these, the folder too.
        record: its files.
        summary: what the model is.
        listed: the tables that it is in: the table's section, its name, the line's name.
        confusion: its entities by type.
        charts: its history.
        by_post: whether the losses in the charts are those of a post.
        posts: the posts with the highest loss.
        mean_loss: the mean over the test split.
        no_posts: why there are none; empty where none were asked for.
        provenance: where its numbers come from.
        settings: what it was trained with.
    """

    key: str
    title: str
    record: Run
    summary: str
    listed: tuple[tuple[str, str, str], ...]
    confusion: Confusion
    charts: list[Chart]
    by_post: bool
    posts: list[HardPost]
    mean_loss: float | None
    no_posts: str
    provenance: list[tuple[str, str]]
    settings: list[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class TablePart:
    """What the page says of a table.

    Args:
        key: the id of its section.
        result: the table.
        runs: the keys of the runs of each line.
    """

    key: str
    result: MeasuredTable
    runs: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """All that the page shows.

    Args:
        tables: the tables.
        runs: the runs.
        pictures: the pictures of the posts.
    """

    tables: list[TablePart]
    runs: list[RunPart]
    pictures: list[ShelvedPicture]


def make_report(
    places: Sequence[str | os.PathLike],
    posts: int = 10,
    pictures: Mapping[str, Path] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Read what a report shows.

    A run whose model, data or features are not at hand is shown without its posts, with the reason.

    Args:
        places: folders of finished runs and of tables; a table brings its runs.
        posts: posts with the highest loss that are shown of each run; with 0 no model is loaded.
        pictures: the posts' pictures, paths by id; `None` for those in the runs' data.
        progress: takes the number of runs that are read, and of all.

    Raises:
        InputError: a place that is neither a finished run nor a table, or whose files are damaged.
    """
    tables, folders = find_sources(places)
    records = [Run(folder) for folder in folders]
    titles = _titles(records)
    keys = {folder.resolve(): f"run-{number}" for number, folder in enumerate(folders, start=1)}
    parts = [_table(source, number, keys) for number, source in enumerate(tables, start=1)]
    shelf = PictureShelf()
    runs = []
    for number, record in enumerate(records):
        progress(number, len(records))
        key = keys[record.path.resolve()]
        runs.append(_run(record, key, titles[number], _listed(key, parts), posts, shelf, pictures))
    progress(len(records), len(records))
    return Report(parts, runs, shelf.pictures)


def _table(source: TableSource, number: int, keys: Mapping[Path, str]) -> TablePart:
    runs = tuple(tuple(keys[folder.resolve()] for folder in line) for line in source.runs)
    return TablePart(f"table-{number}", source.result, runs)


def _listed(key: str, tables: Sequence[TablePart]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (table.key, f"{table.result.table.paper.upper()}, table {table.result.table.number}", name)
        for table in tables
        for name, runs in zip(table.result.names, table.runs, strict=True)
        if key in runs
    )


def _titles(records: Sequence[Run]) -> list[str]:
    names = []
    for record in records:
        seed = record.provenance.get("seed")
        names.append(record.config.model if seed is None else f"{record.config.model}, seed {seed}")
    return [
        f"{name} ({record.path.resolve().name})" if names.count(name) > 1 else name
        for name, record in zip(names, records, strict=True)
    ]


def _run(
    record: Run,
    key: str,
    title: str,
    listed: tuple[tuple[str, str, str], ...],
    count: int,
    shelf: PictureShelf,
    pictures: Mapping[str, Path] | None,
) -> RunPart:
    entry = find_model(record.config.model)
    found: list[HardPost] = []
    mean, reason, batches = None, "", None
    if not entry.is_keras:
        reason = "This system is no Keras model with a CRF layer: its posts have no such loss."
    else:
        try:
            batches = record.posts_per_batch()
            if count:
                found, mean = hardest_posts(record, count, shelf, pictures)
        except (InputError, OSError, TaggerDataMissing) as error:
            reason = f"Not computed: {_without_folders(str(error))}"
    return RunPart(
        key=key,
        title=title,
        record=record,
        summary=entry.summary,
        listed=listed,
        confusion=count_confusion((row.tags, row.predicted) for row in record.predictions),
        charts=make_charts(record.history, batches or (1.0, 1.0)),
        by_post=batches is not None,
        posts=found,
        mean_loss=mean,
        no_posts=reason,
        provenance=provenance_facts(record),
        settings=setting_facts(record),
    )


def _without_folders(message: str) -> str:
    """A message with absolute paths cut down to the files' names: a page may go to other people."""
    return re.sub(r"(?<![\w.~-])/(?:[^\s:,'\"]*/)?([^\s:,'\"/]+)", r"\1", message)
