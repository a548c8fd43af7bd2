"""Files in object stores, `s3://`, `gs://` and what else pyarrow reads, through copies on this machine."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mner_keras.errors import InputError
from mner_keras.files import cache_folder, wait_for_lock, write_json, write_whole

_OUTPUT = ("", ".errors.csv", ".progress.json")  # the files of a `ResumableFile`


def is_remote(path: str | os.PathLike) -> bool:
    return "://" in str(path)


def extended(address: str, more: str) -> str:
    """Return an address with more at the end of its path; what follows a `?` are the store's options."""
    parts = urlsplit(address)
    return parts._replace(path=parts.path.rstrip("/") + more).geturl()


def local_path(address: str) -> Path:
    """Return the place on this machine for a copy of a remote file or folder."""
    folder = cache_folder() / "remote" / hashlib.sha256(address.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / Path(urlsplit(address).path).name


def download(address: str) -> Path:
    """Copy a remote file to its place on this machine, unless the copy there is of its size and time.

    Raise `InputError` for no such file, another kind of address, no access, or without pyarrow.
    """
    path = local_path(address)
    known = Path(f"{path}.remote.json")
    with wait_for_lock(Path(f"{path}.lock")):
        store, name, info = _find(address)
        if not info.is_file:
            raise InputError("expected a file, found none at this address", address)
        state = {"size": info.size, "time": str(info.mtime)}
        if not (path.is_file() and known.is_file() and json.loads(known.read_text("utf-8")) == state):
            write_whole(path, lambda part: _copy(address, name, str(part), source_filesystem=store))
            write_json(known, state)
    return path


def pull_output(path: Path, address: str, overwrite: bool) -> None:
    """Copy an output with its errors and progress to this machine, unless it is to be replaced, or is begun there.

    A copy of this machine is replaced: another machine may have tagged again since.
    """
    begun = Path(f"{path}.progress.json").exists() and not path.exists()
    for ending in _OUTPUT:
        store, name, info = _find(extended(address, ending))
        if info.is_file and not (overwrite or begun):
            _copy(address, name, f"{path}{ending}", source_filesystem=store)


def push_output(path: Path, address: str) -> None:
    """Copy an output with its errors and progress to the store."""
    for ending in _OUTPUT:
        if Path(f"{path}{ending}").exists():
            store, name, _ = _find(extended(address, ending))
            _copy(address, f"{path}{ending}", name, destination_filesystem=store)


def _find(address: str) -> tuple[Any, str, Any]:
    """Return the store, the name in it, and what the store says of it."""
    try:
        from pyarrow import fs
    except ImportError:
        raise InputError("an address needs pyarrow: pip install 'mner-keras[parquet]'", address) from None
    try:
        store, name = fs.FileSystem.from_uri(address)
        return store, name, store.get_file_info(name)
    except (OSError, ValueError) as error:
        raise InputError(f"expected an address such as s3://BUCKET/FILE ({error})", address) from None


def _copy(address: str, source: str, target: str, **stores: Any) -> None:
    from pyarrow import fs

    here = fs.LocalFileSystem()
    try:
        stores.get("destination_filesystem", here).create_dir(target.rpartition("/")[0])
        fs.copy_files(source, target, **{"source_filesystem": here, "destination_filesystem": here, **stores})
    except OSError as error:
        raise InputError(f"cannot be copied: {error}", address) from None
