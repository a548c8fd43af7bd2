"""Take workers, nodes and the driver from `--engine ray` at random moments, and compare with a run left alone.

tag MODEL: posts made of the sample's; features WEIGHTS: small pictures through VGG16; table: HSN's table 5.
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tag", "features", "table"))
    parser.add_argument("file", nargs="?", help="the model, or VGG16's weights")
    parser.add_argument("--count", type=int, help="number of posts (20,000) or pictures (1,000)")
    parser.add_argument("--kills", type=int, default=10, help="kills of workers, and of nodes")
    parser.add_argument("--pause", type=float, default=20, help="most seconds between two kills")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, lost = Path(folder, "alone"), Path(folder, "lost")
        command, compare = {"tag": tag, "features": features, "table": table}[given.what](given, Path(folder))
        started, shard = time.monotonic(), [] if given.what == "table" else ["--shard", "1/1"]
        subprocess.run([*MNER, *command, "--out", alone, *shard], check=True, stdout=subprocess.DEVNULL)
        print(f"left alone, one process: {time.monotonic() - started:.0f} s", flush=True)
        print(disturb([*command, "--out", lost], given.kills, given.pause), flush=True)
        print(compare(alone, lost))


def disturb(command, kills, pause):
    """Run a command on two nodes, and kill what the plan says until it ends."""
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    command = [*MNER, *command, "--engine", "ray", "--jobs", "2", "--address", cluster.address]
    plan = random.sample(["worker", "node", "driver"], counts=[kills, kills, 1], k=2 * kills + 1)
    lost, started = dict.fromkeys(("worker", "node", "driver"), 0), time.monotonic()
    driver = subprocess.Popen(command)
    while True:
        try:
            code = driver.wait(timeout=random.uniform(0, pause) if plan else None)
            break
        except subprocess.TimeoutExpired:
            busy = workers(nodes)
        if plan[-1] == "driver":
            driver.kill()
            driver = subprocess.Popen([*command, *(["--resume"] if "reproduce-table" in command else [])])
        elif not busy:
            continue
        elif plan[-1] == "worker":
            os.kill(random.choice(busy)[0], signal.SIGKILL)
        else:
            node = random.choice(busy)[1]
            cluster.remove_node(node, allow_graceful=False)
            nodes[nodes.index(node)] = cluster.add_node(num_cpus=1)
        lost[plan.pop()] += 1
    cluster.shutdown()
    return f"two nodes: {time.monotonic() - started:.0f} s, exit code {code}, lost: {lost}"


def workers(nodes):
    """Return the processes that run a command, each with its node."""
    raylets = {str(node.all_processes["raylet"][0].process.pid): node for node in nodes}
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines() if "ray::run_command" in line]
    return [(int(pid), raylets[parent]) for pid, parent, _ in rows if parent in raylets]


def tag(given, folder):
    posts = [post.tokens for split in ("train", "dev", "test") for post in load_dataset("sample")[split]]
    records = [{"id": str(n), "tokens": sum(random.sample(posts, 2), ())} for n in range(given.count or 20_000)]
    (folder / "posts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")

    def compare(alone, lost):
        lines = [[x for part in path.glob("*.jsonl") for x in part.read_bytes().splitlines()] for path in (alone, lost)]
        one, two = ({(record := json.loads(line))["id"]: record for line in some} for some in lines)
        scores = [[e.pop("score") for key in sorted(one) for e in some[key]["entities"]] for some in (one, two)]
        most = np.abs(np.subtract(*scores)).max()
        return f"{len(lines[1])} answers, {len(two)} distinct; tags equal: {one == two}, scores within {most:.1e}"

    return ["tag", given.file, folder / "posts.jsonl"], compare


def features(given, folder):
    (folder / "pictures").mkdir()
    for number, pixels in enumerate(np.random.randint(0, 256, (given.count or 1_000, 32, 32, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")

    def compare(alone, lost):
        one, two = FeatureStore(alone), FeatureStore(lost)
        most = np.abs(np.subtract(*(store.read(sorted(one.names), 49)[0] for store in (one, two)))).max()
        return f"{len(two)} pictures; names equal: {one.names == two.names}, values within {most:.1e}"

    return ["features", "vgg16", folder / "pictures", "--weights", given.file], compare


def table(given, folder):
    def compare(alone, lost):
        one, two = (json.loads((path / "hsn-5" / "table.json").read_bytes())["rows"] for path in (alone, lost))
        equal = [row["cells"] for row in one] == [row["cells"] for row in two]
        return f"{len(list(lost.glob('runs/*')))} runs; table equal: {equal}"

    return ["reproduce-table", "hsn", "5"], compare


if __name__ == "__main__":
    main()
