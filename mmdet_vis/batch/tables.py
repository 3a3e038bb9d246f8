"""Parquet tables: lists, status and sequences, with fixed columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from mmdet_vis.errors import ConfigError
from mmdet_vis.files.atomic import atomic_stream
from mmdet_vis.files.storage import Storage

ROWS_AT_ONCE = 10_000
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "manifest": {
        "id": "string", "uri": "string", "start": "int64", "stop": "int64", "frames": "int64", "seconds": "float64",
        "bytes": "int64",
    },
    "status": {
        "id": "string", "status": "string", "frames": "int64", "seconds": "float64", "error": "string",
        "warnings": "string", "result_uri": "string", "uri": "string", "start": "int64", "stop": "int64",
        "chunk": "int64", "chunks": "int64", "host": "string",
    },
    "sequences": {
        "video_id": "int64", "id": "string", "track_id": "int64", "category": "string", "score": "float64",
        "first_frame": "int64", "last_frame": "int64", "visible_frames": "int64", "height": "int64", "width": "int64",
        "areas": "list<int64>",
    },
}  # fmt: skip
"""Columns of each kind of table with their types."""


def pyarrow() -> ModuleType:
    """The package that reads and writes Parquet. Raises :class:`ConfigError`: it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("tables of a batch are Parquet, which needs pyarrow: pip install pyarrow") from None
    return pyarrow


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table, some in memory at a time. Raises ``ValueError``: it is no Parquet file; or ``OSError``."""
    arrow = pyarrow()
    with arrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(ROWS_AT_ONCE):
            yield from batch.to_pylist()


def write_parquet(storage: Storage, name: str, rows: Iterable[Mapping[str, Any]], kind: str) -> int:
    """Write a table of a kind of :data:`COLUMNS` in one step; returns its number of rows.

    The same rows give the same bytes. They are taken a few at a time; columns that one lacks are null.

    Raises:
        OutputError, ConfigError: it cannot be written, or pyarrow is not installed.
    """
    arrow = pyarrow()
    columns = COLUMNS[kind]
    schema = arrow.schema([(column, _type(arrow, text)) for column, text in columns.items()])
    written, source = 0, iter(rows)
    with (
        storage.write_to(name) as path,
        atomic_stream(path) as file,
        arrow.parquet.ParquetWriter(file, schema) as table,
    ):
        while part := list(islice(source, ROWS_AT_ONCE)):
            table.write_table(arrow.Table.from_pylist([{key: row.get(key) for key in columns} for row in part], schema))
            written += len(part)
    return written


def _type(arrow: ModuleType, text: str) -> Any:
    names: Sequence[str] = text.removesuffix(">").split("<")
    found = arrow.type_for_alias(names[-1])
    return arrow.list_(found) if len(names) > 1 else found
