"""Models that stay open: reading a file and compiling its model take seconds, which each command would spend anew."""

from pathlib import Path

from mner_keras import models

_load, _opened = models.load, {}


def load_once(path):
    """What `mner_keras.models.load` returns; the same model each time while the file stays the same."""
    path = Path(path)
    key = path.resolve(), path.stat().st_mtime_ns if path.exists() else None
    if key not in _opened:
        _opened[key] = _load(path)
    return _opened[key]
