"""Check an output file before the work for it starts."""

from __future__ import annotations

import os
from pathlib import Path


def check_target(path: Path, *endings: str) -> None:
    """Check that a file can be written.

    Args:
        path: the file.
        endings: the file extensions that are possible, in lower case.

    Raises:
        InputError: another extension, no such folder, a folder at the path, or no permission to write.
    """
    from mner_keras.errors import InputError, did_you_mean

    if path.suffix.lower() not in endings:
        found = f"{path.suffix!r}.{did_you_mean(path.suffix, endings)}" if path.suffix else "none"
        raise InputError(f"expected a file extension ({', '.join(endings)}), found {found}", path)
    if path.is_dir():
        raise InputError("expected a file to write, found a folder", path)
    if not path.parent.is_dir():
        raise InputError("expected a folder to write into, found none", path.parent)
    if not os.access(path.parent, os.W_OK):
        raise InputError("the folder cannot be written to", path.parent)
