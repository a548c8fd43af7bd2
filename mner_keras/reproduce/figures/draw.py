"""The papers' figures by number, drawn from finished runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.errors import InputError, did_you_mean
from mner_keras.reproduce.figures import choose
from mner_keras.reproduce.figures.attention_map import attention_map_figure, attention_of
from mner_keras.reproduce.figures.case_study import case_study_figure
from mner_keras.reproduce.figures.cases import PostCase, find_objects, find_picture
from mner_keras.reproduce.figures.hsn_attention import hsn_attention_figure
from mner_keras.reproduce.figures.loss_curves import loss_curves_figure
from mner_keras.reproduce.figures.modality_space import modality_space_figure, sample_features
from mner_keras.run.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mner_keras.data.post import Post

_AGBAN = ("AGBAN", "ReleasedAGBAN")
_COMPARED = 600  # posts looked through for those to show


@dataclasses.dataclass(frozen=True)
class FigureRequest:
    """What a figure is to be drawn of.

    Args:
        run: the run that it shows.
        others: runs to compare with.
        posts: names of posts (`find_posts`); empty for those that show best what the figure is about.
        split: `train`, `dev` or `test`.
        pictures: paths by image id.
        count: how many posts are chosen, where none are named.
        seed: of what is drawn at random.
    """

    run: Run
    others: Sequence[Run] = ()
    posts: Sequence[str] = ()
    split: str = "test"
    pictures: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    count: int = 0
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class _Kind:
    draw: Callable[[FigureRequest], Figure]
    classes: tuple[str, ...]
    count: int = 2
    compares: bool = False


def draw_figure(paper: str, number: str | int, request: FigureRequest) -> Figure:
    """Draw a paper's figure.

    Args:
        paper: `"hsn"` or `"agban"`.
        number: 5 or 6; of AGBAN also 7, 8, 9.
        request: the runs and posts.

    Raises:
        InputError: an unknown figure or post, a run of another model, a run to compare with that is lacking or that is
            of other posts.
    """
    kind = FIGURES[check_figure(paper, number)]
    key = f"{paper} {number}"
    if kind.classes and request.run.class_name not in kind.classes:
        expected = " or ".join(kind.classes)
        raise InputError(f"figure {key} is drawn of a run of {expected}, found {request.run.name}", request.run.path)
    if kind.compares and not request.others:
        raise InputError(f"figure {key} compares two runs: --other names the second")
    if request.others and not kind.compares:
        raise InputError(f"figure {key} is of one run: --other has no part in it")
    return kind.draw(dataclasses.replace(request, count=request.count or kind.count))


def check_figure(paper: str, number: str | int) -> tuple[str, int]:
    """A figure's key; raises `InputError` for one that is not drawn here."""
    papers = sorted({known for known, _ in FIGURES})
    name = paper.strip().lower()
    if name not in papers:
        raise InputError(f"expected a paper ({', '.join(papers)}), found {paper!r}.{did_you_mean(name, papers)}")
    numbers = [str(known) for one, known in FIGURES if one == name]
    if str(number).strip() not in numbers:
        raise InputError(f"expected a figure of {name} ({', '.join(numbers)}), found {str(number)!r}")
    return name, int(number)


def _hsn(choice: Callable[..., list[int]]) -> Callable[[FigureRequest], Figure]:
    def draw(request: FigureRequest) -> Figure:
        run, posts = request.run, request.run.dataset[request.split]
        if request.posts:
            chosen = choose.find_posts(request.posts, posts, request.split)
        else:
            looked = posts[:_COMPARED]
            found = run.model.explain(looked, run.store)
            gates = [item.get("gamma") for item in found]
            chosen = choice(looked, run.tags(request.split)[:_COMPARED], gates)[: request.count]
        return hsn_attention_figure(_cases(request, _some(chosen, request), {"predicted": run}))

    return draw


def _space(request: FigureRequest) -> Figure:
    if len(request.others) > 1:
        raise InputError(f"figure agban 5 compares two runs, found {1 + len(request.others)}")
    samples = {}
    without, with_ = request.others[0], request.run
    for run in (without, with_):
        if run.class_name not in _AGBAN:
            raise InputError(f"figure agban 5 is drawn of runs of {' or '.join(_AGBAN)}, found {run.name}", run.path)
        adversarial = getattr(run.model, "adversarial", True)
        name = f"{run.name}, {'with' if adversarial else 'without'} adversarial training"
        name = name if name not in samples else f"{name} ({run.path.name})"
        posts = [post for post in run.dataset[request.split]]
        samples[name] = sample_features(run.model, posts, run.store, seed=request.seed)
    return modality_space_figure(samples, seed=request.seed)


def _map(request: FigureRequest) -> Figure:
    run, posts = request.run, request.run.dataset[request.split]
    if "attention" not in run.model.output:
        raise InputError(f"figure agban 6 needs attention to objects, and {run.name} has none", run.path)
    if request.posts:
        chosen = choose.find_posts(request.posts, posts, request.split)
    else:
        looked = posts[:_COMPARED]
        maps = [attention_of(_Explained(item)) for item in run.model.explain(looked, run.store)]
        chosen = choose.mapped_posts(looked, run.tags(request.split)[:_COMPARED], maps)[: request.count]
    return attention_map_figure(_cases(request, _some(chosen, request), {"predicted": run}))


def _losses(request: FigureRequest) -> Figure:
    run, config = request.run, request.run.config
    batches = (1.0, 1.0) if config is None else run.posts_per_batch()
    return loss_curves_figure(run.history, f"{run.name} on {run.dataset.name}", batches)


def _study(choice: Callable[..., list[int]]) -> Callable[[FigureRequest], Figure]:
    def draw(request: FigureRequest) -> Figure:
        run, posts = request.run, request.run.dataset[request.split]
        for other in request.others:
            if other.dataset.hashes() != run.dataset.hashes():
                raise InputError(
                    f"expected a run of the same posts as {run.path} ({run.dataset.folder}), found one of "
                    f"{other.dataset.folder}; --data sets the posts of all",
                    other.path,
                )
        if request.posts:
            chosen = choose.find_posts(request.posts, posts, request.split)
        else:
            tags = run.tags(request.split), request.others[0].tags(request.split)
            chosen = choice(posts, *tags)[: request.count]
        systems: dict[str, Run] = {}
        for one in (*request.others, run):
            systems[one.name if one.name not in systems else f"{one.name} ({one.path.name})"] = one
        return case_study_figure(_cases(request, _some(chosen, request), systems))

    return draw


class _Explained:
    """What `attention_of` reads of a case."""

    def __init__(self, explanation: Mapping[str, Any]) -> None:
        self.explanation = explanation


def _some(chosen: list[int], request: FigureRequest) -> list[int]:
    if not chosen:
        raise InputError(f"no post of {request.split} shows what this figure is about; --posts names some")
    return chosen


def _cases(request: FigureRequest, chosen: list[int], systems: Mapping[str, Run]) -> list[PostCase]:
    """The chosen posts as figures take them."""
    run = request.run
    posts: list[Post] = [run.dataset[request.split][number] for number in chosen]
    tags = {name: [one.tags(request.split)[n] for n in chosen] for name, one in systems.items()}
    explained = run.model.explain(posts, run.store) if run.model.explained else [{}] * len(posts)
    # Attention to the blank picture must not lie over one that the model did not see.
    pictures = None if run.store is None else request.pictures
    return [
        PostCase(
            post,
            {name: tags[name][row] for name in systems},
            explained[row],
            find_picture(post, pictures),
            find_objects(post, run.store, run.model),
        )
        for row, post in enumerate(posts)
    ]


FIGURES: dict[tuple[str, int], _Kind] = {
    ("hsn", 5): _Kind(_hsn(choose.aligned_posts), ("HSN",)),
    ("hsn", 6): _Kind(_hsn(choose.confusing_posts), ("HSN",)),
    ("agban", 5): _Kind(_space, _AGBAN, compares=True),
    ("agban", 6): _Kind(_map, _AGBAN),
    ("agban", 7): _Kind(_losses, _AGBAN),
    ("agban", 8): _Kind(_study(choose.differing_posts), (), 4, compares=True),
    ("agban", 9): _Kind(_study(choose.failing_posts), (), 2, compares=True),
}
"""What is drawn, by paper and number."""
