"""Where a run's numbers come from, as terms and their descriptions; no path of a machine among them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mner_keras.run.run import Run

_PATHS = ("data", "features", "vectors")


def provenance_facts(record: Run) -> list[tuple[str, str]]:
    """What `provenance.json` holds, a line each."""
    facts: list[tuple[str, str]] = []
    _flatten(record.provenance, "", facts)
    return facts


def setting_facts(record: Run) -> list[tuple[str, str]]:
    """The run's settings; files by their names."""
    values = {**dataclasses.asdict(record.config), **record.config.arguments}
    values.pop("arguments")
    facts = []
    for name, value in values.items():
        if name in _PATHS and value:
            value = value if name == "data" and not Path(value).is_absolute() else Path(value).name
        facts.append((name.replace("_", " "), _text(value)))
    return facts


def _flatten(value: Any, name: str, facts: list[tuple[str, str]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{name} {key}".strip().replace("_", " "), facts)
    else:
        facts.append((name, _text(value)))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)
