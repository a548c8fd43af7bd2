"""Atomic writes, locks and downloads."""

import contextlib
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mner_keras.errors import InputError
from mner_keras.files import (
    Lock,
    check_download,
    download,
    file_record,
    is_same_file,
    wait_for_lock,
    write_json,
    write_whole,
)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": "\u00e9"})
    write_json(path, {"b": [1, 2]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": [1, 2]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def fail(unfinished):
        assert unfinished != path
        assert unfinished.suffix == path.suffix
        unfinished.write_text("ne", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_belongs_to_one_process_until_it_ends(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import sys; from mner_keras.files import Lock; lock = Lock(sys.argv[1], 'in use', sys.argv[1]); "
        "print(True, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    again = {"input": "", "capture_output": True, "text": True}
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    with pytest.raises(InputError, match="in use"):
        Lock(path, "in use", path)
    holder.kill()
    holder.wait()
    with contextlib.closing(Lock(path, "in use", path)):
        assert f"{path}: in use" in subprocess.run(command, **again).stderr
    assert not path.exists()
    assert subprocess.run(command, **again).stdout == "True\n"


def test_a_file_is_recognised_by_its_content(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    record = file_record(path)
    os.utime(path, ns=(1, 1))
    assert is_same_file(path, record)
    path.write_bytes(b"two")
    os.utime(path, ns=(2, 2))
    assert not is_same_file(path, record)
    other.write_bytes(b"one")
    assert is_same_file(other, {"sha256": record["sha256"]})
    assert not is_same_file(tmp_path / "none", record)


CONTENT = bytes(range(256)) * 40_000
HASH = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><title>Quota exceeded</title>"


@pytest.fixture
def server(monkeypatch):
    """A server that breaks off each answer after `most` bytes and, if `resumes`, understands `Range`.

    It answers with the errors of `status` first, and tells the length if `lengths` and the version `etag` if there is
    one. It serves `content` and, at /page, a web page with a link to the file.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            server.asked.append(asked)
            if server.status:
                self.send_error(server.status.pop())
                return
            content = PAGE if self.path == "/page" else server.content
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.resumes else 0
            if content is PAGE or self.headers.get("If-Range", server.etag) != server.etag:
                start = 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if server.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(content[start : start + server.most])

        def log_message(self, *_):
            pass

    monkeypatch.setattr("mner_keras.files.PAUSE", 0.0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status, server.resumes, server.lengths, server.most = [], [], True, True, 4_000_000
    server.content, server.etag = CONTENT, ""
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.address = f"http://127.0.0.1:{server.server_port}/file.bin"
    yield server
    server.shutdown()
    server.server_close()


def left_in(folder):
    """The files that a download left, without its lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_broken_download_is_resumed(server, tmp_path):
    path = tmp_path / "file.bin"
    path.with_name(".unfinished-file.bin").write_bytes(b"of another address")
    seen, told = [], []
    download(server.address, path, HASH, lambda done, total: seen.append((done, total)), told.append)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=4000000-", "bytes=8000000-"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert told == [f"{server.address}: 10.2 MB"]
    download(server.address, path, HASH)  # the file exists
    assert len(server.asked) == 3
    server.status, server.most = [503, 503], len(CONTENT)
    download(server.address, tmp_path / "again.bin", hashlib.md5(CONTENT).hexdigest())
    assert server.asked[3:] == [None] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.bin", "file.bin"]


@pytest.mark.parametrize(
    ("settings", "address", "message"),
    [
        ({"resumes": False}, None, r"file\.bin: cannot be downloaded, 3 attempts .*6240000 more expected"),
        ({"status": [503] * 3}, None, r"file\.bin: cannot be downloaded, 3 attempts \(503 "),
        ({"status": [404]}, None, r"file\.bin: the server answers 404"),
        # A cut that no length betrays.
        ({"lengths": False}, None, r"file\.bin: expected a file of the hash .* not kept"),
        ({"content": b"another", "etag": "1"}, None, r"file\.bin: expected a file of the hash .* not kept"),
        ({"content": PAGE}, None, r"file\.bin: expected a file, found a web page"),
        ({}, "http://127.0.0.1:1/file.bin", "cannot be downloaded, 3 attempts .*refused"),
        ({}, "nowhere", "expected the URL of a file, found 'nowhere'"),
    ],
)
def test_a_download_that_fails_leaves_nothing(server, tmp_path, settings, address, message):
    vars(server).update(settings)
    with pytest.raises(InputError, match=message):
        download(address or server.address, tmp_path / "file.bin", HASH)
    assert left_in(tmp_path) == []


def test_a_later_call_resumes_the_same_version_only(server, tmp_path, monkeypatch):
    monkeypatch.setattr("mner_keras.files.ATTEMPTS", 1)
    path, server.etag = tmp_path / "file.bin", '"1"'
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be downloaded, 1 attempts .*the next attempt resumes"):
            download(server.address, path, HASH)
    assert server.asked == [None, "bytes=4000000-"]
    server.etag, server.most = '"2"', len(CONTENT)
    download(server.address, path, HASH)
    assert server.asked[2:] == ["bytes=8000000-"]  # answered with the whole file
    assert left_in(tmp_path) == ["file.bin"]
    path.unlink()
    # A part of another address is not continued; a part that lacks nothing is received again.
    for old, asked in (("http://other", [None]), (server.address, ["bytes=10240000-", None])):
        path.with_name(".unfinished-file.bin").write_bytes(CONTENT)
        path.with_name(".unfinished-file.bin.version").write_text(f'{old}\n"2"', encoding="utf-8")
        monkeypatch.setattr("mner_keras.files.ATTEMPTS", 2)
        server.asked.clear()
        download(server.address, path, HASH)
        assert server.asked == asked
        path.unlink()


def test_a_page_in_place_of_a_file_never_replaces_what_was_received(server, tmp_path, monkeypatch):
    monkeypatch.setattr("mner_keras.files.ATTEMPTS", 1)
    path, server.etag = tmp_path / "file.bin", '"1"'
    page = server.address.replace("file.bin", "page")
    with pytest.raises(InputError, match="6240000 more expected"):
        download(page, path, HASH, resolve=lambda text: server.address)
    with pytest.raises(InputError, match="page: expected a file, found a web page"):
        download(page, path, HASH, resolve=lambda text: page)
    assert path.with_name(".unfinished-file.bin").stat().st_size == 4_000_000
    server.most = len(CONTENT)
    download(page, path, HASH, resolve=lambda text: server.address)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=4000000-"


def test_a_hash_that_nobody_publishes_is_recorded_and_compared(server, tmp_path):
    path, record, server.most = tmp_path / "file.bin", tmp_path / "file.bin.sha256", len(CONTENT)
    download(server.address, path)
    assert record.read_text("utf-8") == f"{HASH}  file.bin\n"
    check_download(path)
    path.unlink()
    server.content = b"another"
    with pytest.raises(InputError, match=r"expected a file of the hash .*not kept.*delete .*file\.bin\.sha256"):
        download(server.address, path)
    path.write_bytes(b"changed")
    with pytest.raises(InputError, match=r"file\.bin: expected a file of the hash"):
        check_download(path)
    path.unlink()
    record.unlink()
    download(server.address, path)
    assert path.read_bytes() == b"another"


def test_a_full_disk_is_named_and_the_part_is_kept(server, tmp_path, monkeypatch):
    path, server.etag = tmp_path / "file.bin", '"1"'
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 5_000_000))
        with pytest.raises(InputError, match=f"{tmp_path}: expected 10 MB of free disk, found 5"):
            download(server.address, path, HASH)
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    unfinished = path.with_name(".unfinished-file.bin")
    unfinished.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"unfinished-file\.bin: cannot be written \(No space left on device\)"):
        download(server.address, path, HASH)
    assert unfinished.is_symlink()  # the next attempt continues
    assert len(server.asked) == 2


def test_of_two_processes_one_downloads_and_the_other_waits(server, tmp_path):
    path, server.most = tmp_path / "file.bin", len(CONTENT)
    told = []
    with wait_for_lock(tmp_path / ".file.bin.lock"):
        code = (
            "import sys; from pathlib import Path; from mner_keras.files import download; "
            "download(sys.argv[1], Path(sys.argv[2]), report=lambda line: print(line, flush=True))"
        )
        command = [sys.executable, "-c", code, server.address, str(path)]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        told = [other.stdout.readline() for other in others]
        assert server.asked == []
    assert all(line.startswith("waiting for another process") for line in told)
    assert [other.wait(20) for other in others] == [0, 0]
    assert sorted("MB" in other.stdout.read() for other in others) == [False, True]
    assert server.asked == [None]
    assert path.read_bytes() == CONTENT
