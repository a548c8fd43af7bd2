"""`Shard`: the share of the work of one of several machines."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from mner_keras.errors import InputError
from mner_keras.files import part_name


@dataclasses.dataclass(frozen=True)
class Shard:
    """The `number`-th, from 1, of `count` commands that share the work; each item is in exactly one of them."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str | None) -> Shard | None:
        """Read `I/N`, or raise `InputError`; `None` for an option that is not given."""
        if text is None:
            return None
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"expected --shard I/N with I from 1 to N, such as 3/64, found {text!r}")
        return cls(int(match[1]), int(match[2]))

    def holds(self, image_id: str) -> bool:
        """Return whether a picture belongs to the shard: by its id alone, whatever other pictures there are."""
        return zlib.crc32(image_id.encode("utf-8", "surrogateescape")) % self.count == self.number - 1

    def take(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the shard's items by their position: every N-th."""
        return islice(items, self.number - 1, None, self.count)

    def part(self, folder: Path, ending: str) -> Path:
        """Return the shard's file in a folder, which is created and must not contain parts of another N."""
        if folder.suffix == ending or folder.is_file():
            raise InputError("expected a folder: with --shard, each shard writes one part into it", folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = part_name(self.number, self.count, ending)
        pattern = f"part-*{name[name.index('-of-') :]}"
        if others := set(folder.glob(f"part-*{ending}")).difference(folder.glob(pattern)):
            raise InputError(f"expected parts of {self.count} shards, found {min(others).name}", folder)
        return folder / name
