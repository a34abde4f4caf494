"""Checks data against its dataset file before anyone may use it, and lists every violation at once, without a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import BadSource
from adapters.source import Source
from jobs.disclosure.profile import load_profile
from jobs.errors import InvalidRequest
from jobs.schema import Column, ColumnType, Dataset, Grade, Role, Scalar
from sandbox.catalogue.describe import column_type, domain_value
from sandbox.catalogue.profile import comparable, inexact, plain
from sandbox.catalogue.sameness import Sameness, sameness
from sandbox.errors import InvalidSpec

_NO_UNIT: Final = "has no unit"
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class CheckedData:
    """What registration needs to know about data that satisfies its dataset file."""

    rows: int
    null_units: int


@dataclass(frozen=True)
class Fault:
    """``text``: the broken rule; of which ``column`` (if of one) and in how many ``rows`` (if counted).

    ``examples``: a few of the rows with their values, for the owner's own terminal and nothing else.
    """

    text: str
    column: str | None = None
    rows: int | None = None
    examples: tuple[str, ...] = field(default=(), repr=False)


class DataRefused(InvalidSpec):
    """The data is not what the dataset file says; ``violations`` names each column, rule and number of rows."""

    code = "data-refused"
    advice = "Correct the data or the dataset file; every violation is listed."

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.violations = tuple(fault.text for fault in faults)
        super().__init__(f"{len(faults)} violation(s): " + "; ".join(self.violations))

    @property
    def examples(self) -> tuple[str, ...]:
        """For the owner's own terminal and nothing else: they are in no text of this error."""
        return tuple(f"{fault.text}: {'; '.join(fault.examples)}" for fault in self.faults if fault.examples)


def check_data(dataset: Dataset, source: Source, fresh: Source | None = None) -> CheckedData:
    """Stream the data once; raises ``DataRefused`` with all violations of types, nulls, bounds, domains and keys.

    ``fresh``: the part of the source that no earlier registration checked; only its rows are looked at and counted,
    but keys are unique, and the rows of one individual bounded, in the whole.
    """
    faults = [*check_declaration(dataset), *_schema(dataset, source.schema)]
    unread = {fault.column for fault in faults}
    rows, missing = 0, dict.fromkeys((column.name for column in dataset.unit_columns), 0)
    for group in _readable([column for column in dataset.columns if column.name not in unread], fresh or source):
        if isinstance(group, Fault):
            faults.append(group)
            unread.add(group.column)
            continue
        rows = group.rows
        for (name, rule), found in group.found.items():
            if rule == _NO_UNIT:
                missing[name] = found.rows
                if dataset.null_units == "exclude":
                    continue
                rule = "is a privacy unit and is null"
            faults.append(Fault(f"{name} {rule} in {found.rows} row(s)", name, found.rows, tuple(found.examples)))
    whole = dataset.model_copy(update={"columns": tuple(c for c in dataset.columns if c.name not in unread)})
    faults += _kept_apart(whole, source)
    if dataset.unit not in unread:
        faults += _mistaken(whole, source)
    if faults:
        raise DataRefused(faults)
    return CheckedData(rows, missing[dataset.unit])


def check_declaration(dataset: Dataset) -> Iterator[Fault]:
    """What is wrong with a declaration whatever the data are."""
    if dataset.grade is Grade.CORE or any(column.grade is Grade.CORE for column in dataset.columns):
        yield Fault("core data (核心数据) is never registered")
    for rule in _rules(dataset):
        yield Fault(rule)


def _schema(dataset: Dataset, schema: pa.Schema) -> Iterator[Fault]:
    """What can be refused without reading a row."""
    for column in dataset.columns:
        if schema.get_field_index(column.name) < 0:
            yield Fault(f"the data has no column {column.name}", column.name)
            continue
        try:
            found = column_type(schema.field(column.name).type, column.name)
        except InvalidSpec as refused:
            yield Fault(str(refused), column.name)
            continue
        widened = column.type is ColumnType.DECIMAL and found is ColumnType.INT
        if found is not column.type and not widened:
            yield Fault(f"{column.name} is declared {column.type}, the data has {found}", column.name)


@dataclass
class _Found:
    rows: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """One pass over some columns: how many rows, and what broke which rule."""

    rows: int
    found: dict[tuple[str, str], _Found]


def _readable(columns: Sequence[Column], source: Source) -> Iterator[_Read | Fault]:
    """All columns in one pass; each on its own where something cannot be read, so that one hides no other's faults.

    Raises ``BadSource`` if none can be read.
    """
    if not columns:
        return
    try:
        yield _read(columns, source)
        return
    except BadSource as refused:
        unread = refused
    each = [_one(column, source) for column in columns]
    if all(isinstance(item, Fault) for item in each):
        raise unread
    yield from each


def _one(column: Column, source: Source) -> _Read | Fault:
    try:
        return _read([column], source)
    except BadSource as refused:
        return Fault(str(refused), column.name, examples=refused.examples)


def _read(columns: Sequence[Column], source: Source) -> _Read:
    done = _Read(0, {})
    for batch in source.read([column.name for column in columns]):
        for column, array in zip(columns, batch.columns, strict=True):
            array = plain(array)
            for rule, bad in _faults(column, array):
                if count := _true(bad):
                    found = done.found.setdefault((column.name, rule), _Found())
                    found.rows += count
                    found.examples += _examples(array, bad, done.rows, _EXAMPLES - len(found.examples))
        done.rows += batch.num_rows
    return done


def _kept_apart(dataset: Dataset, source: Source) -> Iterator[Fault]:
    """Keys that repeat, and individuals with too many rows; of the columns that could be read."""
    names = {column.name for column in dataset.columns}
    for key in dataset.unique_keys:
        if names.issuperset(key) and (shared := _shared(source, key, 1)):
            yield Fault(f"key ({', '.join(key)}) is declared unique and is not", examples=shared)
    limit = dataset.rows_per_unit
    if limit is not None and dataset.unit in names and (shared := _shared(source, (dataset.unit,), limit)):
        text = f"{dataset.unit}: some individual has more rows than rows_per_unit, which is {limit}"
        yield Fault(text, dataset.unit, examples=shared)


def _rules(dataset: Dataset) -> Iterator[str]:
    """What the dataset's disclosure profile needs to be declared."""
    try:
        profile = load_profile(dataset.profile)
    except InvalidRequest as refused:
        yield str(refused)
        return
    if profile.privacy is None:
        return
    if dataset.rows_per_unit is None:
        yield f"profile {profile.id} needs rows_per_unit: how many rows one individual has at most"
    if dataset.colluding_owners is not None:
        yield f"under profile {profile.id} noise suffices at each owner alone: leave colluding_owners out"


def _mistaken(dataset: Dataset, source: Source) -> Iterator[Fault]:
    """Secrets declared to be said of somebody that are not; where answers are audited, also those not declared."""
    try:
        audited = load_profile(dataset.profile).judged
    except InvalidRequest:  # listed already
        return
    for unit in dataset.unit_columns:
        secret = [c for c in dataset.columns if c.secret and (unit.name in c.said_of or audited)]
        if (unit.name,) in dataset.unique_keys:
            continue
        for name, found in sameness(source, unit.name, secret).items():
            if unit.name in dataset.column(name).said_of:
                if found.differing:
                    text = (
                        f"{name} is declared to be said of {unit.name}, and is not the same in all rows of "
                        f"{found.differing} of {found.several} individual(s) with several rows"
                    )
                    yield Fault(text, name)
            elif found.said:
                yield Fault(_undeclared(name, unit.name, found), name)


def _undeclared(column: str, unit: str, found: Sameness) -> str:
    if not found.differing:
        return (
            f"{column} is the same in all rows of each of {found.several} individual(s) with several rows: declare "
            f"said_of: [{unit}], so that the audit takes it for one secret of each"
        )
    return (
        f"{column} is the same in all rows of each of {found.several} individuals with several rows but for "
        f"{found.differing}: correct these and declare said_of: [{unit}], or move {column} to a table with one row for "
        "each individual"
    )


def _faults(column: Column, array: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Each rule with the rows that break it."""
    null = array.is_null()
    if column.role is Role.UNIT:
        yield _NO_UNIT, null
    elif not column.nullable:
        yield "is null although declared not nullable", null
    finer = f"has more than {column.decimals} decimals"
    if pa.types.is_floating(array.type):
        finite = pc.fill_null(pc.is_finite(array), True)
        yield "is not finite", pc.invert(finite)
        array = pc.if_else(finite, array, pa.scalar(None, array.type))
        if not column.rounded:
            yield finer, inexact(array, column.decimals)
    elif pa.types.is_decimal(array.type) and array.type.scale > column.decimals and not column.rounded:
        yield finer, inexact(array, column.decimals)
    if column.type in (ColumnType.INT, ColumnType.DECIMAL):
        most = (Decimal(2**63) - 1).scaleb(-column.decimals)
        yield "has more than 18 digits with its decimals", _outside(array, -most, most)
    if column.bounds is not None:
        low, high = _bound(column.bounds.low, column), _bound(column.bounds.high, column, last=True)
        yield "is outside its bounds", _outside(array, low, high)
    if column.domain is not None:
        yield "is outside its domain", _foreign(array, column)


def _outside(array: pa.Array, low: Any, high: Any) -> pa.Array:
    ends = pc.min_max(array).as_py()
    if ends["min"] is None or (comparable(ends["min"]) >= low and comparable(ends["max"]) <= high):
        return pa.repeat(False, len(array))
    return pa.array([value is not None and not low <= comparable(value) <= high for value in array.to_pylist()])


def _bound(text: str, column: Column, last: bool = False) -> Decimal | datetime:
    """A day as the ``last`` end of times means all of that day."""
    if column.bounds is None or not column.bounds.temporal:
        return Decimal(text)
    end = timedelta(days=1, microseconds=-1) if last and "T" not in text else timedelta(0)
    return datetime.fromisoformat(text).replace(tzinfo=None) + end


def _foreign(array: pa.Array, column: Column) -> pa.Array:
    domain = {_spelled(value, column) for value in column.domain or ()}
    values = pc.unique(array.drop_null())
    foreign = [value for value in values.to_pylist() if _spelled(domain_value(value), column) not in domain]
    return pc.and_(pc.is_in(array, pa.array(foreign, array.type)), array.is_valid())


def _spelled(value: Scalar, column: Column) -> tuple[type, Any]:
    """One form for one value: a number may be written as a text, so that integers beyond 2^53 can be declared."""
    if column.type in (ColumnType.INT, ColumnType.DECIMAL) and not isinstance(value, bool):
        try:
            return Decimal, Decimal(value)
        except ArithmeticError:
            return str, value
    return type(value), value


def _examples(array: pa.Array, bad: pa.Array, before: int, most: int) -> list[str]:
    rows = pc.indices_nonzero(bad)[:most].to_pylist() if most > 0 else []
    return [f"row {before + row + 1}: {_shown(array[row].as_py())}" for row in rows]


def _shown(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else repr(value)


def _true(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _shared(source: Source, key: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """Examples of keys without nulls that more than ``limit`` rows share (as in SQL, a null equals nothing)."""
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    try:
        connection.register("keys", source.read(list(key)))
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in key)
        present = " AND ".join('"' + name.replace('"', '""') + '" IS NOT NULL' for name in key)
        # column names are quoted by us and were checked against the declared dataset
        query = (
            f"SELECT COUNT(*), {names} FROM keys WHERE {present} GROUP BY {names} "  # noqa: S608
            f"HAVING COUNT(*) > {limit:d} LIMIT {_EXAMPLES:d}"
        )
        found = connection.sql(query).fetchall()
    finally:
        connection.close()
    return tuple(f"{', '.join(map(_shown, values))}: {rows:,} rows" for rows, *values in found)
