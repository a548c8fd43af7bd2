"""The published numbers: the files note exactly the misprints that arithmetic finds."""

import subprocess
import sys

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


def tables():
    return [table for paper in PAPERS for table in load_published(paper).tables]


def misprints():
    """Where the files note misprints."""
    return {(table.paper, table.number, m.row, m.columns) for table in tables() for m in table.misprints}


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall)


def numbers_by_system(table):
    """{system's row: {(type, metric): number}}; a system may have a row per metric."""
    systems = {}
    for row in table.rows:
        system = row.key.removesuffix(f"-{row.metric}")
        for column in table.columns:
            number = table.number_at(row, column)
            systems.setdefault(system, {})[number.entity_type, number.metric] = number
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


def entities_of_the_test_split():
    """By type and `overall`, as AGBAN's table I has them."""
    return {row.key: row.values["test"] for row in find_table("agban", "I").rows}


# === The files ===
@pytest.mark.parametrize("table", tables(), ids=lambda table: f"{table.paper}-{table.number}")
def test_a_table_is_whole(table):
    columns = [column.key for column in table.columns]
    assert len({row.key for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert list(row.values) == columns, row.key
        assert row.model is None or row.model in MODELS
    for misprint in table.misprints:
        for column in misprint.columns:
            assert table.find_number(misprint.row, column).misprint is misprint
    if table.kind == "results":
        for number in table.numbers():
            assert number.value == round(number.value, 2) and number.metric in METRICS and number.entity_type


@pytest.mark.parametrize(
    ("paper", "expected"), [("hsn", 18 + 5 + 30 + 20 + 15), ("agban", 20 + 14 + 33 + 25 + 10 + 25)]
)
def test_every_number_is_there(paper, expected):
    assert sum(1 for table in load_published(paper).tables for _ in table.numbers()) == expected


# Taken once from the papers' text; no digit can slip later.
@pytest.mark.parametrize(
    ("paper", "number", "total"),
    [
        ("hsn", "1", 77987),
        ("hsn", "3", 1913.43),
        ("hsn", "4", 1351.65),
        ("hsn", "5", 1096.51),
        ("agban", "I", 51168),
        ("agban", "III", 2298.87),
        ("agban", "IV", 1638.53),
        ("agban", "V", 636.82),
        ("agban", "VI", 1653.91),
    ],
)
def test_no_digit_has_slipped(paper, number, total):
    assert sum(n.value for n in find_table(paper, number).numbers()) == pytest.approx(total, abs=0.001)


def test_the_rows_that_agban_marks_as_significant():
    marked = {(table.number, row.key) for table in tables() for row in table.rows if row.significant}
    assert marked == {("III", "agban-ban"), ("III", "agban-gban"), ("III", "agban")}


def test_the_numbers_that_agban_copied():
    copied = {
        (table.number, row.key)
        for table in load_published("agban").tables
        for row in table.rows
        for column in table.columns
        if table.number_at(row, column).source == "published-elsewhere"
    }
    rows = ("stanford-ner", "t-ner", "cnn-bilstm-crf", "adaptive-co-attention")
    assert copied == {*(("III", row) for row in rows), ("IV", "t-ner"), ("IV", "adaptive-co-attention")}


# === Misprints: what arithmetic finds is what the files note ===
def test_f1_of_precision_and_recall():
    found = set()
    for table in (table for table in tables() if table.kind == "results"):
        for system, numbers in numbers_by_system(table).items():
            for kind in {kind for kind, _ in numbers}:
                p, r, f = (numbers.get((kind, metric)) for metric in METRICS)
                if p and r and abs(f1(p.value, r.value) - f.value) > ROUNDING:
                    found.add((table.number, system, kind))
    assert found == {("III", "bert-ner", "overall"), ("IV", "agban", "LOC")}
    noted = {("III", "bert-ner", METRICS), ("IV", "agban-precision", ("LOC",))}
    assert {("agban", *place) for place in noted} <= misprints()


def test_what_the_overall_row_makes_of_a_misprinted_precision():
    counts, table = entities_of_the_test_split(), find_table("agban", "IV")
    right = {name: counts[name] * table.find_number("agban-recall", name).value / 100 for name in TYPES}
    precisions = {name: table.find_number("agban-precision", name).value for name in TYPES}
    likely = 77.65

    def overall(precisions):
        return 100 * sum(right.values()) / sum(100 * right[name] / precisions[name] for name in TYPES)

    printed = table.find_number("agban-precision", "overall").value
    recall = table.find_number("agban-recall", "overall").value
    assert 100 * sum(right.values()) / counts["overall"] == pytest.approx(recall, abs=0.02)
    assert overall({**precisions, "LOC": likely}) == pytest.approx(printed, abs=0.02)
    assert abs(overall(precisions) - printed) > 1
    loc = {metric: table.find_number(f"agban-{metric}".removesuffix("-f1"), "LOC").value for metric in METRICS}
    assert f1(likely, loc["recall"]) == pytest.approx(loc["f1"], abs=ROUNDING)
    assert str(likely) in table.misprints[0].note


def test_sums_of_agbans_first_table():
    table = find_table("agban", "I")
    found = {row.key for row in table.rows if sum(row.values[split] for split in POSTS) != row.values["total"]}
    assert found == {*TYPES, "overall"}
    for column in table.columns:
        total = table.find_number("overall", column.key).value
        assert sum(table.find_number(name, column.key).value for name in TYPES) == total
    assert {("agban", "I", row, ("total",)) for row in found} <= misprints()
    for misprint in table.misprints:
        row = next(row for row in table.rows if row.key == misprint.row)
        assert str(sum(row.values[split] for split in POSTS)) in misprint.note


def test_posts_of_hsns_first_table():
    table = find_table("hsn", 1)
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
        if table.find_number(row, split).value != posts[split]
    }
    assert sum(POSTS.values()) == 8257
    assert {row for _, _, row, _ in found} == set(expected)
    assert found <= misprints()


def test_overall_f1_that_the_types_allow():
    counts, found = entities_of_the_test_split(), set()
    for table in (table for table in tables() if table.kind == "results"):
        for system, numbers in numbers_by_system(table).items():
            by_type = {name: numbers[name, "f1"].value for name in TYPES if (name, "f1") in numbers}
            if len(by_type) < len(TYPES):
                continue
            if table.data == "twitter2015":
                lowest, highest = overall_range(by_type, counts)
            else:  # the counts by type are unknown
                lowest, highest = min(by_type.values()), max(by_type.values())
            if not lowest - ROUNDING <= numbers["overall", "f1"].value <= highest + ROUNDING:
                found.add((table.paper, table.number, system, tuple(f"{name.lower()}_f1" for name in by_type)))
    assert found == {("hsn", "3", "cnn-bilstm-crf", ("per_f1", "loc_f1", "org_f1", "misc_f1"))}
    assert found <= misprints()


def test_no_other_misprint_is_noted():
    assert len(misprints()) == 2 + 5 + 4 + 1


def test_the_highest_overall_f1_of_the_misprinted_types():
    by_type = {"PER": 71.25, "LOC": 67.73, "ORG": 38.33, "MISC": 21.98}
    lowest, highest = overall_range(by_type, entities_of_the_test_split())
    assert round(highest, 2) == 63.56
    assert lowest < highest
    assert "63.56" in find_table("hsn", 3).misprints[0].note


def test_the_same_result_in_two_tables():
    hsn, agban = ({t.number: t for t in load_published(paper).tables} for paper in PAPERS)

    def value(table, row, column):
        return table.find_number(row, column).value

    for name in (*TYPES, "overall"):
        column = f"{name.lower()}_f1"
        ours = value(agban["IV"], "agban", name)
        assert ours == value(agban["V"], "yes", column) == value(agban["VI"], "top-3", column)
        adaptive = "adaptive-co-attention"
        assert value(hsn["3"], adaptive, column) == value(agban["IV"], adaptive, name)
    assert value(hsn["3"], "hsn-crawl", "overall_f1") == value(hsn["5"], "hsn", "f1")
    assert value(hsn["3"], "cnn-bilstm-crf", "overall_f1") == value(agban["III"], "cnn-bilstm-crf", "f1")
    assert value(agban["IV"], "t-ner", "overall") == value(agban["III"], "t-ner", "f1")


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
    found = find_table(paper, table)
    gap = found.find_number(row, column).value - found.find_number(other, column).value
    assert gap == pytest.approx(difference, abs=1e-6)


# === Defaults; those of the settings tables are compared in test_build_table ===
def test_training_settings_that_only_the_texts_state():
    hsn, agban = MODELS["hsn"].training, MODELS["agban"].training
    # HSN section 4.3; AGBAN section IV-A, and figure 7.
    assert (hsn.optimizer, hsn.learning_rate, hsn.batch_size, hsn.patience) == ("adam", 0.003, 16, 20)
    assert (agban.optimizer, agban.epochs) == ("sgd", 200)


# === Finding ===
@pytest.mark.parametrize(
    ("paper", "number", "found"),
    [("hsn", 5, "5"), ("HSN", "5", "5"), ("agban", "III", "III"), ("agban", "vi", "VI"), ("agban", 1, "I")],
)
def test_find_table(paper, number, found):
    assert find_table(paper, number).number == found


def test_an_unknown_paper():
    with pytest.raises(InputError, match=r"expected a paper \(hsn, agban\), found 'agbn'\. Did you mean 'agban'\?"):
        load_published("agbn")


def test_an_unknown_table():
    with pytest.raises(InputError, match=r"expected a table of hsn \(1, 2, 3, 4, 5\), found '6'"):
        find_table("hsn", 6)


def test_a_number_reads_as_printed():
    assert str(find_table("agban", "III").find_number("stanford-ner", "recall")) == "62.00"
    assert str(find_table("hsn", 1).find_number("real-world-entities", "train")) == "11876"
    assert str(find_table("agban", 2).find_number("dropout", "value")) == "0.5"


def test_reading_imports_no_keras():
    code = (
        "import sys\n"
        "from mner_keras.papers import find_table\n"
        "find_table('hsn', 5)\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
