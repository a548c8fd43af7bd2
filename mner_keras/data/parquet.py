"""Posts in Arrow tables and Parquet files (extra `parquet`)."""

from __future__ import annotations

from typing import Any

from mner_keras.errors import InputError


def import_pyarrow() -> Any:
    """Import pyarrow.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not installed: pip install 'mner-keras[parquet]'") from None
    return pyarrow


def column_types() -> dict[str, Any]:
    """Return the Arrow types of the columns that tagging adds; they do not depend on the posts."""
    pa = import_pyarrow()
    entity = {"text": pa.string(), "type": pa.string(), "start": pa.int64(), "end": pa.int64()}
    entity |= {"score": pa.float64(), "start_char": pa.int64(), "end_char": pa.int64()}
    strings = pa.list_(pa.string())
    entities = pa.list_(pa.struct(list(entity.items())))
    return {"tokens": strings, "tags": strings, "entities": entities, "error": pa.string()}
