"""`mner reproduce-table`."""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from filelock import FileLock
from typer import Argument, Exit, Option, confirm

from mner_keras.cli.options import Address, Engine, Paper, Precision, Scheme, ShardOption, TrainingData, read_arguments
from mner_keras.cli.terminal import note, print_json, print_table, progress_bar, start_keras
from mner_keras.errors import InputError, counted
from mner_keras.registry import FEATURES, find_model

if TYPE_CHECKING:
    from mner_keras.data.datasets import Dataset
    from mner_keras.papers.from_scratch import Work
    from mner_keras.papers.plan import Plan, PlannedRun, Setting
    from mner_keras.papers.published import PublishedTable


def reproduce_table(
    paper: Annotated[Paper | None, Argument(help="The paper.", case_sensitive=False)] = None,
    table: Annotated[str, Argument(help="The table's number, such as 3 or III, or `all`.")] = "",
    list_: Annotated[bool, Option("--list", help="List the tables and their rows.")] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print differences from the paper and the runs to train, with time and disk.")
    ] = False,
    data: TrainingData = "sample",
    features: Annotated[
        list[str] | None,
        Option(
            metavar="[KIND=]FILE",
            help="Feature store of the pictures; KIND is regions or objects, by default what the paper's model reads. "
            "Repeatable. (default: the data's own)",
        ),
    ] = None,
    vectors: Annotated[
        list[str] | None,
        Option(
            metavar="[NAME=]FILE",
            help="Word vectors; NAME is twitter or crawl where the paper uses both. Repeatable. (default: none)",
        ),
    ] = None,
    seeds: Annotated[
        int | None, Option(min=1, help="Seeds per system. (default: 5 with the paper's budget, else 1)")
    ] = None,
    rows: Annotated[str, Option(help="Keys of the rows to train, separated by commas. (default: all)")] = "",
    budget: Annotated[
        Literal["fast", "paper"] | None,
        Option(
            help="`paper`: as each system's paper trains it; `fast`: a few epochs. (default: fast on the sample "
            "corpus, else paper)"
        ),
    ] = None,
    scheme: Scheme = "strict",
    tolerance: Annotated[
        float | None, Option(min=0, help="Mark results within N F1 points of the published ones. (default: none)")
    ] = None,
    precision: Precision = "float32",
    set_: Annotated[
        list[str] | None, Option("--set", metavar="MODEL.NAME=VALUE", help="An argument of a model. Repeatable.")
    ] = None,
    jobs: Annotated[int, Option(min=1, help="Runs trained at once.")] = 1,
    shard: ShardOption = None,
    engine: Engine = "local",
    address: Address = "",
    resume: Annotated[bool, Option("--resume", help="Continue interrupted runs.")] = False,
    from_scratch: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Fetch or compute there what is missing: posts, pictures, features, vectors. A plan comes first.",
        ),
    ] = None,
    yes: Annotated[bool, Option("--yes", help="Start a plan from scratch without asking.")] = False,
    out: Annotated[Path, Option(help="Folder of the runs and the tables.")] = Path("runs/reproduction"),
    as_json: Annotated[bool, Option("--json", help="Print the result as JSON.")] = False,
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
    keys = [key.strip() for key in rows.split(",") if key.strip()]
    fast = budget == "fast" or (budget is None and data == "sample" and from_scratch is None)
    seeds = seeds or (1 if fast else 5)
    stores = _named(features or [], "features", tuple(FEATURES), find_model(paper).visual or "")
    embeddings = _named(vectors or [], "vectors", ("twitter", "crawl"), "")
    if from_scratch is not None or len(tables) > 1:
        own: dict[str, dict[str, Any]] = {each.number: {} for each in tables}
        if from_scratch is not None:
            from mner_keras.papers.from_scratch import plan_work

            if data != "sample":
                raise InputError("`--from-scratch` excludes --data: it fetches Twitter-2015")
            own = _prepare(plan_work(tables, from_scratch, seeds, fast, keys, embeddings, stores), options)
        codes = [0]
        for number, more in own.items():
            try:
                reproduce_table(**{**options, "from_scratch": None, "table": number, **more})
            except Exit as end:
                codes.append(end.exit_code)
        raise Exit(max(codes))
    (published,) = tables
    share, start, plan, outcomes = Shard.parse(shard), 0.0, None, {}
    if published.kind == "results":
        from mner_keras.data.datasets import load_dataset
        from mner_keras.papers.plan import Setting

        arguments = _arguments(set_ or [])
        setting = Setting(data, stores, embeddings, seeds, fast, precision, arguments)
        corpus = load_dataset(data)
    if published.kind != "statistics":
        start = start_keras()
    from mner_keras.papers.measured import measure_table
    from mner_keras.papers.render import print_measured
    from mner_keras.papers.runner import FINISHED, check_runs, outcome_of, run_all
    from mner_keras.scale.ray_engine import open_engine

    folder = out / f"{published.paper}-{published.number.lower()}"
    if published.kind == "results":
        plan = _plan(published, setting, corpus, out, keys)
        folders = dict.fromkeys(run.folder for run in plan.runs)
        # A shard has every N-th folder, finished or not.
        mine = set(folders if share is None else share.take(folders))
        runs = [run for run in plan.runs if run.folder in mine]
        if dry_run:
            _dry_run(runs, jobs, start)
            return
        if not plan.runs:
            raise InputError(f"no row can be trained: {'; '.join(plan.skipped)}")
        check_runs(runs, resume)
        try:
            with open_engine(engine, jobs, address) as begin, progress_bar("epochs of all runs") as progress:
                outcomes = run_all(runs, jobs, note, progress, begin)
        except KeyboardInterrupt:
            print(f"interrupted; the same command with --resume continues after the last finished epochs ({out})")
            sys.exit(130)
    folder.mkdir(parents=True, exist_ok=True)
    # Shards write in turns: the last one knows all finished runs.
    with contextlib.nullcontext() if share is None else FileLock(folder / ".lock"):
        measured = measure_table(folder, published, data, plan, scheme, tolerance, outcomes)
    if share is not None and plan is not None:
        missing = sum(outcome_of(run) != FINISHED for run in folders)
        note(f"shard {shard}: {missing} of the table's {len(folders)} runs are missing")
    if as_json:
        print_json(measured)
    else:
        print_measured(measured)
        print(f"table: {folder} (table.md, .csv, .tex, .json)")
    if any(outcome != FINISHED for outcome in outcomes.values()):
        raise Exit(1)


def _prepare(work: "Work", options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Print the plan from scratch, ask, and do what is missing; return each table's options, none for a dry run."""
    from mner_keras.papers.from_scratch import BASIS

    if not work.tables:
        raise InputError("\n".join(work.notes))
    show = note if options["as_json"] else print
    waiting = [step for step in work.steps if not step.done]
    for step in work.steps:
        size = "unknown size" if step.download is None else f"{step.download / 1e6:,.0f} MB"
        time = f", {_duration(step.seconds)}" if step.seconds else ""
        show(f"{'done' if step.done else size + time:24} mner {' '.join(step.command)}")
    show(f"{_duration(work.seconds):24} runs: {work.runs}, then the tables: {', '.join(work.tables)}")
    sizes = [step.download for step in waiting]
    known, least = sum(filter(None, sizes)), "at least " if None in sizes else ""
    disk = known + sum(step.disk for step in waiting)
    most = _duration(work.seconds + sum(step.seconds for step in waiting))
    show(f"in all: {least}{known / 1e9:.1f} GB to download, {disk / 1e9:.1f} GB of disk, at most {most} ({BASIS})")
    for line in work.notes:
        note(line)
    if options["dry_run"]:
        return {}
    if not options["yes"]:
        if not sys.stdin.isatty():
            raise InputError("expected --yes, or a terminal to ask on")
        confirm("start?", abort=True)
    for step in waiting:
        note(f"mner {' '.join(step.command)}")
        step.run()
    for own in work.tables.values():
        own |= {name: [*(options[name] or []), *own.get(name, [])] for name in ("vectors", "features")}
        own["resume"] = True
    return work.tables


def _plan(published: "PublishedTable", setting: "Setting", corpus: "Dataset", out: Path, keys: Sequence[str]) -> "Plan":
    """Plan the runs; if there is something to train, print the differences from the paper's setting."""
    from mner_keras.papers.caveats import find_caveats
    from mner_keras.papers.plan import make_plan
    from mner_keras.papers.runner import UNFINISHED, outcome_of

    plan = make_plan(published, setting, corpus, out / "runs", keys)
    plan = dataclasses.replace(plan, caveats=find_caveats(plan, setting, corpus))
    for name, file in setting.vectors.items():
        if name and all(run.row.vectors != name for run in plan.runs):
            note(f"no row uses the {name} vectors: {file} is ignored")
    if not plan.runs or any(outcome_of(run.folder) == UNFINISHED for run in plan.runs):
        note("differences from the paper's setting:")
        for line in plan.caveats:
            note(f"  - {line}")
    return plan


def _dry_run(runs: Sequence["PlannedRun"], jobs: int, start: float) -> None:
    """Print the runs with estimated time and disk, from timed steps and the `start` of a process in seconds."""
    from mner_keras.papers.runner import UNFINISHED, estimate, outcome_of

    timed: dict[str, tuple[float, float] | None] = {}
    lines, waiting, seconds, disk = [], 0, 0.0, 0.0
    for folder, run in {run.folder: run for run in runs}.items():
        state, times = outcome_of(folder).partition(":")[0], ["", ""]
        if state == UNFINISHED:
            waiting += 1
            # Runs that differ only in the seed are timed once.
            key = folder.name.rpartition("-seed")[0]
            if key not in timed:
                note(f"timing {run.config.model}")
                try:
                    timed[key] = estimate(run)
                except InputError as error:
                    timed[key] = None
                    note(f"  {run.row.name} cannot be trained: {error}")
            state = "cannot be trained"
            if timed[key] is not None:
                state, (took, size) = "to train", timed[key]
                seconds, disk = seconds + start + took, disk + size
                times = [_duration(start + took), f"{size:,.0f} MB"]
        lines.append([str(run), state, str(run.config.epochs), *times])
    print_table("runs", ["", "", "epochs", "time", "disk"], lines)
    wait = _duration(seconds / min(jobs, max(waiting, 1)))
    print(
        f"{counted(waiting, 'run')} to train: about {wait} with {jobs} at once (from timed parts; "
        f"early stopping may end sooner), {disk:,.0f} MB"
    )


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def _list(paper: str | None) -> None:
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
