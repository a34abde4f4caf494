"""From a description to a ``Source``."""

from __future__ import annotations

from adapters.declared import DeclaredSource
from adapters.delimited import CsvSource
from adapters.duckdb_file import DuckDbSource
from adapters.errors import BadSource
from adapters.files import FileSource
from adapters.source import Source, SourceSpec
from adapters.text.guess import guess


def open_source(spec: SourceSpec, only: frozenset[str] | None = None) -> Source:
    """Open the table that the description names; raises ``SourceNotFound`` or ``BadSource``.

    Reads no row, unless a CSV comes without declared columns: what they are is known from all its rows only.
    ``only``: of a folder or pattern, just these files, by their names in the manifest.
    """
    source = open_plain(spec, only)
    if spec.kind == "csv":
        columns = spec.columns or tuple(found.column for found in guess(source, keep_names=True))
        return DeclaredSource(source, columns, all_columns=False)
    return DeclaredSource(source, spec.columns, all_columns=True) if spec.columns else source


def open_plain(spec: SourceSpec, only: frozenset[str] | None = None) -> Source:
    """The table as it lies there, under its own headers; of a CSV every column is text."""
    if spec.kind == "duckdb":
        if spec.table is None:
            raise BadSource("a DuckDB source names its table")
        return DuckDbSource(spec.path, spec.table)
    if spec.kind == "csv":
        return CsvSource(spec.path, spec.encoding, spec.delimiter, spec.partitioning, only)
    return FileSource(spec.kind, spec.path, spec.partitioning, only)
