"""Take workers, nodes and the driver from `--engine ray` at random moments, and compare with a run left alone.

python benchmarks/ray_faults.py tag MODEL         # posts made of the sample's
python benchmarks/ray_faults.py features WEIGHTS  # small pictures through VGG16
python benchmarks/ray_faults.py table             # HSN's table 5 on the sample
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

import numpy as np
from PIL import Image
from ray.cluster_utils import Cluster

from mner_keras import load_dataset
from mner_keras.vision import FeatureStore

MNER = (sys.executable, "-m", "mner_keras")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tag", "features", "table"))
    parser.add_argument("file", nargs="?", help="the model, or VGG16's weights")
    parser.add_argument("--count", type=int, help="number of posts (20,000) or pictures (1,000)")
    parser.add_argument("--kills", type=int, default=10, help="kills of workers, and of nodes")
    parser.add_argument("--pause", type=float, default=20, help="most seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        alone, lost = Path(folder, "alone"), Path(folder, "lost")
        command, compare = {"tag": tag, "features": features, "table": table}[given.what](given, Path(folder), rng)
        started = time.monotonic()
        subprocess.run([*MNER, *command(alone)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        print(f"left alone, one process: {seconds:.0f} s", flush=True)
        print(disturb(command(lost), given.kills, given.pause, rng), flush=True)
        print(compare(alone, lost))


def disturb(command, kills, pause, rng):
    """Run a command on two nodes, and kill what the plan says until it ends."""
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    command = [*MNER, *command, "--engine", "ray", "--jobs", "2", "--address", cluster.address]
    plan = ["worker"] * kills + ["node"] * kills + ["driver"]
    rng.shuffle(plan)
    lost, started = dict.fromkeys(("worker", "node", "driver"), 0), time.monotonic()
    driver = subprocess.Popen(command)
    while True:
        try:
            code = driver.wait(timeout=rng.uniform(0, pause) if plan else None)
            break
        except subprocess.TimeoutExpired:
            what, busy = plan.pop(), workers(nodes)
        if what == "driver":
            driver.kill()
            driver.wait()
            driver = subprocess.Popen([*command, *(["--resume"] if "reproduce-table" in command else [])])
        elif not busy:
            plan.append(what)
            continue
        elif what == "worker":
            os.kill(rng.choice(busy)[0], signal.SIGKILL)
        else:
            node = rng.choice(busy)[1]
            cluster.remove_node(node, allow_graceful=False)
            nodes[nodes.index(node)] = cluster.add_node(num_cpus=1)
        lost[what] += 1
    cluster.shutdown()
    return f"two nodes: {time.monotonic() - started:.0f} s, exit code {code}, lost: {lost}"


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


def tag(given, folder, rng):
    posts = [post.tokens for split in ("train", "dev", "test") for post in load_dataset("sample")[split]]
    with open(folder / "posts.jsonl", "w", encoding="utf-8") as file:
        for number in range(given.count or 20_000):
            file.write(json.dumps({"id": str(number), "tokens": sum(rng.sample(posts, 2), ())}) + "\n")

    def compare(alone, lost):
        one, two = (path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines() for path in (alone, lost))
        ids = {json.loads(line)["id"] for line in two}
        equal = f"equal to those left alone: {set(one) == set(two)}"
        return f"{len(one)} posts, {len(two)} answers, {len(ids)} distinct; {equal}"

    return lambda out: ["tag", given.file, str(folder / "posts.jsonl"), "--out", f"{out}.jsonl"], compare


def features(given, folder, rng):
    (folder / "pictures").mkdir()
    for number in range(given.count or 1_000):
        pixels = np.frombuffer(rng.randbytes(32 * 32 * 3), np.uint8).reshape(32, 32, 3)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")

    def compare(alone, lost):
        one, two = FeatureStore(alone), FeatureStore(lost)
        names = sorted(one.names)
        equal = one.names == two.names and np.array_equal(one.read(names, 49)[0], two.read(names, 49)[0])
        return f"{len(one)} and {len(two)} pictures; names and values equal: {equal}"

    return lambda out: [
        "features",
        "vgg16",
        str(folder / "pictures"),
        "--weights",
        given.file,
        "--out",
        str(out),
    ], compare


def table(given, folder, rng):
    def compare(alone, lost):
        rows = [
            json.loads((path / "hsn-5" / "table.json").read_text(encoding="utf-8"))["rows"] for path in (alone, lost)
        ]
        runs = [{p.parent.name: p.read_bytes() for p in path.glob("runs/*/metrics.json")} for path in (alone, lost)]
        return (
            f"{len(runs[0])} runs; metrics equal: {runs[0] == runs[1]}; rows of the table equal: {rows[0] == rows[1]}"
        )

    return lambda out: ["reproduce-table", "hsn", "5", "--out", str(out)], compare


if __name__ == "__main__":
    main()
