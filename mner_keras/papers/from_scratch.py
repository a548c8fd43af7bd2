"""From an empty folder to a paper's tables: the commands that are still to run, and what they cost."""

from __future__ import annotations

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
from mner_keras.registry import ModelEntry, find_model
from mner_keras.text.pos import tagger_is_there
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.imports import keras_vgg16_file

BASIS = "times as measured on two cores (docs/results.md), one run at a time, without early stopping; a GPU is faster"
_PICTURES, _POSTS = 8257, 4000 + 1000 / 3  # of Twitter-2015; scoring a dev post takes a third of a step of training
_VGG16, _IMPORT = 0.4, 0.02  # seconds per picture
_TRAINED = {"regions": 200, "objects": 370, None: 370}  # posts per second, by the kind of features
_FEATURE_CRF = 60  # seconds
# The vectors that stand for those of the papers, by the name in the published tables.
_VECTORS = {"twitter": "glove-twitter", "crawl": "fasttext-crawl", "": "glove-twitter"}


@dataclasses.dataclass(frozen=True)
class Step:
    """A command of `mner`, and its cost."""

    command: tuple[str, ...]
    done: bool = False
    download: int | None = 0  # bytes; None if unknown
    disk: int = 0  # bytes in addition to the download
    seconds: float = 0

    def run(self) -> None:
        """Run the command in a process of its own.

        Raises:
            InputError: it failed; its message is on the error stream.
        """
        if subprocess.run([sys.executable, "-m", "mner_keras", *self.command]).returncode:
            raise InputError(f"`mner {' '.join(self.command)}` failed; the same command continues")


@dataclasses.dataclass(frozen=True)
class Work:
    """What is to do.

    Args:
        steps: the downloads, then the features.
        tables: by the table's number, the options of `mner reproduce-table`.
        runs: the number of runs to train, without those that finished.
        seconds: their time.
        notes: what is not in the plan.
    """

    steps: list[Step]
    tables: dict[str, dict[str, Any]]
    runs: int
    seconds: float
    notes: list[str]


def plan_work(
    tables: Sequence[PublishedTable],
    folder: Path,
    seeds: int = 5,
    fast: bool = False,
    rows: Sequence[str] = (),
    vectors: Collection[str] = (),
    features: Collection[str] = (),
) -> Work:
    """Plan the way from a folder, empty or not, to tables on Twitter-2015.

    HSN's real-world set is expected in `FOLDER/real-world`: no program can download it.

    Args:
        tables: the tables.
        folder: receives posts, pictures, features and word vectors.
        seeds: seeds per system.
        fast: a few epochs instead of what each system's paper says.
        rows: keys or models of the rows; empty for all.
        vectors: names of word vectors that the user has.
        features: kinds of features that the user has.
    """
    posts = folder / "twitter2015"
    needs: dict[str, bool] = {}  # kinds of features, names of vectors, "posts", "parts of speech"
    runs: dict[Any, float] = {}
    options: dict[str, dict[str, Any]] = {}
    notes = []
    for table in tables:
        data = folder / "real-world" if table.data == "real-world" else posts
        if data != posts and not data.is_dir():
            notes.append(f"table {table.number} is left out: there is no {data}. {SOURCES['hsn-real-world'].by_hand}")
            continue
        options[table.number] = {} if table.kind == "settings" else {"data": str(data)}
        needs["posts"] = needs.get("posts", False) or table.kind != "settings"
        own: set[str] = set()
        for row in table.choose_rows(rows) if table.kind == "results" else ():
            entry = find_model(row.model)
            if entry.missing_modules:
                continue  # the table says so
            name = "" if "" in vectors and row.vectors not in vectors else row.vectors or ""
            own |= {name} if entry.settings is None and name not in vectors else set()
            own |= {entry.visual} & ({"regions", "objects"} - set(features))
            needs |= dict.fromkeys(entry.reads, True)
            runs[row.model, str(row.arguments), name, data] = _training_seconds(entry, fast)
        needs |= dict.fromkeys(own, True)
        if names := sorted(own & _VECTORS.keys()):
            options[table.number]["vectors"] = [f"{name}={vectors_file(folder, name)}".lstrip("=") for name in names]
        if data != posts and "regions" in own:
            options[table.number]["features"] = [f"regions={posts / 'regions.h5'}"]
    regions, objects = (needs.get(kind) and kind not in features for kind in ("regions", "objects"))
    steps = [_fetch("twitter2015", posts)] if needs.get("posts") else []
    steps += [_fetch("twitter2015-pictures", posts)] if regions else []
    steps += [_fetch("agban-objects", posts)] if objects else []
    steps += [_fetch(source, folder / "vectors") for source in sorted({_VECTORS[n] for n in needs if n in _VECTORS})]
    if needs.get("parts of speech"):
        done, size = tagger_is_there(), SOURCES["pos-tagger"].bytes
        steps.append(Step(("data", "fetch", "pos-tagger"), done, size))
    if regions:
        weights = 0 if keras_vgg16_file() else SOURCES["vgg16-weights"].bytes
        steps.append(_features("vgg16", posts / "images", posts / "regions.h5", weights, 830, _VGG16))
    if objects:
        steps.append(_features("import", posts / "agban_objects.txt", posts / "objects.h5", 0, 200, _IMPORT))
    return Work(steps, options, seeds * len(runs), seeds * sum(runs.values()), notes)


def vectors_file(folder: Path, name: str) -> Path:
    """Return the file of the vectors that a table names `twitter`, `crawl` or nothing."""
    return folder / "vectors" / SOURCES[_VECTORS[name]].files[0].path


def _training_seconds(entry: ModelEntry, fast: bool) -> float:
    """Return how long a run takes; 0 for a pretrained reader, which was not measured on a CPU."""
    if not entry.is_keras or entry.reads_subwords:
        return 0 if entry.reads_subwords else _FEATURE_CRF
    epochs = fast_settings(entry, 4000)["epochs"] if fast else entry.training.epochs
    return epochs * _POSTS / _TRAINED[entry.visual]


def _fetch(name: str, folder: Path) -> Step:
    files = SOURCES[name].files
    done = all((folder / file.path).exists() for file in files)
    sizes = [0 if file.archive and (cache_folder() / file.archive).exists() else file.bytes or None for file in files]
    disk = sum(file.unpacked for file in files)
    return Step(("data", "fetch", name, "--to", str(folder)), done, None if None in sizes else sum(sizes), disk)


def _features(command: str, source: Path, path: Path, download: int, megabytes: int, seconds: float) -> Step:
    done = path.is_file() and FeatureStore(path).describe()["finished"]
    arguments = ("features", command, str(source), "--out", str(path))
    return Step(arguments, done, download, megabytes * 10**6, _PICTURES * seconds)
