"""Fetch public data sets; each file is checked by its hash."""

from __future__ import annotations

import os
from pathlib import Path

from mner_keras.errors import InputError, did_you_mean
from mner_keras.files import download, file_sha256

PICTURES = """\
The pictures (rights belong to their posters) are an archive on Google Drive, to be downloaded with a browser. The
README of https://github.com/jefferyYu/UMT links to it. Unpack it, then
    mner features vgg16 twitter2015_images --out {folder}/regions.h5
    mner features mask-rcnn twitter2015_images --out {folder}/objects.h5"""


SOURCES = {
    ("twitter2015", "original"): (
        "https://raw.githubusercontent.com/thecharm/AGBAN/HEAD/data/mul_tweets",
        {
            "train.txt": ("train", "96f7789485f5b1552b6447f78f6466a08812be93f9c354ab86a52750fe797676"),
            "dev.txt": ("dev", "62e11451821b934fbc08398e9ceb044ede6ac1a82428e1bc57576a7447318a02"),
            "test.txt": ("test", "64c7da804a0ab440f433a2b15bd1642e51b568fbc7258e775c96ee5876f8cfc8"),
        },
    ),
    ("twitter2015", "umt"): (
        "https://raw.githubusercontent.com/jefferyYu/UMT/HEAD/data/twitter2015",
        {
            "train.txt": ("train.txt", "a6246e37aa1c8acd738747fa8257e01775f2a1cc0d4f36f82f9d41d6246ad6fa"),
            "valid.txt": ("valid.txt", "9dcc7f9df7331de3c9cdf67a3450e041c41c6254b5e43925c576e2dfaaabe2ad"),
            "test.txt": ("test.txt", "edb2665b89bfe58bca06a2c10b9b31cbfa95456135b6a4cbf55c872e48d9b8f9"),
        },
    ),
}
"""By data set and distribution: the address of its files, and by local file name the remote name and the SHA-256."""


def fetch_dataset(
    name: str, folder: str | os.PathLike, distribution: str = "original", mirror: str = "", pause: float = 1.0
) -> dict[Path, bool]:
    """Download the files of a data set that do not exist yet, with `mner_keras.files.download`.

    Args:
        name: `twitter2015`.
        folder: where to write; created if necessary.
        distribution: `original` or `umt`.
        mirror: another address with the same files.
        pause: seconds before the second attempt, doubled before each further one.

    Returns:
        the paths, and whether each was downloaded now.

    Raises:
        InputError: an unknown data set, another file of this name, or what `download` raises.
    """
    known = [other for other_name, other in SOURCES if other_name == name]
    if not known:
        names = sorted({known for known, _ in SOURCES})
        raise InputError(f"expected {' or '.join(names)}, found {name!r}.{did_you_mean(name, names)}")
    if distribution not in known:
        raise InputError(f"expected a distribution ({', '.join(known)}), found {distribution!r}")
    address, files = SOURCES[name, distribution]
    address = (mirror or address).rstrip("/")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("expected a folder to write into, found a file", folder)
    for file, (_, expected) in files.items():
        path = folder / file
        if path.exists() and file_sha256(path) != expected:
            raise InputError(f"there is another file of this name (expected the hash {expected[:12]}...)", path)
    folder.mkdir(parents=True, exist_ok=True)
    fetched = {folder / file: not (folder / file).exists() for file in files}
    for file, (remote, expected) in files.items():
        if fetched[folder / file]:
            download(f"{address}/{remote}", folder / file, expected, pause)
    return fetched
