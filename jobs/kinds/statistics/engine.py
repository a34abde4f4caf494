"""A DuckDB that reaches nothing but the Arrow readers it is handed: no file, network, extension, Python or spill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from jobs.kinds.base import Limits
from jobs.kinds.statistics.errors import (
    ArithmeticOverflow,
    DataViolatesDeclaration,
    OutOfLocalMemory,
    SourceMismatch,
    StatisticsError,
)
from jobs.kinds.statistics.staging import MARK

_MIB = 1 << 20

_LOCK = "; ".join(
    (
        "SET enable_external_access = false",
        "SET autoload_known_extensions = false",
        "SET autoinstall_known_extensions = false",
        "SET allow_community_extensions = false",
        "SET python_enable_replacements = false",
        "SET preserve_insertion_order = false",
        "SET lock_configuration = true",
    )
)


class Engine:
    """One locked in-memory database. Used by one step, in a ``with`` block."""

    def __init__(self, limits: Limits) -> None:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "temp_directory": "",  # no spill: the file would hold rows in the clear
                "memory_limit": f"{limits.memory_bytes // _MIB}MiB",
                "threads": str(limits.threads),
            },
        )
        self._connection.execute(_LOCK)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def register(self, name: str, data: pa.RecordBatchReader | pa.Table) -> None:
        """Offer Arrow data under a name that the caller made up."""
        self._connection.register(name, data)

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute rendered SQL. Raises a kind of ``StatisticsError``: DuckDB's texts may quote values, so they go."""
        with _typed():
            return self._connection.execute(sql).fetchall()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The batches of rendered SQL, as they come. Raises as ``run`` does."""
        with _typed():
            reader: pa.RecordBatchReader = self._connection.sql(sql).to_arrow_reader(1 << 17)
            yield from reader


@contextmanager
def _typed() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error) from None
    except pa.ArrowException:
        raise SourceMismatch("the source ended with an error while it was read") from None


def _translated(error: duckdb.Error) -> StatisticsError:
    violation = re.search(re.escape(MARK) + r"([^\W\d]\w{0,62})", str(error))
    if violation:
        return DataViolatesDeclaration(
            f"column {violation[1]} holds a value outside its declaration: register the data again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return OutOfLocalMemory("the step needs more memory than its limit: raise memory_bytes, or group more coarsely")
    if isinstance(error, duckdb.OutOfRangeException):
        return ArithmeticOverflow("a number exceeds its proven range: check the declared bounds and max_rows")
    if isinstance(error, duckdb.ConversionException | duckdb.TypeMismatchException | duckdb.BinderException):
        return SourceMismatch("a column of the source has a type that does not fit its declaration")
    return StatisticsError(f"the local database stopped with {type(error).__name__}")
