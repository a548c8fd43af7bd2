"""`mner reproduce-table`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mner_keras.reproduce.plan import PlannedRun, Setting
    from mner_keras.reproduce.result import TableResult
    from mner_keras.reproduce.table import PublishedTable

INCOMPLETE = 1
"""The exit code of a table some of whose runs diverged or failed."""
_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def reproduce_table(
    paper: Annotated[str, typer.Argument(help="hsn or agban.", show_default=False)] = "",
    table: Annotated[str, typer.Argument(help="The table's number: 1 to 5, I to VI.", show_default=False)] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the tables, with the rows of each.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, how long it should take and how much disk.")
    ] = False,
    data: Annotated[str, typer.Option(help="`sample`, or a folder with train.txt, dev.txt, test.txt.")] = "sample",
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND=]FILE",
            help="Store of the pictures' features; KIND is regions or objects, by default what the paper reads. May be "
            "repeated. (default: the data's own)",
            show_default=False,
        ),
    ] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE",
            help="Word vectors; NAME is twitter or crawl where the paper has both. May be repeated. (default: none)",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds a system. (default: 5 on the paper's budget, 1 on the fast one)")
    ] = None,
    rows: Annotated[str, typer.Option(help="Keys of the rows to train, with commas. (default: all)")] = "",
    budget: Annotated[
        str,
        typer.Option(
            help="`paper`: each system as its paper trains it; `fast`: a few epochs. (default: fast on the sample "
            "corpus, else paper)",
            show_default=False,
        ),
    ] = "",
    scheme: Annotated[
        str, typer.Option(help="How entities are read: strict (IOB2), or lenient, as conlleval does.")
    ] = "strict",
    tolerance: Annotated[
        float | None, typer.Option(help="Mark what is within so many points of the published number. (default: none)")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, mixed_float16 or mixed_bfloat16.")] = "float32",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.NAME=VALUE", help="An argument of a model; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs trained at once.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with runs that were interrupted.")] = False,
    out: Annotated[Path, typer.Option(help="Holds the runs, and a folder for each table.")] = Path("reproduction"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train what a table compares, and print what is measured beside what is published.

    Each system and seed is a run folder in OUT/runs, shared by all tables and never trained twice. The table is written
    to OUT/PAPER-TABLE as Markdown, CSV, LaTeX and JSON. Tables of statistics are counted in the data, and tables of
    settings read off the models; neither trains anything. Without --data it runs on the sample corpus, briefly: that
    shows the machinery, not the papers' results. Exit code 1: some runs diverged or failed, and the table is without
    them.
    """
    from mner_keras.errors import InputError, did_you_mean
    from mner_keras.reproduce import find_table
    from mner_keras.run.scores import SCHEMES

    if list_:
        _list(paper)
        return
    if not paper or not table:
        raise InputError("expected a paper and a table, such as `hsn 5`; --list shows them")
    published = find_table(paper, table)
    if scheme not in SCHEMES:
        raise InputError(
            f"`scheme` must be one of {', '.join(SCHEMES)}, found {scheme!r}.{did_you_mean(scheme, SCHEMES)}"
        )
    if tolerance is not None and not tolerance >= 0:
        raise InputError(f"`tolerance` must be a number of points of at least 0, found {tolerance}")
    if jobs < 1:
        raise InputError(f"`jobs` must be at least 1, found {jobs}")
    folder = out / f"{published.paper}-{published.number.lower()}"
    if published.kind != "results":
        result = _without_training(published, data)
        _finish(result, folder, as_json)
        return
    budget = budget or ("fast" if data == "sample" else "paper")
    from mner_keras.reproduce.plan import Setting

    setting = Setting(
        data=data,
        features=_named(features or [], "features", ("regions", "objects"), _own_kind(published.paper)),
        vectors=_named(vectors or [], "vectors", ("twitter", "crawl"), ""),
        seeds=seeds if seeds is not None else (5 if budget == "paper" else 1),
        budget=budget,
        precision=precision,
        arguments=_arguments(set_ or []),
    )
    from mner_keras.cli.keras_start import start_keras

    start_keras()
    from mner_keras.reproduce.plan import plan

    runs = plan(published, setting, out, [row.strip() for row in rows.split(",") if row.strip()])
    for name, file in setting.vectors.items():
        if name and all(run.system.vectors != name for run in runs):
            _note(f"no row reads the {name} vectors: {file} left out")
    if dry_run:
        _dry_run(runs, jobs)
        return
    result = _train(published, setting, runs, out, jobs, resume, scheme, tolerance)
    _finish(result, folder, as_json)
    if any(line.failures for line in result.lines):
        raise typer.Exit(INCOMPLETE)


def _train(
    table: PublishedTable,
    setting: Setting,
    runs: Sequence[PlannedRun],
    out: Path,
    jobs: int,
    resume: bool,
    scheme: str,
    tolerance: float | None,
) -> TableResult:
    from mner_keras.errors import InputError
    from mner_keras.reproduce.measure import check_finished, measure
    from mner_keras.reproduce.runner import begun, run_all

    check_finished(setting, runs)
    unfinished = [folder for folder in dict.fromkeys(run.folder for run in runs) if begun(folder)]
    if unfinished and not resume:
        raise InputError(
            f"{len(unfinished)} of the table's runs were interrupted ({unfinished[0].name}, ...): --resume goes on "
            "with them",
            out,
        )
    # The end of a terminal or of a batch job ends the runs as the keyboard does, rather than leaving them behind.
    ends = [number for number in _ENDS if signal.getsignal(number) == signal.SIG_DFL]
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        outcomes = run_all(runs, jobs, _note)
    except KeyboardInterrupt:
        print(f"interrupted; the same command with --resume goes on after the last finished epochs ({out})")
        sys.exit(130)
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)
    return measure(table, setting, runs, outcomes, scheme, tolerance)


def _without_training(table: PublishedTable, data: str) -> TableResult:
    if table.kind == "statistics":
        from mner_keras.data.datasets import load_dataset
        from mner_keras.reproduce.counts import count_table

        return count_table(table, load_dataset(data))
    from mner_keras.cli.keras_start import start_keras

    start_keras()
    from mner_keras.reproduce.counts import settings_table

    return settings_table(table)


def _finish(result: TableResult, folder: Path, as_json: bool) -> None:
    """Write the table in every form, and print it."""
    from mner_keras.cli.result_tables import print_result
    from mner_keras.files import write_json, write_whole
    from mner_keras.reproduce.render import to_csv, to_latex, to_markdown

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("table.md", to_markdown(result)),
        ("table.csv", to_csv(result)),
        ("table.tex", to_latex(result)),
    ):
        write_whole(folder / name, lambda unfinished, text=text: unfinished.write_text(text, encoding="utf-8"))
    write_json(folder / "table.json", result.to_json())
    if as_json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
        return
    print_result(result)
    print(f"table: {folder} (table.md, .csv, .tex, .json)")


def _dry_run(runs: Sequence[PlannedRun], jobs: int) -> None:
    from mner_keras.cli.tables import print_table
    from mner_keras.reproduce.estimate import estimate
    from mner_keras.reproduce.runner import outcome_of

    folders = {run.folder: run for run in runs}
    waiting = [run for folder, run in folders.items() if outcome_of(folder) is None]
    estimates = estimate(waiting)
    lines = []
    for folder, run in folders.items():
        found = estimates.get(folder.name)
        ended = outcome_of(folder)
        state = "to train" if ended is None else ended.state
        times = ["", ""] if found is None else [_duration(found.seconds), f"{found.megabytes:,.0f} MB"]
        lines.append([folder.name, state, str(run.config.epochs), *times])
    print_table("runs", ["", "", "epochs", "time", "disk"], lines)
    seconds = sum(found.seconds for found in estimates.values()) / min(jobs, max(len(estimates), 1))
    disk = sum(found.megabytes for found in estimates.values())
    print(
        f"{len(waiting)} runs to train: about {_duration(seconds)} with {jobs} at once (from timed steps; early "
        f"stopping may end sooner), {disk:,.0f} MB"
    )


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def _list(paper: str) -> None:
    from mner_keras.reproduce import load_published
    from mner_keras.reproduce.published import PAPERS
    from mner_keras.reproduce.systems import systems_of

    kinds = {"statistics": "counted in the data", "settings": "the models' defaults"}
    for name in [paper] if paper else PAPERS:
        published = load_published(name)
        print(f"{published.paper}: {published.title} ({published.citation})")
        for table in published.tables:
            print(f"  {table.number:4} {table.title}")
            print(f"       {kinds.get(table.kind) or ', '.join(system.key for system in systems_of(table))}")


def _own_kind(paper: str) -> str:
    return {"hsn": "regions", "agban": "objects"}[paper]


def _named(given: Sequence[str], option: str, names: Sequence[str], default: str) -> dict[str, str]:
    """`NAME=FILE` or `FILE`, by name."""
    from mner_keras.errors import InputError

    found: dict[str, str] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or name not in names:
            name, file = default, text
        if name in found:
            raise InputError(f"expected one --{option} for {name or 'all systems'}, found two: {found[name]}, {file}")
        found[name] = file
    return found


def _arguments(pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`MODEL.NAME=VALUE`, by model."""
    from mner_keras.cli.train import read_arguments
    from mner_keras.errors import InputError
    from mner_keras.registry import find_model

    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        model, dot, rest = pair.partition(".")
        if not dot or "=" in model:
            raise InputError(f"expected --set MODEL.NAME=VALUE, found {pair!r}")
        find_model(model)
        found.setdefault(model, {}).update(read_arguments([rest]))
    return found


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
