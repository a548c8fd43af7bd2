"""Run folders with an untrained model, as training leaves them, made in no time."""

import json
import random

from small_corpus import SMALL

NASTY = {
    2: ["<script>alert(1)</script>", "</svg>", "&amp;", "\"'><img", "src=http://evil.example/x.png", "`${x}`"],
    3: ["مرحبا", "بكم", "في", "القاهرة", "👩‍👩‍👧", "🔥"],
    4: ["w" * 300, *["long"] * 200],
}
"""Tokens of posts of the test split that a page must survive."""


def build_model(name, data):
    """An untrained model for a data set, and the path of its feature store."""
    import keras

    from mner_keras.registry import find_model
    from mner_keras.run.config import split_arguments

    keras.utils.set_random_seed(2)
    entry = find_model(name)
    cls = entry.load_class()
    visual = cls.preprocessing.get("visual")
    store = data.features(visual.kind) if visual else None
    first, rest = split_arguments(cls, {**SMALL[name], **entry.arguments})
    return cls(cls.fit_preprocessor(data["train"], features=store, **first), **rest), store


def write_run(folder, model, corpus, predict=None):
    """A finished run; `predict` gives the tags of a post by number, by default the right ones of every other post."""
    from finished_runs import finish_run

    from mner_keras import load_dataset
    from mner_keras.run.config import RunConfig
    from mner_keras.run.run import entity_scores

    data = load_dataset(corpus)
    posts = data["test"]
    predict = predict or (lambda number, post: post.tags if number % 2 else ("O",) * len(post))
    predicted = [predict(number, post) for number, post in enumerate(posts)]
    config = RunConfig.for_model(model, data=str(corpus))
    finish_run(folder, config, predicted, versions={"keras": "3.99.9"}, seed=1, parameters=12345)
    build_model(model, data)[0].save(folder / "model.keras")
    names = ["loss", "crf_loss", "adversarial_loss"] if model == "agban" else ["loss"]
    rows = [{name: random.Random(f"{epoch}{name}").uniform(10, 90) for name in names} for epoch in (1, 2)]
    head = ["epoch", *names, *(f"val_{name}" for name in names), "val_f1"]
    lines = [[e, *row.values(), *(1.2 * v for v in row.values()), 10 * e] for e, row in enumerate(rows, start=1)]
    text = "".join(",".join(map(str, line)) + "\n" for line in (head, *lines))
    (folder / "history.csv").write_text(text)
    scores = entity_scores([post.tags for post in posts], predicted)
    (folder / "metrics.json").write_text(json.dumps({"dev": scores, "test": scores, "best_epoch": 1}))
    return folder
