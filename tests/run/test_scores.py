"""`entity_scores`: strict IOB2, against a count of spans of our own."""

import random

import pytest

from mner_keras.data import entity_spans
from mner_keras.run.scores import entity_scores


def by_spans(gold, predicted, kind=None):
    def spans(sequences):
        return {
            (i, *span) for i, tags in enumerate(sequences) for span in entity_spans(tags) if kind in (None, span[0])
        }

    right, found, there = len(spans(gold) & spans(predicted)), len(spans(predicted)), len(spans(gold))
    precision, recall = right / max(found, 1), right / max(there, 1)
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": 100 * precision, "recall": 100 * recall, "f1": 100 * f1, "support": there}


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_strict_iob2_orphans_included(seed):
    rng = random.Random(seed)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    lengths = [rng.randint(1, 12) for _ in range(60)]
    gold = [rng.choices(tags, k=n) for n in lengths]
    predicted = [[tag if rng.random() < 0.8 else rng.choice(tags) for tag in row] for row in gold]
    scores = entity_scores(gold, predicted)
    assert scores["micro"] == pytest.approx(by_spans(gold, predicted))
    assert list(scores["types"]) == ["LOC", "PER"]
    for kind, row in scores["types"].items():
        assert row == pytest.approx(by_spans(gold, predicted, kind))


def test_a_type_that_is_never_found_scores_0():
    scores = entity_scores([["B-PER", "B-LOC"]], [["B-PER", "O"]])
    assert scores["types"]["LOC"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert scores["types"]["PER"]["f1"] == 100
    assert scores["micro"]["recall"] == 50


@pytest.mark.parametrize("tags", [["O", "O"], ["I-PER", "O"]])
def test_posts_without_any_entity_score_0(tags):
    zero = {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert entity_scores([tags], [["O", "O"]]) == {"micro": zero, "types": {}}


def test_an_entity_found_where_none_is_costs_precision():
    scores = entity_scores([["O", "B-PER"]], [["B-LOC", "B-PER"]])
    assert scores["micro"] == {"precision": 50, "recall": 100, "f1": pytest.approx(200 / 3), "support": 1}


def test_an_orphan_opens_an_entity_in_the_lenient_scheme_alone():
    gold, predicted = [["I-PER", "O", "B-LOC"]], [["B-PER", "O", "I-LOC"]]
    assert entity_scores(gold, predicted)["micro"]["support"] == 1
    lenient = entity_scores(gold, predicted, "lenient")["micro"]
    assert (lenient["support"], lenient["f1"]) == (2, 100)
