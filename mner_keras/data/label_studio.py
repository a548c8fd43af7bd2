"""Posts as tasks of Label Studio, a labelling tool: an entity is a span of characters of the task's text.

A task's `data` has the keys of a post's JSON line. A post without a text gets its tokens joined by spaces, and
`text_from_tokens`. Offsets count code points, in Label Studio as in Python.
"""

import html
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mner_keras.data.post import Entity, Post, entity_spans, post_from_record
from mner_keras.errors import InputError
from mner_keras.text.pos import token_offsets

_EXPECTED = "expected a JSON array of Label Studio's tasks, or one JSON object per line"
_JOINED = "text_from_tokens"


def task_of_record(
    record: dict[str, Any], entities: Sequence[Entity] = (), version: str = "", score: float | None = None
) -> dict[str, Any]:
    """Return the task of a post, given as in `post_record`; its tags become an annotation.

    With `version`, a model's name, its `entities` and its certainty about the post, `score`, become a prediction.
    Raise `InputError` if the tokens do not cover the post's text.
    """
    tokens, tags = record["tokens"], record.get("tags")
    data = {key: value for key, value in record.items() if key != "tags"}
    if "text" not in data:
        data |= {"text": " ".join(tokens), _JOINED: True}
    data["image"] = data["image"] or ""  # Label Studio requires a string
    offsets = _offsets(data["text"], tokens)
    task: dict[str, Any] = {"data": data}

    def result(kind: str, first: int, last: int, sure: float | None = None) -> dict[str, Any]:
        start, end = offsets[first][0], offsets[last - 1][1]
        found = {"id": f"{start}-{end}", "from_name": "label", "to_name": "text", "type": "labels"}
        found["value"] = {"start": start, "end": end, "text": data["text"][start:end], "labels": [kind]}
        return found if sure is None else {**found, "score": sure}

    if tags is not None:
        spans = entity_spans(tags)
        if _tags(spans, len(tags)) != tags:
            data["tags"] = tags  # I- tags outside entities, which spans cannot express
        task["annotations"] = [{"result": [result(*span) for span in spans]}]
    if version:
        results = [result(entity.type, entity.start, entity.end, entity.score) for entity in entities]
        certainty = {} if score is None else {"score": score}
        task["predictions"] = [{"model_version": version, **certainty, "result": results}]
    return task


def read_tasks(text: bytes, name: str | os.PathLike) -> Iterator[Post | InputError]:
    """Yield the posts of a JSON array of tasks, as Label Studio exports it ("JSON"), or what is wrong with them.

    A task's annotation gives the tags, unless it was cancelled. Without one, the post has the tags of `data`, or none.
    Errors are tokens that do not cover the text, an entity that begins or ends inside a token, entities that overlap,
    annotations that differ, and results other than labelled spans.
    """
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield InputError(f"{_EXPECTED}; found neither ({error})", name)
        return
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            yield InputError(f"task {number}: {_EXPECTED}; found no object with the key `data`", name)
            continue
        try:
            yield post_from_record(_record_of_task(task))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = error if isinstance(error, ValueError) else f"not as Label Studio exports it ({error!r})"
            yield InputError(f"task {number} (id {task.get('id')}): {reason}", name)


def _record_of_task(task: dict[str, Any]) -> dict[str, Any]:
    record = dict(task["data"])
    annotations = [one["result"] for one in task.get("annotations") or () if not one.get("was_cancelled")]
    found = [sorted(map(_span, results)) for results in annotations]
    if any(spans != found[0] for spans in found):
        raise ValueError(f"expected annotations that agree, found {len(found)} that differ")
    if found:
        text = record["text"]
        tokens = record.get("tokens") or list(Post.from_text(text).tokens)
        spans = _token_spans(text, _offsets(text, tokens), found[0])
        record["tokens"] = tokens
        # Tags that express the same entities are the post's own.
        if "tags" not in record or entity_spans(record["tags"]) != spans:
            record["tags"] = _tags(spans, len(tokens))
    if record.pop(_JOINED, False):
        del record["text"]
    return record


def _span(result: dict[str, Any]) -> tuple[int, int, str]:
    if result["type"] != "labels" or len(result["value"]["labels"]) != 1:
        raise ValueError(f"expected results of the type `labels` with one label, found {result}")
    return result["value"]["start"], result["value"]["end"], result["value"]["labels"][0]


def _offsets(text: str, tokens: Sequence[str]) -> tuple[tuple[int, int], ...]:
    offsets = token_offsets(text, tokens)
    if offsets is None:
        raise InputError(f"expected `tokens` that the text contains in this order, found {text!r}")
    bounds = [0, *itertools.chain.from_iterable(offsets), len(text)]
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        if html.unescape(text[start:end]).strip():
            raise InputError(f"characters {start} to {end} of {text!r}: expected a token, found none")
    return offsets


def _token_spans(text: str, offsets: Sequence[tuple[int, int]], spans: Iterable[tuple[int, int, str]]) -> list[tuple]:
    """Return spans of characters as type, first token, token after the last, like `entity_spans`."""
    found: list[tuple[str, int, int]] = []
    for start, end, kind in spans:
        place = f"characters {start} to {end} of {text!r}"
        inside = [number for number, (first, last) in enumerate(offsets) if first < end and start < last]
        # A span may include the white space around its tokens.
        is_whole = inside and start <= offsets[inside[0]][0] and offsets[inside[-1]][1] <= end
        if not is_whole or start < 0 or end > len(text):
            raise ValueError(f"{place}: expected an entity of whole tokens")
        if found and inside[0] < found[-1][2]:
            raise ValueError(f"{place}: expected entities that do not overlap")
        found.append((kind, inside[0], inside[-1] + 1))
    return found


def _tags(spans: Iterable[tuple[str, int, int]], count: int) -> list[str]:
    tags = ["O"] * count
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags
