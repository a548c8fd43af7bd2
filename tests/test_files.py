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
    """A server that breaks off each answer after 4,000,000 bytes and, if `resumes`, understands `Range`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            server.asked.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.resumes else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : start + 4_000_000])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.resumes = [], True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.address = f"http://127.0.0.1:{server.server_port}/file.bin"
    yield server
    server.shutdown()
    server.server_close()


def test_a_broken_download_is_resumed(server, tmp_path):
    path = tmp_path / "file.bin"
    path.with_name(".unfinished-file.bin").write_bytes(b"of another address")
    seen = []
    download(
        server.address, path, hashlib.sha256(CONTENT).hexdigest(), 0.0, lambda done, total: seen.append((done, total))
    )
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=4000000-", "bytes=8000000-"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.resumes = False
    with pytest.raises(InputError, match=r"file\.bin: cannot be downloaded, 3 attempts .*6240000 more expected"):
        download(server.address, tmp_path / "file.bin", HASH, 0.0)
    assert list(tmp_path.iterdir()) == []
