"""Sums over parts equal SQL over the union: random tables, partitions, nulls and empty owners, against DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.kinds.base import Limits
from jobs.kinds.statistics import columnar
from jobs.kinds.statistics.errors import ArithmeticOverflow, DataViolatesDeclaration
from jobs.kinds.statistics.estimate import COUNTS, estimate
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import Step, run_local
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role

TABLE = Dataset(
    name="visits",
    unit="person",
    null_units="exclude",
    legal_basis="test",
    profile="open@1",
    columns=(
        Column(name="person", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person"),
        Column(name="town", type=ColumnType.STRING, role=Role.KNOWN, domain=("a", "b's", "c")),
        Column(name="flag", type=ColumnType.BOOL, role=Role.SENSITIVE),
        Column(name="score", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="-50", high="90")),
        Column(
            name="cost",
            type=ColumnType.DECIMAL,
            role=Role.MEASURE,
            decimals=2,
            bounds=Bounds(low="-9.99", high="999.99"),
        ),
    ),
)
ARROW = pa.schema(
    [
        ("person", pa.string()),
        ("town", pa.string()),
        ("flag", pa.bool_()),
        ("score", pa.int32()),
        ("cost", pa.float64()),
    ]
)
NULLABLE = st.none()
ROW = st.fixed_dictionaries(
    {
        "person": NULLABLE | st.sampled_from([f"p{i}" for i in range(12)]),
        "town": NULLABLE | st.sampled_from(["a", "b's", "c"]),
        "flag": NULLABLE | st.booleans(),
        "score": NULLABLE | st.integers(-50, 90),
        "cost": NULLABLE | st.integers(-999, 99999).map(lambda cents: cents / 100),
    }
)
PARTS = st.lists(st.lists(ROW, max_size=25), min_size=1, max_size=4)
CONDITIONS = st.sampled_from(
    [
        "score > 3",
        "NOT (score BETWEEN 0 AND 40)",
        "town IN ('a', 'b''s')",
        "town <> 'c' OR flag",
        "cost * 2 - score < 100.5",
        "flag IS NULL",
        "flag AND NOT score = 7",
        "town LIKE 'b%' OR cost >= 12.34",
        "score NOT IN (1, 2, 3)",
        "FLOOR(score / 7) = -2 OR score + 1 = 5",
        "flag IS TRUE",
    ]
)
GROUPS = st.sampled_from(
    [
        [],
        ["town"],
        ["town", "flag"],
        ["FLOOR(score / 20) * 20"],
        ["CASE WHEN cost < 10 THEN 'cheap' WHEN cost < 500.5 THEN 'dear' END", "flag"],
    ]
)
STATISTICS = ["COUNT(*)", "COUNT(score)", "SUM(score)", "AVG(cost)", "SUM(cost)", "VAR_SAMP(score)", "VAR_POP(cost)"]


def plan_for(where: str | None, groups: list[str], filtered: str | None, holders: int) -> Any:
    outputs = [*groups, *STATISTICS, *([f"SUM(score) FILTER (WHERE {filtered})"] if filtered else [])]
    sql = f"SELECT {', '.join(f'{o} AS o{i}' for i, o in enumerate(outputs))} FROM visits"
    sql += f" WHERE {where}" if where else ""
    sql += f" GROUP BY {', '.join(groups)}" if groups else ""
    holdings = tuple(
        Holding(dataset="visits", owner=f"o{i}", node=f"n{i}", provider="p", version_commitment="x", max_rows=1000)
        for i in range(holders)
    )
    return compile_sql(sql, CatalogueView(datasets=(TABLE,), holdings=holdings)), sql


def reader_of(rows: list[dict[str, Any]]) -> Any:
    table = pa.Table.from_pylist(rows, schema=ARROW)
    return {"visits": lambda names: table.select(list(names)).to_reader(max_chunksize=7)}


def exact(plan: Plan, totals: Sequence[Sequence[int]]) -> list[list[Fraction | None]]:
    """Per aggregate, per cell, what the release computes from totals without noise; None where it is of nothing."""

    def of(function: str, parts: list[Fraction]) -> Fraction | None:
        least = 0 if function in COUNTS else 2 if function.endswith("samp") else 1
        found = None if parts[0] < least else estimate(function, parts, [Fraction(0)] * len(parts))
        return None if found is None else found.value

    units = [Fraction(1, 10**channel.scale) for channel in plan.channels]
    return [
        [of(a.function, [totals[i][cell] * units[i] for i in a.channels]) for cell in range(plan.cells)]
        for a in plan.aggregates
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=PARTS, where=st.none() | CONDITIONS, groups=GROUPS, filtered=st.none() | CONDITIONS)
def test_parts_add_up_to_the_union(
    parts: list[list[dict[str, Any]]], where: str | None, groups: list[str], filtered: str | None
) -> None:
    plan, sql = plan_for(where, groups, filtered, len(parts))
    results = [run_local(plan, {}, reader_of(rows)) for rows in parts]
    totals = [
        [sum(result.values[channel][cell] for result in results) for cell in range(plan.cells)]
        for channel in range(len(plan.channels))
    ]
    ours = exact(plan, totals)
    # the reference: DuckDB over the union, the decimal column as an exact DECIMAL
    union = pa.Table.from_pylist([row for rows in parts for row in rows], schema=ARROW)
    connection = duckdb.connect()
    connection.register("raw", union)
    connection.execute(
        "CREATE VIEW visits AS SELECT * REPLACE (CAST(cost AS DECIMAL(9,2)) AS cost) FROM raw WHERE person IS NOT NULL"
    )
    for place, statistic in enumerate([*STATISTICS, *([f"SUM(score) FILTER (WHERE {filtered})"] if filtered else [])]):
        column = len(groups) + place
        aggregate = plan.outputs[column].expr.index
        text = statistic
        if statistic.startswith(("AVG", "VAR")):  # DuckDB averages in floating point: compare with exact sums instead
            continue
        keys = [f"o{i}" for i in range(len(groups))]
        query = sql.replace("SELECT ", "SELECT ", 1)
        rows = connection.execute(f"SELECT {', '.join([*keys, f'o{column}'])} FROM ({query})").fetchall()
        expected = {tuple(_key(value) for value in row[:-1]): row[-1] for row in rows}
        for key, value in zip(plan.cell_keys(), ours[aggregate], strict=True):
            names = {dimension.name: _key(v) for dimension, v in zip(plan.dimensions, key, strict=True)}
            wanted = expected.pop(tuple(names[k] for k in keys), None)
            if text.startswith("COUNT"):
                assert (wanted or 0) == value
            else:
                assert value == (None if wanted is None else Fraction(str(wanted))), (text, key)
        assert not expected


def _key(value: Any) -> Any:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_means_and_variances_are_the_rational_ones(rows: list[dict[str, Any]]) -> None:
    plan, _ = plan_for(None, ["town"], None, 1)
    result = run_local(plan, {}, reader_of(rows))
    ours = exact(plan, result.values)
    for cell, (town,) in enumerate(plan.cell_keys()):
        kept = [r for r in rows if r["person"] is not None and r["town"] == town]
        costs = [Fraction(str(r["cost"])) for r in kept if r["cost"] is not None]
        scores = [Fraction(r["score"]) for r in kept if r["score"] is not None]
        by_name = {
            (a.function, a.column.name if isinstance(a.column, Col) else ""): v[cell]
            for a, v in zip(plan.aggregates, ours, strict=True)
        }
        assert by_name["avg", "cost"] == (sum(costs) / len(costs) if costs else None)
        assert by_name["var_pop", "cost"] == _variance(costs, 0)
        assert by_name["var_samp", "score"] == _variance(scores, 1)


def _variance(values: list[Fraction], less: int) -> Fraction | None:
    if len(values) <= less:
        return None
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((v - mean) ** 2 for v in values), Fraction(0)) / (len(values) - less)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, max_size=40), where=st.none() | CONDITIONS)
def test_evidence_is_what_counting_by_hand_gives(rows: list[dict[str, Any]], where: str | None) -> None:
    plan, _sql = plan_for(where, ["town"], None, 1)
    result = run_local(plan, {}, reader_of(rows))
    connection = duckdb.connect()
    connection.register("raw", pa.Table.from_pylist(rows, schema=ARROW))
    kept = connection.execute(
        "SELECT person, town, score, CAST(round(cost * 100) AS BIGINT) FROM "
        "(SELECT * REPLACE (CAST(cost AS DECIMAL(9,2)) AS cost) FROM raw) "
        f"WHERE person IS NOT NULL AND ({where or 'TRUE'})"
    ).fetchall()
    for aggregate, evidence in zip(plan.aggregates, result.evidence, strict=True):
        for contribution in evidence:
            for cell, (town,) in enumerate(plan.cell_keys()):
                by_unit: dict[str, list[int]] = {}
                for person, where_, score, cost in kept:
                    value = 1 if aggregate.column is None else score if aggregate.column == Col(name="score") else cost
                    if where_ == town and value is not None:
                        by_unit.setdefault(person, []).append(value)
                measure: Callable[[list[int]], int] = {
                    "rows": len,
                    "sum": lambda v: abs(sum(v)),
                    "sumsq": lambda v: sum(x * x for x in v),
                }[contribution.measure]
                sizes = sorted((measure(v) for v in by_unit.values()), reverse=True)
                assert contribution.units[cell] == len(sizes)
                assert [contribution.top1[cell], contribution.top2[cell]] == [*sizes, 0, 0][:2]
                assert contribution.total[cell] == sum(sizes)


@pytest.mark.parametrize("partitions", [4, 16])
def test_partitions_by_unit_change_nothing(partitions: int) -> None:
    rows = [
        {
            "person": f"p{i % 37}",
            "town": "abc"[i % 3].replace("b", "b's"),
            "flag": None,
            "score": i % 91,
            "cost": i / 100,
        }
        for i in range(900)
    ]
    plan, _ = plan_for("score > 3", ["town"], "flag IS NULL", 1)
    tallies = []
    for count in (1, partitions):
        step = Step(plan, {}, reader_of(rows), Limits())
        step.partitions = count
        tallies.append([vars(tally) for tally in step.tally(plan.unit_columns[0])])
    assert tallies[0] == tallies[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROW, min_size=1, max_size=40), where=st.none() | CONDITIONS, groups=GROUPS, filtered=CONDITIONS)
def test_the_path_for_large_parts_gives_the_same(
    rows: list[dict[str, Any]], where: str | None, groups: list[str], filtered: str
) -> None:
    plan, _ = plan_for(where, groups, filtered, 1)
    assert columnar.suits(plan)
    step = Step(plan, {}, reader_of(rows), Limits())
    large = step.large(least=1)
    small = step.tally(plan.unit_columns[0])
    if large is None:  # no row was selected
        assert not any(any(tally.value) for tally in small)
        return
    assert [vars(tally) for tally in large[0]] == [vars(tally) for tally in small]


def test_a_large_part_takes_that_path_and_counts_its_rows() -> None:
    people = pa.array([f"p{i % 5000}" for i in range(columnar.LARGE + 7)])
    table = pa.table(
        {
            "person": people,
            "town": pa.array(["a", "b's", "c", None, "a"] * (len(people) // 5 + 1)).slice(0, len(people)),
            "flag": pa.nulls(len(people), pa.bool_()),
            "score": pa.array([i % 140 - 50 for i in range(len(people))]),
            "cost": pa.array([(i % 1000) / 100 for i in range(len(people))]),
        }
    )
    plan, _ = plan_for("score > 3", ["town"], "cost < 5", 1)
    big = CatalogueView(
        datasets=(TABLE,),
        holdings=(
            Holding(dataset="visits", owner="o", node="n", provider="p", version_commitment="x", max_rows=1 << 20),
        ),
    )
    sql = "SELECT town, COUNT(*) AS n, AVG(cost) AS m, SUM(score) AS s FROM visits WHERE score > 3 GROUP BY town"
    tables = {"visits": lambda names: table.select(list(names)).to_reader(max_chunksize=50_000)}
    plan = compile_sql(sql, big)
    result = run_local(plan, {}, tables)
    assert result.rows_scanned == len(people)
    step = Step(plan, {}, tables, Limits())
    step.partitions = 4
    expected = step.tally(plan.unit_columns[0])
    assert list(result.values) == [tally.value for tally in expected]
    assert result.evidence[0][1].top1 == expected[plan.aggregates[0].channels[1]].top1


def test_more_rows_than_declared_are_refused() -> None:
    plan, _ = plan_for(None, [], None, 1)
    rows = [{"person": "p", "town": "a", "flag": None, "score": 1, "cost": 1.0}] * (plan.rows_bound + 1)
    with pytest.raises(ArithmeticOverflow):
        run_local(plan, {}, reader_of(rows))


@pytest.mark.parametrize(
    "bad", [{"town": "elsewhere"}, {"score": 91}, {"cost": 0.001}, {"cost": float("nan")}], ids=lambda bad: str(bad)
)
@pytest.mark.parametrize("coded", [False, True])
def test_the_path_for_large_parts_checks_every_value_too(bad: dict[str, Any], coded: bool) -> None:
    good = {"person": "p", "town": "a", "flag": None, "score": 1, "cost": 1.0}
    table = pa.Table.from_pylist([good, good | bad], schema=ARROW)
    for name in ("person", "town") if coded else ():
        table = table.set_column(ARROW.get_field_index(name), name, table[name].dictionary_encode())
    plan, _ = plan_for(None, ["town"], None, 1)
    step = Step(plan, {}, {"visits": lambda names: table.select(list(names)).to_reader()}, Limits())
    with pytest.raises(DataViolatesDeclaration, match=next(iter(bad)).replace("town", "o0")):
        step.large(least=1)


def test_units_are_told_apart_by_their_whole_text() -> None:
    people = [None, "", "a", "a ", "a\0", "A", "é", "e\u0301", *[f"x{i}" for i in range(40)]]
    rows = [{"person": p, "town": "a", "flag": None, "score": 1, "cost": 1.0} for p in people * 2]
    plan, _ = plan_for(None, ["town"], None, 1)
    tables = {
        "visits": lambda names: pa.Table.from_pylist(rows, schema=ARROW).select(list(names)).to_reader(max_chunksize=9)
    }
    large = Step(plan, {}, tables, Limits()).large(least=1)
    assert large is not None
    rows_channel = next(i for i, c in enumerate(plan.channels) if c.kind == "rows" and c.column is None)
    assert large[0][rows_channel].units[0] == len(people) - 1
    assert large[0][rows_channel].top1[0] == 2
