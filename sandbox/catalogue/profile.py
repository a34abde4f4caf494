"""One streaming pass over a table: per column nulls, minimum, maximum and a bounded set of distinct values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from adapters.source import Source

MAX_DISTINCT: Final = 512
_WHOLE: Final = 1e15


@dataclass
class ColumnFacts:
    """``distinct`` is ``None`` beyond ``MAX_DISTINCT``. Stays at the owner's side: these are data values."""

    nulls: int = 0
    low: Any = None
    high: Any = None
    distinct: set[Any] | None = field(default_factory=set)
    sample: set[Any] = field(default_factory=set)
    """Up to ``MAX_DISTINCT`` different values, of whatever there are."""
    decimals: int = 0
    edges: int = 0
    """Texts with white space at an edge."""
    not_finite: int = 0

    def __repr__(self) -> str:
        return f"ColumnFacts(nulls={self.nulls}, <values redacted>)"


def profile(source: Source, columns: Sequence[str]) -> tuple[int, dict[str, ColumnFacts]]:
    """Return the number of rows and the facts of each column."""
    facts = {name: ColumnFacts() for name in columns}
    rows = 0
    for batch in source.read(columns):
        rows += batch.num_rows
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            _take(facts[name], array)
    return rows, facts


def plain(array: pa.Array) -> pa.Array:
    """The array in a type that Arrow can compute with: dictionaries decoded, half floats and string views widened."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_float16(array.type):
        return array.cast(pa.float32())
    return array.cast(pa.string()) if pa.types.is_string_view(array.type) else array


def comparable(value: Any) -> Any:
    """Numbers as exact decimals; dates and times as naive UTC, the form that bounds are written in."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return Decimal(str(value)) if isinstance(value, float | int) else value


def _take(facts: ColumnFacts, array: pa.Array) -> None:
    array = plain(array)
    facts.nulls += array.null_count
    values = array.drop_null()
    if pa.types.is_floating(values.type):
        finite = pc.is_finite(values)
        facts.not_finite += len(values) - int(pc.sum(finite).as_py() or 0)
        values = values.filter(finite)
        _take_decimals(facts, values)
    elif pa.types.is_decimal(values.type) and values.type.scale > 0:
        _take_decimals(facts, values)
    if len(values) == 0:
        return
    ends = pc.min_max(values).as_py()
    facts.low = ends["min"] if facts.low is None else min(facts.low, ends["min"])
    facts.high = ends["max"] if facts.high is None else max(facts.high, ends["max"])
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        facts.edges += int(pc.sum(pc.not_equal(pc.utf8_trim_whitespace(values), values)).as_py() or 0)
    if len(facts.sample) < MAX_DISTINCT:
        facts.sample.update(pc.unique(values)[:MAX_DISTINCT].to_pylist())
    if facts.distinct is not None:
        facts.distinct.update(pc.unique(values).to_pylist())
        if len(facts.distinct) > MAX_DISTINCT:
            facts.distinct = None


def _take_decimals(facts: ColumnFacts, values: pa.Array) -> None:
    """The fewest decimals (up to 9) that give every value back exactly; 10 if more would be needed."""
    while facts.decimals < 10 and pc.any(inexact(values, facts.decimals)).as_py():
        facts.decimals += 1


def inexact(values: pa.Array, decimals: int) -> pa.Array:
    """Which of these finite values are not the number of that many decimals nearest to them.

    From 10^15 on every float is whole, and rounding it would overflow; half precision is too narrow to round in.
    """
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.less(pc.abs(values), _WHOLE), values, pa.scalar(None, values.type))
    if pa.types.is_decimal(values.type):  # 9.9 rounded has a digit more
        values = values.cast(pa.decimal256(76, values.type.scale))
    return pc.fill_null(pc.not_equal(pc.round(values, decimals), values), False)
