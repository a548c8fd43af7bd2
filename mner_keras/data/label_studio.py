"""Posts as tasks of Label Studio, a labelling tool: an entity is a span of characters of the task's text.

A task's `data` has the keys of a post's JSON line, with two additions: a post without a text gets its tokens joined by
spaces (and `text_from_tokens`), and `image` is an empty string where there is no picture, as Label Studio requires.
Label Studio counts characters as Python does, in code points.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mner_keras.data.entities import Entity, entity_spans
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.text.pos import token_offsets, uncovered

_JOINED = "text_from_tokens"
_EXPECTED = "expected a JSON array of Label Studio's tasks, or one JSON object per line"


def json_array(items: Iterable[Any]) -> Iterator[str]:
    """Yield a JSON array piece by piece, one item per line; it is closed even if the items end with an error."""
    yield "["
    try:
        for number, item in enumerate(items):
            yield (",\n" if number else "\n") + json.dumps(item, ensure_ascii=False)
    except Exception:
        yield "\n]\n"
        raise
    yield "\n]\n"


def task_of_record(record: dict[str, Any], entities: Iterable[Entity] = (), version: str = "") -> dict[str, Any]:
    """Return the task of a post.

    Args:
        record: the post, as in `post_record`. Its tags become an annotation.
        entities: a model's entities.
        version: the model's name; with it, the entities become a prediction.

    Raises:
        ValueError: tokens that do not cover the post's text.
    """
    tokens, tags = record["tokens"], record.get("tags")
    data = {key: value for key, value in record.items() if key != "tags"}
    if "text" not in data:
        data |= {"text": " ".join(tokens), _JOINED: True}
    data["image"] = data["image"] or ""
    text = data["text"]
    offsets = _offsets(text, tokens)
    task: dict[str, Any] = {"data": data}

    def result(kind: str, first: int, last: int, score: float | None = None) -> dict[str, Any]:
        start, end = offsets[first][0], offsets[last - 1][1]
        value = {"start": start, "end": end, "text": text[start:end], "labels": [kind]}
        found = {"id": f"{start}-{end}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
        return found if score is None else {**found, "score": score}

    if tags is not None:
        spans = entity_spans(tags)
        if _tags(spans, len(tags)) != tags:
            data["tags"] = tags  # I- tags outside entities, which spans cannot express
        task["annotations"] = [{"result": [result(*span) for span in spans]}]
    if version:
        results = [result(entity.type, entity.start, entity.end, entity.score) for entity in entities]
        scores = {"score": min(found["score"] for found in results)} if results and "score" in results[0] else {}
        task["predictions"] = [{"model_version": version, **scores, "result": results}]
    return task


def read_records(stream: Iterable[bytes], name: str | os.PathLike) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the post of each task, as in a JSON line, with the task's place for messages.

    The annotation that was not cancelled gives the tags: the one marked as ground truth if there are several. A task
    without one keeps the tags of its `data`, if any. Predictions are ignored.

    Args:
        stream: a JSON array of tasks, as Label Studio exports it ("JSON").
        name: the file's name.

    Raises:
        InputError: something else, tokens that do not cover the text, an entity that begins or ends inside a token,
            entities that overlap, annotations that differ, results other than labelled spans.
    """
    try:
        tasks = json.loads(b"".join(stream))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_EXPECTED}; found neither ({error})", name) from None
    if not isinstance(tasks, list) or not tasks:
        found = "no task" if tasks == [] else f"one {type(tasks).__name__}"
        raise InputError(f"{_EXPECTED}; found {found}", name)
    for number, task in enumerate(tasks, start=1):
        place = f"task {number}"
        try:
            if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                raise ValueError(f"{_EXPECTED}; found no object with the key `data`")
            place += f" (id {task['id']})" if "id" in task else ""
            yield place, _record_of_task(task)
        except (KeyError, TypeError, AttributeError) as error:
            found = f"{type(error).__name__}: {error}"
            raise InputError(f"{place}: expected a task as Label Studio exports it ({found})", name) from None
        except ValueError as error:
            raise InputError(f"{place}: {error}", name) from None


def _record_of_task(task: dict[str, Any]) -> dict[str, Any]:
    record = dict(task["data"])
    text = record.get("text")
    if not isinstance(text, str):
        raise ValueError(f"expected `data.text`, a string, found {text!r}")
    annotated = _annotated(task, text)
    if annotated is not None:
        if record.get("tokens") is None:
            record["tokens"] = list(Post.from_text(text).tokens)
        tokens = record["tokens"]
        if not isinstance(tokens, list):
            raise ValueError(f"expected `data.tokens`, a list of strings, found {tokens!r}")
        tags = _tags(_token_spans(text, _offsets(text, tokens), annotated), len(tokens))
        # Tags that express the same entities are the post's own.
        if "tags" not in record or entity_spans(record["tags"]) != entity_spans(tags):
            record["tags"] = tags
    if record.pop(_JOINED, False):
        del record["text"]
    return record


def _annotated(task: dict[str, Any], text: str) -> list[tuple[int, int, str]] | None:
    """Return start, end (in characters) and type of the task's entities, or `None` without an annotation."""
    kept = [annotation for annotation in task.get("annotations") or () if not annotation.get("was_cancelled")]
    kept = [annotation for annotation in kept if annotation.get("ground_truth")] or kept
    found = [sorted(_spans(annotation, text)) for annotation in kept]
    if any(spans != found[0] for spans in found):
        raise ValueError(f"expected one annotation, or one marked as ground truth, found {len(found)} that differ")
    return found[0] if found else None


def _spans(annotation: dict[str, Any], text: str) -> Iterator[tuple[int, int, str]]:
    for result in annotation["result"]:
        if result["type"] != "labels":
            raise ValueError(f"expected results of the type `labels`, found `{result['type']}`")
        start, end, labels = (result["value"][key] for key in ("start", "end", "labels"))
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
            raise ValueError(f"expected offsets between 0 and {len(text)}, found {start!r} to {end!r}")
        place = f"characters {start} to {end} ({text[start:end]!r})"
        if len(labels) != 1:
            raise ValueError(f"{place}: expected one label, found {labels}")
        quoted = result["value"].get("text")
        if quoted and _characters(quoted) != _characters(text[start:end]):
            raise ValueError(f"{place}: expected the text that the annotation quotes, {quoted!r}")
        yield start, end, labels[0]


def _characters(text: str) -> str:
    """Return a text without white space; Label Studio quotes a line break as a backslash and an n."""
    return "".join(text.replace("\\n", "").split())


def _offsets(text: str, tokens: Sequence[str]) -> tuple[tuple[int, int], ...]:
    offsets = token_offsets(text, tokens)
    if offsets is None:
        raise ValueError("expected `tokens` that `text` contains in this order")
    gap = uncovered(text, offsets)
    if gap:
        raise ValueError(f"characters {gap[0]} to {gap[1]} ({text[gap[0] : gap[1]]!r}): expected a token")
    return offsets


def _token_spans(
    text: str, offsets: Sequence[tuple[int, int]], spans: Iterable[tuple[int, int, str]]
) -> list[tuple[str, int, int]]:
    """Return spans of characters as type, first token, token after the last."""
    firsts = {start: number for number, (start, _) in enumerate(offsets)}
    lasts = {end: number for number, (_, end) in enumerate(offsets, start=1)}
    found: list[tuple[str, int, int]] = []
    for start, end, kind in spans:
        place = f"characters {start} to {end} ({text[start:end]!r})"
        # A span may include the white space around it.
        while start not in firsts and start < end and text[start].isspace():
            start += 1
        while end not in lasts and start < end and text[end - 1].isspace():
            end -= 1
        if start not in firsts or end not in lasts:
            inside = next((text[a:b] for a, b in offsets if a < start < b or a < end < b), "")
            raise ValueError(f"{place}: expected an entity of whole tokens, found a bound inside {inside!r}")
        if found and firsts[start] < found[-1][2]:
            raise ValueError(f"{place}: expected entities that do not overlap")
        found.append((kind, firsts[start], lasts[end]))
    return found


def _tags(spans: Iterable[tuple[str, int, int]], count: int) -> list[str]:
    tags = ["O"] * count
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags
