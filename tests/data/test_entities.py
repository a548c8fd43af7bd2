"""Entities of tag sequences, strict IOB2, and the counts of a data set."""

import json

import pytest

from mner_keras.data import entity_spans, load_dataset
from mner_keras.data.datasets import check_dataset
from mner_keras.data.post import check_iob2, orphan_positions
from mner_keras.errors import InputError


@pytest.mark.parametrize(
    ("tags", "spans", "orphans"),
    [
        ("", [], []),
        ("O O", [], []),
        ("B-PER", [("PER", 0, 1)], []),
        ("B-PER I-PER I-PER O", [("PER", 0, 3)], []),
        ("O B-PER I-PER", [("PER", 1, 3)], []),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)], []),
        ("B-PER I-PER B-LOC I-LOC", [("PER", 0, 2), ("LOC", 2, 4)], []),
        ("B-PER I-LOC", [("PER", 0, 1)], [1]),
        ("B-PER I-LOC I-PER", [("PER", 0, 1)], [1, 2]),
        ("B-PER I-LOC I-LOC", [("PER", 0, 1)], [1]),
        ("I-PER", [], [0]),
        ("I-PER I-PER", [], [0]),
        ("I-PER B-PER I-PER", [("PER", 1, 3)], [0]),
        ("O I-ORG O B-ORG", [("ORG", 3, 4)], [1]),
        ("B-PER O I-PER", [("PER", 0, 1)], [2]),
        ("B-A-B I-A-B", [("A-B", 0, 2)], []),
    ],
)
def test_an_entity_opens_at_b_only(tags, spans, orphans):
    assert entity_spans(tags.split()) == spans
    assert orphan_positions(tags.split()) == orphans


def test_a_data_set_is_counted(tmp_path):
    (tmp_path / "train.txt").write_text(
        "\nIMGID:1\nAnna\tB-PER\nCole\tI-PER\n\nIMGID:2\nRome\tI-LOC\nis\tO\n\nno\tO\n", encoding="utf-8"
    )
    (tmp_path / "valid.txt").write_text("IMGID:1\nAnna\tB-PER\nCole\tO\n\nNASA\tB-ORG\n", encoding="utf-8")
    (tmp_path / "test.jsonl").write_text(
        '{"tokens": ["no"], "tags": ["O"]}\n{"tokens": ["new"], "image": "9"}\n', encoding="utf-8"
    )
    report = check_dataset(load_dataset(tmp_path))
    assert report["name"] == tmp_path.name
    train = {"posts": 3, "tokens": 5, "pictures": 2, "without_picture": 1, "untagged": 0, "without_entity": 2}
    assert report["splits"]["train"] == {**train, "entities": 1, "types": {"PER": 1}, "orphans": 1}
    assert report["splits"]["dev"]["types"] == {"ORG": 1, "PER": 1}
    total = {"posts": 7, "tokens": 10, "pictures": 3, "without_picture": 3, "untagged": 1, "without_entity": 4}
    assert report["total"] == {**total, "entities": 3, "types": {"ORG": 1, "PER": 2}, "orphans": 1}
    assert report["shared"] == {
        "train and dev": {"posts": 1, "pictures": 1},
        "train and test": {"posts": 1, "pictures": 0},
        "dev and test": {"posts": 0, "pictures": 0},
    }
    assert list(report["sha256"]) == ["train.txt", "valid.txt", "test.jsonl"]
    json.dumps(report)


@pytest.mark.parametrize(
    ("posts", "opened"),
    [
        (["I-PER I-PER O I-LOC", "O"], (2, 0)),
        (["I-PER B-PER I-PER", "I-LOC"], (2, 1)),
        ([], None),
        (["B-PER I-PER", "O B-LOC"], None),
        (["B-PER I-LOC"], None),
        (["I-PER", "B-PER"], None),
    ],
)
def test_iob1_is_refused_with_its_counts_and_a_few_orphans_are_not_iob1(posts, opened):
    tags = [post.split() for post in posts]
    if opened is None:
        check_iob2(tags)
        return
    with pytest.raises(InputError) as caught:
        check_iob2(tags, "train.txt")
    assert str(caught.value).startswith("train.txt: expected IOB2 tags, where B- opens each entity; found IOB1: ")
    assert "{} entities open at an I- and {} at a B-".format(*opened) in str(caught.value)
