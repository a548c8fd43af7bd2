"""Write a report as one HTML page."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import mner_keras
from mner_keras.papers.render import comparison_table, note_lines, provenance_lines, text_rows
from mner_keras.reproduce.report import confusion, curves
from mner_keras.reproduce.report.make import Report

TYPE_COLOURS = 8
"""Colours of entity types in the style sheet."""

_FIRST = ("PER", "LOC", "ORG", "OTHER", "MISC")


def render_page(report: Report, title: str = "") -> str:
    """The page: HTML that needs no other file and asks for none.

    Its own policy (Content-Security-Policy) forbids it every request, and every script but its own.

    Args:
        report: what it shows.
        title: its heading; by default the tables' names, or the runs'.
    """
    style, script = _text("style.css"), _text("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    kinds = {kind for run in report.runs for kind in run.confusion.types}
    ordered = sorted(kinds, key=lambda kind: (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), kind))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            title=title or _title(report),
            version=mner_keras.__version__,
            style=Markup(style),
            script=Markup(script),
            script_hash=digest,
            colours={kind: number % TYPE_COLOURS for number, kind in enumerate(ordered)},
            best_f1=max((run.record.metrics["test"]["micro"]["f1"] for run in report.runs), default=0.0),
        )
    )


def _title(report: Report) -> str:
    tables = [f"{t.result.table.paper.upper()} table {t.result.table.number}" for t in report.tables]
    shown = tables or [run.title for run in report.runs[:3]]
    more = len(report.runs) - len(shown) if not tables else 0
    return ", ".join(shown) + (f" and {more} more runs" if more > 0 else "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mner_keras.reproduce.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        comparison_table=comparison_table,
        confusion_names=confusion,
        curves=curves,
        note_lines=note_lines,
        provenance_lines=provenance_lines,
        text_rows=text_rows,
    )
    return environment


def _text(name: str) -> str:
    """A file of the templates as it stands, without comments and indents."""
    source, _, _ = _environment().loader.get_source(_environment(), name)
    return re.sub(r"\n\s+", "\n", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)).strip()
