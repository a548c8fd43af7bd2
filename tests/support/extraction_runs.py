"""Extractions of small pictures in processes that tests kill; as a script, what runs them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


class StubExtractor:
    attributes = {"extractor": "stub", "weights_hash": "abc"}
    blank_size = (4, 4)

    def prepare(self, picture):
        return np.asarray(picture, "float32")

    def extract(self, prepared):
        time.sleep(0.003)
        return [{"vectors": pixels.reshape(-1, 3)[:4]} for pixels in prepared]


def write_pictures(folder, count):
    """Write pictures of noise; return their paths by id."""
    folder.mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (count, 4, 4, 3)).astype("uint8")
    found = {f"p{number}": str(folder / f"p{number}.png") for number in range(count)}
    for path, array in zip(found.values(), pixels, strict=True):
        Image.fromarray(array).save(path)
    return found


@contextlib.contextmanager
def extraction_process(pictures):
    """Yield a function that runs extractions (shard or None, path, seconds until it is killed or None) at once.

    It returns the exit code of each; of one that ends, also the pictures in its store, those that failed, and the time.
    """
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def extract(*extractions):
            print(json.dumps([pictures, extractions], default=str), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield extract
        process.stdin.close()


def extract(pictures, text, path):
    from mner_keras.scale.shards import Shard
    from mner_keras.vision import extract_features

    if text is not None:
        shard = Shard.parse(text)
        path = shard.part(Path(path), ".h5")
        pictures = {name: place for name, place in pictures.items() if shard.holds(name)}
    result = extract_features(pictures, StubExtractor(), path, batch_size=4)
    return result.added + result.kept, len(result.failed), result.seconds


def main():
    from mner_keras.vision import feature_writer

    feature_writer.SHARD_SECONDS = 0.01
    for pictures, extractions in map(json.loads, sys.stdin):
        children = []
        for text, path, seconds in extractions:
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                os.write(writing, json.dumps(extract(pictures, text, path)).encode())
                os._exit(0)
            os.close(writing)
            children.append((child, reading))
            if seconds is not None:
                time.sleep(seconds)
                os.kill(child, signal.SIGKILL)
        codes = [os.waitpid(child, 0)[1] for child, _ in children]
        found = [json.loads(os.read(reading, 999) or "[]") for _, reading in children]
        print(json.dumps([[code, *counts] for code, counts in zip(codes, found, strict=True)]), flush=True)


if __name__ == "__main__":
    main()
