"""`mner tag`: formats in and out, order, bad lines, hostile tokens, streams."""

import contextlib
import json
import subprocess
import sys
import threading

import pytest
from small_corpus import MISSING, make_records

from mner_keras.data import entity_spans, read_conll, read_jsonl, read_posts

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")
RUN = "import sys; sys.argv[0] = 'mner'; from mner_keras.cli import main; main()"
POSTS = [["Anna", "saw", "Rome"], ["the", "a"], ["New", "York", "today", "so", "good"]]


def lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def tagged(result):
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.split("\n")[:-1]]


def check(record):
    """One tag a token, and the entities are those of the tags."""
    assert len(record["tags"]) == len(record["tokens"])
    spans = [(entity["type"], entity["start"], entity["end"]) for entity in record["entities"]]
    assert spans == entity_spans(record["tags"])
    assert all(0 <= entity["score"] <= 1 for entity in record["entities"])


# === Formats ===


def test_json_lines_come_back_in_order_with_what_they_held(mner, agban_run):
    records = [{"lang": "en", "id": str(i), "tokens": tokens, "image": None} for i, tokens in enumerate(POSTS)]
    found = tagged(mner("tag", agban_run, "-", stdin=lines(records)))
    assert [record["tokens"] for record in found] == POSTS
    for record, given in zip(found, records, strict=True):
        check(record)
        assert {key: record[key] for key in given} == given


def test_the_model_finds_the_names_that_it_has_learned(mner, text_run, corpus):
    found = tagged(mner("tag", text_run, corpus / "test.jsonl"))
    gold = make_records("test")
    assert [record["id"] for record in found] == [record["id"] for record in gold]
    entities = [entity for record in found for entity in record["entities"]]
    assert entities
    for record in found:
        check(record)
        for entity in record["entities"]:
            assert entity["text"] == " ".join(record["tokens"][entity["start"] : entity["end"]])
            assert "start_char" not in entity


def test_all_formats_say_the_same(mner, text_run, corpus, tmp_path):
    path = corpus / "test.jsonl"
    records = tagged(mner("tag", text_run, path))
    columns = mner("tag", text_run, path, "--format", "conll")
    out = tmp_path / "out.conll"
    out.write_text(columns.out, encoding="utf-8", newline="")
    posts = read_conll(out)
    assert [list(post.tokens) for post in posts] == [record["tokens"] for record in records]
    assert [list(post.tags) for post in posts] == [record["tags"] for record in records]
    assert [post.image_id for post in posts] == [record["image"] for record in records]
    text = mner("tag", text_run, path, "--format", "text").out.split("\n")[:-1]
    for line, record in zip(text, records, strict=True):
        assert line.count("[") == len(record["entities"])
        for entity in record["entities"]:
            assert f"[{entity['type']} {entity['text']}]" in line
        plain = line.replace("[PER ", "").replace("[LOC ", "").replace("]", "")
        assert plain.split(" ") == record["tokens"]


def test_the_tags_that_posts_came_with_are_not_read(mner, agban_run):
    plain = [{"tokens": tokens} for tokens in POSTS]
    with_tags = [{"tokens": tokens, "tags": ["B-EVENT"] * len(tokens)} for tokens in POSTS]
    expected = [record["tags"] for record in tagged(mner("tag", agban_run, stdin=lines(plain)))]
    assert [record["tags"] for record in tagged(mner("tag", agban_run, stdin=lines(with_tags)))] == expected


# === Pictures ===


def test_pictures_that_the_store_lacks_are_counted(mner, agban_run, corpus):
    result = mner("tag", agban_run, corpus / "test.jsonl", "--features", corpus / "objects.h5")
    assert result.code == 0
    assert MISSING["test"] == 1
    assert result.err == "1 post names a picture missing from the store: treated as none\n"


def test_a_store_of_other_pictures_is_one_warning(mner, agban_run, tmp_path):
    from small_corpus import OBJECT_WIDTH, OBJECTS, write_store

    path = tmp_path / "other.h5"
    write_store(path, ["somebody-else"], OBJECTS, OBJECT_WIDTH)
    records = [{"tokens": ["Rome"], "image": image} for image in ("1", "2", None)]
    result = mner("tag", agban_run, "--features", path, stdin=lines(records))
    assert (result.code, len(tagged(result))) == (0, 3)
    assert result.err == "warning: 2 posts name a picture, and the store contains none of them\n"


def test_pictures_that_the_model_does_not_see_are_warned_of_once(mner, agban_run, text_run, tmp_path):
    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"text": "Rome", "image": "17.jpg"}\n{"text": "Paris"}\n')
    told = "warning: 1 post names a picture, and the model sees none without --features or --pictures\n"
    assert mner("tag", agban_run, posts).err == told
    assert mner("tag", text_run, posts, "--format", "text").err == ""


@pytest.mark.parametrize("image", ["/", ".", "\x00", "a/", "\ud800"], ids=ascii)
def test_a_picture_of_an_odd_name_is_a_missing_one(mner, agban_run, corpus, image):
    record = json.dumps({"tokens": ["Rome"], "image": image}).encode()
    result = mner("tag", agban_run, "--features", corpus / "objects.h5", "--format", "text", stdin=record)
    assert result.code == 0
    assert "Rome" in result.out


# === What is refused ===


@pytest.mark.parametrize(
    ("name", "content", "line", "found"),
    [
        ("a.txt", None, None, "cannot be read"),
        ("a.txt", b"", None, "found an empty file"),
        ("a.txt", b"caf\xe9\n", 1, "expected UTF-8, found the byte 0xe9"),
        ("a.jsonl", b'\n{"tokens": ["a"], "pos": []}\n', 2, "Received: 0"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(mner, agban_run, tmp_path, name, content, line, found):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = mner("tag", agban_run, path)
    result.refused(f"{path}:{line}: " if line else f"{path}: ", found)
    assert result.out == ""


def test_another_format_is_refused_unless_it_is_said_to_be_text(mner, agban_run, tmp_path):
    path = tmp_path / "eng.testb"
    path.write_bytes(b"-DOCSTART- -X- O O\n\nBenz NNP B-NP B-ORG\n")
    result = mner("tag", agban_run, path)
    result.refused(f"{path}:1: expected ", "--input text")
    assert result.out == ""
    found = tagged(mner("tag", agban_run, path, "--input", "text"))
    assert [record["text"] for record in found] == ["-DOCSTART- -X- O O", "Benz NNP B-NP B-ORG"]


def test_a_closed_standard_stream_is_told(agban_run):
    for stream, name in (("<&-", "input"), (">&-", "output")):
        command = f'"{sys.executable}" -c "{RUN}" tag "{agban_run}" - {stream}'
        result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, input="", check=False)
        assert result.returncode == 2, name
        assert "Traceback" not in result.stderr
        assert f"standard {name}" in result.stderr


def test_features_that_do_not_fit_are_refused(mner, agban_run, corpus, tmp_path):
    posts = corpus / "test.jsonl"
    path = corpus / "regions.h5"
    mner("tag", agban_run, posts, "--features", path).refused(f"{path}: expected features of width 6, found 8")
    path = tmp_path / "none.h5"
    mner("tag", agban_run, posts, "--features", path).refused(f"{path}: expected a feature store, found no such file")


def test_a_bad_line_in_the_middle_keeps_what_was_tagged_before_it(mner, agban_run, tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(lines({"tokens": tokens} for tokens in POSTS) + b'{"tokens": []}\n' + lines([{"tokens": ["z"]}]))
    result = mner("tag", agban_run, path, "--on-error", "stop")
    result.refused(f"{path}:4: ", "no tokens")
    assert [json.loads(line)["tokens"] for line in result.out.split("\n")[:-1]] == POSTS


def test_missing_tagger_data_is_told_in_two_lines(mner, text_run, monkeypatch):
    import nltk

    from mner_keras.text import pos

    monkeypatch.setattr(nltk.data, "path", [])
    pos._load_tagger.cache_clear()
    result = mner("tag", text_run, stdin=b'{"tokens": ["Rome"]}\n')
    pos._load_tagger.cache_clear()
    result.refused("python -m nltk.downloader averaged_perceptron_tagger_eng", "NLTK_DATA")


# === Hostile tokens ===

HOSTILE = [
    ["word"] * 300,
    ["x" * 5000],
    ["\u00a0"],
    ["\u00a0", "Rome", "\u2003"],
    ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "\u2764\ufe0f"],
    ["\u05e9\u05dc\u05d5\u05dd", "\u202eabc\u202c", "\u0645\u0631\u062d\u0628\u0627"],
    ["\u200b", "\u200e", "\ufeff", "a\u0301\u0301\u0301", "\u2028", "\x85", "\x0b"],
    ["\x00", "\t", "\n", "\r\n", "\\", '"', "{", "IMGID:1", "<b>"],
    ["O", "B-PER", "-", "["],
]


def test_hostile_tokens_come_out_in_order_and_do_not_change_the_tags_of_their_neighbours(mner, agban_run):
    posts = [*HOSTILE[:3], POSTS[0], *HOSTILE[3:]]
    (alone,) = tagged(mner("tag", agban_run, stdin=lines([{"tokens": POSTS[0]}])))
    among = tagged(mner("tag", agban_run, stdin=lines({"tokens": tokens} for tokens in posts)))
    assert [record["tokens"] for record in among] == posts
    for record in among:
        check(record)
    assert among[3]["tags"] == alone["tags"]
    for a, b in zip(among[3]["entities"], alone["entities"], strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def test_hostile_columns_come_out_one_tag_a_token_in_order_and_go_round(mner, agban_run):
    posts = [[t for t in tokens if not set(t) & set("\t\n\r")] for tokens in HOSTILE]
    content = "".join("".join(f"{token}\tO\n" for token in tokens) + "\n" for tokens in posts)
    out = mner("tag", agban_run, "--format", "conll", stdin=content.encode()).out
    blocks = [block.split("\n") for block in out.removesuffix("\n\n").split("\n\n")]
    assert [[line.split("\t")[0] for line in block] for block in blocks] == posts
    assert mner("tag", agban_run, "--format", "conll", stdin=out.encode()).out == out


@pytest.mark.parametrize(
    ("output", "content"),
    [(output, b'{"tokens": ["good"]}\n{"tokens": ["\\ud83d"]}\n') for output in ("jsonl", "conll", "text")]
    + [("jsonl", b"so good\n&nbsp;\nRome\n")],
)
def test_a_post_that_shows_nothing_is_tagged_or_refused(mner, agban_run, output, content):
    result = mner("tag", agban_run, "--format", output, stdin=content)
    assert "good" in result.out
    if result.code:
        result.refused(":2: ")


def test_half_of_a_surrogate_pair_beside_the_tokens_passes_through(mner, agban_run):
    post = {"tokens": ["good"], "text": "good \ud83d", "id": "\ud83d", "user": "\udc00", "image": "\ud83d"}
    result = mner("tag", agban_run, stdin=json.dumps(post).encode())
    assert {**tagged(result)[0], **post} == tagged(result)[0]


# === Streams ===


@pytest.mark.slow
def test_results_come_before_the_input_ends_and_a_reader_that_leaves_ends_the_command_quietly(agban_run):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "tag", str(agban_run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def feed():
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(lines({"tokens": ["word"] * 50} for _ in range(5000)))
            process.stdin.close()

    try:
        for tokens in POSTS:
            process.stdin.write(lines([{"tokens": tokens}]))
            process.stdin.flush()
            answer = []
            reader = threading.Thread(
                target=lambda answer=answer: answer.append(process.stdout.readline()), daemon=True
            )
            reader.start()
            reader.join(timeout=180)
            assert answer, "no answer while the input was open"
            assert json.loads(answer[0])["tokens"] == tokens
        threading.Thread(target=feed, daemon=True).start()
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=300) == 1
    finally:
        process.kill()
        process.wait()


# === Label Studio ===


def test_tasks_for_label_studio_hold_predictions_with_scores(mner, text_run, corpus):
    given = read_posts(corpus / "test.jsonl")
    expected = tagged(mner("tag", text_run, corpus / "test.jsonl"))
    result = mner("tag", text_run, corpus / "test.jsonl", "--format", "label-studio")
    tasks = json.loads(result.out)
    assert len(tasks) == len(given)
    for task, record, post in zip(tasks, expected, given, strict=True):
        assert set(task) == {"data", "predictions"}
        assert (task["data"]["tokens"], task["data"]["image"]) == (list(post.tokens), post.image_id or "")
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == str(text_run)
        found = [(r["value"]["text"], r["value"]["labels"][0], r["score"]) for r in prediction["result"]]
        assert found == [(entity["text"], entity["type"], entity["score"]) for entity in record["entities"]]
        assert 0 < prediction["score"] <= min([score for _, _, score in found], default=1)
        for value in (r["value"] for r in prediction["result"]):
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]
    assert any(task["predictions"][0]["result"] for task in tasks)
    ranked = json.loads(
        mner("tag", text_run, corpus / "test.jsonl", "--format", "label-studio", "--rank", "uncertain").out
    )
    order = [task["predictions"][0]["score"] for task in ranked]
    assert order == sorted(task["predictions"][0]["score"] for task in tasks)


def test_an_annotator_who_accepts_the_predictions_gives_the_models_tags(mner, text_run, corpus, tmp_path):
    tasks = json.loads(mner("tag", text_run, corpus / "test.jsonl", "--format", "label-studio", "--no-scores").out)
    assert all("score" not in task["predictions"][0] for task in tasks)
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    expected = tagged(mner("tag", text_run, corpus / "test.jsonl"))
    assert [list(post.tags) for post in read_posts(tmp_path / "export.json")] == [record["tags"] for record in expected]
    # The tagger reads an export, too.
    assert tagged(mner("tag", text_run, tmp_path / "export.json")) == expected


def test_tasks_in_a_file_are_those_of_standard_output(mner, text_run, corpus, tmp_path):
    printed = mner("tag", text_run, corpus / "test.jsonl", "--format", "label-studio").out
    assert mner("tag", text_run, corpus / "test.jsonl", "--out", tmp_path / "tasks.json").code == 0
    assert (tmp_path / "tasks.json").read_text(encoding="utf-8") == printed


def test_the_array_of_tasks_is_closed_after_a_bad_line_and_without_posts(mner, text_run):
    result = mner("tag", text_run, "-", "--format", "label-studio", stdin=lines([{"tokens": ["a"]}]) + b"broken\n")
    assert result.code == 2
    assert len(json.loads(result.out)) <= 1
    assert json.loads(mner("tag", text_run, "-", "--format", "label-studio").out) == []


def test_entities_of_a_low_score_are_left_out(mner, text_run, corpus):
    everything = [json.loads(line) for line in mner("tag", text_run, corpus / "test.jsonl").out.splitlines()]
    scores = sorted(entity["score"] for record in everything for entity in record["entities"])
    least = scores[len(scores) // 2]
    result = mner("tag", text_run, corpus / "test.jsonl", "--min-score", least)
    for record, whole in zip(map(json.loads, result.out.splitlines()), everything, strict=True):
        assert record["entities"] == [entity for entity in whole["entities"] if entity["score"] >= least]
        inside = {place for entity in record["entities"] for place in range(entity["start"], entity["end"])}
        assert record["tags"] == [tag if place in inside else "O" for place, tag in enumerate(whole["tags"])]
    assert 0 < result.out.count('"score"') < len(scores)


def test_the_most_uncertain_posts_come_first(mner, text_run, load_once, corpus, tmp_path):
    tagged = load_once(text_run / "model.keras").tag(read_jsonl(corpus / "test.jsonl"))
    expected = [one.post.id for one in sorted(tagged, key=lambda one: one.certainty)]
    assert expected != [one.post.id for one in tagged]
    out = tmp_path / "ranked.jsonl"
    assert mner("tag", text_run, corpus / "test.jsonl", "--rank", "uncertain", "--out", out).code == 0
    assert [post.id for post in read_jsonl(out)] == expected
    result = mner("tag", text_run, "--rank", "uncertain", stdin=(corpus / "test.jsonl").read_bytes())
    assert [json.loads(line)["id"] for line in result.out.splitlines()] == expected
    for options in (("--rank", "uncertain"), ("--min-score", 0.5)):
        mner("tag", text_run, corpus / "test.jsonl", "--no-scores", *options).refused("`--no-scores` must be left out")
