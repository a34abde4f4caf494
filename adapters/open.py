"""From a description to a ``Source``."""

from __future__ import annotations

from adapters.duckdb_file import DuckDbSource
from adapters.errors import BadSource
from adapters.files import FileSource
from adapters.source import Source, SourceSpec


def open_source(spec: SourceSpec, only: frozenset[str] | None = None) -> Source:
    """Open the table that the description names; raises ``SourceNotFound`` or ``BadSource``. Reads no row.

    ``only``: of a folder or pattern, just these files, by their names in the manifest.
    """
    if spec.kind == "duckdb":
        if spec.table is None:
            raise BadSource("a DuckDB source names its table")
        return DuckDbSource(spec.path, spec.table)
    return FileSource(spec.kind, spec.path, spec.partitioning, only)
