"""`mner reproduce-table`."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock

from mner_keras.cli.keras_start import start_keras
from mner_keras.cli.options import (
    Budget,
    Engine,
    EngineName,
    EntityScheme,
    Paper,
    Precision,
    RayAddress,
    Scheme,
    ShardOption,
    TrainingData,
    TrainingPrecision,
    read_arguments,
)
from mner_keras.cli.terminal import note, print_json, print_table, progress_bar
from mner_keras.errors import InputError, counted
from mner_keras.registry import FEATURES, find_model

if TYPE_CHECKING:
    from mner_keras.data.datasets import Dataset
    from mner_keras.papers.plan import Plan, Setting
    from mner_keras.papers.published import PublishedTable
    from mner_keras.papers.runner import Outcome
    from mner_keras.scale.shards import Shard

INCOMPLETE = 1
"""The exit code if some runs of the table diverged or failed."""


def reproduce_table(
    paper: Annotated[Paper | None, typer.Argument(help="The paper.", case_sensitive=False)] = None,
    table: Annotated[str, typer.Argument(help="The table's number, such as 3 or III, or `all`.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the tables and their rows.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print differences from the paper and the runs to train, with time and disk."),
    ] = False,
    data: TrainingData = "sample",
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND=]FILE",
            help="Feature store of the pictures; KIND is regions or objects, by default what the paper's model reads. "
            "Repeatable. (default: the data's own)",
        ),
    ] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE",
            help="Word vectors; NAME is twitter or crawl where the paper uses both. Repeatable. (default: none)",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds per system. (default: 5 with the paper's budget, else 1)")
    ] = None,
    rows: Annotated[str, typer.Option(help="Keys of the rows to train, separated by commas. (default: all)")] = "",
    budget: Annotated[
        Budget | None,
        typer.Option(
            help="`paper`: as each system's paper trains it; `fast`: a few epochs. (default: fast on the sample "
            "corpus, else paper)"
        ),
    ] = None,
    scheme: EntityScheme = Scheme.strict,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Mark results within N F1 points of the published ones. (default: none)")
    ] = None,
    precision: TrainingPrecision = Precision.float32,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="MODEL.NAME=VALUE", help="An argument of a model. Repeatable.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs trained at once.")] = 1,
    shard: ShardOption = None,
    engine: EngineName = Engine.local,
    address: RayAddress = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue interrupted runs.")] = False,
    from_scratch: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Fetch or compute there what is missing: posts, pictures, features, vectors. A plan comes first.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start a plan from scratch without asking.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the runs and the tables.")] = Path("runs/reproduction"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the systems of a table, and print the measured numbers next to the published ones.

    Each system and seed is a run folder in OUT/runs, shared by all tables: no run is trained twice. The table is
    written to OUT/PAPER-TABLE as Markdown, CSV, LaTeX and JSON. Tables of statistics are counted in the data; tables of
    settings are read from the models. Without --data, the sample corpus and a few epochs are used: a quick
    demonstration, not a result. With --shard, the command trains its share of the runs, and prints the table of all
    that are finished; the shards share the folder OUT. Exit code 1: some runs diverged or failed and are missing in the
    table.
    """
    options = locals()
    from mner_keras.papers import find_table, load_published
    from mner_keras.scale.shards import Shard

    if list_:
        _list(paper)
        return
    if paper is None or not table:
        raise InputError("expected a paper and a table, such as `hsn 5`; --list shows them")
    tables = load_published(paper).tables if table.lower() == "all" else (find_table(paper, table),)
    if len(tables) > 1 and (rows or as_json):
        raise InputError("`all` excludes --rows and --json")
    if from_scratch is not None or len(tables) > 1:
        own = _from_scratch(tables, options) if from_scratch is not None else {each.number: {} for each in tables}
        _all(tables, {**options, "from_scratch": None}, own)
        return
    (published,) = tables
    share, outcomes = Shard.parse(shard), {}
    folder = out / f"{published.paper}-{published.number.lower()}"
    fast = (budget or ("fast" if data == "sample" else "paper")) == "fast"
    if published.kind != "results":
        if published.kind == "settings":
            start_keras()
        from mner_keras.papers.table_folder import measure_table

        measured = measure_table(folder, published, data)
    else:
        from mner_keras.data.datasets import load_dataset
        from mner_keras.papers.plan import Setting

        own = find_model(published.paper).visual or ""
        setting = Setting(
            data=data,
            features=_named(features or [], "features", tuple(FEATURES), own),
            vectors=_named(vectors or [], "vectors", ("twitter", "crawl"), ""),
            seeds=seeds or (1 if fast else 5),
            fast=fast,
            precision=str(precision),
            arguments=_arguments(set_ or []),
        )
        corpus = load_dataset(data)
        start = start_keras()
        from mner_keras.papers.runner import Outcome, outcome_of
        from mner_keras.papers.table_folder import measure_table

        plan = _plan(published, setting, corpus, out, rows)
        if dry_run:
            _dry_run(_runs_of(plan, share), jobs, start)
            return
        if not plan.runs:
            raise InputError(f"no row can be trained: {'; '.join(plan.skipped)}")
        outcomes = _train(_runs_of(plan, share), out, jobs, resume, engine, address)
        folder.mkdir(parents=True, exist_ok=True)
        # Shards write in turns: the last one knows all finished runs.
        with contextlib.nullcontext() if share is None else FileLock(folder / ".lock"):
            known = {run.folder: outcome_of(run.folder) or Outcome("not finished") for run in plan.runs} | outcomes
            measured = measure_table(folder, published, data, plan, str(scheme), tolerance, known)
        if share is not None:
            missing = sum(outcome.state != "finished" for outcome in known.values())
            note(f"shard {shard}: {missing} of the table's {len(known)} runs are missing")
    from mner_keras.papers.render import print_measured

    if as_json:
        print_json(measured)
    else:
        print_measured(measured)
        print(f"table: {folder} (table.md, .csv, .tex, .json)")
    if any(outcome.state != "finished" for outcome in outcomes.values()):
        raise typer.Exit(INCOMPLETE)


def _all(tables: Sequence[PublishedTable], options: dict[str, Any], own: dict[str, dict[str, Any]]) -> None:
    """Reproduce tables one after the other; `own` are options of single tables, by their numbers."""
    codes = []
    for table in tables:
        if table.number in own:
            try:
                reproduce_table(**{**options, "table": table.number, **own[table.number]})
            except typer.Exit as end:
                codes.append(end.exit_code)
    if any(codes):
        raise typer.Exit(max(codes))


def _from_scratch(tables: Sequence[PublishedTable], options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Print the plan, ask, and fetch and compute what is missing.

    Returns:
        the options for each table, by its number; empty for a dry run.
    """
    from mner_keras.papers.from_scratch import BASIS, plan_work

    if options["data"] != "sample":
        raise InputError("`--from-scratch` excludes --data: it fetches Twitter-2015")
    features = _named(options["features"] or [], "features", tuple(FEATURES), find_model(options["paper"]).visual or "")
    vectors = _named(options["vectors"] or [], "vectors", ("twitter", "crawl"), "")
    fast = options["budget"] == Budget.fast
    seeds = options["seeds"] or (1 if fast else 5)
    rows = [key.strip() for key in options["rows"].split(",") if key.strip()]
    work = plan_work(tables, options["from_scratch"], seeds, fast, rows, vectors, features)
    if not work.tables:
        raise InputError("\n".join(work.notes))
    show = note if options["as_json"] else print
    waiting = [step for step in work.steps if not step.done]
    for step in work.steps:
        size = "unknown size" if step.download is None else f"{step.download / 1e6:,.0f} MB"
        time = f", {_duration(step.seconds)}" if step.seconds else ""
        show(f"{'done' if step.done else size + time:24} mner {' '.join(step.command)}")
    show(f"{_duration(work.seconds):24} runs: {work.runs}, then the tables: {', '.join(work.tables)}")
    seconds = sum(step.seconds for step in waiting) + work.seconds
    sizes = [step.download for step in waiting]
    known = sum(filter(None, sizes))
    disk = known + sum(step.disk for step in waiting)
    show(
        f"in all: {'at least ' if None in sizes else ''}{known / 1e9:.1f} GB to download, {disk / 1e9:.1f} GB of disk, "
        f"at most {_duration(seconds)} ({BASIS})"
    )
    for line in work.notes:
        note(line)
    if options["dry_run"]:
        return {}
    if not options["yes"]:
        if not sys.stdin.isatty():
            raise InputError("expected --yes, or a terminal to ask on")
        typer.confirm("start?", abort=True)
    for step in waiting:
        note(f"mner {' '.join(step.command)}")
        step.run()
    merged = {}
    for number, own in work.tables.items():
        lists = {name: [*(options[name] or []), *own.get(name, [])] for name in ("vectors", "features")}
        merged[number] = {**own, **lists, "resume": True}
    return merged


def _plan(published: Any, setting: Setting, corpus: Dataset, out: Path, rows: str) -> Plan:
    """Plan the runs; if there is something to train, print the differences from the paper's setting."""
    from mner_keras.papers.caveats import find_caveats
    from mner_keras.papers.plan import make_plan
    from mner_keras.papers.runner import outcome_of

    plan = make_plan(published, setting, corpus, out / "runs", [key.strip() for key in rows.split(",") if key.strip()])
    plan = dataclasses.replace(plan, caveats=find_caveats(plan, setting, corpus))
    for name, file in setting.vectors.items():
        if name and all(run.row.vectors != name for run in plan.runs):
            note(f"no row uses the {name} vectors: {file} is ignored")
    if not plan.runs or any(outcome_of(run.folder) is None for run in plan.runs):
        note("differences from the paper's setting:")
        for line in plan.caveats:
            note(f"  - {line}")
    return plan


def _runs_of(plan: Plan, share: Shard | None) -> Plan:
    """Return the plan with the shard's runs only: every N-th folder, finished or not."""
    folders = dict.fromkeys(run.folder for run in plan.runs)
    mine = set(folders if share is None else share.take(folders))
    return dataclasses.replace(plan, runs=tuple(run for run in plan.runs if run.folder in mine))


def _train(plan: Plan, out: Path, jobs: int, resume: bool, engine: Engine, address: str) -> dict[Path, Outcome]:
    from mner_keras.papers.runner import begun, check_finished, run_all
    from mner_keras.scale.ray_engine import open_engine

    check_finished(plan.runs)
    unfinished = [folder for folder in dict.fromkeys(run.folder for run in plan.runs) if begun(folder)]
    if unfinished and not resume:
        raise InputError(
            f"{len(unfinished)} of the table's runs were interrupted ({unfinished[0].name}, ...): --resume continues "
            "them",
            out,
        )
    try:
        with open_engine(engine, jobs, address) as start, progress_bar("epochs of all runs") as progress:
            return run_all(plan.runs, jobs, note, progress, start)
    except KeyboardInterrupt:
        print(f"interrupted; the same command with --resume continues after the last finished epochs ({out})")
        sys.exit(130)


def _dry_run(plan: Plan, jobs: int, start: float) -> None:
    """Time the parts of each system's run, and print the runs with estimated time and disk.

    Args:
        plan: the runs.
        jobs: how many run at once.
        start: seconds in which a run's process starts.
    """
    from mner_keras.papers.runner import estimate, outcome_of

    folders = {run.folder: run for run in plan.runs}
    waiting = {folder: run for folder, run in folders.items() if outcome_of(folder) is None}
    timed: dict[str, Any] = {}
    lines, seconds, disk = [], 0.0, 0.0
    for folder, run in folders.items():
        ended, times = outcome_of(folder), ["", ""]
        if ended is None:
            # Runs that differ only in the seed are timed once.
            key = folder.name.rpartition("-seed")[0]
            if key not in timed:
                note(f"timing {run.config.model}")
                try:
                    timed[key] = estimate(run)
                except InputError as error:
                    timed[key] = None
                    note(f"  {run.row.name} cannot be trained: {error}")
            if timed[key] is not None:
                took = start + timed[key].seconds
                times = [_duration(took), f"{timed[key].megabytes:,.0f} MB"]
                seconds, disk = seconds + took, disk + timed[key].megabytes
        state = ended.state if ended is not None else "to train" if times[0] else "cannot be trained"
        lines.append([run.title, state, str(run.config.epochs), *times])
    print_table("runs", ["", "", "epochs", "time", "disk"], lines)
    wait = _duration(seconds / min(jobs, max(len(waiting), 1)))
    print(
        f"{counted(len(waiting), 'run')} to train: about {wait} with {jobs} at once (from timed parts; "
        f"early stopping may end sooner), {disk:,.0f} MB"
    )


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def _list(paper: Paper | None) -> None:
    from mner_keras.papers.published import PAPERS, load_published

    kinds = {"statistics": "counted in the data", "settings": "the models' defaults"}
    for name in [paper] if paper else PAPERS:
        published = load_published(name)
        print(f"{published.paper}: {published.title} ({published.citation})")
        for table in published.tables:
            print(f"  {table.number:4} {table.title}")
            print(f"       {kinds.get(table.kind) or ', '.join(row.key for row in table.rows)}")


def _named(given: Sequence[str], option: str, names: Sequence[str], default: str) -> dict[str, str]:
    """Read `NAME=FILE` or `FILE`, by name."""
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
    """Read `MODEL.NAME=VALUE`, by model."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        model, dot, rest = pair.partition(".")
        if not dot or "=" in model:
            raise InputError(f"expected --set MODEL.NAME=VALUE, found {pair!r}")
        find_model(model)
        found.setdefault(model, {}).update(read_arguments([rest]))
    return found
