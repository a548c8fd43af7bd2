"""Griffe extension that reads Keras' headings and examples in docstrings for `mkdocs build`."""

from __future__ import annotations

import re
from typing import Any

import griffe

HEADINGS = {
    "Call arguments:": "Other Parameters: Call arguments:",
    "Example:": "**Example:**",
    "Reference:": "Note: Reference",
}
_HEADING = re.compile(rf"^({'|'.join(HEADINGS)})$", re.MULTILINE)
_EXAMPLE = re.compile(r"^>>> .*\n?(?:^.+\n?)*", re.MULTILINE)


class KerasDocstrings(griffe.Extension):
    """Rename headings to Griffe's names, and put examples into code blocks."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring:
            text = _HEADING.sub(lambda found: HEADINGS[found.group(1)], obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(lambda found: f"```pycon\n{found.group(0).rstrip()}\n```\n", text)
