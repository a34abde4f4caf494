"""What to group by in place of a column that has no list of values: SQL that an analyst can write today."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.scope import Scope
from jobs.schema import Column, ColumnType, Role

_RANGES = 20
"""At most so many, so that a range holds enough individuals."""


def coarser(col: Col, scope: Scope) -> str:
    """Ranges of a number, periods of a date, halves of a secret column at a cut point; empty if nothing helps."""
    column = scope.column(col)
    if column.type is ColumnType.STRING:
        return ""
    if column.role is not Role.KNOWN and load_profile(scope.tables[0].profile).judged:
        return _halves(column)
    if column.bounds is None:
        return ""
    if column.bounds.temporal:
        return f"DATE_TRUNC('{_period(column.bounds.low, column.bounds.high)}', {column.name})"
    width = _width(Decimal(column.bounds.high) - Decimal(column.bounds.low))
    return f"FLOOR({column.name} / {width}) * {width}"


def _halves(column: Column) -> str:
    """Of a column whose ranges meet at declared cut points only."""
    if not column.cut_points:
        return ""
    point = column.cut_points[len(column.cut_points) // 2]
    quote = "'" if column.type in (ColumnType.DATE, ColumnType.TIMESTAMP) else ""
    at = f"{quote}{point}{quote}"
    return f"CASE WHEN {column.name} < {at} THEN 'below' WHEN {column.name} >= {at} THEN 'above' END"


def _period(low: str, high: str) -> str:
    return "month" if (date.fromisoformat(high[:10]) - date.fromisoformat(low[:10])).days <= 31 * _RANGES else "year"


def _width(span: Decimal) -> int:
    """10, 100, ..."""
    width = 10
    while span / width > _RANGES:
        width *= 10
    return width
