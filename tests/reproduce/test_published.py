"""The published numbers: every misprint that arithmetic finds is noted, and the defaults are the papers' settings."""

import dataclasses
import inspect
import re
import subprocess
import sys
from importlib import resources

import pytest

from mner_keras.errors import InputError
from mner_keras.registry import MODELS, Training
from mner_keras.reproduce import find_table, load_published
from mner_keras.reproduce.published import PAPERS
from mner_keras.reproduce.table import CHECKS, KINDS, METRICS, SOURCES

TYPES = ("PER", "LOC", "ORG", "MISC")
# Of Twitter-2015 by AGBAN's section IV-A, and what HSN's section 4.1.2 adds to it, without pictures.
POSTS = {"train": 4000, "dev": 1000, "test": 3257}
ADDED = {"train": 3000, "dev": 1000, "test": 2000}
# Three numbers that are rounded to two decimals are off by 0.005 each; F1 moves by at most as much as P and R do.
ROUNDING = 0.011


def tables():
    return [table for paper in PAPERS for table in load_published(paper).tables]


def noted(check):
    """Where the files note a misprint of a kind."""
    return {
        (table.paper, table.number, misprint.row, misprint.columns)
        for table in tables()
        for misprint in table.misprints
        if misprint.check == check
    }


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall)


def scores_by_system():
    """{(paper, table, system's row): {(type, metric): number}}, whichever way a table is turned."""
    systems = {}
    for table in tables():
        for number in table.numbers():
            if number.metric is not None:
                by_column = any(column.model for column in table.columns)
                system = (table.paper, table.number, number.model if by_column else number.row)
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
@pytest.mark.parametrize(("paper", "numbers"), [("hsn", "1 2 3 4 5"), ("agban", "I II III IV V VI")])
def test_every_table_is_there(paper, numbers):
    published = load_published(paper)
    assert published.paper == paper
    assert [table.number for table in published.tables] == numbers.split()
    assert (resources.files("mner_keras") / "reproduce" / "reference" / f"{paper}.toml").is_file()


@pytest.mark.parametrize("table", tables(), ids=lambda table: f"{table.paper}-{table.number}")
def test_a_table_is_whole(table):
    columns, rows = [column.key for column in table.columns], [row.key for row in table.rows]
    assert len(set(columns)) == len(columns) and len(set(rows)) == len(rows)
    assert table.kind in KINDS
    assert table.unit == {"statistics": "count", "settings": "setting", "results": "percent"}[table.kind]
    for row in table.rows:
        assert list(row.values) == columns, row.key
        assert set(row.sources) <= set(columns)
        assert (row.setting is not None) == (table.kind == "settings")
    for misprint in table.misprints:
        assert misprint.check in CHECKS and misprint.note
        for column in misprint.columns:
            assert table.find_number(misprint.row, column).misprint is misprint
    for number in table.numbers():
        assert number.source in SOURCES
        if table.kind == "results":
            assert 0 < number.value < 100
            assert number.value == round(number.value, 2)
            assert number.model and number.metric in METRICS and number.entity_type in (*TYPES, "overall")
        elif table.kind == "statistics":
            assert isinstance(number.value, int)


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


def test_misprints_stay_as_printed():
    assert [find_table("hsn", 1).find_number(m.row, "test").value for m in find_table("hsn", 1).misprints] == [
        3527,
        3527,
        5527,
        3527,
    ]
    assert [row.values["total"] for row in find_table("agban", "I").rows] == [4583, 4308, 2012, 1881, 12784]
    assert list(find_table("agban", "III").find_row("bert-ner").values.values()) == [70.65, 73.29, 71.87]
    assert find_table("agban", "IV").find_number("LOC", "precision").value == 71.65
    assert list(find_table("hsn", 3).rows[0].values.values()) == [71.25, 67.73, 38.33, 21.98, 67.15]


def test_rows_of_our_models_are_in_the_registry():
    ours = {n.model for table in tables() for n in table.numbers() if re.match("hsn|agban", n.model or "")}
    assert len(ours) == 5 + 4
    assert ours <= set(MODELS)


def test_arguments_of_rows_are_arguments_of_the_model():
    for table in tables():
        for row in table.rows:
            if row.arguments:
                known = inspect.signature(MODELS[row.model].load_class().__init__).parameters
                assert set(row.arguments) <= set(known), row.key


def test_the_rows_that_agban_copied():
    copied = {
        (number.table, number.row, number.model, number.metric)
        for table in tables()
        for number in table.numbers()
        if number.source == "published-elsewhere"
    }
    rows = {
        "stanford-ner": "stanford-ner-like",
        "t-ner": "t-ner-like",
        "cnn-bilstm-crf": "cnn-bilstm-crf",
        "adaptive-co-attention": "adaptive-co-attention",
    }
    assert copied == {
        *(("III", row, model, metric) for row, model in rows.items() for metric in METRICS),
        ("IV", "overall", "t-ner-like", "f1"),
        ("IV", "overall", "adaptive-co-attention", "f1"),
    }


def test_the_rows_that_agban_marks_as_significant():
    marked = {(table.number, row.key) for table in tables() for row in table.rows if row.significant}
    assert marked == {("III", "agban-ban"), ("III", "agban-gban"), ("III", "agban")}


def test_hsn_says_of_no_number_that_it_was_published_before():
    results = [n for table in load_published("hsn").tables if table.kind == "results" for n in table.numbers()]
    assert {n.source for n in results if n.model.startswith("hsn")} == {"computed"}
    assert {n.source for n in results if not n.model.startswith("hsn")} == {"unstated"}


# === Misprints: what arithmetic finds is what the files note ===
def test_f1_of_precision_and_recall():
    found = set()
    for table in tables():
        for row in table.rows:
            if set(METRICS) <= set(row.values):
                gap = f1(row.values["precision"], row.values["recall"]) - row.values["f1"]
                if abs(gap) > ROUNDING:
                    found.add((table.paper, table.number, row.key))
    assert found == {(paper, number, row) for paper, number, row, _ in noted("f1")}
    assert found == {("agban", "III", "bert-ner"), ("agban", "IV", "LOC")}


def test_what_the_overall_row_makes_of_a_misprinted_precision():
    counts, table = entities_of_the_test_split(), find_table("agban", "IV")
    right = {name: counts[name] * table.find_number(name, "recall").value / 100 for name in TYPES}
    likely = next(misprint.likely for misprint in table.misprints if misprint.row == "LOC")
    precisions = {name: table.find_number(name, "precision").value for name in TYPES}

    def overall(precisions):
        return 100 * sum(right.values()) / sum(100 * right[name] / precisions[name] for name in TYPES)

    printed = table.find_number("overall", "precision").value
    assert 100 * sum(right.values()) / counts["overall"] == pytest.approx(
        table.find_number("overall", "recall").value, abs=0.02
    )
    assert overall({**precisions, "LOC": likely}) == pytest.approx(printed, abs=0.02)
    assert abs(overall(precisions) - printed) > 1
    loc = table.find_row("LOC").values
    assert f1(likely, loc["recall"]) == pytest.approx(loc["f1"], abs=ROUNDING)


def test_sums_of_agbans_first_table():
    table = find_table("agban", "I")
    found = set()
    for row in table.rows:
        if sum(row.values[split] for split in POSTS) != row.values["total"]:
            found.add(("agban", "I", row.key, ("total",)))
    for column in table.columns:
        total = table.find_number("overall", column.key).value
        if sum(table.find_number(name, column.key).value for name in TYPES) != total:
            found.add(("agban", "I", "overall", (column.key,)))
    assert found == noted("sum")
    assert {row for _, _, row, _ in found} == {*TYPES, "overall"}
    for misprint in table.misprints:
        assert misprint.likely == sum(table.find_row(misprint.row).values[split] for split in POSTS)


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
    assert found == noted("posts")
    assert {row for _, _, row, _ in found} == set(expected)
    for misprint in table.misprints:
        assert misprint.likely == expected[misprint.row]["test"]


def test_the_two_papers_differ_in_one_count_of_entities():
    hsn, agban = find_table("hsn", 1).find_row("twitter-entities"), find_table("agban", 1).find_row("overall")
    assert [split for split in POSTS if hsn.values[split] != agban.values[split]] == ["test"]
    assert str(hsn.values["test"]) in hsn.note and str(agban.values["test"]) in hsn.note


def test_overall_f1_that_the_types_allow():
    counts, found = entities_of_the_test_split(), set()
    data = {(table.paper, table.number): table.data for table in tables()}
    checked = 0
    for (paper, number, row), scores in scores_by_system().items():
        by_type = {name: scores[name, "f1"].value for name in TYPES if (name, "f1") in scores}
        if len(by_type) < len(TYPES):
            continue
        overall = scores["overall", "f1"].value
        if data[paper, number] == "twitter2015":
            lowest, highest = overall_range(by_type, counts)
        else:  # the counts by type are unknown
            lowest, highest = min(by_type.values()), max(by_type.values())
        if not lowest - ROUNDING <= overall <= highest + ROUNDING:
            found.add((paper, number, row, tuple(f"{name.lower()}_f1" for name in by_type)))
        checked += 1
    assert checked == 6 + 4 + 3 + 2 + 5
    assert found == noted("types")
    assert found == {("hsn", "3", "cnn-bilstm-crf", ("per_f1", "loc_f1", "org_f1", "misc_f1"))}


def test_the_highest_overall_f1_of_the_misprinted_types():
    by_type = {"PER": 71.25, "LOC": 67.73, "ORG": 38.33, "MISC": 21.98}
    lowest, highest = overall_range(by_type, entities_of_the_test_split())
    assert round(highest, 2) == 63.56
    assert lowest < highest
    assert "63.56" in find_table("hsn", 3).misprints[0].note


def test_the_same_result_in_two_tables():
    numbers = {
        (table.paper, table.number, n.row, n.column): n.value
        for table in tables()
        if table.kind == "results"
        for n in table.numbers()
    }
    for name in (*TYPES, "overall"):
        column = f"{name.lower()}_f1"
        agban = numbers["agban", "IV", name, "f1"]
        assert agban == numbers["agban", "V", "yes", column] == numbers["agban", "VI", "top-3", column]
        adaptive = numbers["hsn", "3", "adaptive-co-attention", column]
        assert adaptive == numbers["agban", "IV", name, "adaptive_co_attention_f1"]
    for metric in METRICS:
        assert numbers["agban", "III", "agban", metric] == numbers["agban", "IV", "overall", metric]
    assert numbers["hsn", "3", "hsn-crawl", "overall_f1"] == numbers["hsn", "5", "hsn", "f1"]
    assert numbers["hsn", "3", "cnn-bilstm-crf", "overall_f1"] == numbers["agban", "III", "cnn-bilstm-crf", "f1"]
    assert numbers["agban", "IV", "overall", "t_ner_f1"] == numbers["agban", "III", "t-ner", "f1"]


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


@pytest.mark.parametrize("claim", [(p, c) for p in PAPERS for c in load_published(p).claims], ids=lambda c: c[1].says)
def test_a_claim_fails_where_the_file_says_so(claim):
    paper, claim = claim
    table = find_table(paper, claim.table)
    others = claim.over or [row.key for row in table.rows if row.key != claim.row]
    fails = [
        column
        for column in claim.columns
        if any(table.find_number(claim.row, column).value <= table.find_number(o, column).value for o in others)
    ]
    assert fails == list(claim.fails)
    assert bool(fails) == bool(claim.note)


def test_the_claims_that_fail():
    failing = {(p, c.table, c.row, column) for p in PAPERS for c in load_published(p).claims for column in c.fails}
    assert failing == {
        ("hsn", "4", "hsn", "org_f1"),
        ("agban", "III", "agban", "recall"),
        ("agban", "III", "agban-concat", "f1"),
    }


# === Defaults ===
def settings(paper):
    published = load_published(paper)
    table = published.find_table(2)
    return [(f"table {table.number}, {row.key}", row.setting, row.values["value"]) for row in table.rows] + [
        (f"{setting.place}, {setting.name}", setting.setting, setting.value) for setting in published.settings
    ]


@pytest.mark.parametrize(
    ("model", "place", "setting", "value"),
    [(paper, *setting) for paper in PAPERS for setting in settings(paper)],
    ids=lambda value: str(value).replace(" ", "_"),
)
def test_a_default_is_the_papers(model, place, setting, value):
    entry = MODELS[model]
    where, _, name = setting.partition(".")
    if setting == "num_tags":
        assert value == len({f"{prefix}-{kind}" for prefix in "BI" for kind in TYPES} | {"O"})
    elif where == "model":
        assert name not in entry.arguments
        assert inspect.signature(entry.load_class().__init__).parameters[name].default == value
    else:
        assert where == "training"
        assert getattr(entry.training, name) == value


@pytest.mark.parametrize("paper", PAPERS)
def test_every_training_setting_that_the_paper_prints_is_compared(paper):
    unstated = {
        "hsn": {"epochs", "learning_rate_decay", "weight_decay", "momentum", "gradient_clip", "warmup"},
        "agban": {"patience", "momentum", "gradient_clip", "warmup"},
    }[paper]
    compared = {setting.partition(".")[2] for _, setting, _ in settings(paper) if setting.startswith("training.")}
    assert compared == {field.name for field in dataclasses.fields(Training)} - unstated


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
    with pytest.raises(InputError, match=r"expected a table of hsn \(1, 2, 3, 4, 5\), found '6'\."):
        find_table("hsn", 6)
    with pytest.raises(InputError, match=r"\(I, II, III, IV, V, VI\), found 'IIII'\. Did you mean 'III'\?"):
        find_table("agban", "IIII")


def test_an_unknown_row_and_column():
    table = find_table("hsn", 5)
    with pytest.raises(InputError, match="a row of hsn's table 5 .* Did you mean 'hsn-without-vf'"):
        table.find_number("without-vf", "f1")
    with pytest.raises(InputError, match="a column of hsn's table 5 .* Did you mean 'precision'"):
        table.find_number("hsn", "precison")


def test_a_number_reads_as_printed():
    assert str(find_table("agban", "III").find_number("stanford-ner", "recall")) == "62.00"
    assert str(find_table("hsn", 1).find_number("real-world-entities", "train")) == "11876"
    assert str(find_table("agban", 2).find_number("dropout", "value")) == "0.5"


def test_reading_imports_no_keras():
    code = (
        "import sys\n"
        "from mner_keras.reproduce import find_table\n"
        "find_table('hsn', 5)\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
