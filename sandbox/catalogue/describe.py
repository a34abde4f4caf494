"""Drafts the dataset file: types, candidate domains, bounds, roles and privacy unit. A person reads and corrects it."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

import pyarrow as pa

from adapters.source import Source
from jobs.legible import fault
from jobs.schema import Bounds, Column, ColumnType, Dataset, Role, Scalar
from sandbox.catalogue.profile import ColumnFacts, comparable, profile
from sandbox.catalogue.sameness import sameness
from sandbox.errors import InvalidSpec

UNSTATED: Final = "to be stated by the owner"
"""A draft's legal basis: nobody can register under it."""
DOMAIN_LIMIT: Final = 200
MAX_DECIMALS: Final = 9
ROUNDED_DECIMALS: Final = 3
"""What a draft proposes for measurements without a fixed number of decimals."""
_UNREADABLE: Final = "some values cannot be read as they are (control or invisible characters, or too long): clean them"
_PLACES: Final = 18
_DIGITS: Final = 29
"""What a bound can be written with: decimal places, and characters in all."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_UNIT_HINT: Final = re.compile(r"(^|_)(id|no|num|number|code|key|tail\w*|person|patient|user|unit|uscc)($|_)|num$|id$")


def describe(source: Source, name: str, unit: str | None = None) -> Dataset:
    """Return a draft that the data satisfies, unless a number is not finite: that, ``check_data`` refuses.

    A column that is the same in all rows of each individual is said of it (``Column.said_of``).
    Bounds are widened to round numbers so that they are not data. Cut points are left to the owner: those that fit the
    data would be data.

    ``unit`` names the privacy unit; without it the most identifier-like column is taken. Raises ``InvalidSpec`` when
    no column can be the unit, or a column has a type that no dataset can declare.
    """
    for field in source.schema.names:
        if not _NAME.fullmatch(field):
            raise InvalidSpec(f"column {field!r}: a name is lower case letters, digits and _ (63 at most): rename it")
    types = {field.name: column_type(field.type, field.name) for field in source.schema}
    rows, facts = profile(source, source.schema.names)
    unit = unit or _candidate_unit(facts, types, rows)
    if unit not in types:
        raise InvalidSpec(f"there is no column {unit!r} to be the privacy unit")
    if types[unit] is ColumnType.DECIMAL:
        raise InvalidSpec(f"column {unit} holds decimals, which do not tell individuals apart: name another unit")
    columns = tuple(_column(field, types[field], facts[field], unit) for field in types)
    told = sameness(source, unit, [column for column in columns if column.secret])
    said = {name for name, found in told.items() if found.said and not found.differing}
    columns = tuple(c.model_copy(update={"said_of": (unit,)}) if c.name in said else c for c in columns)
    return Dataset(
        name=name,
        title=name,
        columns=columns,
        unit=unit,
        null_units="exclude" if facts[unit].nulls else "refuse",
        legal_basis=UNSTATED,
    )


def column_type(type_: pa.DataType, name: str) -> ColumnType:
    """The declared type for an Arrow type; raises ``InvalidSpec`` for nested and binary ones."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_integer(type_):
        return ColumnType.INT
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return ColumnType.DECIMAL
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return ColumnType.STRING
    if pa.types.is_boolean(type_):
        return ColumnType.BOOL
    if pa.types.is_date(type_):
        return ColumnType.DATE
    if pa.types.is_timestamp(type_):
        return ColumnType.TIMESTAMP
    raise InvalidSpec(f"column {name} has type {type_}, which no dataset can declare: leave it out or convert it")


def domain_value(value: Any) -> Scalar:
    """A value as the dataset file writes it: dates in ISO form, decimals as plain text."""
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep="T")
    if isinstance(value, date):
        return value.isoformat()
    return format(Decimal(str(value)).normalize(), "f")


def _candidate_unit(facts: dict[str, ColumnFacts], types: dict[str, ColumnType], rows: int) -> str:
    """The column with many distinct values whose name sounds like an identifier; strings before numbers."""
    many = [
        name
        for name, fact in facts.items()
        if types[name] in (ColumnType.STRING, ColumnType.INT) and (fact.distinct is None or len(fact.distinct) > 10)
    ]
    ranked = sorted(many, key=lambda name: (not _UNIT_HINT.search(name), types[name] is not ColumnType.STRING))
    if not ranked:
        raise InvalidSpec("no column can be the privacy unit: name it with --unit")
    return ranked[0]


def _column(name: str, type_: ColumnType, facts: ColumnFacts, unit: str) -> Column:
    if name == unit:
        return Column(name=name, type=type_, role=Role.UNIT, nullable=facts.nulls > 0, unit_domain=unit)
    few = facts.distinct is not None and 0 < len(facts.distinct) <= DOMAIN_LIMIT
    number = type_ in (ColumnType.INT, ColumnType.DECIMAL)
    rounded = type_ is ColumnType.DECIMAL and facts.decimals > MAX_DECIMALS
    decimals = ROUNDED_DECIMALS if rounded else facts.decimals
    domain = None
    if few and (not number or (type_ is ColumnType.INT and len(facts.distinct or ()) <= 60)):
        domain = tuple(domain_value(value) for value in sorted(facts.distinct or ()))
    illegible = [value for value in domain or () if isinstance(value, str) and (fault(value) or len(value) > 400)]
    bounds = None
    if facts.low is not None and number:
        bounds = _bounds(facts)
    elif facts.low is not None and type_ in (ColumnType.DATE, ColumnType.TIMESTAMP):
        bounds = _years(comparable(facts.low).year, comparable(facts.high).year)
    known_kind = domain is not None or type_ in (ColumnType.DATE, ColumnType.TIMESTAMP)
    role = Role.SENSITIVE if known_kind else Role.MEASURE if number else Role.IDENTIFIER
    return Column(
        name=name,
        type=type_,
        role=role,
        nullable=facts.nulls > 0,
        decimals=decimals,
        rounded=rounded,
        domain=None if illegible else domain,
        bounds=bounds,
        title=_UNREADABLE if illegible else "",
    )


def _bounds(facts: ColumnFacts) -> Bounds | None:
    """``None`` for numbers that no bound can be written for.

    One significant digit outward: enough for a range proof, and no real minimum or maximum in a public file.
    """
    low = _outward(Decimal(str(facts.low)), ROUND_FLOOR)
    high = _outward(Decimal(str(facts.high)), ROUND_CEILING)
    return None if max(len(low), len(high)) > _DIGITS else Bounds(low=low, high=high)


def _years(first: int, last: int) -> Bounds:
    return Bounds(low=f"{first:04}-01-01", high=f"{last + 1:04}-01-01" if last < 9999 else "9999-12-31T23:59:59")


def _outward(value: Decimal, rounding: str) -> str:
    if value == 0:
        return "0"
    place = Decimal(1).scaleb(max(value.adjusted(), -_PLACES))
    return format(value.quantize(place, rounding=rounding), "f")
