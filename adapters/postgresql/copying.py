"""Streams the table into one Parquet file: bounded memory, exact values, one moment of the database.

``COPY`` is a cursor of the server's that sends as fast as we take; its text is parsed by Arrow, never by Python. Null
is ``\\N`` without quotes, which no value can be: the server quotes a value that looks like it.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from adapters.errors import BadSource, OutOfDisk
from adapters.postgresql.table import PostgresTable, connected
from adapters.postgresql.types import Field, fields_of
from adapters.source import SourceSpec

_NULL: Final = r"\N"
_BLOCK_BYTES: Final = 4 << 20
"""Parsed at once; a single row may not be larger."""
_BUFFER_BYTES: Final = 1 << 20
_ROWS_AT_ONCE: Final = 512


def copy_table(table: PostgresTable, to: Path, columns: Sequence[str] | None = None) -> SourceSpec:
    """Write these columns (all without) of the table's rows of this moment to the new file ``to``, mode 0600.

    Raises ``SourceNotFound`` (no database), ``BadSource`` (no table, no column, a type or value that Arrow cannot hold
    exactly, a lost connection) or ``OutOfDisk``, and then leaves no file.
    """
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, connected(table) as connection:
            fields = fields_of(connection, table, columns)
            names = ", ".join(field.expression for field in fields)
            # names are the owner's own and quoted by us; no text of an operator ever reaches this statement
            query = f"COPY (SELECT {names} FROM {table.quoted}) TO STDOUT (FORMAT csv, NULL '{_NULL}')"  # noqa: S608
            with connection.cursor().copy(query.encode()) as rows:
                _write(file, fields, io.BufferedReader(_Stream(iter(rows)), _BUFFER_BYTES))
    except BaseException as error:
        to.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfDisk(f"no room for a copy of table {table.table}") from None
        if isinstance(error, pa.ArrowException):  # its text quotes the value
            raise BadSource(
                f"table {table.table} holds a value that its column's Arrow type cannot (NaN or infinity in a numeric, "
                "an infinite date, a row beyond 4 MiB): make a view without it"
            ) from None
        raise
    return SourceSpec(kind="parquet", path=str(to))


def _write(file: io.BufferedWriter, fields: Sequence[Field], rows: io.BufferedReader) -> None:
    schema = pa.schema([(field.name, field.type) for field in fields])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        if not rows.peek(1):  # an empty table is no CSV
            writer.write_table(schema.empty_table())
            return
        reader = pacsv.open_csv(
            pa.PythonFile(rows, mode="r"),
            pacsv.ReadOptions(column_names=schema.names, block_size=_BLOCK_BYTES, use_threads=False),
            pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pacsv.ConvertOptions(
                column_types={field.name: field.parsed for field in fields},
                null_values=[_NULL],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in reader:
            writer.write_batch(batch.cast(schema))


class _Stream(io.RawIOBase):
    """What the server sends, row by row, as a file to read from."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(b"".join(islice(self._rows, _ROWS_AT_ONCE)))
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken
