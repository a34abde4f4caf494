"""Products, covariance, correlation and regression: exact numbers equal DuckDB's, noisy ones err as they say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from math import isnan, sqrt
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.disclosure.noise import noise
from jobs.disclosure.profile import load_profile
from jobs.kinds.base import Limits
from jobs.kinds.statistics.answer import table
from jobs.kinds.statistics.estimate import estimate, squares
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.statement import statement
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import shown_numbers
from jobs.kinds.statistics.run import Step, run_local
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role

ARROW = pa.schema([("person", pa.string()), ("town", pa.string()), ("score", pa.int32()), ("cost", pa.float64())])
STATISTICS = (
    "SUM(score * cost)", "AVG(score * cost)", "SUM(score * score)", "SUM(cost * (2 - score) + 1.5)",
    "AVG(3 - score + cost)", "COVAR_POP(score, cost)", "COVAR_SAMP(cost, score)", "CORR(score, cost)",
    "REGR_SLOPE(cost, score)", "REGR_INTERCEPT(cost, score)", "REGR_R2(cost, score)", "REGR_COUNT(cost, score)",
    "REGR_AVGX(cost, score)", "REGR_AVGY(cost, score)", "CORR(score, cost) FILTER (WHERE cost < 500)",
)  # fmt: skip


def catalogue(profile: str, holders: int = 1, nullable: bool = True) -> CatalogueView:
    visits = Dataset(
        name="visits",
        unit="person",
        legal_basis="test",
        profile=profile,
        units_disjoint=True,
        columns=(
            Column(name="person", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person", nullable=False),
            Column(name="town", type=ColumnType.STRING, role=Role.KNOWN, domain=("a", "b"), nullable=False),
            Column(
                name="score", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="-50", high="90"),
                nullable=nullable,
            ),
            Column(
                name="cost", type=ColumnType.DECIMAL, role=Role.MEASURE, decimals=2, nullable=nullable,
                bounds=Bounds(low="-9.99", high="999.99"), cut_points=("500",),
            ),
        ),
    )  # fmt: skip
    holdings = tuple(
        Holding(dataset="visits", owner=f"o{i}", node=f"n{i}", provider="p", version_commitment="x", max_rows=10**5)
        for i in range(holders)
    )
    return CatalogueView(datasets=(visits,), holdings=holdings)


def opened(plan: Plan, totals: Sequence[Sequence[int]]) -> Any:
    """The released table of these totals."""
    profile = load_profile(plan.profile)
    numbers = shown_numbers(plan, profile, np.ones((len(plan.aggregates), plan.cells), np.bool_), totals).numbers
    return table(plan, numbers, noisy=not profile.exact)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scores=st.lists(st.none() | st.integers(-50, 90), min_size=14, max_size=40),
    costs=st.lists(st.none() | st.integers(-999, 99999), min_size=14, max_size=40),
    large=st.booleans(),
)
def test_exact_numbers_are_those_of_duckdb(scores: list[Any], costs: list[Any], large: bool) -> None:
    rows = [
        {"person": f"p{i}", "town": "ab"[i % 7 == 0], "score": score, "cost": cost if cost is None else cost / 100}
        for i, (score, cost) in enumerate(zip(scores, costs, strict=False))
    ]
    data = pa.Table.from_pylist(rows, schema=ARROW)
    sql = "SELECT " + ", ".join(f"{s} AS o{i}" for i, s in enumerate(STATISTICS)) + " FROM visits"
    view = catalogue("open@1")
    plan = compile_sql(sql, view)
    check_plan(plan, view.datasets)
    assert compile_sql("\n".join(statement(plan)), view) == plan
    tables = {"visits": lambda names: data.select(list(names)).to_reader(max_chunksize=7)}
    if large:
        found = Step(plan, {}, tables, Limits()).large(least=1)
        if found is not None:
            assert [tally.value for tally in found[0]] == list(run_local(plan, {}, tables).values)
    released = opened(plan, run_local(plan, {}, tables).values)
    with duckdb.connect() as connection:
        connection.register("raw", data)
        connection.execute("CREATE VIEW visits AS SELECT * REPLACE (CAST(cost AS DECIMAL(9,2)) AS cost) FROM raw")
        expected = connection.execute(sql).fetchone()
    assert expected is not None
    for text, ours, hidden, theirs in zip(STATISTICS, released.rows[0], released.suppressed[0], expected, strict=True):
        if hidden:  # too few rows, or no spread to divide by
            assert theirs is None or isnan(theirs) or _few(rows) or "CORR" in text or "REGR" in text, text
            continue
        assert float(ours) == pytest.approx(float(theirs), rel=1e-6, abs=2e-6), text


def _few(rows: list[dict[str, Any]]) -> bool:
    return sum(row["score"] is not None and row["cost"] is not None for row in rows) < 14


def test_a_correlation_is_shown_where_there_is_one() -> None:
    """The property above lets numbers be withheld: here they are not."""
    rows = [{"person": f"p{i}", "town": "a", "score": i % 41, "cost": (i * i) % 97} for i in range(200)]
    data = pa.Table.from_pylist(rows, schema=ARROW)
    plan = compile_sql(f"SELECT {', '.join(f'{s} AS o{i}' for i, s in enumerate(STATISTICS))} FROM visits",
                       catalogue("open@1"))  # fmt: skip
    released = opened(plan, run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values)
    assert not any(released.suppressed[0])


# --- noise ----------------------------------------------------------------------------------------------------------

COUNT = 6000
SCORES = [n * 37 % 141 - 50 for n in range(COUNT)]
COSTS = [3 * score * 100 + n * 61 % 40000 + 20000 for n, score in enumerate(SCORES)]


@pytest.mark.parametrize("holders", [1, 3])
@pytest.mark.parametrize(
    "statistic",
    ["SUM(score * cost)", "AVG(score * cost)", "COVAR_SAMP(score, cost)", "COVAR_POP(score, cost)", "CORR(cost, score)",
     "REGR_SLOPE(cost, score)", "REGR_INTERCEPT(cost, score)", "REGR_R2(cost, score)"],
)  # fmt: skip
def test_the_stated_error_is_how_far_noisy_answers_spread(holders: int, statistic: str) -> None:
    """2,000 times other noise over the same data: the spread is what is stated, but for the truncation of the noise
    (1.4%), within 6%; and the middle is the exact number."""
    plan = compile_sql(f"SELECT {statistic} AS s FROM visits", catalogue("standard@2", holders, nullable=False))
    [aggregate] = plan.aggregates
    exact = [_total(plan, index) for index in aggregate.channels]
    units = [Fraction(1, 10 ** plan.channels[i].scale) for i in aggregate.channels]
    true = estimate(aggregate.function, [t * u for t, u in zip(exact, units, strict=True)], [Fraction(0)] * len(exact))
    errors = squares(plan, aggregate)
    found, stated = [], []
    for time in range(2000):
        noisy = [
            (total + sum(noise(_seed(time, place, node), int(plan.channels[i].noise)) for node in range(holders)))
            * unit
            for place, (i, total, unit) in enumerate(zip(aggregate.channels, exact, units, strict=True))
        ]
        one = estimate(aggregate.function, noisy, errors)
        assert one is not None
        found.append(_shown(aggregate.function, one.value))
        stated.append(sqrt(one.square))
    assert true is not None
    assert np.std(found) == pytest.approx(0.9866 * np.mean(stated), rel=0.06)
    assert np.mean(found) == pytest.approx(_shown(aggregate.function, true.value), abs=0.15 * float(np.mean(stated)))


def _shown(function: str, value: Fraction) -> float:
    return float(np.sign(float(value))) * sqrt(abs(value)) if function == "corr" else float(value)


def _total(plan: Plan, index: int) -> int:
    channel, values = plan.channels[index], {"score": SCORES, "cost": COSTS}
    if channel.kind == "rows":
        return COUNT
    names = [channel.column.name] if channel.column.kind == "column" else [arg.name for arg in channel.column.args]  # type: ignore[union-attr]
    products = [int(np.prod([values[name][n] for name in names])) for n in range(COUNT)]
    return sum(x * x for x in products) if channel.kind == "sumsq" else sum(products)


def _seed(*parts: int) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def test_what_it_would_be_divided_by_may_be_noise() -> None:
    """Nobody's score differs: any slope would be made of noise alone."""
    view = catalogue("standard@2", nullable=False)
    plan = compile_sql("SELECT REGR_SLOPE(cost, score) AS s, CORR(cost, score) AS r, COVAR_POP(cost, score) AS c "
                       "FROM visits", view)  # fmt: skip
    data = pa.Table.from_pylist(
        [{"person": f"p{i}", "town": "a", "score": 40, "cost": i % 500} for i in range(2000)], schema=ARROW
    )
    released = opened(plan, run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values)
    assert released.suppressed[0] == (True, True, False)
