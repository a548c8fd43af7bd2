"""`entity_scores`: strict IOB2, against a count of spans of our own; and `predictions.jsonl`."""

import random

import pytest

from mner_keras.data import Post, entity_spans
from mner_keras.errors import InputError
from mner_keras.run.run import Prediction, entity_scores, read_predictions, write_predictions


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


@pytest.mark.parametrize("tags", [["O", "O"], ["I-PER", "O"]])
def test_posts_without_any_entity_score_0(tags):
    zero = {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert entity_scores([tags], [["O", "O"]]) == {"micro": zero, "types": {}}


def test_a_type_on_one_side_only_scores_0():
    scores = entity_scores([["B-PER", "B-LOC", "O"]], [["B-PER", "O", "B-ORG"]])
    assert scores["types"]["LOC"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert scores["types"]["ORG"]["support"] == 0
    assert scores["micro"] == {"precision": 50, "recall": 50, "f1": 50, "support": 2}


def test_an_orphan_opens_an_entity_in_the_lenient_scheme_alone():
    gold, predicted = [["I-PER", "O", "B-LOC"]], [["B-PER", "O", "I-LOC"]]
    assert entity_scores(gold, predicted)["micro"]["support"] == 1
    lenient = entity_scores(gold, predicted, "lenient")["micro"]
    assert (lenient["support"], lenient["f1"]) == (2, 100)


# === predictions.jsonl ===
def test_what_is_written_is_read(tmp_path):
    posts = [Post(("Ω\u2028", "\u00a0"), ("B-PER", "O"), image_id="x\ud83d"), Post(("a",), ("O",))]
    write_predictions(tmp_path / "predictions.jsonl", posts, [("O", "B-LOC"), ("O",)])
    assert read_predictions(tmp_path) == [
        Prediction("x\ud83d", ("Ω\u2028", "\u00a0"), ("B-PER", "O"), ("O", "B-LOC")),
        Prediction(None, ("a",), ("O",), ("O",)),
    ]


def test_a_damaged_line_is_named_and_an_unfinished_run_has_none(tmp_path):
    with pytest.raises(InputError, match="expected the predictions of a finished run; No such file"):
        read_predictions(tmp_path)
    good = '{"image": null, "tokens": [], "tags": [], "predicted": []}'
    for line, message in (
        ("{", "expected an object with"),
        ('{"image": null, "tokens": ["a"]}', "expected an object with"),
        ('{"image": null, "tokens": ["a"], "tags": [], "predicted": []}', "as many tags"),
    ):
        (tmp_path / "predictions.jsonl").write_text(f"{good}\n{line}\n")
        with pytest.raises(InputError, match=f"predictions.jsonl:2: .*{message}"):
            read_predictions(tmp_path)
