"""One table of a DuckDB database file, opened read-only, with everything locked that could reach out of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from adapters.errors import BadSource, SourceNotFound

_BATCH_ROWS: Final = 131_072
_LOCKED: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


class DuckDbSource:
    """Implements ``Source``. Each ``read`` has a database of its own that attaches the file, gone with the reader.

    The file is attached to an in-memory database and not opened by its path: DuckDB shares one instance per path in a
    process, and a second ``connect`` to one whose configuration is locked never returns (measured with 2.0.0).
    """

    def __init__(self, path: str, table: str) -> None:
        self._path, self._table = Path(path).resolve(), table
        if not self._path.is_file():
            raise SourceNotFound(f"there is no file {self._path.name}")
        self._schema = self._select(["*"], "LIMIT 0").schema

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        if missing := sorted(set(columns) - set(self._schema.names)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        return self._select([_quoted(name) for name in columns])

    @property
    def folder(self) -> Path:
        return self._path.parent

    def files(self) -> tuple[Path, ...]:
        wal = self._path.with_name(self._path.name + ".wal")
        return (self._path, wal) if wal.exists() else (self._path,)

    def _select(self, columns: Sequence[str], tail: str = "") -> pa.RecordBatchReader:
        try:
            connection = duckdb.connect(":memory:", config=dict(_LOCKED))
            file = str(self._path).replace("'", "''")
            connection.execute(f"ATTACH '{file}' AS data (TYPE duckdb, READ_ONLY); USE data")
            connection.execute("SET enable_external_access = false; SET lock_configuration = true")
            # names are quoted by us; no text of an operator ever reaches this statement
            query = f"SELECT {', '.join(columns)} FROM {_quoted(self._table)} {tail}"  # noqa: S608
            return connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        except duckdb.CatalogException:
            raise BadSource(f"the database has no table {self._table!r}") from None
        except duckdb.Error:
            raise BadSource(f"{self._path.name} cannot be read as a DuckDB database") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
