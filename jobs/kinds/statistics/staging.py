"""From whatever Arrow types a file has to the declared types: scaled integers, checked as registration checked them.

A value outside its declaration ends the run (typed, naming the column); nothing is clipped or rounded away.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pyarrow as pa

from adapters.snapshot.columns import SCALED
from jobs.kinds.statistics.errors import SourceMismatch
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.types import PlannedColumn
from jobs.kinds.statistics.render import quoted, text
from jobs.schema import ColumnType

MARK = "unseen-violation:"
"""Starts the text of every error that the staged SQL raises itself; the column's name follows."""


def staged_select(
    columns: list[PlannedColumn],
    schema: pa.Schema,
    source: str,
    grouped: frozenset[Col] = frozenset(),
    numbered: frozenset[Col] = frozenset(),
    coded: frozenset[Col] = frozenset(),
    carried: Sequence[str] = (),
) -> str:
    """SELECT over a registered reader that yields ``c_<name>`` for every column; raises ``SourceMismatch``.

    ``grouped``: columns whose every value is looked up in a declared domain afterwards, and needs no check here.
    ``numbered``, ``coded``: columns that hold a number, or a position in a domain, in place of each value already.
    ``carried``: columns of the scan itself, which keep their names.
    """
    parts = [quoted(name) for name in carried]
    for planned in columns:
        name = planned.column.name
        index = schema.get_field_index(name)
        if index < 0:
            raise SourceMismatch(f"the source has no column {name}")
        if planned.column in numbered or planned.column in coded:
            number = quoted(name) if planned.column in coded else _numbered(planned)
            parts.append(f"{number} AS {quoted('c_' + name)}")
            continue
        parts.append(f"{_value(planned, schema.field(index), planned.column in grouped)} AS {quoted('c_' + name)}")
    return f"SELECT {', '.join(parts)} FROM {quoted(source)}"  # noqa: S608 - every part is rendered here


def _value(planned: PlannedColumn, field: pa.Field, looked_up: bool) -> str:
    type_ = field.type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    raw = quoted(planned.column.name)
    checks: list[str] = []
    match planned.type:
        case ColumnType.INT | ColumnType.DECIMAL:
            scaled = SCALED in (field.metadata or {})
            value = f"CAST({raw} AS BIGINT)" if scaled else _number(planned, raw, type_, checks)
        case ColumnType.STRING:
            _expect(planned, pa.types.is_string(type_) or pa.types.is_large_string(type_) or _is_view(type_))
            value = raw
        case ColumnType.BOOL:
            _expect(planned, pa.types.is_boolean(type_))
            value = raw
        case ColumnType.DATE:
            _expect(planned, pa.types.is_date(type_) or pa.types.is_timestamp(type_))
            value = f"CAST({raw} AS DATE)"
            if pa.types.is_timestamp(type_):
                value = f"CAST(make_timestamp(epoch_us({raw})) AS DATE)"
                checks.append(f"make_timestamp(epoch_us({raw})) = {value}")
        case ColumnType.TIMESTAMP:
            _expect(planned, pa.types.is_timestamp(type_) or pa.types.is_date(type_))
            value = f"make_timestamp(epoch_us({raw}))"
    if looked_up and not checks:
        return value
    if planned.low is not None and planned.high is not None:
        checks.append(_bounds(planned, value))
    allowed = " AND ".join(checks)
    if planned.nullable:
        allowed = f"{raw} IS NULL OR ({allowed})" if allowed else ""
    else:
        allowed = f"{raw} IS NOT NULL" + (f" AND {allowed}" if allowed else "")
    if not allowed:
        return value
    return f"CASE WHEN {allowed} THEN {value} ELSE error('{MARK}{planned.column.name}') END"


def _numbered(planned: PlannedColumn) -> str:
    raw = quoted(planned.column.name)
    return raw if planned.nullable else f"coalesce({raw}, error('{MARK}{planned.column.name}'))"


def _number(planned: PlannedColumn, raw: str, type_: pa.DataType, checks: list[str]) -> str:
    """A scaled BIGINT. A float counts as the decimal with the declared digits if it is the float nearest to it."""
    unit = 10**planned.decimals
    if pa.types.is_integer(type_):
        return f"CAST({raw} AS BIGINT)" + (f" * {unit}" if unit > 1 else "")
    if pa.types.is_floating(type_):
        kind = "FLOAT" if type_ == pa.float32() else "DOUBLE"
        # NaN and infinity never equal a finite number, so they fail the comparison
        value = f"TRY_CAST(round(CAST({raw} AS DOUBLE) * {unit}) AS BIGINT)"
        checks.append(f"CAST(CAST({value} AS DOUBLE) / {unit} AS {kind}) IS NOT DISTINCT FROM {raw}")
        return value
    if pa.types.is_decimal(type_):
        exact = f"CAST({raw} AS DECIMAL(28, 9)) * CAST({unit} AS DECIMAL(10, 0))"
        value = f"CAST({exact} AS BIGINT)"
        checks.append(f"{exact} = {value} AND CAST({raw} AS DECIMAL(28, 9)) = {raw}")
        return value
    raise SourceMismatch(f"column {planned.column.name} is declared a number and is stored as {type_}")


def _bounds(planned: PlannedColumn, value: str) -> str:
    low, high = planned.low or "", planned.high or ""
    if planned.type in (ColumnType.INT, ColumnType.DECIMAL):
        unit = 10**planned.decimals
        first, last = _ceil(Fraction(low) * unit), Fraction(high) * unit // 1
        return f"{value} BETWEEN {first} AND {last}"
    if planned.type is ColumnType.DATE:
        return f"{value} BETWEEN DATE {text(low[:10])} AND DATE {text(high[:10])}"
    until = high.replace("T", " ") if "T" in high else f"{high} 23:59:59.999999"
    return f"{value} BETWEEN TIMESTAMP {text(low.replace('T', ' '))} AND TIMESTAMP {text(until)}"


def _ceil(value: Fraction) -> int:
    return -((-value) // 1)


def _expect(planned: PlannedColumn, fits: bool) -> None:
    if not fits:
        raise SourceMismatch(
            f"column {planned.column.name} is declared {planned.type.value} and stored as another type"
        )


def _is_view(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(type_))
