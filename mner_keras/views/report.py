"""The report: tables, runs and the posts that they find hard, as one self-contained HTML page."""

import dataclasses
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mner_keras.data.post import entity_spans
from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress
from mner_keras.papers import render as tables
from mner_keras.papers.compare import compare
from mner_keras.papers.measured import PLAN, Record, read_table
from mner_keras.papers.published import OVERALL
from mner_keras.run.run import CONFIG, PROVENANCE, SCHEMES, Run
from mner_keras.text import TaggerDataMissing
from mner_keras.views import charts
from mner_keras.views.case import make_cases, own_pictures
from mner_keras.views.post_view import render, style_sheet

BOUNDS, MISSED, SPURIOUS, ALL = "other bounds", "missed", "spurious", "in all"


def make_report(
    places: Sequence[str | os.PathLike],
    posts: int = 10,
    pictures: Mapping[str, Path] | None = None,
    progress: Progress = no_progress,
) -> str:
    """Return the report as one HTML page that makes no requests: its content security policy blocks them.

    A run whose model, data or features are not available is shown without its posts, with the reason.

    Args:
        places: folders of finished runs and of tables, which include their runs; another one raises `InputError`.
        posts: posts with the highest loss to show per run, misses and hits each; with 0 no model is loaded.
        pictures: the posts' pictures, paths by id; `None` for those in the runs' data.
        progress: called with the number of runs that have been read, and of all.
    """
    measured, folders = _find_sources(places)
    keys = {folder: f"run-{number}" for number, folder in enumerate(folders, start=1)}
    table_parts = [
        {
            "key": f"table-{number}",
            "title": f"{table['paper'].upper()}, table {table['number']}",
            "table": table,
            "runs": [[keys[Path(folder).resolve()] for folder in row["runs"]] for row in table["rows"]],
            "best": best_cells(table),
            "chart": _table_chart(table),
        }
        for number, table in enumerate(measured, start=1)
    ]
    runs, run_parts = [Run(folder) for folder in folders.values()], []
    for number, (key, run, title) in enumerate(zip(keys.values(), runs, _titles(runs), strict=True)):
        progress(number, len(runs))
        run_parts.append({"key": key, "title": title, **_run_part(run, posts, pictures)})
    progress(len(runs), len(runs))
    shown = [part["title"].replace(", ", " ") for part in table_parts] or [part["title"] for part in run_parts[:3]]
    more = 0 if table_parts else len(run_parts) - len(shown)
    return render(
        "report.html.j2",
        title=", ".join(shown) + (f" and {more} more runs" if more else ""),
        style=style_sheet("page.css", "post.css"),
        tables=table_parts,
        runs=run_parts,
        run_chart=_run_chart(run_parts),
        printed=tables,
        names={"BOUNDS": BOUNDS, "MISSED": MISSED, "SPURIOUS": SPURIOUS, "ALL": ALL},
    )


def _find_sources(places: Sequence[str | os.PathLike]) -> tuple[list[Record], dict[Path, Path]]:
    """The tables among folders, and by resolved path the folders of the runs: the named ones and those of tables."""
    found: dict[Path, Record] = {}
    runs: dict[Path, Path] = {}
    for place in map(Path, places):
        if not place.is_dir():
            what = "a file" if place.exists() else "no such thing"
            raise InputError(f"expected the folder of a run or of a table, found {what}", place)
        if (place / PLAN).is_file():
            table = found.setdefault(place.resolve(), read_table(place))
            for run in (Path(run) for row in table["rows"] for run in row["runs"]):
                runs.setdefault(run.resolve(), run)
        elif (place / PROVENANCE).is_file():
            runs.setdefault(place.resolve(), place)
        else:
            what = f"a run without {PROVENANCE}, which is not finished" if (place / CONFIG).is_file() else "neither"
            raise InputError(f"expected the folder of a finished run or of a table ({PLAN}), found {what}", place)
    return list(found.values()), runs


def _titles(runs: Sequence[Run]) -> list[str]:
    seeds = [run.provenance.get("seed") for run in runs]
    names = [run.name if seed is None else f"{run.name}, seed {seed}" for run, seed in zip(runs, seeds, strict=True)]
    return [
        f"{name} ({run.path.resolve().name})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def best_cells(table: Record) -> dict[str, float]:
    """Return the best measured number by column of a table of scores; of a single row, none is the best."""
    if table["kind"] != "results" or len(table["rows"]) < 2:
        return {}
    found = {column: [row["cells"][column]["mean"] for row in table["rows"]] for column in table["columns"]}
    return {column: max((mean for mean in means if mean is not None), default=0.0) for column, means in found.items()}


def _table_chart(table: Record) -> charts.Chart | None:
    """Published and measured F1 with the bootstrap's 95 % interval over the test posts, a row per system."""
    column, rows = f"{OVERALL} F1", []
    if table["kind"] != "results" or column not in table["columns"]:
        return None
    for name, row in zip(tables.row_names(table), table["rows"], strict=True):
        cell, measured = row["cells"][column], [math.nan] * 3
        if cell["mean"] is not None:
            scheme = next(name for name, text in SCHEMES.items() if text == table["provenance"]["scheme"])
            found = [Run(folder).predictions for folder in row["runs"]]
            # Against a system that finds nothing, the difference in F1 is F1.
            nothing = [[dataclasses.replace(post, predicted=("O",) * len(post.tags)) for post in run] for run in found]
            bounds = compare(found, nothing, scheme)
            measured = [cell["mean"], bounds.low, bounds.high]
        rows.append((name, math.nan if cell["published"] is None else cell["published"], *measured))
    text = "; ".join("{}: published {:.2f}, measured {:.2f} ({:.2f} to {:.2f})".format(*row) for row in rows)
    return charts.draw_chart(text, charts.draw_intervals, rows, size=(4.8, 1.0 + 0.25 * len(rows)))


def _run_chart(parts: Sequence[Mapping[str, Any]]) -> charts.Chart | None:
    """Dev F1 of all runs over each other; `None` for fewer than two curves."""
    parts = [part for part in parts if "dev" in part["curves"].get("f1", ())]
    if len(parts) < 2:
        return None
    curves = {part["title"]: part["curves"]["f1"]["dev"] for part in parts}
    best = {part["title"]: part["run"].metrics.get("best_epoch") for part in parts}
    size = (4.8, 2.2 + 0.12 * len(curves))
    return charts.draw_chart("F1 on dev by epoch", charts.draw_curve, "F1 on dev (percent)", curves, best, size=size)


def _run_part(run: Run, count: int, pictures: Mapping[str, Path] | None) -> dict[str, Any]:
    """What the page's section about a run shows; `no_posts` is empty if none were requested."""
    run.metrics, run.provenance  # noqa: B018 - damaged files are errors; missing models, data or features are not
    hardest, reason, batches = {"misses": [], "hits": [], "mean_loss": 0.0}, "", None
    if not run.config.entry.is_keras:
        reason = "This system is not a Keras model with a CRF layer: its posts have no such loss."
    else:
        try:
            batches = run.posts_per_batch()
            if count:
                hardest = _hardest_posts(run, count, pictures)
        except (InputError, OSError, TaggerDataMissing) as error:
            # File names in place of paths, because the page may be sent to others.
            message = re.sub(r"(?<![\w.~-])/(?:[^\s:,'\"]*/)?([^\s:,'\"/]+)", r"\1", str(error))
            reason = f"Not computed: {message}"
    curves = charts.read_curves(run.history, batches or (1.0, 1.0))
    confusion = count_confusion((row.tags, row.predicted) for row in run.predictions)
    settings = {**dataclasses.asdict(run.config), **run.config.arguments}
    del settings["arguments"]
    for name in ("data", "features", "vectors"):
        if settings[name] and (name != "data" or Path(settings[name]).is_absolute()):
            settings[name] = Path(settings[name]).name
    return {
        "run": run,
        "confusion": confusion,
        "types": sorted({name for pair in confusion for name in pair} - {BOUNDS, MISSED, SPURIOUS, ALL}),
        "data": Path(run.config.data).name,
        "curves": curves,
        "charts": _charts(run, curves, "nats per post" if batches else "as written by the run"),
        **hardest,
        "no_posts": reason,
        "settings": settings,
    }


def _charts(run: Run, curves: Mapping[str, charts.Curve], unit: str) -> list[charts.Chart]:
    """The charts of a run, one per quantity; whatever else a run's numbers draw belongs here."""
    found, best = [], run.metrics.get("best_epoch")
    for name, curve in curves.items():
        label = "F1 (percent)" if name == "f1" else f"{name.replace('_', ' ').replace('crf', 'CRF')} ({unit})"
        found.append(charts.draw_chart(f"{label} by epoch", charts.draw_curve, label, curve, best))
    if (fitted := run.metrics.get("calibration")) is not None:
        errors = ", ".join(f"{fitted[when]['error']:.1f} {when}" for when in ("before", "after"))
        text = f"Calibration error on test: {errors} the temperature {fitted['temperature']:.2f}, fitted on dev"
        found.append(charts.draw_chart(text, charts.draw_reliability, fitted))
    return found


def _hardest_posts(run: Run, count: int, pictures: Mapping[str, Path] | None) -> dict[str, Any]:
    """The test posts with the highest loss, wrong and right (with entities), and the mean loss of the split.

    A post is its place in the split, from 1, the loss of its gold tags in nats, and its case.
    """
    posts, scored = run.dataset["test"], run.predictions
    if [(post.tokens, post.tags) for post in posts] != [(row.tokens, row.tags) for row in scored]:
        raise InputError("expected the posts that the run was scored on, found others", run.dataset.path("test"))
    losses = -run.model.log_likelihood(posts, run.store)
    pictures = own_pictures(run.dataset) if pictures is None else pictures
    spans = [(entity_spans(row.tags), entity_spans(row.predicted)) for row in scored]
    order = np.argsort(-losses, kind="stable").tolist()
    misses = [number for number in order if spans[number][0] != spans[number][1]][:count]
    hits = [number for number in order if spans[number][0] and spans[number][0] == spans[number][1]][:count]
    chosen = [*misses, *hits]
    predicted = {run.name: [scored[number].predicted for number in chosen]}
    cases = make_cases(run.model, [posts[number] for number in chosen], run.store, pictures, predicted)
    shown = [(number + 1, float(losses[number]), case) for number, case in zip(chosen, cases, strict=True)]
    return {"misses": shown[: len(misses)], "hits": shown[len(misses) :], "mean_loss": float(losses.mean())}


def count_confusion(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Counter[tuple[str, str]]:
    """Count entities of pairs of gold and predicted tags by their gold and predicted type (row, column), strict IOB2.

    An entity without one at the same tokens counts under `BOUNDS` if one shares some of them, else under `MISSED` or
    `SPURIOUS`. The sums of rows and columns, each type's gold and predicted entities, are under `ALL`.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for tags, predicted in pairs:
        gold, found = ({(start, end): kind for kind, start, end in entity_spans(one)} for one in (tags, predicted))
        counts.update((kind, ALL) for kind in gold.values())
        counts.update((ALL, kind) for kind in found.values())
        counts.update((kind, found.get(place) or _apart(place, found, MISSED)) for place, kind in gold.items())
        counts.update((_apart(place, gold, SPURIOUS), kind) for place, kind in found.items() if place not in gold)
    return counts


def _apart(place: tuple[int, int], others: Iterable[tuple[int, int]], alone: str) -> str:
    return BOUNDS if any(place[0] < end and start < place[1] for start, end in others) else alone
