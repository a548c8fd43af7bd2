"""Hashes of files, by which a number says what it was measured on."""

from __future__ import annotations

import hashlib
import os
from functools import partial


def file_sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: str | os.PathLike) -> str:
    """The MD5 of a file, in hexadecimal, for files of which others published no better hash."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
