"""The parts of the report: counts, curves, marks, losses."""

import dataclasses

import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.reproduce.report.confusion import BOUNDS, MISSED, SPURIOUS, count_confusion
from mner_keras.reproduce.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, make_charts
from mner_keras.reproduce.report.marks import Piece, cut_pieces


def tags(text):
    return text.split()


def test_every_entity_is_counted_once_in_its_row_and_once_in_its_column():
    found = count_confusion(
        [
            (tags("B-PER I-PER O B-LOC"), tags("B-PER I-PER O B-ORG")),  # right; the wrong type
            (tags("B-PER I-PER O O"), tags("B-PER O O B-LOC")),  # other bounds; spurious
            (tags("B-ORG O O O"), tags("O O O O")),  # missed
            (tags("O I-PER O O"), tags("O I-PER O O")),  # orphans open nothing
        ]
    )
    assert found.types == ("LOC", "ORG", "PER")
    counts = {
        (row, column): found.count(row, column)
        for row in found.rows
        for column in found.columns
        if found.count(row, column)
    }
    assert counts == {
        ("PER", "PER"): 1,
        ("LOC", "ORG"): 1,
        ("PER", BOUNDS): 1,
        (BOUNDS, "PER"): 1,
        (SPURIOUS, "LOC"): 1,
        ("ORG", MISSED): 1,
    }
    assert found.count(SPURIOUS, MISSED) is None
    assert [found.gold(kind) for kind in found.types] == [1, 1, 2]
    assert [found.predicted(kind) for kind in found.types] == [1, 1, 2]


def test_the_confusion_adds_up_to_the_scores():
    from finished_runs import make_posts, predict

    from mner_keras.run.scores import entity_scores

    posts = make_posts(60)
    predicted = [list(found) for found in predict(posts, 0.5, 3)]
    predicted[0], predicted[1] = ["B-LOC", *["O"] * 5], ["O", "B-PER", "I-PER", "I-PER", "O", "O"]
    gold = [post.tags for post in posts]
    found = count_confusion(zip(gold, predicted, strict=True))
    scores = entity_scores(gold, predicted)["types"]
    for kind in found.types:
        right = found.count(kind, kind)
        assert scores[kind]["support"] == found.gold(kind)
        assert scores[kind]["recall"] == pytest.approx(100 * right / found.gold(kind))
        assert scores[kind]["precision"] == pytest.approx(100 * right / found.predicted(kind))


def test_curves_are_drawn_where_their_ticks_say():
    history = [
        {"epoch": 1.0, "loss": 20.0, "val_loss": 40.0, "val_f1": 25.0},
        {"epoch": 3.0, "loss": 10.0, "val_loss": float("nan"), "val_f1": 50.0},
    ]
    f1, loss = make_charts(history, (10.0, 20.0))
    assert (f1.name, loss.name) == ("F1", "loss")
    (dev,) = f1.series
    assert [value for *_, value in dev.points] == [25.0, 50.0]
    # The losses are those of a post; a value that is no number is left out.
    assert {line.name: [value for *_, value in line.points] for line in loss.series} == {"train": [2, 1], "dev": [2]}
    assert loss.summary == "train 2 in epoch 1, 1 in epoch 3; dev 2 in epoch 1"
    at = {float(label): place for place, label in f1.y_ticks}
    x, y, epoch, _ = dev.points[0]
    assert (x, epoch) == (LEFT, 1)
    low, high = min(at), max(at)
    assert y == pytest.approx(at[low] + (at[high] - at[low]) * (25 - low) / (high - low))
    for chart in (f1, loss):
        for line in chart.series:
            assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y, *_ in line.points)


def test_one_epoch_and_none_are_drawn():
    (chart,) = make_charts([{"epoch": 1.0, "loss": 0.0}])
    assert len(chart.series[0].points) == 1
    assert make_charts([]) == []


def test_a_post_is_cut_at_its_entities():
    tokens = ["Benz", "in", "New", "York", "!"]
    gold, found = tags("B-PER O B-LOC I-LOC O"), tags("B-ORG O B-LOC I-LOC O")
    assert cut_pieces(tokens, gold, found) == [
        Piece("Benz", "PER", False),
        Piece("in"),
        Piece("New York", "LOC", True),
        Piece("!"),
    ]
    assert cut_pieces(tokens, ["O"] * 5, gold) == [Piece("Benz in New York !")]


@pytest.mark.parametrize("kind", ["text", "hsn", "agban"])
def test_a_posts_loss_is_what_training_would_make_of_it_alone(kind, corpus):
    import keras
    from small_corpus import SMALL

    from mner_keras import load_dataset
    from mner_keras.registry import find_model
    from mner_keras.reproduce.report.losses import post_losses

    keras.utils.set_random_seed(4)
    data, cls = load_dataset(corpus), find_model(kind).load_class()
    visual = cls.encoder_defaults.get("visual")
    store = data.features(visual) if visual else None
    encoder = cls.fit_encoder(data["train"], features=store)
    model = cls.from_encoder(encoder, **SMALL[kind])
    posts = data["test"]
    losses = post_losses(model, posts, store, batch_size=5)
    assert losses.shape == (len(posts),)
    for number in (0, 1, 7):
        ((inputs, gold),) = encoder.dataset([posts[number]], store, batch_size=1)
        alone = model.crf_loss(gold, model(inputs, training=False))
        assert losses[number] == pytest.approx(float(np.asarray(alone)), rel=1e-4)
    with pytest.raises(InputError, match="expected posts with tags"):
        post_losses(model, [dataclasses.replace(posts[0], tags=None)], store)
