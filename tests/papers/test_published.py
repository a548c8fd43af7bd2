"""The published numbers: the files note exactly the misprints that arithmetic finds."""

import pytest

from mner_keras.errors import InputError
from mner_keras.papers import find_table, load_published
from mner_keras.papers.published import PAPERS
from mner_keras.registry import MODELS

METRICS = ("precision", "recall", "f1")
TYPES = ("PER", "LOC", "ORG", "MISC")
# Of Twitter-2015 by AGBAN's section IV-A, and what HSN's section 4.1.2 adds to it, without pictures.
POSTS = {"train": 4000, "dev": 1000, "test": 3257}
ADDED = {"train": 3000, "dev": 1000, "test": 2000}
# Three numbers that are rounded to two decimals are off by 0.005 each; F1 moves by at most as much as P and R do.
ROUNDING = 0.011
TABLES = [table for paper in PAPERS for table in load_published(paper).tables]
RESULTS = [table for table in TABLES if table.kind == "results"]
# Where the files note misprints.
MISPRINTS = {(table.paper, table.number, m.row, tuple(m.columns)) for table in TABLES for m in table.misprints}


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall)


def value(paper, table, row, column):
    return find_table(paper, table).find_number(row, column).value


def numbers_by_system(table):
    """{system's row: {(type, metric): value}}; a system may have a row per metric."""
    systems = {}
    for row in table.rows:
        system = systems.setdefault(row.key.removesuffix(f"-{row.metric}"), {})
        for column in table.columns:
            kind = row.entity_type or column.entity_type, column.metric or row.metric
            assert kind[0] is not None and kind[1] in METRICS
            system[kind] = row.values[column.key]
    return systems


# === The files ===
@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.paper}-{table.number}")
def test_a_table_is_whole(table):
    assert len({row.key for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert list(row.values) == [column.key for column in table.columns], row.key
        assert row.model is None or row.model in MODELS
        if table.kind == "results":
            assert all(number == round(number, 2) for number in row.values.values())
    for misprint in table.misprints:
        for column in misprint.columns:
            assert table.find_number(misprint.row, column).misprint is misprint


# Taken once from the papers' text; no digit can slip later.
@pytest.mark.parametrize(
    ("paper", "number", "count", "total"),
    [
        ("hsn", "1", 18, 77987),
        ("hsn", "3", 30, 1913.43),
        ("hsn", "4", 20, 1351.65),
        ("hsn", "5", 15, 1096.51),
        ("agban", "I", 20, 51168),
        ("agban", "III", 33, 2298.87),
        ("agban", "IV", 25, 1638.53),
        ("agban", "V", 10, 636.82),
        ("agban", "VI", 25, 1653.91),
    ],
)
def test_every_number_is_there_and_no_digit_has_slipped(paper, number, count, total):
    numbers = [value for row in find_table(paper, number).rows for value in row.values.values()]
    assert len(numbers) == count
    assert sum(numbers) == pytest.approx(total, abs=0.001)


def test_what_agban_marks_as_significant_or_copied():
    significant, copied = set(), set()
    for table in TABLES:
        for row in table.rows:
            numbers = {column.key: table.find_number(row.key, column.key) for column in table.columns}
            significant |= {(table.number, row.key, key) for key, number in numbers.items() if number.significant}
            if any(number.source == "published-elsewhere" for number in numbers.values()):
                copied.add((table.paper, table.number, row.key))
    assert significant == {("III", f"agban{form}", "f1") for form in ("-ban", "-gban", "")}
    rows = [("III", row) for row in ("stanford-ner", "t-ner", "cnn-bilstm-crf", "adaptive-co-attention")]
    rows += [("IV", "t-ner"), ("IV", "adaptive-co-attention")]
    assert copied == {("agban", *row) for row in rows}


# === Misprints: what arithmetic finds is what the files note ===
def test_f1_of_precision_and_recall():
    found = set()
    for table in RESULTS:
        for system, numbers in numbers_by_system(table).items():
            for kind in {kind for kind, _ in numbers}:
                p, r, f = (numbers.get((kind, metric)) for metric in METRICS)
                if p and r and abs(f1(p, r) - f) > ROUNDING:
                    found.add((table.number, system, kind))
    assert found == {("III", "bert-ner", "overall"), ("IV", "agban", "LOC")}
    assert {("agban", "III", "bert-ner", METRICS), ("agban", "IV", "agban-precision", ("LOC",))} <= MISPRINTS


def test_sums_of_agbans_first_table():
    table = find_table("agban", "I")
    found = {row.key for row in table.rows if sum(row.values[split] for split in POSTS) != row.values["total"]}
    assert found == {*TYPES, "overall"}
    for column in table.columns:
        total = table.find_number("overall", column.key).value
        assert sum(table.find_number(name, column.key).value for name in TYPES) == total
    assert {("agban", "I", row, ("total",)) for row in found} <= MISPRINTS
    for misprint in table.misprints:
        row = next(row for row in table.rows if row.key == misprint.row)
        assert str(sum(row.values[split] for split in POSTS)) in misprint.note


def test_posts_of_hsns_first_table():
    expected = {
        "twitter-sentences": POSTS,
        "twitter-images": POSTS,
        "real-world-sentences": {split: POSTS[split] + ADDED[split] for split in POSTS},
        "real-world-images": POSTS,
    }
    found = {
        ("hsn", "1", row, (split,))
        for row, posts in expected.items()
        for split in posts
        if value("hsn", "1", row, split) != posts[split]
    }
    assert sum(POSTS.values()) == 8257
    assert {row for _, _, row, _ in found} == set(expected)
    assert found <= MISPRINTS


def test_training_settings_that_only_the_texts_state():
    hsn, agban = MODELS["hsn"].training, MODELS["agban"].training
    # HSN section 4.3; AGBAN section IV-A, and figure 7. The settings tables are compared in test_measured.
    assert (hsn.optimizer, hsn.learning_rate, hsn.batch_size, hsn.patience) == ("adam", 0.003, 16, 20)
    assert (agban.optimizer, agban.epochs) == ("sgd", 200)


# === Finding ===
def test_find_table():
    for paper, number, found in (("hsn", 5, "5"), ("HSN", "5", "5"), ("agban", "vi", "VI"), ("agban", 1, "I")):
        assert find_table(paper, number).number == found
    with pytest.raises(InputError, match=r"expected a paper \(hsn, agban\), found 'agbn'\. Did you mean 'agban'\?"):
        load_published("agbn")
    with pytest.raises(InputError, match=r"expected a table of hsn \(1, 2, 3, 4, 5\), found '6'"):
        find_table("hsn", 6)


def test_a_number_reads_as_printed():
    assert str(find_table("agban", "III").find_number("stanford-ner", "recall")) == "62.00"
    assert str(find_table("hsn", 1).find_number("real-world-entities", "train")) == "11876"
    assert str(find_table("agban", 2).find_number("dropout", "value")) == "0.5"
