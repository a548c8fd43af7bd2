"""Extension of Griffe, which reads the docstrings for `mkdocs build`: Keras' headings and examples."""

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
    """Rewrite the headings by names that Griffe knows, and put examples into blocks of code."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring:
            text = _HEADING.sub(lambda found: HEADINGS[found.group(1)], obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(lambda found: f"```pycon\n{found.group(0).rstrip()}\n```\n", text)
