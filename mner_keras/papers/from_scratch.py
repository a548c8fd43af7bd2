"""From an empty folder to a paper's tables: the commands that are still to run, and what they cost."""

import dataclasses
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.fetch import SOURCES
from mner_keras.errors import InputError
from mner_keras.files import cache_folder
from mner_keras.papers.plan import fast_settings
from mner_keras.papers.published import PublishedTable
from mner_keras.registry import FEATURES, ModelEntry, find_model
from mner_keras.text.pos import tagger_is_there
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.imports import keras_vgg16_file

BASIS = "times as measured on two cores (docs/results.md), one run at a time, without early stopping; a GPU is faster"
# Training posts, and dev posts, whose scoring takes a third of a step of training, by the table's data.
_POSTS = {"twitter2015": 4000 + 1000 / 3, "real-world": 7000 + 2000 / 3}
_OF_KIND = {"regions": "twitter2015-pictures", "objects": "agban-objects"}
# The sources that stand for the papers' word vectors, by their name in the published tables.
_VECTORS = {"twitter": "glove-twitter", "crawl": "fasttext-crawl", "": "glove-twitter"}


@dataclasses.dataclass(frozen=True)
class Step:
    """A command of `mner`, and its cost: bytes to download (`None` if unknown), further bytes of disk, and seconds."""

    command: tuple[str, ...]
    done: bool = False
    download: int | None = 0
    disk: int = 0
    seconds: float = 0

    def run(self) -> None:
        """Run the command in a process of its own; raise `InputError` if it fails (the error stream says why)."""
        if subprocess.run([sys.executable, "-m", "mner_keras", *self.command]).returncode:
            raise InputError(f"`mner {' '.join(self.command)}` failed; the same command continues")


@dataclasses.dataclass(frozen=True)
class Work:
    """What is to do: the steps, then by the tables' numbers the options of `mner reproduce-table`."""

    steps: list[Step]
    tables: dict[str, dict[str, Any]]
    runs: int  # all of them, with those that were trained earlier
    seconds: float  # of the runs
    notes: list[str]  # what is not in the plan


def plan_work(
    tables: Sequence[PublishedTable],
    folder: Path,
    seeds: int = 5,
    fast: bool = False,
    rows: Sequence[str] = (),
    vectors: Collection[str] = (),
    features: Collection[str] = (),
) -> Work:
    """Plan the way from a folder, empty or not, to tables on Twitter-2015; settings are those of `Setting`.

    The folder receives posts, pictures, features and word vectors, without the `vectors` and kinds of `features` that
    the user has. HSN's real-world set is expected in `FOLDER/real-world`: no program can download it.
    """
    posts, words = folder / "twitter2015", folder / "vectors"
    needs: set[str] = set()  # kinds of features, names of vectors, "parts of speech"
    runs: dict[Any, float] = {}
    options: dict[str, dict[str, Any]] = {}
    notes: dict[str, str] = {}
    for table in tables:
        data = folder / "real-world" if table.data == "real-world" else posts
        if data != posts and not data.is_dir():
            missing = f"there is no {data}. {SOURCES['hsn-real-world'].by_hand}"
            notes[table.number] = f"table {table.number} is left out: {missing}"
            continue
        own: set[str] = set()
        for row in table.choose_rows(rows) if table.kind == "results" else ():
            entry = find_model(row.model)
            if entry.missing_modules:
                continue  # the table says so
            name = "" if "" in vectors and row.vectors not in vectors else row.vectors or ""
            own |= {*entry.reads, *([name] if entry.settings is None else ())} - {*vectors, *features}
            runs[row.model, str(row.arguments), name, data] = _training_seconds(entry, fast, table.data)
            if entry.reads_subwords:
                notes[row.model] = f"{row.name} was not measured on a CPU: its time is not in the plan"
        needs |= own
        found = {name: words / SOURCES[source].files[0].path for name, source in _VECTORS.items() if name in own}
        options[table.number] = {
            **({} if table.kind == "settings" else {"data": str(data)}),
            "vectors": [f"{name}={path}".lstrip("=") for name, path in found.items()],
            "features": [f"{kind}={posts / kind}.h5" for kind in FEATURES if kind in own],
        }
    steps = [_fetch("twitter2015", posts)] if any("data" in own for own in options.values()) else []
    steps += [_fetch(name, posts) for kind, name in _OF_KIND.items() if kind in needs]
    steps += [_fetch(name, words) for name in sorted({_VECTORS[name] for name in needs & _VECTORS.keys()})]
    if "parts of speech" in needs:
        steps.append(Step(("data", "fetch", "pos-tagger"), tagger_is_there(), SOURCES["pos-tagger"].bytes))
    if "regions" in needs:
        weights = 0 if keras_vgg16_file() else SOURCES["vgg16-weights"].bytes
        steps.append(_features("vgg16", posts / "images", posts / "regions.h5", weights, 830, 0.4))
    if "objects" in needs:
        steps.append(_features("import", posts / "agban_objects.txt", posts / "objects.h5", 0, 200, 0.02))
    return Work(steps, options, seeds * len(runs), seeds * sum(runs.values()), list(notes.values()))


def _training_seconds(entry: ModelEntry, fast: bool, data: str) -> float:
    """Return how long a run takes; 0 for a pretrained reader."""
    if entry.reads_subwords:
        return 0
    if not entry.is_keras:
        return 60
    epochs = fast_settings(entry, 4000)["epochs"] if fast else entry.training.epochs
    return epochs * _POSTS[data] / (200 if entry.visual == "regions" else 370)  # posts per second


def _fetch(name: str, folder: Path) -> Step:
    files = SOURCES[name].files
    done = all((folder / file.path).exists() for file in files)
    sizes = [0 if file.archive and (cache_folder() / file.archive).exists() else file.bytes or None for file in files]
    disk = sum(file.unpacked for file in files)
    return Step(("data", "fetch", name, "--to", str(folder)), done, None if None in sizes else sum(sizes), disk)


def _features(command: str, source: Path, path: Path, download: int, megabytes: int, per_picture: float) -> Step:
    """Return a step of `mner features`; `per_picture` in seconds."""
    done = path.is_file() and FeatureStore(path).describe()["finished"]
    arguments = ("features", command, str(source), "--out", str(path))
    return Step(arguments, done, download, megabytes * 10**6, 8257 * per_picture)
