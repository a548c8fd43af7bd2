"""Label Studio's tasks: posts come back unchanged, and what spans of characters cannot express is refused by place."""

import dataclasses
import json
import random

import pytest

from mner_keras.data import Entity, Post
from mner_keras.data.files import post_record, read_posts, write_label_studio
from mner_keras.data.label_studio import task_of_record
from mner_keras.errors import InputError

ALPHABET = [*'aBé&! "中', "\U0001f600", "\u00a0", "\u2028", "\u200b", "\\n", "\u0301", "\ufeff"]
TEXT = "Anna met Bob \U0001f600 in Los Angeles"


def everything(post):
    """A post's fields, those left out of its comparison, too."""
    return dataclasses.asdict(post)


def random_post(rng):
    tokens = ["".join(rng.choices(ALPHABET, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 8))]
    fields = {}
    if rng.random() < 0.8:
        # With I- tags that continue nothing.
        fields["tags"] = tuple(rng.choice(("O", "O", "B-PER", "I-PER", "I-LOC", "B-a name")) for _ in tokens)
    if rng.random() < 0.5:
        fields["pos"] = tuple(rng.choice(("NN", "")) for _ in tokens)
    if rng.random() < 0.5:
        fields["image_id"] = "12"
        if rng.random() < 0.5:
            fields["extra"] = {"image": "https://host/a b/12.jpg"}
    fields["id"] = rng.choice((None, "7", "\ud83d"))
    if rng.random() < 0.5:
        fields["extra"] = {**fields.get("extra", {}), "lang": "en", "data": [1, None, "\udc00"], "label": {"a": []}}
    return Post(tuple(tokens), **fields)


def random_text_post(rng):
    pieces = ["Anna", "&amp;", "&lt;3", "!!!!!!", "\U0001f600", "#x", "\n", "  ", "&nbsp;", "don't", "@a", "\u200b"]
    text = " a " + "".join(rng.choice(pieces) + rng.choice((" ", "")) for _ in range(rng.randint(0, 9)))
    post = Post.from_text(text)
    return dataclasses.replace(post, tags=tuple(rng.choice(("O", "B-PER", "I-PER")) for _ in post.tokens))


def result(start, end, *labels, **value):
    return {"type": "labels", "value": {"start": start, "end": end, "labels": list(labels), **value}}


def task(results, text=TEXT, **more):
    found = [span if isinstance(span, dict) else result(*span) for span in results]
    return {"id": 5, "data": {"text": text, **more.pop("data", {})}, "annotations": [{"result": found}], **more}


def read(folder, *tasks):
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return read_posts(path)


def test_random_posts_come_back(tmp_path):
    rng = random.Random(1)
    posts = [random_post(rng) for _ in range(300)] + [random_text_post(rng) for _ in range(300)]
    assert sum(post.offsets is not None and "&lt;" in post.text for post in posts) > 30
    write_label_studio(tmp_path / "tasks.json", posts)
    again = read_posts(tmp_path / "tasks.json")
    for post, other in zip(posts, again, strict=True):
        assert everything(other) == everything(post)


def test_a_task_is_what_label_studio_imports(tmp_path):
    post = Post(("Anna", "\U0001f600", "in", "Rome"), ("B-PER", "O", "O", "B-LOC"), image_id="1", id="x")
    entities = [Entity("Anna", "PER", 0, 1, 0.75), Entity("Rome", "LOC", 3, 4, 0.5)]
    plain = {"from_name": "label", "to_name": "text", "type": "labels"}
    results = [
        {"id": "0-4", **plain, "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}},
        {"id": "10-14", **plain, "value": {"start": 10, "end": 14, "text": "Rome", "labels": ["LOC"]}},
    ]
    data = {"id": "x", "tokens": list(post.tokens), "image": "1", "text": "Anna \U0001f600 in Rome"}
    data["text_from_tokens"] = True
    scored = [{**results[0], "score": 0.75}, {**results[1], "score": 0.5}]
    assert task_of_record(post_record(post)) == {"data": data, "annotations": [{"result": results}]}
    assert task_of_record(post_record(dataclasses.replace(post, tags=None)), entities, "run", 0.25) == {
        "data": data,
        "predictions": [{"model_version": "run", "score": 0.25, "result": scored}],
    }
    # Without a picture `image` is still a string.
    assert task_of_record(post_record(Post(("a",))), [], "run")["predictions"] == [
        {"model_version": "run", "result": []}
    ]
    assert task_of_record(post_record(Post(("a",))))["data"]["image"] == ""
    write_label_studio(tmp_path / "tasks.json", [post, post])
    assert len(json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))) == 2


def test_an_export_gives_tagged_posts(tmp_path):
    spans = [(0, 4, "PER"), (9, 13, "PER"), (17, 29, "LOC")]  # with a space after Bob and before Los
    posts = read(
        tmp_path,
        task(spans, data={"image": "/data/local-files/?d=pictures/12.jpg", "lang": "en"}),
        task(spans, data={"tokens": ["Anna", "met", "Bob", "\U0001f600", "in", "Los Angeles"]}),
        {"data": {"text": TEXT}, "annotations": [], "predictions": task(spans)["annotations"]},
        task(spans, annotations=[{"was_cancelled": True, "result": []}]),
        task([], data={"tags": ["O"] * 7}),
        task([], data={"tags": ["O"] * 6 + ["I-LOC"]}),
        task([(0, 4, "PER")], data={"tags": ["O"] * 6 + ["I-LOC"]}),
    )
    tags = ("B-PER", "O", "B-PER", "O", "O", "B-LOC", "I-LOC")
    assert posts[0].tokens == ("Anna", "met", "Bob", "\U0001f600", "in", "Los", "Angeles")
    assert posts[0].image_id == "12"
    assert posts[0].extra == {"lang": "en", "image": "/data/local-files/?d=pictures/12.jpg"}
    assert [post.tags for post in posts] == [
        tags,
        tags[:-1],
        None,
        None,
        ("O",) * 7,
        ("O",) * 6 + ("I-LOC",),
        ("B-PER",) + ("O",) * 6,
    ]


def test_several_annotations_must_agree(tmp_path):
    one, other = (task([(0, 4, kind)])["annotations"][0] for kind in ("PER", "LOC"))
    for annotations in ([one, one], [one, {**other, "was_cancelled": True}]):
        assert read(tmp_path, task([], annotations=annotations))[0].tags == ("B-PER",) + ("O",) * 6
    with pytest.raises(InputError, match=r"task 1 \(id 5\): expected annotations that agree, found 2 that differ"):
        read(tmp_path, task([], annotations=[one, other]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (task([(1, 4, "PER")]), "Los Angeles': expected an entity of whole tokens"),
        (task([(4, 5, "PER")]), "expected an entity of whole tokens"),
        (task([(0, 4, "PER"), (0, 4, "LOC")]), "Los Angeles': expected entities that do not overlap"),
        (task([(17, 99, "PER")]), "characters 17 to 99 of 'Anna"),
        (task([(-5, 4, "PER")]), "expected an entity of whole tokens"),
        (task([(4, 4, "PER")]), "expected an entity of whole tokens"),
        (task([(0, 4, "")]), "`tags` must be BIO tags"),
        (task([], data={"tokens": ["Anna", "met"]}), "characters 8 to 29 of 'Anna"),
        (task([], data={"tokens": ["Eve"]}), "expected `tokens` that the text contains in this order, found 'Anna"),
        (task([], data={"tokens": 5}), "not as Label Studio exports it (TypeError"),
        (task([], text=5), "not as Label Studio exports it (AttributeError"),
        (task([], text=5, annotations=[]), "expected the key `tokens` (a list of strings) or `text` (a string), found"),
        (task([{"type": "choices", "value": {}}]), "of the type `labels` with one label, found {'type': 'choices'"),
        (task([result(0, 4, "a", "b")]), "of the type `labels` with one label, found {"),
        (task([{"type": "labels", "value": {}}]), "(KeyError('labels'))"),
        (task([], annotations=[5]), "not as Label Studio exports it (AttributeError"),
    ],
)
def test_what_no_tags_express_is_refused_with_its_place(tmp_path, wrong, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, task([]), wrong)
    assert str(caught.value).startswith(f"{tmp_path / 'tasks.json'}: task 2 (id 5): ")
    assert message in str(caught.value)


def test_text_that_no_token_covers_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="characters 1 to 5 of 'A met': expected a token, found none"):
        write_label_studio(tmp_path / "x.json", [Post(("A",), text="A met")])
    with pytest.raises(InputError, match="expected `tokens` that the text contains in this order, found 'Bob'"):
        write_label_studio(tmp_path / "x.json", [Post(("Anna",), text="Bob")])
