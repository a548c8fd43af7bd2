"""The provenance of a run's numbers, and whether its inputs are still the same."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import load_dataset
from mner_keras.files import is_same_file
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig

PACKAGES = (
    *("mner-keras", "keras", "tensorflow", "jax", "torch", "numpy", "h5py", "nltk", "seqeval"),
    *("python-crfsuite", "keras-hub", "tokenizers"),
)


def environment() -> dict[str, Any]:
    """Versions, backend, device, machine and git commit."""
    import keras

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "versions": {"python": platform.python_version(), **versions},
        "backend": keras.backend.backend(),
        "devices": [str(device) for device in keras.distribution.list_devices()],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "git_commit": _git_commit(),
    }


def changed_inputs(folder: str | os.PathLike) -> list[str]:
    """Compare a finished run's data, features and vectors with those that its configuration names now.

    The content decides, not the path. Unchanged stores and vectors are recognised by size and modification time without
    reading them.

    Args:
        folder: the run's folder, with `config.toml` and `provenance.json`.

    Returns:
        One line per input that was replaced or is missing; none if the run's numbers still belong to its inputs.
    """
    folder = Path(folder)
    config = RunConfig.load(folder / "config.toml")
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    entry = find_model(config.model)
    data = load_dataset(config.data)
    changed = []
    if record.get("data", {}).get("sha256", {}) != data.hashes():
        changed.append(f"the data {config.data} changed")
    features = config.features or (data.features(entry.visual) if entry.visual else None)
    for what, path in (("features", features), ("vectors", config.vectors)):
        before = record.get(what)
        if before is not None and not (path and is_same_file(path, before)):
            changed.append(f"the {what} {path or '(none now)'} changed")
    return changed


def _git_commit() -> str | None:
    """Return the commit of the checkout that the package runs from, `None` for an installed one."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        found = subprocess.run(
            ["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
