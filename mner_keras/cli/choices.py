"""The values of options that are chosen from a list."""

from __future__ import annotations

from enum import StrEnum

Paper = StrEnum("Paper", ["hsn", "agban"])
Split = StrEnum("Split", ["train", "dev", "test"])
Scheme = StrEnum("Scheme", ["strict", "lenient"])
Budget = StrEnum("Budget", ["fast", "paper"])
Precision = StrEnum("Precision", ["float32", "mixed_float16", "mixed_bfloat16"])
