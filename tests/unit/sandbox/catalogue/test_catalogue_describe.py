"""A draft that the data satisfies, for whatever table an owner has; or a refusal that says what to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.schema import Bounds, Role
from sandbox.catalogue.check import DataRefused, check_data
from sandbox.catalogue.describe import describe
from sandbox.errors import InvalidSpec


class TableSource:
    """Implements ``Source`` over a table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def schema(self) -> pa.Schema:
        return self._table.schema

    @property
    def folder(self) -> Path:
        return Path()

    def files(self) -> tuple[Path, ...]:
        return ()

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        return self._table.select(list(columns)).to_reader(max_chunksize=7)


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
STAMPS = st.datetimes(datetime(1, 1, 1), datetime(9998, 12, 31))
KINDS = {
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int8(), st.integers(-128, 127)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float": (pa.float64(), FINITE),
    "money": (pa.float64(), st.integers(-(10**6), 10**6).map(lambda cents: cents / 100)),
    "float32": (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "half": (pa.float16(), st.floats(width=16, allow_nan=False, allow_infinity=False)),
    "decimal": (pa.decimal128(12, 3), st.decimals(-(10**8), 10**8, places=3)),
    "fine": (pa.decimal128(30, 15), st.decimals(-(10**8), 10**8, places=15)),
    "text": (pa.string(), st.text(max_size=5)),
    "word": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["AA", "B6", ""])),
    "view": (pa.string_view(), st.text(max_size=3)),
    "bool": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates(date(1, 1, 1), date(9998, 12, 31))),
    "stamp": (pa.timestamp("us"), STAMPS),
    "zoned": (
        pa.timestamp("us", "Asia/Shanghai"),
        st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    ),
    "nanos": (pa.timestamp("ns"), st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))),
}


@st.composite
def tables(draw: Callable[..., Any]) -> pa.Table | None:
    rows = draw(st.integers(1, 30))
    columns = {"unit_id": pa.array([f"u{n % 11}" for n in range(rows)], pa.string())}
    for index, kind in enumerate(draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=4))):
        type_, values = KINDS[kind]
        some = st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows)
        columns[f"{kind}_{index}"] = pa.array(draw(some), _plain(type_)).cast(type_)
    return pa.table(columns)


def _plain(type_: Any) -> Any | Any | Any:
    return pa.string() if pa.types.is_dictionary(type_) or type_ == pa.string_view() else type_


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_what_is_drafted_passes_the_check(table: pa.Table) -> None:
    source = TableSource(table)
    draft = describe(source, "flights", unit="unit_id")
    assert check_data(draft, source).rows == table.num_rows


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([1.5, 2.0, float("nan"), float("inf"), float("-inf"), None]), min_size=1))
def test_numbers_that_are_not_finite_are_counted_and_refused(values: list[Any]) -> None:
    table = pa.table({"unit_id": pa.array(["u"] * len(values)), "x": pa.array(values, pa.float64())})
    source = TableSource(table)
    draft = describe(source, "flights", unit="unit_id")
    bad = sum(value is not None and value not in (1.5, 2.0) for value in values)
    if not bad:
        check_data(draft, source)
        return
    with pytest.raises(DataRefused) as refused:
        check_data(draft, source)
    assert refused.value.violations == (f"x is not finite in {bad} row(s)",)


def table_of(**columns: Any) -> TableSource:
    length = max(map(len, columns.values()))
    return TableSource(pa.table({"unit_id": pa.array([f"u{n}" for n in range(length)]), **columns}))


def test_bounds_are_round_and_not_data() -> None:
    draft = describe(table_of(delay=pa.array([-43, 1301])), "flights", unit="unit_id")
    assert draft.column("delay").bounds == Bounds(low="-50", high="2000")


def test_decimals_of_a_decimal_column_are_declared() -> None:
    draft = describe(table_of(x=pa.array([Decimal("1.250")], pa.decimal128(9, 3))), "flights", unit="unit_id")
    assert (draft.column("x").decimals, draft.column("x").rounded) == (2, False)


def test_the_years_of_a_zoned_column_are_those_of_utc() -> None:
    stamps = pa.array([datetime(2012, 12, 31, 16, tzinfo=UTC)], pa.timestamp("us", "Asia/Shanghai"))
    source = table_of(at=stamps)  # in Shanghai it is 2013 already
    bounds = describe(source, "flights", unit="unit_id").column("at").bounds
    assert bounds is not None
    assert bounds.low == "2012-01-01"


def test_the_unit_is_the_column_that_sounds_like_one() -> None:
    values = pa.array([f"N{n}" for n in range(20)])
    source = TableSource(pa.table({"remark": values, "tailnum": values, "delay": pa.array(range(20))}))
    draft = describe(source, "flights")
    assert draft.unit == "tailnum"
    assert draft.column("tailnum").role is Role.UNIT


def test_rows_without_a_unit_are_excluded_by_draft() -> None:
    source = TableSource(pa.table({"unit_id": pa.array(["a", None]), "x": pa.array([1, 2])}))
    draft = describe(source, "flights", unit="unit_id")
    assert draft.null_units == "exclude"
    assert check_data(draft, source).null_units == 1


REFUSED = {
    "no unit": ({"few": pa.array(["a", "b"])}, None, "--unit"),
    "an unknown unit": ({"few": pa.array(["a", "b"])}, "tail", "no column 'tail'"),
    "a decimal unit": ({"x": pa.array([1.5, 2.5])}, "x", "decimals"),
    "a nested column": ({"unit_id": pa.array(["a"]), "x": pa.array([[1]])}, "unit_id", "column x has type"),
    "a name in capitals": ({"unit_id": pa.array(["a"]), "Delay": pa.array([1])}, "unit_id", "rename"),
    "an empty name": ({"unit_id": pa.array(["a"]), "": pa.array([1])}, "unit_id", "rename"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drafted_says_why(name: str) -> None:
    columns, unit, text = REFUSED[name]
    with pytest.raises(InvalidSpec, match=text):
        describe(TableSource(pa.table(columns)), "flights", unit=unit)


def test_values_that_nobody_could_read_make_no_domain() -> None:
    """The draft still is one: what its owner has to clean stands in the column's title."""
    rows = {"person": [f"p{n}" for n in range(20)], "city": ["北京", "上海"] * 10, "hidden": ["a\u200bb", "ab"] * 10}
    drafted = describe(TableSource(pa.table(rows)), "d", "person")
    assert drafted.column("city").domain == ("上海", "北京")
    assert drafted.column("hidden").domain is None
    assert "clean them" in drafted.column("hidden").title
