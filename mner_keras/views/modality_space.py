"""AGBAN's figure 5: words beside objects, and how well a linear classifier tells them apart."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mner_keras.errors import InputError
from mner_keras.views.charts import style

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagger import Tagger

_FOLDS = 5


class ModalityFeatures(NamedTuple):
    """Projected features of tokens (G_T) and objects (G_V)."""

    features: np.ndarray  # [n, d]
    is_text: np.ndarray  # [n]: whether each is a token's
    posts: np.ndarray  # [n]: the number of the post of each


def sample_features(
    model: Tagger, posts: Sequence[Post], features: Any, count: int = 500, seed: int = 1
) -> ModalityFeatures:
    """Return the projected features of tokens and objects drawn at random, the same ones for every model.

    Args:
        model: AGBAN.
        posts: the posts.
        features: the store of their pictures' features.
        count: how many tokens and objects to draw; all of them if there are fewer.
        seed: random seed of the draw.

    Raises:
        InputError: the model has no such features, or the posts have too few tokens or objects.
    """
    found = model.explain(posts, features)
    if "object_features" not in found[0]:
        raise InputError(f"expected a model that projects words and objects (agban), found a {type(model).__name__}")
    rng = np.random.default_rng(seed)
    drawn = []
    for key, what in (("text_features", "tokens"), ("object_features", "objects")):
        rows = np.concatenate([item[key] for item in found])
        owners = np.repeat(np.arange(len(found)), [len(item[key]) for item in found])
        if len(rows) < 2 * _FOLDS:
            raise InputError(f"expected at least {2 * _FOLDS} {what} in the posts, found {len(rows)}")
        chosen = np.sort(rng.permutation(len(rows))[:count])
        drawn.append((rows[chosen], np.full(len(chosen), what == "tokens"), owners[chosen]))
    return ModalityFeatures(*map(np.concatenate, zip(*drawn, strict=True)))


def linear_separability(sample: ModalityFeatures) -> float:
    """Return how well a linear classifier separates words from objects on held-out posts: 0.5 is chance, 1 is perfect.

    This is the balanced accuracy of a logistic regression on standardised features, the mean over five folds; the
    tokens and objects of a post are in the same fold.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = GroupKFold(min(_FOLDS, len(np.unique(sample.posts))), shuffle=True, random_state=0)
    how = {"groups": sample.posts, "cv": folds, "scoring": "balanced_accuracy"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cross_val_score(classifier, sample.features, sample.is_text, **how).mean())


def modality_space_figure(
    samples: Mapping[str, ModalityFeatures], perplexity: float = 60.0, iterations: int = 500, seed: int = 1
) -> Figure:
    """Draw words and objects as AGBAN's figure 5 does: one t-SNE map per model, side by side, on the same axes.

    Below each map is the `linear_separability`: near 50 % if adversarial training has mixed words and objects. Each map
    is computed alone; positions in one cannot be compared with positions in another.

    Args:
        samples: features by the model's name, from `sample_features`.
        perplexity: perplexity of t-SNE; at most a third of the points.
        iterations: iterations of t-SNE, more than 250: the first 250 only gather the points.
        seed: random seed of t-SNE.

    Reference:
        Zheng et al. 2020, section IV-D: 500 tokens, 500 objects, perplexity 60, 500 iterations.
    """
    from sklearn.manifold import TSNE

    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(7.2, 3.95), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(samples), sharex=True, sharey=True, squeeze=False)[0]
        far = 0.0
        for number, (axes, (name, (features, is_text, _))) in enumerate(zip(panels, samples.items(), strict=True)):
            near = min(perplexity, (len(features) - 1) / 3)
            places = TSNE(perplexity=near, max_iter=iterations, init="pca", random_state=seed).fit_transform(features)
            places -= (places.max(axis=0) + places.min(axis=0)) / 2
            far = max(far, 1.06 * float(np.abs(places).max()))
            look = {"s": 9, "linewidths": 0, "alpha": 0.75}  # orange and blue, as in the paper
            axes.scatter(*places[is_text].T, label=f"{is_text.sum()} tokens", color="#f28e2b", marker="o", **look)
            axes.scatter(*places[~is_text].T, label=f"{(~is_text).sum()} objects", color="#2f6db5", marker="^", **look)
            axes.set_title(f"({chr(97 + number)}) {name}", parse_math=False)
            accuracy = 100 * linear_separability(samples[name])
            axes.set_xlabel(f"linear classifier on held-out posts: {accuracy:.1f} % (chance 50 %)")
            axes.set(xticks=[], yticks=[], aspect="equal")
            axes.legend(loc="best", framealpha=0.9, markerscale=1.5)
        panels[0].set(xlim=(-far, far), ylim=(-far, far))
        return figure
