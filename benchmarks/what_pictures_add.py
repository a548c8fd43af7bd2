"""Estimate what pictures could add to a text model: whether their features improve on its own scores.

Usage: python benchmarks/what_pictures_add.py STORE DATA RUN

RUN is a text model's, STORE contains the pictures' features. For each span of the test posts that is an entity or that
the model predicts as one, a logistic regression predicts the type, or none, from the model's marginals alone, and
from them with the mean feature vector of the picture (its first 20 principal components): the post's own picture, or
another's. Prints the cross-entropy in nats and the accuracy of each on held-out posts (five folds), for the best of
four penalties. If the own picture does no better than another's, its features contain nothing linear that the text
model lacks.
"""

from __future__ import annotations

import sys

import numpy as np

from mner_keras.cli.keras_start import start_keras

COMPONENTS = 20
MOST_VECTORS = 49  # as many as any extractor's pictures have
PENALTIES = (0.003, 0.03, 0.3, 3.0)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    start_keras()
    from mner_keras import load_dataset
    from mner_keras.models import load_tagger
    from mner_keras.vision import FeatureStore

    store, model = FeatureStore(sys.argv[1]), load_tagger(sys.argv[3])
    posts = [p for p in load_dataset(sys.argv[2])["test"] if p.image_id is not None and p.image_id in store]
    from sklearn.decomposition import PCA

    features, present = store.read([post.image_id for post in posts], MOST_VECTORS)
    seen = present.any(axis=1)  # a picture may contain no object
    posts, features, present = [p for p, there in zip(posts, seen, strict=True) if there], features[seen], present[seen]
    pictures = (features * present[..., None]).sum(axis=1) / present.sum(axis=1, keepdims=True)
    scores, types, rows = spans_of(model, posts)
    pictures = PCA(COMPONENTS, random_state=0).fit_transform(pictures)
    shuffled = pictures[np.random.default_rng(0).permutation(len(posts))]
    print(f"{len(posts)} posts, {len(types)} spans")
    for name, further in (
        ("scores alone", np.zeros((len(types), 0))),
        ("with the own picture", pictures[rows]),
        ("with another's picture", shuffled[rows]),
    ):
        entropy, accuracy = told(np.concatenate([scores, further], axis=1), types, rows)
        print(f"{name}: {entropy:.4f} nats, {100 * accuracy:.2f} % right")


def spans_of(model, posts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logarithms of a span's marginals and its length `[S, tags + 1]`, its type `[S]`, its post `[S]`."""
    from keras import ops

    from mner_keras.data import entity_spans

    scores, types, rows = [], [], []
    for row, (post, potentials, tagged) in enumerate(
        zip(posts, model.potentials(posts), model.tag(posts), strict=True)
    ):
        marginals = ops.convert_to_numpy(model.crf.marginals(potentials[None]))[0]
        gold = {(begin, end): kind for kind, begin, end in entity_spans(post.tags)}
        predicted = {(begin, end) for _, begin, end in entity_spans(tagged.tags)}
        for begin, end in sorted({*gold, *predicted}):
            scores.append([*np.log(np.maximum(marginals[begin:end].mean(axis=0), 1e-6)), end - begin])
            types.append(gold.get((begin, end), "none"))
            rows.append(row)
    return np.array(scores), np.array(types), np.array(rows)


def told(inputs: np.ndarray, types: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return cross-entropy and accuracy on held-out posts, for the best penalty."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, log_loss
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds, found = list(GroupKFold(5).split(inputs, types, rows)), []
    labels = np.unique(types)
    for penalty in PENALTIES:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=500))
        chances = cross_val_predict(classifier, inputs, types, cv=folds, method="predict_proba")
        found.append((log_loss(types, chances, labels=labels), accuracy_score(types, labels[chances.argmax(axis=1)])))
    return min(found)


if __name__ == "__main__":
    main()
