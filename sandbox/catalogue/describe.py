"""Drafts the dataset file: types, candidate domains, bounds, roles and privacy unit. A person reads and corrects it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import pyarrow as pa

from adapters.source import Source
from jobs.legible import fault
from jobs.schema import Bounds, Column, ColumnType, Dataset, Role, Scalar
from sandbox.catalogue.personal import Likeness, likeness
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
_DIGITS: Final = 29
"""What a bound can be written with, in characters."""
_EXACT: Final = 2**53
"""From here on integers are no numbers of a JSON document, which a domain is part of."""
_STORED: Final = 2**63
"""What a snapshot can hold, in units of the last decimal."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_UNIT_HINT: Final = re.compile(r"(^|_)(id|no|num|number|code|key|tail\w*|person|patient|user|unit|uscc)($|_)|num$|id$")


def describe(source: Source, name: str, unit: str | None = None) -> Dataset:
    """The draft alone; see ``described``."""
    return described(source, name, unit)[0]


def described(
    source: Source, name: str, unit: str | None = None, headers: Mapping[str, str] = {}
) -> tuple[Dataset, tuple[str, ...]]:
    """Return a draft that the data satisfies, and notes for the person who corrects it, without a value of the data.

    A number that is not finite ``check_data`` refuses.

    A column that is the same in all rows of each individual is said of it (``Column.said_of``).
    Bounds are widened to round numbers so that they are not data. Cut points are left to the owner: those that fit the
    data would be data. Columns that look like persons have no domain; numbers too large to be summed are left out.

    ``unit`` names the privacy unit; without it the most identifier-like column is taken. ``headers``: of the names, the
    data's own. Raises ``InvalidSpec`` when there is no row, no column can be the unit, or a column has a type that no
    dataset can declare.
    """
    for field in source.schema.names:
        if not _NAME.fullmatch(field):
            raise InvalidSpec(f"column {field!r}: a name is lower case letters, digits and _ (63 at most): rename it")
    types = {field.name: column_type(field.type, field.name) for field in source.schema}
    rows, facts = profile(source, source.schema.names)
    if not rows:
        raise InvalidSpec("the data has no row: types, domains and bounds are drafted from rows")
    unit = unit or _candidate_unit(facts, types, rows)
    if unit not in types:
        raise InvalidSpec(f"there is no column {unit!r} to be the privacy unit")
    if types[unit] is ColumnType.DECIMAL:
        raise InvalidSpec(f"column {unit} holds decimals, which do not tell individuals apart: name another unit")
    columns, notes = [], []
    for field, type_ in types.items():
        column, more = _column(field, type_, facts[field], unit, headers.get(field, field))
        notes += [f"{field} {note}" for note in more]
        columns += [column] if column else []
    told = sameness(source, unit, [column for column in columns if column.secret])
    said = {field for field, found in told.items() if found.said and not found.differing}
    columns = [c.model_copy(update={"said_of": (unit,)}) if c.name in said else c for c in columns]
    null_units: Literal["exclude", "refuse"] = "exclude" if facts[unit].nulls else "refuse"
    if facts[unit].nulls:
        notes.append(f"{unit} has no value in {facts[unit].nulls:,} row(s): they are left out (null_units: exclude)")
    dataset = Dataset(
        name=name, title=name, columns=tuple(columns), unit=unit, null_units=null_units, legal_basis=UNSTATED
    )
    return dataset, tuple(notes)


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


def _column(
    name: str, type_: ColumnType, facts: ColumnFacts, unit: str, header: str
) -> tuple[Column | None, tuple[str, ...]]:
    """The drafted column (``None``: it cannot be one), and what to tell of it."""
    like = _like(type_, facts, header)
    notes = [like.says] if like else []
    if name == unit:
        fold, more = _folding(type_, facts)
        column = Column(
            name=name, type=type_, role=Role.UNIT, nullable=facts.nulls > 0, unit_domain=unit, fold=fold,
            identifier_kind=like.kind if like else None,
        )  # fmt: skip
        return column, (*(f"{note}; as the unit it is counted and never shown" for note in notes), *more)
    if like:
        notes = [f"{like.says}: no domain is proposed; leave it out unless it is a join key"]
    number = type_ in (ColumnType.INT, ColumnType.DECIMAL)
    decimals, rounded = _decimals(type_, facts)
    if number and facts.low is not None and not _fits(facts, decimals):
        return None, ("has numbers beyond 18 digits, which cannot be summed exactly: it is left out",)
    if rounded:
        notes.append(f"has numbers finer than can be kept: they are rounded to {decimals} decimals (rounded: true)")
    domain = None if like else _domain(type_, facts)
    illegible = [value for value in domain or () if isinstance(value, str) and (fault(value) or len(value) > 400)]
    bounds = None
    if facts.low is not None and number:
        bounds = _bounds(facts, decimals)
    elif facts.low is not None and type_ in (ColumnType.DATE, ColumnType.TIMESTAMP):
        bounds = _years(comparable(facts.low).year, comparable(facts.high).year)
    known_kind = domain is not None or type_ in (ColumnType.DATE, ColumnType.TIMESTAMP)
    column = Column(
        name=name,
        type=type_,
        role=Role.SENSITIVE if known_kind else Role.MEASURE if number and not like else Role.IDENTIFIER,
        nullable=facts.nulls > 0,
        decimals=decimals,
        rounded=rounded,
        domain=None if illegible else domain,
        bounds=bounds,
        identifier_kind=like.kind if like else None,
        title=_UNREADABLE if illegible else "",
    )
    return column, tuple(notes)


def _like(type_: ColumnType, facts: ColumnFacts, header: str) -> Likeness | None:
    """Numbers are looked at as well: a phone number and most identity numbers have digits only."""
    if type_ not in (ColumnType.STRING, ColumnType.INT):
        return None
    return likeness(header, [str(value) for value in facts.sample])


def _folding(type_: ColumnType, facts: ColumnFacts) -> tuple[bool, tuple[str, ...]]:
    """Whether some individuals seem to be written in several ways."""
    if type_ is not ColumnType.STRING:
        return False, ()
    once = {value.strip().upper() for value in facts.sample}
    if not facts.edges and len(once) == len(facts.sample):
        return False, ()
    return True, (
        "is written with spaces at its edges or in upper and lower case: such are one individual (fold: true)",
    )


def _domain(type_: ColumnType, facts: ColumnFacts) -> tuple[Scalar, ...] | None:
    values, number = facts.distinct, type_ in (ColumnType.INT, ColumnType.DECIMAL)
    if values is None or not 0 < len(values) <= DOMAIN_LIMIT:
        return None
    if number and (type_ is ColumnType.DECIMAL or len(values) > 60 or max(map(abs, values)) >= _EXACT):
        return None
    return tuple(domain_value(value) for value in sorted(values))


def _decimals(type_: ColumnType, facts: ColumnFacts) -> tuple[int, bool]:
    """As many as the values have and 18 digits in all leave room for, and whether some have more."""
    if type_ is not ColumnType.DECIMAL or facts.low is None:
        return 0, False
    wanted = facts.decimals
    if wanted > MAX_DECIMALS:  # of small numbers more, so that something is left of them
        wanted = min(MAX_DECIMALS, max(ROUNDED_DECIMALS, ROUNDED_DECIMALS - _largest(facts).adjusted()))
    while wanted and not _fits(facts, wanted):
        wanted -= 1
    return wanted, wanted < facts.decimals


def _largest(facts: ColumnFacts) -> Decimal:
    return max(abs(Decimal(str(facts.low))), abs(Decimal(str(facts.high))))


def _fits(facts: ColumnFacts, decimals: int) -> bool:
    return _largest(facts).scaleb(decimals) < _STORED


def _bounds(facts: ColumnFacts, decimals: int) -> Bounds | None:
    """Beyond the values to the next 1, 2 or 5 times a power of ten: enough for a range proof, and nothing exact.

    Zero stays: that a number is never negative says nothing of the data. ``None`` for numbers that no bound can be
    written for.
    """
    low, high = Decimal(str(facts.low)), Decimal(str(facts.high))
    least = Decimal(1).scaleb(-decimals)
    ends = _beyond(low, -1, least), _beyond(high, 1, least)
    return None if max(map(len, ends)) > _DIGITS else Bounds(low=ends[0], high=ends[1])


def _beyond(value: Decimal, direction: int, least: Decimal) -> str:
    """``direction`` 1: the next larger round number, -1: the next smaller one; in steps of at least ``least``."""
    if value == 0:
        return "0"
    outward = (value > 0) == (direction > 0)
    places = [value.adjusted() + shift for shift in (-1, 0, 1)]
    steps = sorted(Decimal(step).scaleb(place) for place in places for step in (1, 2, 5))
    size = abs(value)
    found = min(s for s in steps if s > size) if outward else max(s for s in steps if s < size)
    if found < least:
        found = least if outward else Decimal(0)
    return format(found.copy_sign(value) if found else found, "f")


def _years(first: int, last: int) -> Bounds:
    return Bounds(low=f"{first:04}-01-01", high=f"{last + 1:04}-01-01" if last < 9999 else "9999-12-31T23:59:59")
