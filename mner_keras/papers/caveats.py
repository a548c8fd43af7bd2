"""What differs between a measured table and the paper's setting, known before the first run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.errors import counted
from mner_keras.papers.plan import Plan, PlannedRun, Setting
from mner_keras.registry import FEATURES
from mner_keras.run.config import RunConfig, free_arguments
from mner_keras.vision.feature_store import NO_BLANK, FeatureStore

_VECTORS = {
    ("hsn", "twitter"): "200-d vectors of tweets (Zhang et al. 2018)",
    ("hsn", "crawl"): "300-d fastText vectors of Common Crawl",
    ("agban", None): "200-d GloVe vectors of 27 billion tokens of tweets",
}
_VOCABULARY = (
    "vocabulary: built over train, dev and test (`transductive`), as AGBAN's released code does; neither paper says so"
)


def find_caveats(plan: Plan, setting: Setting, data: Dataset) -> tuple[str, ...]:
    """Return what a reader must know before comparing measured numbers with published ones, one line each."""
    table, runs = plan.table, plan.runs
    configs = [run.config for run in runs]
    lines = [f"data: {plan.data.description}"]
    if plan.data.name not in ("sample", "other") and not plan.data.comparable(table):
        lines[0] += "; the table's is " + ("HSN's real-world set" if table.data == "real-world" else "Twitter-2015")
    lines += plan.skipped
    for kind in FEATURES:
        readers = [run for run in runs if run.config.visual == kind]
        path = setting.features.get(kind) or data.features(kind)
        if readers and path is None:
            lines.append(f"no features of pictures: {_names(run.config for run in readers)} trained without any")
        elif readers:
            lines += _store_caveats(kind, path, readers, data)
    # A system with a list of settings reads neither vectors nor a vocabulary.
    readers = [run for run in runs if run.config.entry.settings is None]
    for name, row in {run.row.vectors: run.row for run in readers}.items():
        if (papers := _VECTORS.get((table.paper, name))) is not None:
            lines.append(f"word vectors: {Path(setting.vectors_of(row)).name or 'none'}; the paper's are {papers}")
    if readers:
        lines.append(_VOCABULARY)
    lines += [f"arguments that are not the paper's: {what}" for what in _by_models(runs, _changed_arguments)]
    trained = _by_models(runs, _changed_training)
    lines += [f"training, budget {'fast' if setting.fast else 'paper'!r}: {what}" for what in trained]
    if not trained:
        notes = {config.model: config.entry.training_note for config in configs if config.entry.training_note}
        lines.append("training: as each system's paper says" + (", except for the following" if notes else ""))
        lines += [f"training of {model}: {note}" for model, note in notes.items()]
    alone = "" if setting.seeds > 1 else ": no standard deviation, no t-test"
    unsaid = "the paper does not say how many runs its numbers are based on"
    lines.append(f"{counted(setting.seeds, 'seed')} per system{alone}; {unsaid}")
    like = sorted({run.row.name.partition(",")[0] for run in runs if run.config.model.endswith("-like")})
    if like:
        lines.append(f"{', '.join(like)}: our feature CRFs, which resemble the original programs")
    if any(config.model == "t-ner-like" and "gazetteers" not in config.arguments for config in configs):
        lines.append("T-NER: no gazetteers, so no dictionary features (--set t-ner-like.gazetteers=FOLDER)")
    presets = dict.fromkeys(config.arguments.get("backbone") for config in configs if config.model == "bert-ner")
    lines += [f"BERT-NER is fine-tuned from {preset}; the paper's is cased BERT BASE" for preset in presets if preset]
    if setting.precision != "float32":
        lines.append(f"precision: {setting.precision}")
    return tuple(lines)


def training_caveats(config: RunConfig) -> list[str]:
    """Return what a run lacks of its paper's setting: vectors, features; raise `InputError` for an unreadable file."""
    data, visual = load_dataset(config.data), config.visual
    lines = []
    if config.entry.settings is None and not config.vectors:
        lines.append("word vectors: none; the papers' models use pretrained ones (--vectors)")
    if visual is not None and not config.no_pictures:
        path = config.find_features(data)
        if path is None:
            lines.append(f"no features of pictures: {config.model} is trained without any (--features)")
        else:
            lines += _extractor_caveats(visual, FeatureStore(path), [config])
    return lines


def _extractor_caveats(kind: str, store: FeatureStore, readers: Sequence[RunConfig]) -> Iterable[str]:
    extractor = store.attributes.get("extractor", "of unknown origin")
    papers: dict[str, list[RunConfig]] = {}
    for config in readers:
        names, description = config.entry.features or FEATURES[kind]
        if not extractor.startswith(tuple(names)):
            papers.setdefault(description, []).append(config)
    for description, configs in papers.items():
        of, whose = (f" of {_names(configs)}", "its paper's") if configs[0].entry.features else ("", "the papers'")
        yield f"features ({kind}){of}: {extractor}; {whose} are {description}"


def _store_caveats(kind: str, path: str | Path, readers: Sequence[PlannedRun], data: Dataset) -> Iterable[str]:
    """Yield what a store's extractor, pictures and objects lack."""
    store = FeatureStore(path)
    yield from _extractor_caveats(kind, store, [run.config for run in readers])
    named = [post.image_id for split in data for post in data[split] if post.image_id is not None]
    found = [image for image in named if image in store]
    if len(found) < len(named):
        lacking = f"{len(named) - len(found):,} of the {len(named):,} pictures that the posts name"
        yield f"features ({kind}): the store lacks {lacking}; those posts count as posts without a picture"
    if kind == "regions" and store.lacks_blank:
        yield f"features (regions): {NO_BLANK}"
    few = []
    for row, config in {run.row.key: run.config for run in readers}.items():
        k = {**free_arguments(config.entry.load_class()), **config.all_arguments}.get("num_objects")
        if k and not any(store.read([image], k)[1].all() for image in found):
            few.append(row)
    if few:
        yield f"objects: no picture in the store has as many objects as {', '.join(few)} read"
    store.close()


def _changed_arguments(run: PlannedRun) -> str:
    # The backbone of BERT-NER has a line of its own, and gazetteers are part of T-NER's paper.
    ignored = {*run.row.arguments, "gazetteers", *(("backbone",) if run.config.model == "bert-ner" else ())}
    return ", ".join(f"{name} = {value}" for name, value in run.config.arguments.items() if name not in ignored)


def _changed_training(run: PlannedRun) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {getattr(run.config, name)}"
        for name, value in run.config.entry.used_training().items()
        if value not in (None, getattr(run.config, name))
    )


def _by_models(runs: Sequence[PlannedRun], describe: Callable[[PlannedRun], str]) -> list[str]:
    """Return each description that is not empty, followed by the models that it applies to."""
    groups: dict[str, list[RunConfig]] = {}
    for run in runs:
        groups.setdefault(describe(run), []).append(run.config)
    return [f"{what} ({_names(of)})" for what, of in groups.items() if what]


def _names(configs: Iterable[RunConfig]) -> str:
    return ", ".join(dict.fromkeys(config.model for config in configs))
