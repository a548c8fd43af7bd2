"""Posts in Arrow tables and Parquet files (extra `parquet`)."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from mner_keras.errors import InputError

ROWS = 16_384
"""Posts per row group of a file that `write_parquet` writes."""

_OURS = {b"writer": b"mner-keras"}


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
    """Return the Arrow types of a tagged post's columns. `extra` is a JSON object with all other fields."""
    pa = import_pyarrow()
    strings, string, number = pa.list_(pa.string()), pa.string(), pa.int64()
    entity = {"text": string, "type": string, "start": number, "end": number, "score": pa.float64()}
    entity |= {"start_char": number, "end_char": number}
    columns = {"id": string, "text": string, "tokens": strings, "tags": strings, "pos": strings, "image": string}
    return {**columns, "entities": pa.list_(pa.struct(list(entity.items()))), "extra": string}


def parquet_records(stream: IO[bytes], name: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, read in blocks.

    Raises:
        InputError: another kind of file, a damaged one, or a stream that is not a file; pyarrow is not installed.
    """
    pa = import_pyarrow()
    if not stream.seekable():
        raise InputError("expected a file of Parquet, found a stream", name)
    try:
        file = pa.parquet.ParquetFile(stream)
        ours = _OURS.items() <= (file.schema_arrow.metadata or {}).items()
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                if ours:
                    row = {key: value for key, value in row.items() if value is not None}
                    row |= json.loads(row.pop("extra", "{}"))
                yield row
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"expected a Parquet file, found another kind or a damaged one ({reason})", name) from None


def write_parquet(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Write posts, given as their JSON objects, as Parquet with the columns of `column_types`.

    Half of a surrogate pair, which Parquet cannot contain, becomes a question mark.

    Raises:
        InputError: pyarrow is not installed.
    """
    pa, types = import_pyarrow(), column_types()
    schema, records = pa.schema(list(types.items()), _OURS), iter(records)
    with pa.parquet.ParquetWriter(path, schema) as writer:
        while rows := [_row(record, types) for record in itertools.islice(records, ROWS)]:
            try:
                table = pa.Table.from_pylist(rows, schema)
            except UnicodeEncodeError:
                rows = json.loads(json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace"))
                table = pa.Table.from_pylist(rows, schema)
            writer.write_table(table)


def _row(record: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    extra = {key: value for key, value in record.items() if key not in types}
    return {**record, "extra": json.dumps(extra, ensure_ascii=False) if extra else None}
