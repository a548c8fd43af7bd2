"""Damaged pictures by the thousand: each opens or is refused, quickly, in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

FUZZ = """
import io, json, resource, sys, time, warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from PIL import Image

from mner_keras.vision import PictureError, open_picture

warnings.simplefilter("ignore")
# 1 GiB beside what the interpreter and its libraries have mapped already.
with open("/proc/self/statm") as file:
    mapped = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**30,) * 2)

files = [path.read_bytes() for path in map(Path, json.loads(sys.argv[1]))]
place = Path(sys.argv[2])
counts = {"cases": 0, "opened": 0, "refused": 0, "slowest": 0.0}


@st.composite
def damaged(draw):
    data = bytearray(draw(st.sampled_from(files)))
    # Most damage in the header, some anywhere, and a cut.
    for _ in range(draw(st.integers(0, 8))):
        end = draw(st.sampled_from([32, 256, 1024, len(data)]))
        data[draw(st.integers(0, min(end, len(data)) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    if draw(st.booleans()):
        start = draw(st.integers(0, min(600, len(data))))
        data[start:start] = draw(st.binary(max_size=40))
    return bytes(data)


@seed(2015)
@settings(
    max_examples=int(sys.argv[3]), deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(damaged())
def run(data):
    place.write_bytes(data)
    started = time.monotonic()
    counts["cases"] += 1
    try:
        image = open_picture(place)
    except PictureError as error:
        assert error.reason
        counts["refused"] += 1
    else:
        assert image.mode == "RGB" and image.width and image.height
        image.resize((224, 224), Image.Resampling.BILINEAR)
        counts["opened"] += 1
    counts["slowest"] = max(counts["slowest"], time.monotonic() - started)


run()
# Not `ru_maxrss`, which counts the process that started this one, too.
status = open("/proc/self/status").read()
counts["megabytes"] = int(status.partition("VmHWM:")[2].split()[0]) // 1024
print(json.dumps(counts))
"""


def real_pictures():
    home = os.environ.get("MNER_DATA")
    return sorted(Path(home).glob("twitter2015/images/*.jpg")) if home else []


def made_pictures(folder):
    """A small picture in each format."""
    import numpy as np
    from PIL import Image

    waves = np.add.outer(np.arange(48) * 5, np.arange(64) * 3)[..., None] + np.array([0, 60, 120])
    image = Image.fromarray((waves % 256).astype("uint8"))
    paths = []
    for ending in ("jpg", "png", "webp", "gif", "bmp"):
        paths.append(folder / f"made.{ending}")
        image.save(paths[-1])
    image.convert("CMYK").save(folder / "cmyk.jpg")
    return [*paths, folder / "cmyk.jpg"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("which", ["real", "made"])
def test_no_damage_crashes_hangs_or_fills_the_memory(tmp_path, which):
    paths = real_pictures() if which == "real" else made_pictures(tmp_path)
    if not paths:
        pytest.skip("MNER_DATA names no folder with the real pictures")
    cases = 2000
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, json.dumps(list(map(str, paths))), str(tmp_path / "case.jpg"), str(cases)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["cases"] == cases
    assert counts["opened"] + counts["refused"] == counts["cases"]
    assert min(counts["opened"], counts["refused"]) > 50
    assert counts["megabytes"] < 1024
    assert counts["slowest"] < 10
    print(counts)
