"""What a snapshot stores of a dataset's declared columns: the declaration in integers. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor

from adapters.snapshot.columns import StoredColumn
from jobs.schema import Column, ColumnType, Dataset, Role, Scalar

_EPOCH = datetime(1970, 1, 1)
_DAY = timedelta(days=1)
_MICRO = timedelta(microseconds=1)


def stored_columns(dataset: Dataset) -> tuple[StoredColumn, ...]:
    """In declared order. A column's integers lie within its declared domain, or else its bounds."""
    return tuple(stored_column(column, unit=column.name == dataset.unit) for column in dataset.columns)


def printed_columns(dataset: Dataset) -> tuple[str, ...]:
    """What a row is known by beside its unit: all that may put it into a base, itself or as the key of a join.

    No secret does, and with a secret in it a row whose secret changes would be another record.
    """
    secret = (Role.SENSITIVE, Role.MEASURE)
    return tuple(c.name for c in dataset.columns if c.role not in secret and c.name != dataset.unit)


def stored_column(column: Column, unit: bool = False) -> StoredColumn:
    """A unit is stored whole, once for all its rows, so its domain is no help."""
    low, high = (None, None) if unit else _range(column)
    coded = column.type is ColumnType.STRING and column.domain is not None and not unit
    return StoredColumn(
        name=column.name,
        kind=column.type.value,
        decimals=column.decimals,
        rounded=column.rounded,
        nullable=column.nullable or unit,
        values=tuple(str(value) for value in column.domain or ()) if coded else None,
        low=low,
        high=high,
    )


def _range(column: Column) -> tuple[int | None, int | None]:
    if column.type in (ColumnType.STRING, ColumnType.BOOL):
        return None, None
    if column.domain is not None:
        values = [_stored(column, value) for value in column.domain]
        return (floor(min(values)), ceil(max(values))) if values else (None, None)
    if column.bounds is None:
        return None, None
    return ceil(_stored(column, column.bounds.low)), floor(_stored(column, column.bounds.high, last=True))


def _stored(column: Column, value: Scalar, last: bool = False) -> Fraction:
    """A declared value in stored integers; a day as the ``last`` end of times means its last microsecond."""
    match column.type:
        case ColumnType.DATE:
            return Fraction((date.fromisoformat(str(value)[:10]) - _EPOCH.date()) // _DAY)
        case ColumnType.TIMESTAMP:
            moment = _naive(datetime.fromisoformat(str(value)))
            end = _DAY - _MICRO if last and "T" not in str(value) else timedelta(0)
            return Fraction((moment - _EPOCH + end) // _MICRO)
        case _:
            return Fraction(value) * Fraction(10**column.decimals)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
