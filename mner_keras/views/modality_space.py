"""AGBAN's figure 5: whether words and objects share one space."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagger import Tagger

_FOLDS = 5
_TEXT, _OBJECT = "#f28e2b", "#2f6db5"  # orange and blue, as in the paper


@dataclasses.dataclass(frozen=True)
class ModalityFeatures:
    """Projected features of some tokens and objects.

    Args:
        text: G_T of the tokens, `[m, d]`.
        objects: G_V of the objects, `[l, d]`.
        text_posts: the post of each token, `[m]`.
        object_posts: the post of each object, `[l]`.
    """

    text: np.ndarray
    objects: np.ndarray
    text_posts: np.ndarray
    object_posts: np.ndarray


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
    drawn = {}
    for key in ("text_features", "object_features"):
        rows = np.concatenate([item[key] for item in found])
        owners = np.repeat(np.arange(len(found)), [len(item[key]) for item in found])
        if len(rows) < 2 * _FOLDS:
            what = "tokens" if key == "text_features" else "objects"
            raise InputError(f"expected at least {2 * _FOLDS} {what} in the posts, found {len(rows)}")
        chosen = np.sort(rng.permutation(len(rows))[:count])
        drawn[key] = rows[chosen], owners[chosen]
    (text, text_posts), (objects, object_posts) = drawn["text_features"], drawn["object_features"]
    return ModalityFeatures(text, objects, text_posts, object_posts)


def linear_separability(sample: ModalityFeatures) -> float:
    """Return how well a linear classifier separates words from objects on held-out posts: 0.5 is chance, 1 is perfect.

    This is the balanced accuracy of a logistic regression on standardised features, the mean over five folds; the
    tokens and objects of a post are in the same fold.

    Args:
        sample: the features.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([sample.text, sample.objects])
    kind = np.repeat([1, 0], [len(sample.text), len(sample.objects)])
    posts = np.concatenate([sample.text_posts, sample.object_posts])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = GroupKFold(min(_FOLDS, len(np.unique(posts))), shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(classifier, features, kind, groups=posts, cv=folds, scoring="balanced_accuracy")
    return float(scores.mean())


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

    figure = Figure(figsize=(7.2, 3.95), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(samples), sharex=True, sharey=True, squeeze=False)[0]
    far = 0.0
    for number, (axes, (name, sample)) in enumerate(zip(panels, samples.items(), strict=True)):
        features = np.concatenate([sample.text, sample.objects])
        near = min(perplexity, (len(features) - 1) / 3)
        places = TSNE(perplexity=near, max_iter=iterations, init="pca", random_state=seed).fit_transform(features)
        places -= (places.max(axis=0) + places.min(axis=0)) / 2
        far = max(far, float(np.abs(places).max()))
        words = len(sample.text)
        style = {"s": 9, "linewidths": 0, "alpha": 0.75}
        axes.scatter(*places[:words].T, color=_TEXT, marker="o", label=f"{words} tokens", **style)
        axes.scatter(*places[words:].T, color=_OBJECT, marker="^", label=f"{len(sample.objects)} objects", **style)
        axes.set_title(f"({chr(97 + number)}) {name}", fontsize=9, parse_math=False)
        accuracy = 100 * linear_separability(sample)
        axes.set_xlabel(f"linear classifier on held-out posts: {accuracy:.1f} % (chance 50 %)", fontsize=8)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.legend(fontsize=7, loc="best", framealpha=0.9, markerscale=1.5)
    panels[0].set(xlim=(-1.06 * far, 1.06 * far), ylim=(-1.06 * far, 1.06 * far))
    return figure
