"""Lose workers, nodes and the driver of `--engine ray` at random moments, and compare the result with an undisturbed one.

python benchmarks/ray_faults.py tag MODEL        # 20,000 posts made of the sample's
python benchmarks/ray_faults.py features WEIGHTS # 1,000 small pictures through VGG16
python benchmarks/ray_faults.py table            # HSN's table 5 on the sample
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from ray.cluster_utils import Cluster

from mner_keras import load_dataset

MNER = (sys.executable, "-m", "mner_keras")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tag", "features", "table"))
    parser.add_argument("file", nargs="?", help="the model, or VGG16's weights")
    parser.add_argument("--count", type=int, help="posts (20,000) or pictures (1,000)")
    parser.add_argument("--kills", type=int, default=10, help="kills of workers, and of nodes")
    parser.add_argument("--pause", type=float, default=20, help="most seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make, compare = {
            "tag": (tag, same_answers),
            "features": (features, same_stores),
            "table": (table, same_tables),
        }[given.what]
        command = make(folder, given.file, given.count, rng)
        started = time.monotonic()
        subprocess.run([*MNER, *command(folder / "alone")], check=True, stdout=subprocess.DEVNULL)
        alone = time.monotonic() - started
        lost, seconds = disturb(command(folder / "lost"), given.kills, given.pause, rng)
        print(f"undisturbed, one process: {alone:.0f} s; two nodes: {seconds:.0f} s; lost: {lost}")
        compare(folder / "alone", folder / "lost")


def disturb(command, kills, pause, rng):
    """Run a command on two nodes, and take from it what the plan says until it ends; return what was lost, and when."""
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    command = [*MNER, *command, "--engine", "ray", "--jobs", "2", "--address", cluster.address]
    plan = ["worker"] * kills + ["node"] * kills + ["driver"]
    rng.shuffle(plan)
    lost, started = dict.fromkeys(("worker", "node", "driver"), 0), time.monotonic()
    driver = subprocess.Popen(command)
    while True:
        try:
            if driver.wait(timeout=rng.uniform(0, pause) if plan else None) == 0:
                break
            sys.exit(f"the driver ended with {driver.returncode} after {lost}")
        except subprocess.TimeoutExpired:
            pass
        what, busy = plan.pop(), workers(nodes)
        if what == "driver":
            driver.kill()
            driver.wait()
            driver = subprocess.Popen([*command, *(["--resume"] if "reproduce-table" in command else [])])
        elif not busy:
            plan.insert(rng.randrange(len(plan) + 1), what)
            continue
        elif what == "worker":
            os.kill(rng.choice(busy)[0], signal.SIGKILL)
        else:
            node = rng.choice(busy)[1]
            cluster.remove_node(node, allow_graceful=False)
            nodes[nodes.index(node)] = cluster.add_node(num_cpus=1)
        lost[what] += 1
    seconds = time.monotonic() - started
    cluster.shutdown()
    return lost, seconds


def workers(nodes):
    """Return the processes that run a command, each with its node."""
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in nodes}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            title, parent = (path / "cmdline").read_bytes(), (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # it ended meanwhile
        if title.startswith(b"ray::run_command") and int(parent) in raylets:
            found.append((int(path.name), raylets[int(parent)]))
    return found


def tag(folder, model, count, rng):
    posts = [post.tokens for split in ("train", "dev", "test") for post in load_dataset("sample")[split]]
    with open(folder / "posts.jsonl", "w", encoding="utf-8") as file:
        for number in range(count or 20_000):
            tokens = [token for post in rng.sample(posts, 2) for token in post]
            file.write(json.dumps({"id": str(number), "tokens": tokens}) + "\n")
    return lambda out: ["tag", model, str(folder / "posts.jsonl"), "--out", f"{out}.jsonl"]


def same_answers(alone, lost):
    found = []
    for path in (alone, lost):
        with open(f"{path}.jsonl", encoding="utf-8") as file:
            found.append({(record := json.loads(line))["id"]: record for line in file})
    ids = [json.loads(line)["id"] for line in open(f"{lost}.jsonl", encoding="utf-8")]
    print(f"{len(ids):,} answers, {len(set(ids)):,} distinct, {len(set(found[0]) - set(ids)):,} missing")
    print(f"different from the undisturbed run: {sum(found[0][key] != found[1].get(key) for key in found[0]):,}")


def features(folder, weights, count, rng):
    (folder / "pictures").mkdir()
    for number in range(count or 1_000):
        pixels = np.frombuffer(rng.randbytes(32 * 32 * 3), np.uint8).reshape(32, 32, 3)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")
    return lambda out: ["features", "vgg16", str(folder / "pictures"), "--weights", weights, "--out", str(out)]


def same_stores(alone, lost):
    raise NotImplementedError


def table(folder, _file, _count, _rng):
    return lambda out: ["reproduce-table", "hsn", "5", "--out", str(out)]


def same_tables(alone, lost):
    tables = [json.loads((path / "hsn-5" / "table.json").read_text(encoding="utf-8"))["rows"] for path in (alone, lost)]
    runs = [{p.parent.name: p.read_bytes() for p in path.glob("runs/*/metrics.json")} for path in (alone, lost)]
    print(
        f"{len(runs[0])} runs; metrics equal: {runs[0] == runs[1]}; rows of the table equal: {tables[0] == tables[1]}"
    )


if __name__ == "__main__":
    main()
