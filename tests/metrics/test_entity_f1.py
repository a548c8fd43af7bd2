"""Entity F1 and entity spans against seqeval, strict IOB2."""

import keras
import numpy as np
import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2, Entities

from mner_keras.data import entity_spans
from mner_keras.metrics import EntityF1

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def random_tags(rng, n):
    """Indices of any tags in any order, so that orphans of every kind come up."""
    return rng.integers(0, len(TAGS), size=n)


def noisy(rng, tags):
    """Some of the tags, at random, are others: many entities are then right and many nearly so."""
    return np.where(rng.random(tags.shape) < 0.2, random_tags(rng, tags.shape), tags)


def names(tags):
    return [[TAGS[i] for i in row] for row in tags]


def reference(gold, predicted):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f1_score(names(gold), names(predicted), mode="strict", scheme=IOB2)


def value(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


def test_entity_spans_are_seqevals_entities():
    rng = np.random.default_rng(0)
    orphans = 0
    for _ in range(500):
        row = [TAGS[i] for i in random_tags(rng, rng.integers(1, 12))]
        expected = [(entity.tag, entity.start, entity.end) for entity in Entities([row], scheme=IOB2).entities[0]]
        assert entity_spans(row) == expected
        orphans += any(tag.startswith("I-") and row[i - 1][2:] != tag[2:] for i, tag in enumerate(row) if i)
    assert orphans > 300


@pytest.mark.parametrize("n", [1, 2, 9])
def test_equals_seqeval_on_random_tags_row_by_row(n):
    rng = np.random.default_rng(n)
    metric = EntityF1(TAGS)
    some = 0
    for _ in range(25):
        gold = random_tags(rng, (1, n))
        predicted = noisy(rng, gold)
        metric.reset_state()
        metric.update_state(gold, predicted)
        expected = reference(gold, predicted)
        assert value(metric) == pytest.approx(expected, abs=1e-6), (names(gold), names(predicted))
        some += 0 < expected < 1
    assert n < 9 or some > 3


@pytest.mark.parametrize("where", ["behind", "in front", "holes"])
def test_equals_seqeval_under_masks_and_over_several_batches(where):
    rng = np.random.default_rng(5)
    metric = EntityF1(TAGS)
    all_gold, all_predicted = [], []
    for _ in range(6):
        gold = random_tags(rng, (30, 8))
        predicted = noisy(rng, gold)
        lengths = rng.integers(0, 9, size=30)
        mask = np.arange(8)[None] < lengths[:, None]
        # The CRF skips holes as well.
        mask = {"behind": mask, "in front": mask[:, ::-1], "holes": rng.random(gold.shape) < 0.6}[where]
        metric.update_state(gold, predicted, mask)
        all_gold += [row[valid] for row, valid in zip(gold, mask, strict=True)]
        all_predicted += [row[valid] for row, valid in zip(predicted, mask, strict=True)]
    # seqeval wants no empty rows; they hold no entity.
    kept = [i for i, row in enumerate(all_gold) if len(row)]
    expected = reference([all_gold[i] for i in kept], [all_predicted[i] for i in kept])
    assert 0.1 < expected < 0.9
    assert value(metric) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("label", [-100, 99])
def test_labels_in_masked_positions_are_not_read(label):
    rng = np.random.default_rng(7)
    gold = random_tags(rng, (20, 8))
    predicted = noisy(rng, gold)
    mask = np.arange(8)[None] < rng.integers(1, 9, size=20)[:, None]
    results = []
    for filling in (0, label):
        metric = EntityF1(TAGS)
        metric.update_state(np.where(mask, gold, filling), np.where(mask, predicted, 0), mask)
        results.append(value(metric))
    assert results[0] == results[1]


def test_without_entities_the_result_is_zero_and_finite():
    metric = EntityF1(TAGS)
    assert value(metric) == 0.0
    metric.update_state([[0, 2]], [[0, 0]])
    assert value(metric) == 0.0


def test_reset_forgets_and_the_configuration_makes_an_equal_metric():
    metric = EntityF1(TAGS, name="dev_f1")
    metric.update_state([[3, 4]], [[3, 4]])
    metric.reset_state()
    assert value(metric) == 0.0
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.name == "dev_f1"
    again.update_state([[3, 4]], [[3, 4]])
    assert value(again) == 1.0
