"""What differs between a measured table and the paper's setting, so that no number is quoted by mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.registry import Training, find_model
from mner_keras.reproduce.kinship import Kinship
from mner_keras.reproduce.plan import PlannedRun, Setting, visual_kind
from mner_keras.reproduce.table import PublishedTable

# The beginning of an extractor's name, and what the papers' pictures went through.
_FEATURES = {
    "regions": (("vgg16",), "49 regions of VGG16's last pooling layer"),
    "objects": (("mask-rcnn", "mask_rcnn", "maskrcnn"), "objects of Mask R-CNN trained on COCO"),
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
    kin: Kinship,
    runs: Sequence[PlannedRun],
    provenances: Mapping[Path, Mapping[str, Any]],
) -> tuple[str, ...]:
    """What a reader must know before a measured number is compared with a published one, a line each.

    Args:
        table: the table.
        setting: what the systems are trained on.
        kin: what the data are.
        runs: the runs of the table.
        provenances: what the finished ones wrote of themselves, by their folders.
    """
    lines = [f"data: {kin.description}"]
    lines += _features(runs, provenances)
    lines += _vectors(table, setting, runs)
    lines += _budget(setting, runs)
    lines.append(
        f"{setting.seeds} seed{'s' if setting.seeds > 1 else ''} a system"
        + ("" if setting.seeds > 1 else ": no standard deviation, no t-test")
        + "; the paper does not say how many runs its numbers are of"
    )
    like = sorted({run.system.name for run in runs if run.system.model.endswith(_LIKE)})
    if like:
        lines.append(f"{', '.join(like)}: feature CRFs of ours that resemble the original programs")
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


def _features(runs: Sequence[PlannedRun], provenances: Mapping[Path, Mapping[str, Any]]) -> list[str]:
    lines = []
    for kind, (names, papers) in _FEATURES.items():
        reading = [run for run in runs if run.folder in provenances and visual_kind(run.config.model) == kind]
        by_extractor: dict[str | None, list[str]] = {}
        for run in reading:
            models = by_extractor.setdefault(_extractor(provenances[run.folder]), [])
            if run.config.model not in models:
                models.append(run.config.model)
        for extractor, models in by_extractor.items():
            if extractor is None:
                lines.append(f"no features of pictures: {', '.join(models)} trained without any")
            elif not extractor.startswith(names):
                lines.append(f"features ({kind}): {extractor}; the papers' are {papers}")
    return lines


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
        papers = find_model(run.config.model).training
        changed = [
            f"{field.name.replace('_', ' ')} {getattr(run.config, field.name)}"
            for field in dataclasses.fields(Training)
            if getattr(papers, field.name) not in (None, getattr(run.config, field.name))
        ]
        if changed:
            names = groups.setdefault(", ".join(changed), [])
            if run.config.model not in names:
                names.append(run.config.model)
    if not groups:
        return ["training: as each system's paper says"]
    return [f"training, budget {setting.budget!r}: {what} ({', '.join(names)})" for what, names in groups.items()]
