"""A file that one process holds at a time."""

from __future__ import annotations

from typing import IO


def take_lock(file: IO) -> bool:
    """Hold an open file for this process, or for a child that inherits it; `False` where another one holds it.

    The system lets go of it when the process that holds it ends, however it does. On Windows nothing is noticed.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
