"""The papers' figures by number, drawn from finished runs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mner_keras.data.post import Post
from mner_keras.errors import InputError, did_you_mean
from mner_keras.run.run import Run
from mner_keras.views.case import PostCase, make_cases
from mner_keras.views.charts import loss_curves_figure, modality_space_figure, sample_features
from mner_keras.views.figures import attention_map_figure, case_study_figure, hsn_attention_figure

_SEARCHED = 600  # posts that are explained to choose from
Spans = list[tuple[str, int, int]]


@dataclasses.dataclass(frozen=True)
class PaperFigure:
    """What a figure is drawn of."""

    classes: tuple[str, ...] = ()  # of the models; empty for all
    compares: bool = False  # whether it shows other runs, too
    rank: Callable[[PostCase, Spans, bool], Any] | None = None  # sort key of a post, or `None` to leave it out
    count: int = 2  # posts


def draw_figure(
    paper: str,
    number: int,
    run: Run,
    others: Sequence[Run] = (),
    names: Sequence[str] = (),
    split: str = "test",
    pictures: Mapping[str, Path] | None = None,
    count: int = 0,
    seed: int = 1,
) -> Figure:
    """Draw a paper's figure.

    Args:
        paper, number: `"hsn"` or `"agban"`; 5 or 6, for AGBAN also 7, 8 and 9.
        others: runs to compare with, for AGBAN's figures 5, 8 and 9.
        names: posts by name (`find_posts`); empty for those that show best what the figure is about.
        pictures: paths by image id.
        count: how many posts to choose; 0 for as many as the paper shows.
        seed: random seed of AGBAN's figure 5.

    Raises:
        InputError: an unknown figure or post, a run of another model, or a missing or unsuitable run to compare with.
    """
    figure = check_figure(paper, number)
    name = f"{paper} {number}"
    if figure.compares != bool(others):
        what = "compares two runs: --other names the second" if not others else "shows one run: --other is not used"
        raise InputError(f"figure {name} {what}")
    for one in (run, *others):
        if figure.classes and one.class_name not in figure.classes:
            raise InputError(f"figure {name} needs a run of {' or '.join(figure.classes)}, found {one.name}", one.path)
    if name == "agban 5":
        return _modality_space(run, others, split, seed)
    if name == "agban 7":
        of_run = run.config is not None
        batches, best = (run.posts_per_batch(), run.metrics.get("best_epoch")) if of_run else ((1.0, 1.0), None)
        return loss_curves_figure(run.history, f"{run.name} on {run.dataset.name}", batches, best)
    if name == "agban 6" and "attention" not in run.model.output:
        raise InputError(f"figure agban 6 needs attention to objects, and {run.name} has none", run.path)
    for other in others:
        if other.dataset.hashes() != run.dataset.hashes():
            expected = f"expected a run of the same posts as {run.path} ({run.dataset.folder})"
            hint = "--data sets the posts of all"
            raise InputError(f"{expected}, found one of {other.dataset.folder}; {hint}", other.path)
    posts, tags = run.dataset[split], {}
    for one in (*others, run):  # the run is the last system
        name = one.name if others else "predicted"
        tags[f"{name} ({one.path.name})" if name in tags else name] = one.tags(split)
    if names:
        chosen = find_posts(names, posts, split)
    else:
        explained = [{}] * len(posts) if others else run.model.explain(posts[:_SEARCHED], run.store)
        found = (dict(zip(tags, row, strict=True)) for row in zip(*tags.values(), strict=True))
        cases = [PostCase(*one) for one in zip(posts, found, explained, strict=False)]
        chosen = choose_posts(figure, cases)[: count or figure.count]
    if not chosen:
        raise InputError(f"no post of {split} shows what this figure is about; --posts names some")
    predicted = {name: [of_posts[place] for place in chosen] for name, of_posts in tags.items()}
    cases = make_cases(run.model, [posts[place] for place in chosen], run.store, pictures, predicted)
    if paper == "hsn":
        return hsn_attention_figure(cases)
    return attention_map_figure(cases) if number == 6 else case_study_figure(cases)


def check_figure(paper: str, number: int) -> PaperFigure:
    """Return a figure of `FIGURES`; raises `InputError` for an unknown one."""
    if (paper, number) not in FIGURES:
        known = ", ".join(f"{one} {figure}" for one, figure in FIGURES)
        raise InputError(f"expected a figure ({known}), found {paper} {number}")
    return FIGURES[paper, number]


def find_posts(names: Sequence[str], posts: Sequence[Post], split: str) -> list[int]:
    """Return the positions of posts by id, picture's id or `SPLIT:NUMBER` (from 1); raise `InputError` for another."""
    by_name: dict[str | None, int] = {}
    for keys in (
        [post.id for post in posts],  # an id takes precedence over a picture's
        [post.image_id for post in posts],
        [f"{split}:{number}" for number in range(1, len(posts) + 1)],
    ):
        for number, key in enumerate(keys):
            by_name.setdefault(key, number)
    by_name.pop(None, None)
    for name in names:
        if name not in by_name:
            expected = f"expected a post of {split} (its id, its picture's, or {split}:1 to {split}:{len(posts)})"
            raise InputError(f"{expected}, found {name!r}.{did_you_mean(name, by_name)}")
    return [by_name[name] for name in names]


def choose_posts(figure: PaperFigure, cases: Sequence[PostCase]) -> list[int]:
    """Return the positions of the posts that a figure keeps, in its order. The run is the last system of each case."""
    ranks = []
    for number, case in enumerate(cases):
        spans = case.spans(list(case.predicted)[-1])
        rank = figure.rank(case, sorted(spans), case.post.tags is not None and case.spans() != spans)
        ranks += [] if rank is None else [(rank, number)]
    return [number for _, number in sorted(ranks)]


def _trust(sign: int, also_wrong: bool, case: PostCase, spans: Spans, wrong: bool) -> float | None:
    """HSN's figures 5 and 6: posts with a picture, ordered by gamma of their entities."""
    if case.post.image_id is None or not spans or (wrong and not also_wrong):
        return None
    gamma = case.gamma
    return 0.0 if gamma is None else sign * float(np.mean([gamma[start:end].mean() for _, start, end in spans]))


def _uneven(case: PostCase, spans: Spans, wrong: bool) -> tuple[bool, float] | None:
    """AGBAN's figure 6: posts with two objects or more whose entities attend to other objects than the other words."""
    scores = case.attention
    if scores.shape[1] < 2 or not spans:
        return None
    # Only the division of a token's attention among the objects counts, not its amount.
    part = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)
    rows = np.concatenate([part[start:end] for _, start, end in spans])
    return wrong, -float(np.abs(rows.mean(axis=0) - part.mean(axis=0)).max())


def _differing(are_wrong: bool, case: PostCase, spans: Spans, wrong: bool) -> bool | None:
    """AGBAN's figures 8 and 9: posts that the run gets right, or wrong, and the first other run differently."""
    differs = set(spans) != case.spans(next(iter(case.predicted)))
    return case.post.image_id is None if case.post.tags and differs and wrong == are_wrong else None


_AGBAN = ("AGBAN", "ReleasedAGBAN")
FIGURES = {
    ("hsn", 5): PaperFigure(("HSN",), rank=partial(_trust, 1, False)),
    ("hsn", 6): PaperFigure(("HSN",), rank=partial(_trust, -1, True)),
    ("agban", 5): PaperFigure(_AGBAN, compares=True),
    ("agban", 6): PaperFigure(_AGBAN, rank=_uneven),
    ("agban", 7): PaperFigure(_AGBAN),
    ("agban", 8): PaperFigure(compares=True, rank=partial(_differing, False), count=4),
    ("agban", 9): PaperFigure(compares=True, rank=partial(_differing, True)),
}


def _modality_space(run: Run, others: Sequence[Run], split: str, seed: int) -> Figure:
    if len(others) > 1:
        raise InputError(f"figure agban 5 compares two runs, found {1 + len(others)}")
    samples = {}
    for one in (*others, run):
        adversarial = getattr(one.model, "adversarial", True)
        name = f"{one.name}, {'with' if adversarial else 'without'} adversarial training"
        name = name if name not in samples else f"{name} ({one.path.name})"
        samples[name] = sample_features(one.model, one.dataset[split], one.store, seed=seed)
    return modality_space_figure(samples, seed=seed)
