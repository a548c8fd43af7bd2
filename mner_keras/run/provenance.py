"""Where a run's numbers come from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from typing import Any

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


def _git_commit() -> str | None:
    """The commit of the checkout that the package runs from, `None` for an installed one."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        found = subprocess.run(
            ["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
