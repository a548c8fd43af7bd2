"""Tables that nothing is trained for: counts of the real data, and the models' defaults."""

import dataclasses
import os

import pytest

from mner_keras.data import Post, load_dataset
from mner_keras.data.files import write_jsonl
from mner_keras.reproduce import find_table
from mner_keras.reproduce.counts import count_table, settings_table
from mner_keras.reproduce.kinship import kinship
from mner_keras.reproduce.render import to_markdown
from mner_keras.reproduce.result import Cell, agrees

HOME = os.environ.get("MNER_DATA")
needs_tweets = pytest.mark.skipif(not HOME, reason="MNER_DATA names no folder with twitter2015")


def counts(result, key):
    return [cell.mean for line in result.lines if line.key == key for cell in line.cells]


@needs_tweets
@pytest.mark.parametrize(
    ("name", "overall", "orgs"),
    [("original", [6176, 1546, 5078, 12800], [928, 247, 839]), ("umt", [6166, 1541, 5072, 12779], [927, 247, 839])],
)
def test_agbans_first_table(name, overall, orgs):
    data = load_dataset(f"twitter2015/{name}")
    assert kinship(data).name == name
    result = count_table(find_table("agban", 1), data)
    assert counts(result, "overall") == overall
    assert counts(result, "ORG")[:3] == orgs
    splits = [cell.difference for line in result.lines for cell in line.cells[:3]]
    assert any(splits) == (name == "umt")
    assert ("The cleaned distribution differs" in to_markdown(result)) == (name == "umt")
    totals = [line.cells[3].difference for line in result.lines]
    assert all(totals)
    assert sum("misprint" in note for note in result.notes) == 5


@needs_tweets
@pytest.mark.parametrize(("name", "entities"), [("original", [6176, 1546, 5078]), ("umt", [6166, 1541, 5072])])
def test_hsns_first_table(name, entities):
    result = count_table(find_table("hsn", 1), load_dataset(f"twitter2015/{name}"))
    assert counts(result, "twitter-sentences") == counts(result, "twitter-images") == [4000, 1000, 3257]
    assert counts(result, "twitter-entities") == entities
    assert counts(result, "real-world-entities") == [None] * 3
    assert any("5072 is the test split of a later" in note for note in result.notes)


@needs_tweets
def test_twitter_2015_is_recognised_by_its_words_and_tags(tmp_path):
    data = load_dataset("twitter2015/original")
    splits = {split: list(data[split]) for split in ("train", "dev", "test")}

    def name_of(**changed):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for split, posts in {**splits, **changed}.items():
            write_jsonl(folder / f"{split}.jsonl", posts)
        return kinship(load_dataset(folder)).name

    plain = [Post((f"w{number}", "Rome"), ("O", "B-LOC")) for number in range(6000)]
    added = {"train": plain[:3000], "dev": plain[3000:4000], "test": plain[4000:]}
    made = {split: [*splits[split], *posts] for split, posts in added.items()}
    assert name_of(train=splits["train"][::-1]) == "original"
    assert name_of(**made) == "real-world"
    # As many posts and entities, but not those of Twitter-2015.
    other = dataclasses.replace(splits["test"][0], tokens=("x", *splits["test"][0].tokens[1:]))
    assert name_of(test=[other, *splits["test"][1:]]) == "other"
    assert name_of(**{**made, "test": [other, *made["test"][1:]], "dev": made["dev"]}) == "other"


def test_the_sample_corpus_is_counted_and_not_compared():
    result = count_table(find_table("agban", 1), load_dataset("sample"))
    assert all(cell.difference is None for line in result.lines for cell in line.cells)
    assert counts(result, "overall")[3] == sum(counts(result, "overall")[:3])
    assert "machinery" in result.differs[0]


@pytest.mark.parametrize(("paper", "number"), [("hsn", 2), ("agban", 2)])
def test_the_defaults_are_those_of_the_settings_tables(paper, number):
    result = settings_table(find_table(paper, number))
    assert [cell.difference for line in result.lines for cell in line.cells] == [0] * len(result.lines)
    assert "| default |" in to_markdown(result)


def test_within_a_stated_tolerance_and_never_without_one():
    published = find_table("hsn", 5).find_number("hsn", "f1")
    near, far = Cell(published, (73.5, 74.0)), Cell(published, (70.0,))
    assert (agrees(near, 0.5), agrees(far, 0.5)) == (True, False)
    assert agrees(near, None) is None
    assert agrees(Cell(published, (74.0,), comparable=False), 5) is None
