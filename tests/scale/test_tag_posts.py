"""`TagPosts`: every kind of batch gives the same answers, and a bad post stops no batch."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mner_keras
from mner_keras import TagPosts, load
from mner_keras.data import read_jsonl
from mner_keras.errors import InputError

pytestmark = pytest.mark.usefixtures("eagerly")
SAMPLE = Path(mner_keras.__file__).parent / "data" / "sample"
ENTITY = ["text", "type", "start", "end", "score", "start_char", "end_char"]
ADDED = ["tokens", "tags", "entities", "error"]


@pytest.fixture(scope="module")
def model(tiles_model):
    return tiles_model


@pytest.fixture(scope="module")
def records():
    """Good posts of every shape, and a bad one in the middle."""
    posts = read_jsonl(SAMPLE / "test.jsonl")[:8]
    found = [{"id": post.id, "text": None, "tokens": list(post.tokens), "image": post.image_id} for post in posts]
    found[0] |= {"text": " ".join(posts[0].tokens), "tokens": None}
    found[3] |= {"tokens": []}
    return [{**record, "number": number} for number, record in enumerate(found)]


@pytest.fixture(scope="module")
def expected(model, records):
    """What the model itself answers, `None` for the bad post."""
    good = [record["tokens"] or record["text"] for record in records if record["tokens"] != []]
    answers = iter(load(model).tag(good))
    return [None if record["tokens"] == [] else next(answers) for record in records]


def plain(row):
    """A row as plain Python."""
    numpy = (np.ndarray, np.generic)
    return {name: value.tolist() if isinstance(value, numpy) else value for name, value in row.items()}


def rows(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def columns(records):
    return {name: [record[name] for record in records] for name in records[0]}


def check(found, records, expected):
    """The rows are the records with what the model itself answers."""
    for row, record, tagged in zip(map(plain, found), records, expected, strict=True):
        assert (row["id"], row["number"]) == (record["id"], record["number"])
        if tagged is None:
            assert (row["tokens"], row["tags"], row["entities"]) == ([], [], [])
            assert "at least one token" in row["error"]
            continue
        assert row["error"] is None
        assert (list(row["tokens"]), list(row["tags"])) == (list(tagged.post.tokens), list(tagged.tags))
        assert [list(entity) for entity in row["entities"]] == [ENTITY] * len(tagged.entities)
        for entity, right in zip(row["entities"], tagged.entities, strict=True):
            assert entity == {**vars(right), "score": pytest.approx(right.score, abs=1e-5)}


def test_a_list_of_dicts(model, records, expected):
    given = [dict(record) for record in records]
    check(TagPosts(model)(given), records, expected)
    assert given == records


def test_a_dict_of_columns(model, records, expected):
    found = TagPosts(model)(columns(records))
    assert list(found) == ["id", "text", "tokens", "image", "number", "tags", "entities", "error"]
    check(rows(found), records, expected)


def test_a_dict_of_numpy_columns(model, records, expected):
    batch = {name: np.fromiter(column, object, len(column)) for name, column in columns(records).items()}
    batch["number"] = np.arange(len(records))
    found = TagPosts(model)(batch)
    assert all(isinstance(found[name], np.ndarray) and found[name].dtype == object for name in ADDED)
    check(rows(found), records, expected)
    # Texts of one length are an array of strings, tokens of one length a matrix.
    assert list(TagPosts(model)({"text": np.array(["in Rome", "in Bonn"])})["tokens"][1]) == ["in", "Bonn"]
    assert list(TagPosts(model)({"tokens": np.array([["in", "Rome"], ["in", "Bonn"]])})["tokens"][1]) == ["in", "Bonn"]


def test_a_frame(model, records, expected):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(records, index=[7] * len(records))
    found = TagPosts(model)(frame)
    assert list(found.index) == [7] * len(records)
    assert all(found[name].dtype == object for name in ADDED)
    check(found.to_dict("records"), records, expected)
    # Absent values of any kind.
    frame = pandas.DataFrame(
        {"text": ["in Rome", float("nan"), None, pandas.NA], "tokens": [None, ["a"], None, pandas.NA]}
    )
    assert [error is None for error in TagPosts(model)(frame)["error"]] == [True, True, False, False]


def test_an_arrow_table_has_one_schema_whatever_its_posts_are(model, records, expected):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(records)
    found = TagPosts(model)(table)
    check(found.to_pylist(), records, expected)
    for start, length in ((0, 0), (3, 1), (4, 2)):
        assert TagPosts(model)(table.slice(start, length)).schema == found.schema
    assert TagPosts(model)(found).schema == found.schema


def test_pictures_come_from_the_store_or_from_paths_and_bytes(model):
    posts = [post for post in read_jsonl(SAMPLE / "test.jsonl")[:12] if post.image_id]
    paths = [SAMPLE / "images" / f"{post.image_id}.png" for post in posts]
    stored = TagPosts(model, features=SAMPLE / "objects.h5")(
        [{"tokens": list(post.tokens), "image": post.image_id} for post in posts]
    )
    assert stored != TagPosts(model)([{"tokens": list(post.tokens), "image": post.image_id} for post in posts])
    for make in (str, Path.read_bytes, lambda path: {"bytes": path.read_bytes(), "path": None}):
        found = TagPosts(model)(
            [{"tokens": list(post.tokens), "picture": make(path)} for post, path in zip(posts, paths, strict=True)]
        )
        assert [row["tags"] for row in found] == [row["tags"] for row in stored]


def test_an_unreadable_picture_is_named_and_its_post_is_tagged_without_it(model, tmp_path):
    for picture, reason in (
        (str(tmp_path / "none.png"), "cannot be read: No such file"),
        (b"text", "is no picture in"),
    ):
        posts = [{"text": "in Rome", "picture": picture}, {"text": "in Rome"}]
        bad, good = TagPosts(model)(posts)
        assert reason in bad["error"]
        assert (bad["tags"], good["error"]) == (good["tags"], None)
        with pytest.raises(InputError, match=reason):
            TagPosts(model, on_error="stop")(posts)


def test_a_bad_post_stops_the_batch_when_asked(model):
    with pytest.raises(InputError, match="expected the key `tokens`"):
        TagPosts(model, on_error="stop")([{"text": "in Rome"}, {"id": "2"}])
    with pytest.raises(ValueError, match="`on_error` must be 'skip' or 'stop'. Received: on_error='raise'"):
        TagPosts(model, on_error="raise")


@pytest.mark.parametrize(
    "bad",
    [None, "in Rome", {}, {"text": 5}, {"text": " "}, {"tokens": "ab"}, {"tokens": [1]}]
    + [{"text": "a", "pos": ["NN", "NN"]}, {"text": "a", "image": 5}, {"tokens": ["\ud83d"]}],
    ids=ascii,
)
def test_no_bad_post_stops_a_batch(model, bad):
    before, found, after = TagPosts(model)([{"text": "in Rome"}, bad, {"text": "in Rome"}])
    assert before == after
    assert (before["error"], found["tokens"], found["entities"]) == (None, [], [])
    assert found["error"]


def test_posts_without_scores(model):
    (row,) = TagPosts(model, scores=False)([{"text": "Anna in Rome"}])
    assert all(list(entity) == ENTITY and entity["score"] is None for entity in row["entities"])


def test_a_model_that_is_trained_again_is_loaded_again(model, tmp_path):
    path = tmp_path / "model.keras"
    tag = TagPosts(path)
    with pytest.raises(InputError, match="expected a .keras model"):
        tag([{"text": "in Rome"}])
    path.write_bytes(model.read_bytes())
    assert tag([{"text": "in Rome"}])[0]["error"] is None
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="expected a .keras model, found another kind"):
        tag([{"text": "in Rome"}])


def test_a_batch_without_a_known_column_has_an_error_in_each_row(model):
    pandas = pytest.importorskip("pandas")
    for batch in ({"body": ["a", "b"]}, pandas.DataFrame({"body": ["a", "b"]})):
        assert ["`tokens`" in error for error in TagPosts(model)(batch)["error"]] == [True, True]


def test_another_batch_is_refused(model):
    with pytest.raises(TypeError, match="`posts` must be a list of dicts.* Received: str"):
        TagPosts(model)("in Rome")


def test_it_is_small_when_pickled_and_loads_where_it_is_used(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    kept = pickle.dumps(TagPosts("model.keras"))
    monkeypatch.chdir("/")
    assert pickle.loads(kept)([{"text": "in Rome"}]) == TagPosts(model)([{"text": "in Rome"}])
    assert len(kept) < 1000
    # A scheduler that asks for the columns of an empty batch does not wait for a model.
    code = (
        "import pickle, sys; tag = pickle.loads(bytes.fromhex(sys.argv[1])); print(tag({'text': []}));"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, kept.hex()], capture_output=True, text=True, check=True)
    assert done.stdout == "{'text': [], 'tokens': [], 'tags': [], 'entities': [], 'error': []}\n"
