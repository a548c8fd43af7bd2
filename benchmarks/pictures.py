"""What models make of pictures: one command per question; `--help` explains each."""

import dataclasses
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import typer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mner_keras.cli.terminal import start_keras
from mner_keras.data import entity_spans, load_dataset, read_posts, write_conll
from mner_keras.models import load_tagger
from mner_keras.papers.compare import compare, compare_runs, read_groups
from mner_keras.run.run import Prediction, Run, entity_scores
from mner_keras.vision import FeatureStore
from mner_keras.vision.words import STOP_WORDS

app = typer.Typer(help=__doc__, callback=lambda: start_keras())


@app.command()
def attention(store: str, data: str, runs: list[str]) -> None:
    """AGBAN's attention: its share per token and object, and whether tokens differ.

    The means are over those of the first 300 test posts that have two objects or more: the share of a post's attention
    at its most attentive token, next to the equal share 1/n (the same with `softmax="objects"`); the share of a token's
    attention at its largest object; and how far its shares are from their mean over the post, 0 if all attend alike.
    """
    posts = load_dataset(data)["test"][:300]
    for run in runs:
        found = [explained["attention"] for explained in load_tagger(run).explain(posts, store)]
        maps = [weights for weights in found if weights.shape[1] > 1]
        tokens = [weights.sum(axis=1) / weights.sum() for weights in maps]
        # A token's distribution over the objects; uniform without any weight.
        rows = [np.maximum(weights, 1e-30) for weights in maps]
        rows = [row / row.sum(axis=1, keepdims=True) for row in rows]
        token, equal = np.mean([(share.max(), 1 / len(share)) for share in tokens], axis=0)
        largest = np.mean([row.max(axis=1).mean() for row in rows])
        distance = np.mean([np.abs(row - row.mean(axis=0)).max(axis=1).mean() for row in rows])
        print(f"{run}: {len(maps)} posts, most attentive token {token:.3f} (equal share {equal:.3f}), ", end="")
        print(f"largest object {largest:.3f}, distance {distance:.3f}")


@app.command()
def gain(out: str, runs: list[str]) -> None:
    """A figure of groups of runs against the first group: the differences in test F1 with their 95 % intervals.

    Runs that differ only in the seed are one group.
    """
    base, *others = read_groups(runs).items()
    found = [compare_runs(group, base[1], "strict") for _, group in others]
    differences = np.array([result.difference for result in found])
    errors = [differences - [result.low for result in found], [result.high for result in found] - differences]
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.4 * len(found)), layout="constrained")
    axes.axvline(0, color="gray", linewidth=1)
    axes.errorbar(differences, range(len(found)), xerr=errors, fmt="o", linewidth=2)
    axes.set_yticks(range(len(found)), [name for name, _ in others])
    axes.set(ylim=(len(found) - 0.5, -0.5), xlabel=f"points of test F1 above or below {base[0].split()[0]}")
    figure.savefig(out)


@app.command()
def missing(posts: str, text_model: str, models: list[str]) -> None:
    """The cost of missing pictures: models against a text-only one on a file of tagged posts without pictures.

    Prints F1 (strict IOB2) and the difference to the text-only model.
    """
    rows = read_posts(posts)
    base, *others = ([predictions(rows, load_tagger(name).tag(rows))] for name in (text_model, *models))
    for name, run in zip((text_model, *models), (base, *others), strict=True):
        print(f"{name}: {score(run)}, {difference(run, base)}")


@app.command()
def whose(store: str, data: str, runs: list[str]) -> None:
    """F1 of one model's runs, one per seed, with each post's own picture, none, and another post's.

    Over the test posts whose picture is in the store. For HSN also the mean gamma (eq. 17; 1 is text, 0 is fusion).
    """
    posts = pictured(store, data)
    shuffled = np.random.default_rng(1).permutation(len(posts))
    pictures = {
        "own": [post.image_id for post in posts],
        "none": [None] * len(posts),
        "another's": [posts[other].image_id for other in shuffled],
    }
    found, gammas = {name: [] for name in pictures}, {name: [] for name in pictures}
    for model in map(load_tagger, runs):
        for name, image_ids in pictures.items():
            seen = [dataclasses.replace(p, image_id=image) for p, image in zip(posts, image_ids, strict=True)]
            found[name].append(predictions(posts, model.tag(seen, store)))
            if "gamma" in model.output:
                gammas[name].append(np.concatenate([e["gamma"] for e in model.explain(seen, store)]).mean())
    print(f"{len(posts)} posts, {len(runs)} runs")
    for name, of_runs in found.items():
        gamma = f", mean gamma {np.mean(gammas[name]):.5f}" if gammas[name] else ""
        print(f"{name}: {score(of_runs)}, {difference(of_runs, found['own'])}{gamma}")


@app.command()
def shuffle(data: str, out: Path, seed: int = 7) -> None:
    """A copy of a data set in which the pictures of each split are dealt out anew among its posts."""
    out.mkdir(parents=True)
    for split, posts in load_dataset(data).items():
        ids = [post.image_id for post in posts]
        random.Random(seed).shuffle(ids)
        rows = [dataclasses.replace(post, image_id=image) for post, image in zip(posts, ids, strict=True)]
        write_conll(out / f"{split}.txt", rows)


@app.command()
def repeats(store: str, data: str, runs: list[str]) -> None:
    """F1 of one model's runs on the test posts whose caption repeats a word of a gold entity, and on the others.

    The captions are those in the store. A gain that lies in the first posts only may be a copy of the answer.
    """
    captions, chosen = FeatureStore(store), []
    for post in load_dataset(data)["test"]:
        named = [token for token, tag in zip(post.tokens, post.tags, strict=True) if tag != "O"]
        said = words_of(captions.caption(post.image_id) or "")
        chosen.append(bool((words_of(" ".join(named)) - STOP_WORDS) & said))
    for name, wanted in (("repeated", True), ("others", False)):
        rows = [[p for p, c in zip(Run(run).predictions, chosen, strict=True) if c is wanted] for run in runs]
        print(f"{name}: {len(rows[0])} posts, {score(rows)}")


@app.command()
def add(store: str, data: str, run: str) -> None:
    """What pictures could add to a text model: whether their features improve on its own scores.

    For each span of the test posts that is an entity or that the model predicts as one, a logistic regression predicts
    the type, or none, from the model's marginals alone, and from them with the mean feature vector of the picture (its
    first 20 principal components): the post's own picture, or another's. Prints the cross-entropy in nats and the
    accuracy of each on held-out posts (five folds), for the best of four penalties. If the own picture does no better
    than another's, its features contain nothing linear that the text model lacks.
    """
    model, posts = load_tagger(run), pictured(store, data)
    features, present = FeatureStore(store).read([post.image_id for post in posts], 49)  # no extractor gives more
    seen = present.any(axis=1)  # a picture may contain no object
    posts, features, present = [p for p, there in zip(posts, seen, strict=True) if there], features[seen], present[seen]
    pictures = (features * present[..., None]).sum(axis=1) / present.sum(axis=1, keepdims=True)
    scores, types, rows = spans_of(model, posts)
    pictures = PCA(20, random_state=0).fit_transform(pictures)
    shuffled = pictures[np.random.default_rng(0).permutation(len(posts))]
    print(f"{len(posts)} posts, {len(types)} spans")
    for name, further in (
        ("scores alone", np.zeros((len(types), 0))),
        ("with the own picture", pictures[rows]),
        ("with another's picture", shuffled[rows]),
    ):
        entropy, accuracy = told(np.concatenate([scores, further], axis=1), types, rows)
        print(f"{name}: {entropy:.4f} nats, {100 * accuracy:.2f} % right")


def pictured(store: str, data: str) -> list:
    """Return the test posts whose picture is in the store."""
    known = FeatureStore(store)
    return [p for p in load_dataset(data)["test"] if p.image_id is not None and p.image_id in known]


def words_of(text: str) -> set[str]:
    """Return the words of letters in a text, in lower case."""
    return set(re.findall(r"[^\W\d_]+", text.lower()))


def predictions(posts: Sequence, tagged: Sequence) -> list:
    """Return one run's predictions, as `mner_keras.papers.compare.compare` reads them."""
    return [Prediction(None, post.tokens, post.tags, found.tags) for post, found in zip(posts, tagged, strict=True)]


def score(runs: Sequence) -> str:
    """Return the mean micro F1 of some runs' predictions, in percent."""
    scores = [entity_scores([p.tags for p in run], [p.predicted for p in run])["micro"]["f1"] for run in runs]
    return f"F1 {np.mean(scores):.2f}"


def difference(runs: Sequence, base: Sequence) -> str:
    """Return the difference in F1 with the 95 % interval of a paired bootstrap over posts."""
    found = compare(runs, base)
    return f"difference {found.difference:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def spans_of(model: Any, posts: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logarithms of a span's marginals and its length `[S, tags + 1]`, its type `[S]`, its post `[S]`."""
    from keras import ops

    scores, types, rows = [], [], []
    for row, (post, values, tagged) in enumerate(zip(posts, model.potentials(posts), model.tag(posts), strict=True)):
        marginals = ops.convert_to_numpy(model.crf.marginals(values[None]))[0]
        gold = {(begin, end): kind for kind, begin, end in entity_spans(post.tags)}
        predicted = {(begin, end) for _, begin, end in entity_spans(tagged.tags)}
        for begin, end in sorted({*gold, *predicted}):
            scores.append([*np.log(np.maximum(marginals[begin:end].mean(axis=0), 1e-6)), end - begin])
            types.append(gold.get((begin, end), "none"))
            rows.append(row)
    return np.array(scores), np.array(types), np.array(rows)


def told(inputs: np.ndarray, types: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return cross-entropy and accuracy on held-out posts, for the best penalty."""
    folds, found = list(GroupKFold(5).split(inputs, types, rows)), []
    labels = np.unique(types)
    for penalty in (0.003, 0.03, 0.3, 3.0):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=500))
        chances = cross_val_predict(classifier, inputs, types, cv=folds, method="predict_proba")
        found.append((log_loss(types, chances, labels=labels), accuracy_score(types, labels[chances.argmax(axis=1)])))
    return min(found)


if __name__ == "__main__":
    app()
