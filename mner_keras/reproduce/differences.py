"""What differs between a measured table and the paper's setting, so that no number is quoted by mistake."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import Dataset
from mner_keras.registry import Training, find_model
from mner_keras.reproduce.kinship import Kinship
from mner_keras.reproduce.plan import KINDS, PlannedRun, Setting, visual_kind
from mner_keras.reproduce.table import PublishedTable
from mner_keras.vision.feature_store import NO_BLANK, FeatureStore

# The beginning of an extractor's name, and what the papers' pictures went through.
_FEATURES = {
    "regions": (("vgg16",), "49 regions of VGG16's last pooling layer"),
    "objects": (("mask-rcnn", "mask_rcnn", "maskrcnn"), "objects of Mask R-CNN trained on COCO"),
}
# Systems whose own papers read other pictures' features than those.
_OWN_FEATURES = {
    "mner-ma": (("inception",), "the last layer of Inception"),
    "vam": (("resnet",), "regions of ResNet"),
}
# Where the settings of the registry are not those of the system's paper.
_OWN_TRAINING = {
    "adaptive-co-attention": "RMSprop's rate is 0.001; its paper's, 0.19, diverges here",
    "mner-ma": "its paper is not at hand, and its training is from memory",
    "vam": "its paper is not at hand, and its training is our choice",
    "disan": "its paper is not at hand, and its training is our choice",
}
_VECTORS = {
    ("hsn", "twitter"): "200-d vectors of tweets (Zhang et al. 2018)",
    ("hsn", "crawl"): "300-d fastText vectors of Common Crawl",
    ("agban", None): "200-d GloVe vectors of 27 billion tokens of tweets",
}
_LIKE = "-like"


def differences(
    table: PublishedTable,
    setting: Setting,
    data: Dataset,
    kin: Kinship,
    runs: Sequence[PlannedRun],
    provenances: Mapping[Path, Mapping[str, Any]],
) -> tuple[str, ...]:
    """What a reader must know before a measured number is compared with a published one, a line each.

    Args:
        table: the table.
        setting: what the systems are trained on.
        data: the data set.
        kin: what it is to the papers.
        runs: the runs of the table.
        provenances: what the finished ones wrote of themselves, by their folders.
    """
    lines = [f"data: {kin.description}{_of_another_set(table, kin)}"]
    lines += _features(runs, provenances)
    lines += _store(setting, data, [run for run in runs if run.folder in provenances])
    lines += _vectors(table, setting, runs)
    lines += _arguments(runs)
    lines += _budget(setting, runs)
    lines.append(
        f"{setting.seeds} seed{'s' if setting.seeds > 1 else ''} a system"
        + ("" if setting.seeds > 1 else ": no standard deviation, no t-test")
        + "; the paper does not say how many runs its numbers are of"
    )
    like = sorted({run.system.name for run in runs if run.system.model.endswith(_LIKE)})
    if like:
        lines.append(f"{', '.join(like)}: feature CRFs of ours that resemble the original programs")
    if any(run.config.model == "t-ner-like" and "gazetteers" not in run.config.arguments for run in runs):
        lines.append("T-NER: no gazetteers, so no features of dictionaries (--set t-ner-like.gazetteers=FOLDER)")
    bert = sorted({str(run.config.arguments.get("preset")) for run in runs if run.config.model == "bert-ner"})
    lines += [
        f"BERT-NER is fine-tuned from {preset}; the paper's is cased BERT BASE" for preset in bert if preset != "None"
    ]
    if setting.precision != "float32":
        lines.append(f"precision: {setting.precision}")
    backends = sorted({str(p["backend"]) for p in provenances.values()})
    if len(backends) > 1:
        lines.append(f"the runs are of several backends: {', '.join(backends)}")
    return tuple(lines)


def _of_another_set(table: PublishedTable, kin: Kinship) -> str:
    if kin.name == "other" or kin.comparable(table):
        return ""
    return "; the table's is " + ("HSN's real-world set" if table.data == "real-world" else "Twitter-2015")


def _features(runs: Sequence[PlannedRun], provenances: Mapping[Path, Mapping[str, Any]]) -> list[str]:
    found: dict[tuple[str, str | None, str], list[str]] = {}
    for kind in KINDS:
        for run in runs:
            model = run.config.model
            if run.folder not in provenances or not _sees(run, kind):
                continue
            names, papers = _OWN_FEATURES.get(model, _FEATURES[kind])
            extractor = _extractor(provenances[run.folder])
            if extractor is None:
                _add(found, (kind, None, ""), model)
            elif not extractor.startswith(names):
                _add(found, (kind, extractor, papers), model)
    lines = []
    for (kind, extractor, papers), models in found.items():
        if extractor is None:
            lines.append(f"no features of pictures: {', '.join(models)} trained without any")
        elif papers == _FEATURES[kind][1]:
            lines.append(f"features ({kind}): {extractor}; the papers' are {papers}")
        else:
            lines.append(f"features ({kind}) of {', '.join(models)}: {extractor}; its paper's are {papers}")
    return lines


def _sees(run: PlannedRun, kind: str) -> bool:
    """Whether a run reads features of a kind; HSN without visual features is meant to see none."""
    arguments = {**find_model(run.config.model).arguments, **run.config.arguments}
    return visual_kind(run.config.model) == kind and arguments.get("pictures", True)


def _store(setting: Setting, data: Dataset, runs: Sequence[PlannedRun]) -> list[str]:
    """What the stores do not hold: pictures that the posts name, and objects that a row asks for."""
    lines = []
    for kind in KINDS:
        reading = [run for run in runs if _sees(run, kind)]
        path = setting.features.get(kind) or data.features(kind)
        if not reading or path is None:
            continue
        store = FeatureStore(path)
        named = [post.image_id for split in data for post in data[split] if post.image_id is not None]
        held = [image for image in named if image in store]
        if len(held) < len(named):
            lines.append(
                f"features ({kind}): the store lacks {len(named) - len(held):,} of the {len(named):,} pictures that "
                "the posts name; those posts count as posts without a picture"
            )
        if kind == "regions" and store.lacks_blank:
            lines.append(f"features ({kind}): {NO_BLANK}")
        if kind == "objects":
            asked = {run.system.key: _num_objects(run) for run in reading}
            short = [key for key, k in asked.items() if not any(store.read([image], k)[1].all() for image in held)]
            if short:
                lines.append(f"objects: no picture of the store has as many as are read in {', '.join(short)}")
        store.close()
    return lines


def _num_objects(run: PlannedRun) -> int:
    parameters = inspect.signature(find_model(run.config.model).load_class().__init__).parameters
    return run.config.arguments.get("num_objects", parameters["num_objects"].default)


def _arguments(runs: Sequence[PlannedRun]) -> list[str]:
    """Arguments of models that are neither the paper's nor the row's."""
    found: dict[str, list[str]] = {}
    for run in runs:
        changed = [
            f"{name} = {value}"
            for name, value in run.config.arguments.items()
            # A preset has a line of its own, and gazetteers are what T-NER's paper has.
            if name not in run.system.arguments and name not in ("preset", "gazetteers")
        ]
        if changed:
            _add(found, ", ".join(changed), run.config.model)
    return [f"arguments that are not the paper's: {what} ({', '.join(models)})" for what, models in found.items()]


def _add(found: dict[Any, list[str]], key: Any, model: str) -> None:
    models = found.setdefault(key, [])
    if model not in models:
        models.append(model)


def _extractor(provenance: Mapping[str, Any]) -> str | None:
    features = provenance.get("features")
    return None if features is None else str(features.get("extractor", "of unknown making"))


def _vectors(table: PublishedTable, setting: Setting, runs: Sequence[PlannedRun]) -> list[str]:
    # The others have a list of settings, and no vectors in it.
    reading = [run for run in runs if find_model(run.config.model).settings is None]
    lines = []
    for name in dict.fromkeys(run.system.vectors for run in reading):
        papers = _VECTORS.get((table.paper, name))
        ours = setting.vectors.get(name or "", setting.vectors.get("", ""))
        if papers is not None:
            lines.append(f"word vectors: {Path(ours).name if ours else 'none'}; the paper's are {papers}")
    return lines


def _budget(setting: Setting, runs: Sequence[PlannedRun]) -> list[str]:
    """How the training differs from each system's own paper."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        entry = find_model(run.config.model)
        papers = entry.training
        changed = [
            f"{field.name.replace('_', ' ')} {getattr(run.config, field.name)}"
            for field in dataclasses.fields(Training)
            if (entry.settings is None or field.name in entry.settings)
            and getattr(papers, field.name) not in (None, getattr(run.config, field.name))
        ]
        if changed:
            _add(groups, ", ".join(changed), run.config.model)
    if not groups:
        own = [name for name in dict.fromkeys(run.config.model for run in runs) if name in _OWN_TRAINING]
        return ["training: as each system's paper says" + (", but for those that follow" if own else "")] + [
            f"training of {name}: {_OWN_TRAINING[name]}" for name in own
        ]
    return [f"training, budget {setting.budget!r}: {what} ({', '.join(names)})" for what, names in groups.items()]
