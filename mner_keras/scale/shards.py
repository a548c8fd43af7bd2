"""`Shard`: the share of the work of one of several machines."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mner_keras.errors import InputError
from mner_keras.files import list_parts, part_name

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of `count` equal commands that share the work, each item in exactly one of them.

    Args:
        number: from 1 to `count`.
        count: the number of shards.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str | None) -> Shard | None:
        """Read `I/N`; `None`, an option that is not given, stays `None`.

        Raises:
            InputError: something else, or a number outside 1 to N.
        """
        if text is None:
            return None
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"expected --shard I/N with I from 1 to N, such as 3/64, found {text!r}")
        return cls(int(match[1]), int(match[2]))

    def holds(self, image_id: str) -> bool:
        """Return whether a picture belongs to the shard: by its id alone, whatever other pictures there are."""
        return zlib.crc32(image_id.encode("utf-8", "surrogateescape")) % self.count == self.number - 1

    def take(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the shard's items, by their position: every N-th."""
        return islice(items, self.number - 1, None, self.count)

    def part(self, folder: Path, ending: str) -> Path:
        """Return the shard's file in a folder of parts; create the folder.

        Raises:
            InputError: a file instead of the folder, or a folder with the parts of another number of shards.
        """
        if folder.suffix == ending or folder.is_file():
            raise InputError("expected a folder: with --shard, each shard writes one part into it", folder)
        if not folder.absolute().parent.is_dir():
            raise InputError("expected a folder to write into, found none", folder.absolute().parent)
        folder.mkdir(exist_ok=True)
        for (_, count), path in list_parts(folder).items():
            if count != self.count:
                raise InputError(f"expected parts of {self.count} shards, found {path.name}", folder)
        return folder / part_name(self.number, self.count, ending)
