"""Row expressions over one stored column as tables: computed once per possible value, then looked up per row.

A declared domain, or narrow bounds, leaves few possible values; what an expression means for each is the planner's own
reference (``plan.evaluate``). Comparisons of wider columns with literals become ranges. Nothing else is taken here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, Protocol

import numba
import numpy as np
import numpy.typing as npt

from adapters.snapshot.columns import StoredColumn
from jobs.kinds.statistics.plan.evaluate import evaluate
from jobs.kinds.statistics.plan.expr import And, Col, Compare, In, IsNull, Lit, Not, Or, RowExpr, columns_of
from jobs.kinds.statistics.plan.types import Dimension
from jobs.kinds.statistics.plan.values import Value, from_scalar, value_of
from jobs.kinds.statistics.way import MAX_TABLE

OUTSIDE: Final = -(1 << 30)
"""The cell of a value outside a dimension's domain: stays negative whatever is added."""
Bools = npt.NDArray[np.bool_]
Truth = tuple[Bools, Bools]
"""Where a condition is true, and where it is false; elsewhere it is unknown."""
Condition = Callable[["Rows"], Truth]
_EPOCH: Final = datetime(1970, 1, 1)


class Rows(Protocol):
    """Some rows of stored columns."""

    def __len__(self) -> int: ...

    def integers(self, name: str) -> npt.NDArray[Any]:
        """Stored integers (a boolean's 0 and 1), anything where null."""
        ...

    def known(self, name: str) -> Bools | None:
        """Where the column is not null; ``None`` for everywhere."""
        ...


@dataclass(frozen=True)
class Table:
    """``values[i]`` belongs to the stored integer ``low + i``; the last entry to null."""

    column: str
    low: int
    values: npt.NDArray[Any]

    def look_up(self, rows: Rows) -> npt.NDArray[Any]:
        found, known = rows.integers(self.column), rows.known(self.column)
        out = np.empty(len(found), dtype=self.values.dtype)
        if known is None:
            _look_up(found, self.low, self.values, out)
        else:
            _look_up_known(found, known, self.low, self.values, out)
        return out


def _look_up_plain(found: Any, low: Any, values: Any, out: Any) -> None:
    for row in range(np.uint64(len(found))):
        out[row] = values[np.uint64(np.int64(found[row]) - low)]


def _look_up_known_plain(found: Any, known: Any, low: Any, values: Any, out: Any) -> None:
    last = np.uint64(len(values) - 1)
    for row in range(np.uint64(len(found))):
        out[row] = values[np.uint64(np.int64(found[row]) - low)] if known[row] else values[last]


_look_up: Callable[..., None] = numba.njit(nogil=True, cache=True)(_look_up_plain)
_look_up_known: Callable[..., None] = numba.njit(nogil=True, cache=True)(_look_up_known_plain)


def cell_table(dimension: Dimension, expr: RowExpr, stride: int, columns: Mapping[str, StoredColumn]) -> Table | None:
    """The dimension's share of the cell number, ``OUTSIDE`` for a value that no cell has. ``expr`` has no parameter."""
    positions = {from_scalar(dimension.type, value): place for place, value in enumerate(dimension.domain)}
    table = _table(expr, columns)
    if table is None:
        return None
    column, low, found = table
    return Table(column, low, np.array([positions[v] * stride if v in positions else OUTSIDE for v in found], np.int32))


def condition_of(expr: RowExpr, columns: Mapping[str, StoredColumn]) -> Condition | None:
    """The condition as masks, or ``None`` where it needs more than tables and ranges."""
    match expr:
        case And() | Or():
            parts = [condition_of(arg, columns) for arg in expr.args]
            known = [part for part in parts if part is not None]
            return None if len(known) < len(parts) else _all(known) if isinstance(expr, And) else _any(known)
        case Not():
            inner = condition_of(expr.arg, columns)
            return None if inner is None else (lambda rows: _swapped(inner(rows)))
        case IsNull(arg=Col(table=0) as col):
            return lambda rows: _null(rows, col.name)
        case _:
            return _from_table(expr, columns) or _from_range(expr, columns)


def _all(parts: list[Condition]) -> Condition:
    def found(rows: Rows) -> Truth:
        truths = [part(rows) for part in parts]
        return np.logical_and.reduce([t for t, _ in truths]), np.logical_or.reduce([f for _, f in truths])

    return found


def _any(parts: list[Condition]) -> Condition:
    def found(rows: Rows) -> Truth:
        truths = [part(rows) for part in parts]
        return np.logical_or.reduce([t for t, _ in truths]), np.logical_and.reduce([f for _, f in truths])

    return found


def _from_table(expr: RowExpr, columns: Mapping[str, StoredColumn]) -> Condition | None:
    table = _table(expr, columns)
    if table is None:
        return None
    column, low, found = table
    true = Table(column, low, np.array([value is True for value in found]))
    false = Table(column, low, np.array([value is False for value in found]))
    return lambda rows: (true.look_up(rows), false.look_up(rows))


def _table(expr: RowExpr, columns: Mapping[str, StoredColumn]) -> tuple[str, int, list[Value | None]] | None:
    """The expression's value for every possible value of its only column, and for null."""
    read = columns_of(expr)
    if len(read) != 1:
        return None
    (col,) = read
    possible = _possible(columns[col.name]) if col.table == 0 else None
    if possible is None:
        return None
    low, values = possible
    return col.name, low, [evaluate(expr, lambda _, value=value: value) for value in (*values, None)]  # type: ignore[misc]


def _possible(column: StoredColumn) -> tuple[int, list[Value]] | None:
    if column.values is not None:
        return (0, list(column.values)) if len(column.values) <= MAX_TABLE else None
    if column.kind == "bool":
        return 0, [False, True]
    if column.low is None or column.high is None or column.high - column.low >= MAX_TABLE:
        return None
    return column.low, [_value(column, stored) for stored in range(column.low, column.high + 1)]


def _value(column: StoredColumn, stored: int) -> Value:
    match column.kind:
        case "date":
            return (_EPOCH + timedelta(days=stored)).date()
        case "timestamp":
            return _EPOCH + timedelta(microseconds=stored)
        case _:
            return Fraction(stored, 10**column.decimals)


def _from_range(expr: RowExpr, columns: Mapping[str, StoredColumn]) -> Condition | None:
    """``column op literal`` or ``column IN (literals)``, where the column is stored as integers in its own order."""
    match expr:
        case Compare(left=Col() as col, right=Lit() as lit, op=op):
            at = _stored(columns, col, lit)
            if at is None:
                return None
            if op == "=":
                return _in(col.name, [at])
            most = floor(at) if op == "<=" else ceil(at) - 1
            return lambda rows: _known(rows, col.name, rows.integers(col.name) <= most)
        case Compare(left=Lit() as lit, right=Col() as col, op=op):
            at = _stored(columns, col, lit)
            if at is None:
                return None
            if op == "=":
                return _in(col.name, [at])
            least = ceil(at) if op == "<=" else floor(at) + 1
            return lambda rows: _known(rows, col.name, rows.integers(col.name) >= least)
        case In(arg=Col() as col, values=values):
            found = [_stored(columns, col, value) for value in values if isinstance(value, Lit)]
            whole = [at for at in found if at is not None]
            return _in(col.name, whole) if len(whole) == len(values) else None
        case _:
            return None


def _swapped(truth: Truth) -> Truth:
    return truth[1], truth[0]


def _null(rows: Rows, name: str) -> Truth:
    known = rows.known(name)
    if known is None:
        known = np.ones(len(rows), dtype=np.bool_)
    return ~known, known


def _in(name: str, values: list[Fraction]) -> Condition:
    wanted = np.array([int(at) for at in values if at.denominator == 1 and abs(at) < 1 << 63], dtype=np.int64)
    return lambda rows: _known(rows, name, np.isin(rows.integers(name), wanted))


def _known(rows: Rows, name: str, true: Bools) -> Truth:
    known = rows.known(name)
    return (true, ~true) if known is None else (true & known, ~true & known)


def _stored(columns: Mapping[str, StoredColumn], col: Col, lit: Lit) -> Fraction | None:
    """A literal in the stored integers of a column of table 0; ``None`` where it has no such order."""
    column = columns[col.name] if col.table == 0 else None
    value = value_of(lit)
    if column is None or column.kind in ("string", "bool"):
        return None
    if isinstance(value, Fraction):
        return value * Fraction(10**column.decimals)
    if isinstance(value, datetime):
        return Fraction((value - _EPOCH) // timedelta(microseconds=1)) if column.kind == "timestamp" else None
    if isinstance(value, date):
        return Fraction((value - _EPOCH.date()).days) if column.kind == "date" else None
    return None
