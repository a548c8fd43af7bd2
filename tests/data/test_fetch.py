"""`fetch_source`, from files on this machine; `tests/test_files.py` is about the network."""

import dataclasses
import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from file_server import serve

from mner_keras.data import fetch
from mner_keras.data.fetch import SOURCES, Download, fetch_source
from mner_keras.errors import InputError
from mner_keras.files import file_sha256

POSTS = {"train": b"IMGID:1\na\tO\n\nIMGID:2\nb\tO\n\n", "dev": b"IMGID:3\nb\tO\n\n", "test": b"IMGID:4\nc\tO\n\n"}
CONFIRM = '<!DOCTYPE html><html><form id="download-form" action="{}"><input type="hidden" name="id" value="7"></form>'
QUOTA = '<!DOCTYPE html><html>google<p class="uc-error-subcaption">Too many users have viewed it. Try later.</p>'


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("mner_keras.files.PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def remote(monkeypatch, tmp_path):
    """The folder at the address of the posts."""
    folder = tmp_path / "remote"
    folder.mkdir()
    for name, content in POSTS.items():
        (folder / name).write_bytes(content)
    files = [Download(f"{name}.txt", name, 1, hashlib.sha256(content).hexdigest()) for name, content in POSTS.items()]
    posts = dataclasses.replace(SOURCES["twitter2015"], address=folder.as_uri(), files=tuple(files))
    monkeypatch.setitem(SOURCES, "twitter2015", posts)
    return folder


@pytest.fixture
def drive(monkeypatch, tmp_path):
    """A server of the files of a folder, to which the sources' archives are moved: `drive(source)` is the folder."""
    folder = tmp_path / "drive"
    folder.mkdir()
    with serve(folder) as address:

        def move(name, page="page.html"):
            files = (dataclasses.replace(SOURCES[name].files[0], remote=f"{address}/{page}"),)
            monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], files=files))
            return folder, address

        yield move


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def get(folder, name="twitter2015", **options):
    return fetch_source(name, folder, **options)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_the_files_are_fetched_once_and_the_rest_later(remote, tmp_path):
    folder = tmp_path / "new" / "twitter2015"
    (remote / "dev").write_bytes(b"changed")
    by_hand = f"browser from https://github.com/thecharm/AGBAN, save it as {folder / 'dev.txt'}"
    with pytest.raises(InputError, match=f"/remote/dev: expected a file of the hash .* not kept\nBy hand: .*{by_hand}"):
        get(folder)
    assert left_in(folder) == ["train.txt"]
    (remote / "dev").write_bytes(POSTS["dev"])
    assert get(folder) == {folder / "train.txt": False, folder / "dev.txt": True, folder / "test.txt": True}
    assert [(folder / f"{name}.txt").read_bytes() for name in POSTS] == list(POSTS.values())
    assert left_in(folder) == ["dev.txt", "test.txt", "train.txt"]
    assert not any(get(folder, mirror="http://127.0.0.1:1").values())
    assert all(get(tmp_path / "other", mirror=remote.as_uri()).values())


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


def test_pictures_are_unpacked_for_the_posts_alone(remote, drive, cache, tmp_path):
    there, address = drive("twitter2015-pictures")
    pictures = {f"IJCAI2019_data/twitter2015_images/{name}": name for name in ("1.jpg", "3.jpg", "4.jpg", "99.jpg")}
    pictures |= {"../../2.png": "2", "a/../../../evil.txt": "evil", "__MACOSX/a/._1.jpg": "no"}
    write_zip(there / "real.zip", pictures)
    (there / "page.html").write_text(CONFIRM.format(f"{address}/real.zip"), encoding="utf-8")
    folder, told = tmp_path / "data" / "twitter2015", []
    assert get(folder, "twitter2015-pictures", report=told.append) == {folder / "images": True}
    assert left_in(folder) == ["dev.txt", "images", "test.txt", "train.txt"]  # the posts came first
    assert {path.name: path.read_text("utf-8") for path in (folder / "images").iterdir()} == {
        **{name: name for name in ("1.jpg", "3.jpg", "4.jpg")},
        "2.png": "2",
    }
    assert "unpacking 4 of 4 posts' pictures" in told
    assert not list(tmp_path.rglob("evil.txt"))
    assert left_in(cache) == ["IJCAI2019_data.zip", "IJCAI2019_data.zip.sha256"]
    assert get(folder, "twitter2015-pictures") == {folder / "images": False}
    # A changed archive is noticed before it is used.
    write_zip(cache / "IJCAI2019_data.zip", {"1.jpg": "other"})
    with pytest.raises(InputError, match="IJCAI2019_data.zip: expected a file of the hash"):
        get(tmp_path / "second", "twitter2015-pictures")


def test_an_archive_placed_by_hand_is_checked(remote, cache, tmp_path):
    cache.mkdir()
    folder = tmp_path / "data"
    for members, message in (
        ({"1.jpg": "1", "2.jpg": "2", "x.txt": "x"}, "expected the posts' pictures, found 2 of 4 posts' pictures"),
        ({f"{number}.jpg": os.urandom(2000) for number in range(1, 5)}, "a damaged one"),
    ):
        archive = cache / "IJCAI2019_data.zip"
        write_zip(archive, members)
        if "damaged" in message:
            content = bytearray(archive.read_bytes())
            content[3000:3010] = bytes(10)
            archive.write_bytes(content)
        (cache / "IJCAI2019_data.zip.sha256").unlink(missing_ok=True)
        with pytest.raises(InputError, match=f"{message}.*; delete it"):
            get(folder, "twitter2015-pictures")
        assert left_in(folder) == ["dev.txt", "test.txt", "train.txt"]


def test_drive_that_gives_a_page_and_no_file(drive, tmp_path, monkeypatch):
    there, _ = drive("agban-objects")
    (there / "page.html").write_text(QUOTA, encoding="utf-8")
    by_hand = f"save it as {tmp_path / 'cache' / 'agban_objects'}, and repeat the command"
    with pytest.raises(InputError, match=rf"(?s)Google Drive.*Too many users have viewed it.*By hand: .*{by_hand}"):
        get(tmp_path / "data", "agban-objects")
    (there / "page.html").write_text("<html>Log in to this network", encoding="utf-8")
    with pytest.raises(InputError, match="page.html: expected a file, found a web page"):
        get(tmp_path / "data", "agban-objects")
    (there / "page.html").write_text(QUOTA, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "gdown.download", None)
    with pytest.raises(ImportError, match=r"pip install 'mner-keras\[fetch\]'"):
        get(tmp_path / "data", "agban-objects")


@pytest.mark.parametrize("kind", ["plain", "zip", "tar"])
def test_a_member_is_written_whatever_contains_it(drive, tmp_path, kind):
    there, _ = drive("agban-objects", "file")
    members = {"README": b"read me", "mul/features.txt": b"1.jpg\nperson\n0.5\n\n"}
    if kind == "plain":
        (there / "file").write_bytes(members["mul/features.txt"])
    elif kind == "zip":
        write_zip(there / "file", members)
    else:
        with tarfile.open(there / "file", "w:gz") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    path = tmp_path / "data" / "agban_objects.txt"
    assert get(tmp_path / "data", "agban-objects") == {path: True}
    assert path.read_bytes() == members["mul/features.txt"]
    assert left_in(tmp_path / "data") == ["agban_objects.txt"]


def test_an_archive_without_its_file_is_named(tmp_path, cache):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for content in (b"no zip", None):
        (mirror / "glove.6B.zip").write_bytes(content) if content else write_zip(mirror / "glove.6B.zip", {"a": "b"})
        with pytest.raises(InputError, match="expected an archive that contains glove.6B.100d.txt"):
            get(tmp_path / "data", "glove-6b", mirror=mirror.as_uri())
        for path in cache.iterdir():
            path.unlink()
    write_zip(mirror / "glove.6B.zip", {"glove.6B.50d.txt": "a 1", "glove.6B.100d.txt": "a 2"})
    get(tmp_path / "data", "glove-6b", mirror=mirror.as_uri())
    assert (tmp_path / "data" / "glove.6B.100d.txt").read_text("utf-8") == "a 2"


def test_a_disk_that_fills_up_leaves_no_half_file(drive, tmp_path, monkeypatch):
    there, _ = drive("agban-objects", "file")
    write_zip(there / "file", {"features.txt": b"1" * 10_000})

    copy = fetch.shutil.copyfileobj

    def fill(source, target, *size):
        if not size:  # the server
            return copy(source, target)
        target.write(source.read(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch.shutil, "copyfileobj", fill)
    with pytest.raises(OSError, match="No space left"):
        get(tmp_path / "data", "agban-objects")
    assert left_in(tmp_path / "data") == []
    monkeypatch.undo()
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    assert get(tmp_path / "data", "agban-objects", mirror="http://127.0.0.1:1")  # from the cache


def test_what_is_not_known_or_not_for_programs_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected one of .*found 'twitter2016'. Did you mean 'twitter201"):
        get(tmp_path, "twitter2016")
    with pytest.raises(InputError, match="expected a folder for glove-6b"):
        get(None, "glove-6b")
    for name, part in (("hsn-real-world", "code s4xt"), ("zhang-vectors", "save_word2vec_format")):
        with pytest.raises(InputError, match=part):
            get(tmp_path, name)


def test_what_libraries_download_themselves(monkeypatch, tmp_path, no_tagger_data):
    import nltk

    asked = []
    monkeypatch.setattr(nltk, "download", lambda name, quiet: asked.append(name))
    with pytest.raises(OSError, match="NLTK cannot download the data of its tagger"):
        get(None, "pos-tagger")
    assert asked == ["averaged_perceptron_tagger_eng"]
    for source in filter(lambda source: source.call, SOURCES.values()):
        module, _, function = source.call.partition(":")
        code = (Path(fetch.__file__).parents[2] / f"{module.replace('.', '/')}.py").read_text("utf-8")
        assert f"def {function}(" in code or f"class {function}:" in code


def test_the_hashes_are_those_of_the_real_files():
    home = Path(os.environ.get("MNER_DATA", "")) / "twitter2015"
    if not os.environ.get("MNER_DATA") or not home.is_dir():
        pytest.skip("MNER_DATA names no folder that holds twitter2015")
    for name, folder in (("twitter2015", "original"), ("twitter2015-umt", "umt")):
        for file in SOURCES[name].files:
            path = home / folder / file.path
            assert (file_sha256(path), path.stat().st_size) == (file.hash, file.bytes)
