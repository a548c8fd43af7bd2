"""Atomic writes, locks and downloads."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from mner_keras.errors import InputError
from mner_keras.files import download, file_record, hold_lock, is_same_file, write_json, write_whole


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
        "import sys; from mner_keras.files import hold_lock; lock = hold_lock(sys.argv[1]); "
        "print(lock is not None, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    assert hold_lock(path) is None
    holder.kill()
    holder.wait()
    with hold_lock(path):
        assert subprocess.run(command, input="", capture_output=True, text=True).stdout == "False\n"
    assert subprocess.run(command, input="", capture_output=True, text=True).stdout == "True\n"


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


@pytest.fixture
def server():
    """A server that breaks off each answer after `most` bytes and, if `resumes`, understands `Range`.

    It answers with the errors of `status` first, and tells the length if `lengths`.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            server.asked.append(asked)
            if server.status:
                self.send_error(server.status.pop())
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.resumes else 0
            self.send_response(206 if start else 200)
            if server.lengths:
                self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : start + server.most])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status, server.resumes, server.lengths, server.most = [], [], True, True, 4_000_000
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.address = f"http://127.0.0.1:{server.server_port}/file.bin"
    yield server
    server.shutdown()
    server.server_close()


def test_a_broken_download_is_resumed(server, tmp_path):
    path = tmp_path / "file.bin"
    path.with_name(".unfinished-file.bin").write_bytes(b"of another address")
    seen = []
    download(server.address, path, HASH, 0.0, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=4000000-", "bytes=8000000-"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    server.status, server.most = [503, 503], len(CONTENT)
    download(server.address, path, hashlib.md5(CONTENT).hexdigest(), 0.0)
    assert server.asked[3:] == [None] * 3


@pytest.mark.parametrize(
    ("settings", "address", "message"),
    [
        ({"resumes": False}, None, r"file\.bin: cannot be downloaded, 3 attempts .*6240000 more expected"),
        ({"status": [503] * 3}, None, r"file\.bin: cannot be downloaded, 3 attempts \(503 "),
        ({"status": [404]}, None, r"file\.bin: the server answers 404"),
        # A cut that no length betrays.
        ({"lengths": False}, None, r"file\.bin: expected a file of the hash .* not kept"),
        ({}, "http://127.0.0.1:1/file.bin", "cannot be downloaded, 3 attempts .*refused"),
        ({}, "nowhere", "expected the URL of a file, found 'nowhere'"),
    ],
)
def test_a_download_that_fails_leaves_nothing(server, tmp_path, settings, address, message):
    vars(server).update(settings)
    with pytest.raises(InputError, match=message):
        download(address or server.address, tmp_path / "file.bin", HASH, 0.0)
    assert list(tmp_path.iterdir()) == []
