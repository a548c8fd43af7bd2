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


def overall_range(by_type, counts):
    """The lowest and highest overall F1 (in percent) that F1 by type allows, given the gold entities of each type.

    With g gold and p predicted entities of a type, of which t are right, F1 = 2 t / (g + p). The overall F1 is the mean
    of F1 by type, weighted with g + p. As t is at most g and at most p, g + p lies between 2 g / (2 - F1) and 2 g / F1.
    """
    scores = {name: value / 100 for name, value in by_type.items()}
    ends = []
    for sign in (-1, 1):
        # The extreme weighted mean gives the types on one side of some threshold their greatest weight.
        order = sorted(scores, key=lambda name: sign * scores[name])
        best = None
        for cut in range(len(order) + 1):
            weights = {
                name: 2 * counts[name] / (2 - scores[name]) if place < cut else 2 * counts[name] / scores[name]
                for place, name in enumerate(order)
            }
            mean = sum(weights[name] * scores[name] for name in scores) / sum(weights.values())
            best = mean if best is None else sign * max(sign * best, sign * mean)
        ends.append(100 * best)
    return tuple(ends)


@pytest.fixture
def entities():
    """The entities of the test split, by type and `overall`, as AGBAN's table I has them."""
    return {row.key: row.values["test"] for row in find_table("agban", "I").rows}


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


def test_what_the_overall_row_makes_of_a_misprinted_precision(entities):
    table = find_table("agban", "IV")
    right = {name: entities[name] * table.find_number("agban-recall", name).value / 100 for name in TYPES}
    precisions = {name: table.find_number("agban-precision", name).value for name in TYPES}
    likely = 77.65

    def overall(precisions):
        return 100 * sum(right.values()) / sum(100 * right[name] / precisions[name] for name in TYPES)

    printed = table.find_number("agban-precision", "overall").value
    recall = table.find_number("agban-recall", "overall").value
    assert 100 * sum(right.values()) / entities["overall"] == pytest.approx(recall, abs=0.02)
    assert overall({**precisions, "LOC": likely}) == pytest.approx(printed, abs=0.02)
    assert abs(overall(precisions) - printed) > 1
    loc = {row: table.find_number(row, "LOC").value for row in ("agban", "agban-recall")}
    assert f1(likely, loc["agban-recall"]) == pytest.approx(loc["agban"], abs=ROUNDING)
    assert str(likely) in table.misprints[0].note


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


def test_overall_f1_that_the_types_allow(entities):
    found = {}
    for table in RESULTS:
        for system, numbers in numbers_by_system(table).items():
            by_type = {name: numbers[name, "f1"] for name in TYPES if (name, "f1") in numbers}
            if len(by_type) < len(TYPES):
                continue
            # The counts by type of the real-world set are unknown.
            lowest, highest = min(by_type.values()), max(by_type.values())
            if table.data == "twitter2015":
                lowest, highest = overall_range(by_type, entities)
            if not lowest - ROUNDING <= numbers["overall", "f1"] <= highest + ROUNDING:
                columns = tuple(f"{name.lower()}_f1" for name in by_type)
                found[table.paper, table.number, system, columns] = round(highest, 2)
    assert found == {("hsn", "3", "cnn-bilstm-crf", ("per_f1", "loc_f1", "org_f1", "misc_f1")): 63.56}
    assert set(found) <= MISPRINTS
    assert "63.56" in find_table("hsn", 3).misprints[0].note


def test_no_other_misprint_is_noted():
    assert len(MISPRINTS) == 2 + 5 + 4 + 1


def test_the_same_result_in_two_tables():
    adaptive = "adaptive-co-attention"
    for name in (*TYPES, "overall"):
        column = f"{name.lower()}_f1"
        ours = value("agban", "IV", "agban", name)
        assert ours == value("agban", "V", "yes", column) == value("agban", "VI", "top-3", column)
        assert value("hsn", 3, adaptive, column) == value("agban", "IV", adaptive, name)
    assert value("hsn", 3, "hsn-crawl", "overall_f1") == value("hsn", 5, "hsn", "f1")
    assert value("hsn", 3, "cnn-bilstm-crf", "overall_f1") == value("agban", "III", "cnn-bilstm-crf", "f1")
    assert value("agban", "IV", "t-ner", "overall") == value("agban", "III", "t-ner", "f1")


# Differences of F1 that the texts state: HSN sections 4.4.1 and 4.4.3, AGBAN section IV-B.
@pytest.mark.parametrize(
    ("paper", "table", "column", "row", "other", "difference"),
    [
        ("hsn", "3", "overall_f1", "hsn-crawl", "disan-crawl", 1.27),
        ("hsn", "5", "f1", "hsn", "hsn-without-mi", 1.16),
        ("hsn", "5", "f1", "hsn", "hsn-without-ha", 1.72),
        ("hsn", "5", "f1", "hsn", "hsn-without-mp", 0.47),
        ("hsn", "5", "f1", "hsn", "hsn-without-vf", 2.07),
        ("agban", "III", "f1", "agban", "adaptive-co-attention", 73.25 - 70.69),
        ("agban", "III", "f1", "agban-ban", "agban-concat", 72.55 - 71.85),
        ("agban", "III", "f1", "agban-gban", "agban-ban", 72.84 - 72.55),
        ("agban", "VI", "overall_f1", "top-3", "top-1", 2.24),
        ("agban", "VI", "overall_f1", "top-3", "top-5", 0.44),
    ],
)
def test_differences_that_the_text_states(paper, table, column, row, other, difference):
    gap = value(paper, table, row, column) - value(paper, table, other, column)
    assert gap == pytest.approx(difference, abs=1e-6)


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
