"""Fetch public data: posts, pictures, word vectors, features and weights. `sources.toml` lists them."""

import contextlib
import dataclasses
import fnmatch
import importlib
import os
import shutil
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import IO

from mner_keras.data.datasets import SPLITS, load_dataset
from mner_keras.errors import InputError, did_you_mean
from mner_keras.files import (
    Progress,
    Report,
    cache_folder,
    check_download,
    download,
    file_sha256,
    no_progress,
    report_nothing,
    wait_for_lock,
    write_whole,
)
from mner_keras.vision.visual_input import PICTURE_ENDINGS, picture_id

_ENOUGH = 0.9  # the share of the posts' pictures that an archive must contain; a few pictures may be lost
_AGAIN = "delete it to fetch it again"


@dataclasses.dataclass(frozen=True)
class Download:
    """A file to fetch; `sources.toml` explains the fields."""

    path: str
    remote: str = ""
    bytes: int = 0
    hash: str = ""
    archive: str = ""
    member: str = ""
    unpacked: int = 0


@dataclasses.dataclass(frozen=True)
class Source:
    """Something that can be fetched; `sources.toml` explains the fields."""

    name: str
    about: str
    page: str
    address: str = ""
    files: tuple[Download, ...] = ()
    posts: str = ""
    call: str = ""
    bytes: int = 0
    by_hand: str = ""
    next: str = ""

    @property
    def size(self) -> str:
        """The size of the download, for people."""
        sizes = [file.bytes for file in self.files] or [self.bytes]
        return f"{sum(sizes) / 1e6:,.0f} MB" if all(sizes) else "by hand" if self.by_hand else "unknown"


_CONTENT = tomllib.loads((resources.files("mner_keras.data") / "sources.toml").read_text(encoding="utf-8"))
SOURCES = {
    name: Source(name, **{**entry, "files": tuple(Download(**file) for file in entry.get("files", ()))})
    for name, entry in _CONTENT.items()
}


def find_source(name: str) -> Source:
    """Return a source; raise `InputError` for an unknown name."""
    if name not in SOURCES:
        raise InputError(f"expected one of {', '.join(SOURCES)}, found {name!r}.{did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def fetch_source(
    name: str,
    folder: str | os.PathLike | None = None,
    mirror: str = "",
    progress: Progress = no_progress,
    report: Report = report_nothing,
) -> dict[Path, bool]:
    """Download the files of a source that do not exist yet, with `mner_keras.files.download`.

    Archives are kept in the cache folder; what they contain is written whole or not at all.

    Args:
        name: a name in `SOURCES`.
        folder: where to write; created if necessary. Not needed for what a library keeps in a place of its own.
        mirror: another address with the same files.
        progress, report: as in `download`.

    Returns the paths, and whether each was fetched now.

    Raises:
        InputError: an unknown name, a source that has to be downloaded by hand, another file of this name, a damaged
            archive or one without the expected files, or what `download` raises.
        ImportError: Google Drive asks for a confirmation and gdown is not installed.
    """
    source = find_source(name)
    if source.by_hand:
        raise InputError(source.by_hand)
    if source.call:
        module, _, function = source.call.partition(":")
        getattr(importlib.import_module(module), function)()
        return {}
    if folder is None:
        raise InputError(f"expected a folder for {name} (--to FOLDER), found none")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("expected a folder to write into, found a file", folder)
    paths = {folder / file.path: file for file in source.files}
    missing = {path: file for path, file in paths.items() if not path.exists()}
    for path, file in paths.items():
        if path not in missing and file.hash and not file.archive and file_sha256(path) != file.hash:
            raise InputError(f"there is another file of this name (expected the hash {file.hash[:12]}...)", path)
    if source.posts:
        try:
            list(map(load_dataset(folder).path, SPLITS))
        except InputError:
            fetch_source(source.posts, folder, mirror, progress, report)
    folder.mkdir(parents=True, exist_ok=True)
    for path, file in missing.items():
        if not file.archive:
            _fetch(source, file, path, mirror, progress, report)
            continue
        archive = cache_folder() / file.archive
        archive.parent.mkdir(parents=True, exist_ok=True)
        if archive.is_file():
            check_download(archive, file.hash)
        else:
            _fetch(source, file, archive, mirror, progress, report)
        with wait_for_lock(folder / ".fetch.lock", report):
            if not path.exists():
                (_unpack_file if file.member else _unpack_pictures)(archive, file, path, report)
    return {path: path in missing for path in paths}


def _fetch(source: Source, file: Download, path: Path, mirror: str, *how) -> None:
    """Download a file, or say how a person can."""
    remote = file.remote or file.path
    if mirror:
        remote = f"{mirror.rstrip('/')}/{file.archive or remote}"
    elif "://" not in remote:
        remote = f"{source.address}/{remote}"
    try:
        download(remote, path, file.hash, *how, resolve=_drive_address)
    except InputError as error:
        if isinstance(error.path, Path):  # a full disk, not the address
            raise
        by_hand = f"download it in a browser from {source.page}, save it as {path}, and repeat the command"
        raise InputError(f"{error}\nBy hand: {by_hand}.") from None


def _drive_address(page: str) -> str:
    """Return the address behind Google Drive's question whether to download a file that it cannot scan for viruses."""
    if "google" not in page.lower() and "download-form" not in page:
        return ""
    try:
        from gdown.download import get_url_from_gdrive_confirmation
        from gdown.exceptions import FileURLRetrievalError
    except ImportError:
        raise ImportError("Google Drive's archives need gdown: pip install 'mner-keras[fetch]'") from None
    try:
        return get_url_from_gdrive_confirmation(page)
    except FileURLRetrievalError as error:
        raise InputError(f"Google Drive does not give the file now ({str(error).partition('.')[0]})") from None


Member = tuple[str, int, Callable[[], IO[bytes]]]


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """Yield the files of a zip or tar archive: name, size and how to open each. Any other file is its only member."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                files = [info for info in opened.infolist() if not info.is_dir()]
                yield [(info.filename, info.file_size, partial(opened.open, info)) for info in files]
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as opened:
                files = [info for info in opened if info.isfile()]
                yield [(info.name, info.size, partial(opened.extractfile, info)) for info in files]
        else:
            yield [(archive.name, archive.stat().st_size, partial(open, archive, "rb"))]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"expected a whole archive, found a damaged one ({error}); {_AGAIN}", archive) from None


def _copy(member: Member, path: Path) -> None:
    with member[2]() as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, 2**20)


def _unpack_file(archive: Path, file: Download, path: Path, report: Report) -> None:
    """Write the member of an archive; of several that fit, the largest."""
    with _members(archive) as members:
        fitting = [member for member in members if fnmatch.fnmatch(PurePosixPath(member[0]).name, file.member)]
        if not fitting or archive.suffix == ".zip" and not zipfile.is_zipfile(archive):
            raise InputError(f"expected an archive that contains {file.member}, found none; {_AGAIN}", archive)
        member = max(fitting, key=lambda member: member[1])
        report(f"unpacking {member[0]}: {member[1] / 1e6:,.0f} MB")
        write_whole(path, lambda unfinished: _copy(member, unfinished))


def _unpack_pictures(archive: Path, file: Download, folder: Path, report: Report) -> None:
    """Write the pictures of a folder's posts, under their own names: no path of the archive is used."""
    wanted = {post.image_id for posts in load_dataset(folder.parent).values() for post in posts} - {None}
    unfinished = folder.with_name(f".unfinished-{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with _members(archive) as members:
            found: dict[str, Member] = {}
            for member in members:
                name = PurePosixPath(member[0])
                if name.suffix.lower() in PICTURE_ENDINGS and "__MACOSX" not in name.parts:
                    found.setdefault(picture_id(name.name), member)
            missing = sorted(wanted - found.keys())
            there = f"{len(wanted) - len(missing):,} of {len(wanted):,} posts' pictures"
            if len(missing) > (1 - _ENOUGH) * len(wanted):
                raise InputError(f"expected the posts' pictures, found {there}; {_AGAIN}", archive)
            report(f"unpacking {there}")
            unfinished.mkdir()
            for image_id, member in found.items():
                if image_id in wanted:
                    _copy(member, unfinished / PurePosixPath(member[0]).name)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    if missing:
        report(f"not in the archive: {', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}")
