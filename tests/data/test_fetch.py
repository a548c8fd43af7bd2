"""`fetch_dataset`, against a server on this machine."""

import hashlib
import http.server
import threading

import pytest

from mner_keras.data import fetch
from mner_keras.data.fetch import fetch_dataset
from mner_keras.errors import InputError

FILES = {"train": b"a\tO\n\n" * 20_000, "dev": b"b\tO\n\n", "test": b"c\tO\n\n"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        name = self.path.rpartition("/")[2]
        server.asked.append(name)
        if name in server.missing:
            self.send_error(404)
            return
        if server.failures > 0:
            server.failures -= 1
            self.send_error(503)
            return
        content = server.files[name]
        self.send_response(200)
        if server.lengths:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if server.breaks > 0:
            server.breaks -= 1
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.missing = dict(FILES), [], set()
    server.breaks = server.failures = 0
    server.lengths = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/data"
    files = {f"{name}.txt": (name, hashlib.sha256(content).hexdigest()) for name, content in FILES.items()}
    monkeypatch.setitem(fetch.SOURCES, ("twitter2015", "original"), (address, files))
    server.address = address
    yield server
    server.shutdown()
    server.server_close()


def get(folder, **options):
    return fetch_dataset("twitter2015", folder, pause=0.0, **options)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_files_are_fetched_once(server, tmp_path):
    folder = tmp_path / "new" / "twitter2015"
    assert get(folder) == {folder / f"{name}.txt": True for name in FILES}
    assert [(folder / f"{name}.txt").read_bytes() for name in FILES] == list(FILES.values())
    assert get(folder) == {folder / f"{name}.txt": False for name in FILES}
    (folder / "dev.txt").unlink()
    assert get(folder)[folder / "dev.txt"]
    assert server.asked == ["train", "dev", "test", "dev"]
    assert left_in(folder) == ["dev.txt", "test.txt", "train.txt"]


@pytest.mark.parametrize("trouble", ["breaks", "failures"])
def test_a_connection_that_breaks_is_tried_again(server, tmp_path, trouble):
    setattr(server, trouble, 2)
    get(tmp_path)
    assert (tmp_path / "train.txt").read_bytes() == FILES["train"]
    assert server.asked == ["train"] * 3 + ["dev", "test"]


@pytest.mark.parametrize("trouble", ["breaks", "failures"])
def test_a_connection_that_keeps_breaking_leaves_nothing_half_written(server, tmp_path, trouble):
    setattr(server, trouble, 100)
    with pytest.raises(InputError, match="/data/train: cannot be downloaded, 3 attempts"):
        get(tmp_path)
    assert left_in(tmp_path) == []


def test_a_cut_that_no_length_betrays_is_found_by_the_hash(server, tmp_path):
    server.lengths, server.breaks = False, 1
    with pytest.raises(InputError, match="/data/train: expected a file of the hash .* not kept"):
        get(tmp_path)
    assert left_in(tmp_path) == []


def test_another_file_is_not_kept(server, tmp_path):
    server.files["dev"] = b"changed"
    with pytest.raises(InputError, match="/data/dev: expected a file of the hash"):
        get(tmp_path)
    assert left_in(tmp_path) == ["train.txt"]
    server.files["dev"] = FILES["dev"]
    assert get(tmp_path)[tmp_path / "train.txt"] is False


def test_a_file_that_the_server_lacks_is_told_at_once(server, tmp_path):
    server.missing.add("test")
    with pytest.raises(InputError, match="/data/test: the server answers 404"):
        get(tmp_path)
    assert server.asked == ["train", "dev", "test"]


def test_no_network_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be downloaded, 3 attempts .*refused"):
        get(tmp_path, mirror="http://127.0.0.1:1/data")
    assert left_in(tmp_path) == []
    with pytest.raises(InputError, match="expected the URL of a file"):
        get(tmp_path, mirror="nowhere")


def test_a_file_that_is_there_and_another_is_never_replaced(server, tmp_path):
    (tmp_path / "test.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="test.txt: there is another file of this name"):
        get(tmp_path)
    assert server.asked == []
    assert (tmp_path / "test.txt").read_text("utf-8") == "mine"


def test_what_is_not_known_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected twitter2015, found 'twitter2016'. Did you mean 'twitter2015'?"):
        fetch_dataset("twitter2016", tmp_path)
    with pytest.raises(InputError, match=r"expected a distribution \(original, umt\), found 'new'"):
        get(tmp_path, distribution="new")


def test_the_hashes_are_those_of_the_real_files():
    import os
    from pathlib import Path

    from mner_keras.files import file_sha256

    home = Path(os.environ.get("MNER_DATA", "")) / "twitter2015"
    if not os.environ.get("MNER_DATA") or not home.is_dir():
        pytest.skip("MNER_DATA names no folder that holds twitter2015")
    for (_, distribution), (_, files) in fetch.SOURCES.items():
        for name, (_, expected) in files.items():
            assert file_sha256(home / distribution / name) == expected


def test_the_command_says_what_it_fetched_and_where_the_pictures_are(server, tmp_path, capsys):
    from typer.testing import CliRunner

    from mner_keras.cli import app

    result = CliRunner().invoke(app, ["data", "fetch", "twitter2015", "--to", str(tmp_path)])
    assert result.exit_code == 0
    assert f"{tmp_path / 'train.txt'}: fetched, hash as expected\n" in result.output
    assert "jefferyYu/UMT" in result.output
    assert f"mner features vgg16 twitter2015_images --out {tmp_path}/regions.h5" in result.output
