"""Damaged pictures by the thousand: each opens or is refused, quickly, in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CASES = 2000
FUZZ = """
import json, random, resource, sys, time, warnings
from pathlib import Path

from PIL import Image

from damage import mutate
from mner_keras.vision import PictureError, open_picture

warnings.simplefilter("ignore")
# 1 GiB in addition to what the interpreter and its libraries have mapped already.
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**30,) * 2)

place, cases, *paths = sys.argv[1:]
files = [Path(path).read_bytes() for path in paths]
rng = random.Random(2015)
counts = {"opened": 0, "refused": 0, "slowest": 0.0}
for _ in range(int(cases)):
    Path(place).write_bytes(mutate(rng.choice(files), rng, (32, 256, 1024, None)))
    started = time.monotonic()
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
# Not `ru_maxrss`, which counts the process that started this one, too.
status = Path("/proc/self/status").read_text()
print(json.dumps({**counts, "megabytes": int(status.partition("VmHWM:")[2].split()[0]) // 1024}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_no_damage_crashes_hangs_or_fills_the_memory(tmp_path):
    waves = np.add.outer(np.arange(48) * 5, np.arange(64) * 3)[..., None] + np.array([0, 60, 120])
    image = Image.fromarray((waves % 256).astype("uint8"))
    for ending in ("jpg", "png", "webp", "gif", "bmp"):
        image.save(tmp_path / f"made.{ending}")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    real = sorted(Path(os.environ.get("MNER_DATA", "none")).glob("twitter2015/images/*.jpg"))
    files = [*sorted(tmp_path.iterdir()), *real[:4]]
    support = Path(__file__).parents[1] / "support"
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path / "case.jpg"), str(CASES), *map(str, files)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(support), *sys.path])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["opened"] + counts["refused"] == CASES
    assert min(counts["opened"], counts["refused"]) > 50
    assert counts["megabytes"] < 1024
    assert counts["slowest"] < 10
    print(counts)
