"""Commands as several jobs, and on a Ray cluster of local nodes: what is lost is repeated."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from small_corpus import SMALL

pytest.importorskip("ray")


class Nodes:
    """A head without CPUs, which serves the driver, and three nodes with one CPU each."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.raylets = [self.cluster.add_node(num_cpus=1).all_processes["raylet"][0].process.pid for _ in range(3)]
        self.address = self.cluster.address

    def workers(self):
        """The processes that run a command, and the raylets that are their nodes."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                title, status = (path / "cmdline").read_bytes(), (path / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            raylet = int(status.rpartition(")")[2].split()[1])
            if title.startswith(b"ray::run_command") and raylet in self.raylets:
                found.append((int(path.name), raylet))
        return found


@pytest.fixture(scope="session")
def nodes():
    nodes = Nodes()
    yield nodes
    nodes.cluster.shutdown()


def wait_until(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_table_is_the_same_when_a_worker_and_a_node_are_lost(mner, nodes, corpus, tmp_path):
    settings = [part for k, v in SMALL["cnn-bilstm-crf"].items() for part in ("--set", f"cnn-bilstm-crf.{k}={v}")]
    table = ["reproduce-table", "hsn", "3", "--rows", "cnn-bilstm-crf", "--data", corpus, "--seeds", "2", *settings]
    table += ["--budget", "fast", "--out", tmp_path]
    lost = []

    def lose():
        wait_until(lambda: list(tmp_path.glob("runs/*/checkpoint/state.json")) and len(nodes.workers()) == 2)
        (worker, _), (_, raylet) = nodes.workers()
        for process in (worker, raylet):
            os.kill(process, signal.SIGKILL)
            lost.append(process)

    thread = threading.Thread(target=lose)
    thread.start()
    result = mner(*table, "--engine", "ray", "--jobs", "2", "--address", nodes.address)
    thread.join()
    assert result.code == 0, result
    assert len(lost) == 2
    for run in (tmp_path / "runs").iterdir():
        assert mner("train", run / "config.toml", "--out", tmp_path / run.name).code == 0
        for name in ("history.csv", "metrics.json"):
            assert (run / name).read_bytes() == (tmp_path / run.name / name).read_bytes()
    again = mner(*table, "--engine", "ray", "--jobs", "3", "--address", nodes.address)
    again.refused("`--jobs 3` needs 3 CPUs in the Ray cluster, found 2")


def answers(*paths):
    """The tagged posts by id, their entities' scores rounded: they depend a little on the posts tagged at once."""
    found = {}
    for line in "".join(path.read_text(encoding="utf-8") for path in paths).splitlines():
        post = json.loads(line)
        assert post["id"] not in found
        found[post["id"]] = post
        for entity in post["entities"]:
            entity["score"] = round(entity["score"], 5)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_jobs_tag_what_one_command_tags(mner, nodes, text_run, corpus, tmp_path, engine):
    given, out = ("tag", text_run, corpus / "train.jsonl", "--out"), tmp_path / "tags"
    address = ["--address", nodes.address] if engine == "ray" else []
    result = mner(*given, out, "--jobs", "2", "--engine", engine, *address)
    assert result.code == 0, result
    assert "shard 1/2" in result.err and "20 posts tagged" in result.err and not result.out
    assert mner(*given, tmp_path / "whole.jsonl").code == 0
    expected = answers(tmp_path / "whole.jsonl")
    assert len(expected) == 40
    assert answers(*out.glob("*.jsonl")) == expected
    assert not Path(f"{out}.logs").exists()


def test_a_shard_that_fails_is_named_and_keeps_its_log(mner, tmp_path):
    (tmp_path / "posts.jsonl").write_text('{"text": "Rome"}\n' * 2)
    result = mner("tag", tmp_path / "none.keras", tmp_path / "posts.jsonl", "--out", tmp_path / "tags", "--jobs", "2")
    assert result.code == 2, result
    assert "shard 1/2" in result.err and "found no such file" in result.err
    assert sorted(path.name for path in (tmp_path / "tags.logs").iterdir()) == ["1.log", "2.log"]


def test_options_that_do_not_belong_together_are_refused(mner, tmp_path):
    (tmp_path / "posts.jsonl").write_text('{"text": "Rome"}\n')
    given = ("tag", "m.keras", tmp_path / "posts.jsonl", "--out", tmp_path / "tags")
    mner(*given[:3], "--jobs", "2").refused("need a file to read, and `--out`")
    mner("tag", "m.keras", *given[3:], "--jobs", "2").refused("need a file to read, and `--out`")
    mner(*given, "--jobs", "2", "--shard", "1/2").refused("`--shard` excludes `--jobs`")
    mner(*given, "--address", "host").refused("`--address` names a Ray cluster: add `--engine ray`")
    mner(*given[:4], tmp_path / "tags.jsonl", "--jobs", "2").refused("tags.jsonl: expected a folder")
    mner("reproduce-table", "hsn", "5", "--out", tmp_path, "--address", "host").refused("add `--engine ray`")
    assert not (tmp_path / "tags").exists()
