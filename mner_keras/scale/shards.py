"""The share of the work of one of several machines, and the present command as several jobs."""

import dataclasses
import re
import shutil
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

from mner_keras.errors import InputError
from mner_keras.files import Report, part_name


@dataclasses.dataclass(frozen=True)
class Shard:
    """The `number`-th, from 1, of `count` commands that share the work; each item is in exactly one of them."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Read `I/N`, or raise `InputError`; `None` for an option that is not given."""
        if text is None:
            return None
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"expected --shard I/N with I from 1 to N, such as 3/64, found {text!r}")
        return cls(int(match[1]), int(match[2]))

    def holds(self, image_id: str) -> bool:
        """Return whether a picture belongs to the shard: by its id alone, whatever other pictures there are."""
        return zlib.crc32(image_id.encode("utf-8", "surrogateescape")) % self.count == self.number - 1

    def take(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the shard's items by their position: every N-th."""
        return islice(items, self.number - 1, None, self.count)

    def part(self, folder: Path, ending: str) -> Path:
        """Return the shard's file in a folder, which is created and must not contain parts of another N."""
        if folder.suffix == ending or folder.is_file():
            raise InputError("expected a folder: with --shard, each shard writes one part into it", folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = part_name(self.number, self.count, ending)
        pattern = f"part-*{name[name.index('-of-') :]}"
        if others := set(folder.glob(f"part-*{ending}")).difference(folder.glob(pattern)):
            raise InputError(f"expected parts of {self.count} shards, found {min(others).name}", folder)
        return folder / name


def run_jobs(
    out: Path | None, ending: str, shard: str | None, jobs: int, engine: str, address: str, report: Report
) -> bool:
    """Run the present command's shards side by side if it has several jobs or runs on Ray; return whether it does.

    The parts have the extension `ending`; their folder, `out`, is `None` if the command has none or reads a stream.
    The output of each shard is in the folder `<out>.logs`, which is removed when all of them end well.
    """
    if jobs == 1 and engine == "local" and not address:
        return False
    from mner_keras.papers.runner import stop
    from mner_keras.scale.ray_engine import open_engine

    if out is None:
        raise InputError("`--jobs` and `--engine` need a file to read, and `--out`, the folder of the parts")
    if shard is not None:
        raise InputError("`--shard` excludes `--jobs`, `--engine` and `--address`: it is itself one of several jobs")
    logs, began = Path(f"{out}.logs"), time.monotonic()
    running: dict[int, Any] = {}
    codes: list[int] = []
    with open_engine(engine, jobs, address) as start:
        Shard(1, jobs).part(out, ending)
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        own = ("--engine", "local", "--jobs", "1", "--address", "", "--shard")
        try:
            for number in range(1, jobs + 1):
                running[number] = start([*sys.argv[1:], *own, f"{number}/{jobs}"], logs / f"{number}.log")
            while running:
                time.sleep(0.1)
                for number, command in list(running.items()):
                    if command.poll() is not None:
                        codes.append(running.pop(number).returncode)
                        printed = (logs / f"{number}.log").read_text(encoding="utf-8", errors="replace")
                        last = "".join(printed.splitlines()[-1:])
                        report(f"shard {number}/{jobs}, {time.monotonic() - began:,.0f} s: {last}")
        except KeyboardInterrupt:
            report(f"interrupted; the same command continues ({out})")
            sys.exit(130)
        finally:
            stop(list(running.values()))
    if any(codes):
        report(f"{sum(map(bool, codes))} of {jobs} shards failed; their output: {logs}")
        sys.exit(max(map(abs, codes)))
    shutil.rmtree(logs)
    return True
