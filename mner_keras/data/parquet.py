"""Posts in Arrow tables and Parquet files (extra `parquet`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, Any

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


def parquet_records(stream: IO[bytes], name: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, read in blocks.

    Raises:
        InputError: another kind of file, a damaged one, or a stream that is not a file; pyarrow is not installed.
    """
    pa = import_pyarrow()
    if not stream.seekable():
        raise InputError("expected a file of Parquet, found a stream", name)
    try:
        for batch in pa.parquet.ParquetFile(stream).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"expected a Parquet file, found another kind or a damaged one ({reason})", name) from None


def write_records(path: str | os.PathLike, records: Sequence[dict[str, Any]]) -> None:
    """Write the records of posts as a Parquet file.

    Raises:
        InputError: values of a key that one column cannot contain; pyarrow is not installed.
    """
    pa = import_pyarrow()
    types = dict.fromkeys(("id", "text", "image"), pa.string())
    types |= dict.fromkeys(("tokens", "tags", "pos"), pa.list_(pa.string()))
    columns = {}
    for name in dict.fromkeys(key for record in records for key in record):
        values = [record.get(name) for record in records]
        try:
            columns[name] = pa.array(values, types.get(name))
        except (pa.ArrowException, ValueError, OverflowError):
            columns[name] = None
        if columns[name] is None or columns[name].to_pylist() != values:
            raise InputError(
                f"Parquet cannot contain `{name}`: expected Unicode text, or values of one type and structure"
            )
    pa.parquet.write_table(pa.table(columns), path)
