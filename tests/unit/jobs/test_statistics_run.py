"""One node's step on small tables: joins, unit rules, parameters, data that breaks its declaration."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.kinds.base import Limits
from jobs.kinds.statistics.errors import DataViolatesDeclaration, SourceMismatch
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidParameter
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
DAY = dt.date(2013, 5, 6)
FLIGHT: dict[str, Any] = {"tailnum": "N1", "carrier": "AA", "month": 5, "dest": "BOS", "day": DAY, "time": None, "cancelled": False,
                          "cause": None, "arr_delay": 10, "fuel": 1.25, "distance": 100}  # fmt: skip
PLANE: dict[str, Any] = {"tailnum": "N1", "engines": 2, "owner": "Air", "seats": 100}


def table(rows: Sequence[Mapping[str, Any]], default: Mapping[str, Any], **types: pa.DataType) -> pa.Table:
    full = [{**default, **row} for row in rows]
    made = pa.table({name: [row[name] for row in full] for name in default})
    for name, type_ in types.items():
        made = made.set_column(made.schema.get_field_index(name), name, made[name].cast(type_))
    return made


def step(sql: str, parameters: Mapping[str, Any] | None = None, **tables: pa.Table) -> LocalResult:
    def opener(data: pa.Table) -> Callable[[Sequence[str]], pa.RecordBatchReader]:
        return lambda names: data.select(list(names)).to_reader(max_chunksize=2)

    openers = {name: opener(data) for name, data in tables.items()}
    return run_local(compile_sql(sql, CATALOGUE), parameters or {}, openers, Limits(memory_bytes=256 << 20, threads=1))


def flights(*rows: Mapping[str, Any], **types: pa.DataType) -> pa.Table:
    return table(rows, FLIGHT, **types)


def planes(*rows: Mapping[str, Any]) -> pa.Table:
    return table(rows, PLANE)


def test_rows_without_a_unit_are_left_out_where_the_dataset_says_so() -> None:
    result = step("SELECT COUNT(*) AS n FROM flights", flights=flights({}, {"tailnum": None}, {}))
    assert result.values == ([2],)
    assert result.rows_scanned == 3


def test_an_empty_part_is_zero_everywhere() -> None:
    empty = flights({}).slice(0, 0)
    result = step("SELECT carrier, AVG(arr_delay) AS m FROM flights GROUP BY carrier", flights=empty)
    assert all(value == 0 for channel in result.values for value in channel)
    assert all(int(c.units.sum()) == 0 and sum(c.total) == 0 for c in result.evidence[0])


def test_evidence_is_per_aggregate_not_per_row_group() -> None:
    rows = [{"tailnum": f"N{i}", "arr_delay": None if i else 60} for i in range(20)]
    result = step("SELECT COUNT(*) AS n, AVG(arr_delay) AS m FROM flights", flights=flights(*rows))
    units = sorted(int(evidence[0].units[0]) for evidence in result.evidence)
    assert units == [1, 20]  # the mean stands on a single aircraft, the count on twenty


def test_a_join_multiplies_nothing_and_checks_every_unit_column() -> None:
    sql = "SELECT engines, SUM(arr_delay) AS d FROM flights JOIN planes USING (tailnum) GROUP BY engines"
    data = {
        "flights": flights({}, {"tailnum": "N2"}, {"tailnum": "N2"}, {"tailnum": "N9"}),
        "planes": planes({}, {"tailnum": "N2"}, {"tailnum": "N3", "engines": 4}),
    }
    result = step(sql, **data)
    assert result.values[1] == [0, 30, 0, 0]
    assert [(c.unit, c.measure, int(c.units[1])) for c in result.evidence[0]] == [
        ("tailnum", "rows", 2), ("tailnum", "sum", 2), ("owner", "rows", 1), ("owner", "sum", 1),
    ]  # fmt: skip
    assert (result.evidence[0][1].top1[1], result.evidence[0][1].top2[1]) == (20, 10)


def test_a_left_join_keeps_rows_without_a_match() -> None:
    sql = "SELECT engines, COUNT(*) AS n, COUNT(seats) AS s FROM flights LEFT JOIN planes USING (tailnum) GROUP BY engines"
    result = step(sql, flights=flights({}, {"tailnum": "N9"}), planes=planes({}))
    by_kind = {
        c.kind if c.column is None else "seats": v
        for c, v in zip(compile_sql(sql, CATALOGUE).channels, result.values, strict=True)
    }
    assert by_kind["rows"] == [0, 1, 0, 0, 1]
    assert by_kind["seats"] == [0, 1, 0, 0, 0]


def test_distinct_units_are_counted_where_owners_declared_them_disjoint() -> None:
    shops = pa.table({"shop": ["a", "a", "b"], "turnover": [1.5, 2.25, -3.0]})
    result = step("SELECT COUNT(DISTINCT shop) AS n, SUM(turnover) AS t FROM shops", shops=shops)
    assert result.values == ([2], [3], [75])
    assert (result.evidence[0][0].units[0], result.evidence[0][0].top1[0], result.evidence[0][0].total[0]) == (2, 1, 2)


def test_parameters_select() -> None:
    sql = "SELECT COUNT(*) AS n FROM flights WHERE dest = :dest AND arr_delay > :delay AND day = :day"
    data = flights({"dest": "O'Hare"}, {"dest": "O'Hare", "arr_delay": 5}, {})
    assert step(sql, {"dest": "O'Hare", "delay": 5, "day": "2013-05-06"}, flights=data).values == ([1],)
    with pytest.raises(InvalidParameter):
        step(sql, {"dest": "BOS", "delay": 5}, flights=data)


@pytest.mark.parametrize(
    "row",
    [
        {"arr_delay": 2001}, {"fuel": -0.01}, {"fuel": 1.255}, {"fuel": float("nan")}, {"fuel": float("inf")}, {"carrier": "ZZ"},
        {"carrier": None}, {"distance": None}, {"day": dt.date(2014, 1, 1)},
    ],
)  # fmt: skip
def test_data_outside_its_declaration_ends_the_run(row: dict[str, Any]) -> None:
    sql = "SELECT carrier, SUM(arr_delay) AS a, SUM(fuel) AS f, SUM(distance) AS d FROM flights WHERE day > '2013-01-01' GROUP BY carrier"
    with pytest.raises(DataViolatesDeclaration) as caught:
        step(sql, flights=flights(row, {}))
    assert next(iter(row)) in str(caught.value)
    assert str(next(iter(row.values()))) not in str(caught.value)


def test_a_right_side_with_a_repeated_key_ends_the_run() -> None:
    sql = "SELECT COUNT(*) AS n FROM flights JOIN planes USING (tailnum)"
    with pytest.raises(DataViolatesDeclaration, match="planes"):
        step(sql, flights=flights({}), planes=planes({}, {}))


def test_a_unit_that_must_exist_ends_the_run_when_it_is_null() -> None:
    shops = pa.table({"shop": ["a", None], "turnover": [1.0, 2.0]})
    with pytest.raises(DataViolatesDeclaration, match="shop"):
        step("SELECT SUM(turnover) AS t FROM shops", shops=shops)


def test_missing_tables_columns_and_wrong_types_are_named() -> None:
    sql = "SELECT SUM(arr_delay) AS s FROM flights"
    with pytest.raises(SourceMismatch, match="flights"):
        step(sql)
    with pytest.raises(SourceMismatch, match="arr_delay"):
        step(sql, flights=flights({}, arr_delay=pa.string()))
    renamed = flights({}).rename_columns([n if n != "arr_delay" else "other" for n in FLIGHT])
    with pytest.raises((SourceMismatch, KeyError)):
        step(sql, flights=renamed)


@pytest.mark.parametrize(
    "type_", [pa.float32(), pa.float64(), pa.decimal128(12, 2), pa.decimal128(20, 5)], ids=lambda type_: str(type_)
)
def test_decimals_are_exact_from_every_type_that_holds_them(type_: pa.DataType) -> None:
    rows = [{"fuel": cents / 100} for cents in (1, 29, 58, 1001, 9999)]
    result = step("SELECT SUM(fuel) AS f FROM flights", flights=flights(*rows, fuel=type_))
    assert result.values[1] == [1 + 29 + 58 + 1001 + 9999]


def test_other_arrow_types_of_the_same_columns() -> None:
    data = flights(
        {}, {"carrier": "UA"}, arr_delay=pa.int8(), distance=pa.uint64(), day=pa.timestamp("ns"), month=pa.float64()
    )
    data = data.set_column(1, "carrier", data["carrier"].dictionary_encode())
    result = step(
        "SELECT carrier, SUM(distance) AS d FROM flights WHERE day = '2013-05-06' AND month = 5 AND arr_delay = 10 GROUP BY carrier",
        flights=data,
    )
    assert sum(result.values[-1]) == 200


def test_a_plan_for_another_ring_keeps_every_digit() -> None:
    shops = pa.table({"shop": [f"s{i}" for i in range(50)], "turnover": [99_999_999.99] * 50})
    plan = compile_sql("SELECT VAR_POP(turnover) AS v FROM shops", CATALOGUE)
    assert plan.ring_bits == 128
    result = step("SELECT VAR_POP(turnover) AS v FROM shops", shops=shops)
    assert result.values[2] == [50 * 9_999_999_999**2]
    assert result.evidence[0][2].top2 == [9_999_999_999**2]
