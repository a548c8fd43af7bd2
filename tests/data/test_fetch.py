"""`fetch_dataset`, from files on this machine; `tests/test_files.py` is about the network."""

import hashlib
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mner_keras.cli import app
from mner_keras.data import fetch
from mner_keras.data.fetch import fetch_dataset
from mner_keras.errors import InputError
from mner_keras.files import file_sha256

FILES = {"train": b"a\tO\n\n", "dev": b"b\tO\n\n", "test": b"c\tO\n\n"}


@pytest.fixture
def remote(monkeypatch, tmp_path):
    """The folder at the data set's address."""
    folder = tmp_path / "remote"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    files = {f"{name}.txt": (name, hashlib.sha256(content).hexdigest()) for name, content in FILES.items()}
    monkeypatch.setitem(fetch.SOURCES, ("twitter2015", "original"), (folder.as_uri(), files))
    return folder


def get(folder, **options):
    return fetch_dataset("twitter2015", folder, pause=0.0, **options)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_files_are_fetched_once_and_the_rest_later(remote, tmp_path):
    folder = tmp_path / "new" / "twitter2015"
    (remote / "dev").write_bytes(b"changed")
    with pytest.raises(InputError, match="/remote/dev: expected a file of the hash .* not kept"):
        get(folder)
    assert left_in(folder) == ["train.txt"]
    (remote / "dev").write_bytes(FILES["dev"])
    assert get(folder) == {folder / "train.txt": False, folder / "dev.txt": True, folder / "test.txt": True}
    assert [(folder / f"{name}.txt").read_bytes() for name in FILES] == list(FILES.values())
    assert left_in(folder) == ["dev.txt", "test.txt", "train.txt"]
    assert not any(get(folder, mirror="http://127.0.0.1:1").values())


def test_a_file_that_is_there_and_another_is_never_replaced(remote, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "test.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="test.txt: there is another file of this name"):
        get(folder)
    assert left_in(folder) == ["test.txt"]
    with pytest.raises(InputError, match="expected a folder to write into, found a file"):
        get(folder / "test.txt")
    assert (folder / "test.txt").read_text("utf-8") == "mine"


def test_what_is_not_known_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected twitter2015, found 'twitter2016'. Did you mean 'twitter2015'?"):
        fetch_dataset("twitter2016", tmp_path)
    with pytest.raises(InputError, match=r"expected a distribution \(original, umt\), found 'new'"):
        get(tmp_path, distribution="new")


def test_the_hashes_are_those_of_the_real_files():
    home = Path(os.environ.get("MNER_DATA", "")) / "twitter2015"
    if not os.environ.get("MNER_DATA") or not home.is_dir():
        pytest.skip("MNER_DATA names no folder that holds twitter2015")
    for (_, distribution), (_, files) in fetch.SOURCES.items():
        for name, (_, expected) in files.items():
            assert file_sha256(home / distribution / name) == expected


def test_the_command_says_what_it_fetched_and_where_the_pictures_are(remote, tmp_path):
    result = CliRunner().invoke(app, ["data", "fetch", "twitter2015", "--to", str(tmp_path)])
    assert result.exit_code == 0
    assert f"{tmp_path / 'train.txt'}: fetched, hash as expected\n" in result.output
    assert "jefferyYu/UMT" in result.output
    assert f"mner features vgg16 twitter2015_images --out {tmp_path}/regions.h5" in result.output
