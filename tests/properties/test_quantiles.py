"""Quantiles: of exact counts the interval holds DuckDB's, of noisy ones nearly always; each count is an answer."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.disclosure.noise import noise
from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.answer import AnswerTable, table
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidPlan, MissingDeclaration, TypeMismatch
from jobs.kinds.statistics.plan.expr import Quantile
from jobs.kinds.statistics.plan.statement import statement
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import shown_numbers
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Dataset, Holding

CUTS = ["0", "10", "20", "30", "45", "60", "75"]
ARROW = pa.schema([("person", pa.string()), ("town", pa.string()), ("score", pa.int32())])


def catalogue(profile: str, holders: int = 1) -> CatalogueView:
    columns: list[dict[str, Any]] = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": "person", "nullable": False},
        {"name": "town", "type": "string", "role": "known", "domain": ["a", "b"], "nullable": False},
        {"name": "score", "type": "int", "role": "measure", "bounds": {"low": "-50", "high": "90"}, "cut_points": CUTS},
        {"name": "bare", "type": "int", "role": "measure", "bounds": {"low": "0", "high": "9"}},
    ]
    visits = Dataset.model_validate(
        {"name": "visits", "columns": columns, "unit": "person", "legal_basis": "law", "profile": profile,
         "units_disjoint": True}
    )  # fmt: skip
    holdings = tuple(
        Holding(dataset="visits", owner=f"o{i}", node=f"n{i}", provider="p", version_commitment="x", max_rows=10**5)
        for i in range(holders)
    )
    return CatalogueView(datasets=(visits,), holdings=holdings)


def released(plan: Plan, totals: Any) -> AnswerTable:
    profile = load_profile(plan.profile)
    everywhere = np.ones((len(plan.aggregates), plan.cells), np.bool_)
    return table(plan, shown_numbers(plan, profile, everywhere, totals).numbers, noisy=not profile.exact)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scores=st.lists(st.none() | st.integers(-50, 90), min_size=12, max_size=150),
    share=st.sampled_from(["0", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "1"]),
)
def test_an_interval_of_exact_counts_holds_both_quantiles_of_duckdb(scores: list[Any], share: str) -> None:
    data = pa.Table.from_pylist([{"person": f"p{i}", "town": "a", "score": s} for i, s in enumerate(scores)], ARROW)
    view = catalogue("open@1")
    plan = compile_sql(
        f"SELECT QUANTILE_CONT(score, {share}) AS q, MEDIAN(score) FILTER (WHERE town = 'a') AS m FROM visits", view
    )
    check_plan(plan, view.datasets)
    assert compile_sql("\n".join(statement(plan)), view) == plan
    found = released(plan, run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values)
    with duckdb.connect() as connection:
        connection.register("visits", data)
        [row] = connection.execute(
            f"SELECT quantile_cont(score, {share}), quantile_disc(score, {share}), median(score) FROM visits"
        ).fetchall()
    for place, expected in ((0, row[0]), (0, row[1]), (1, row[2])):
        interval = found.intervals[0][place]
        if interval is None:
            assert sum(score is not None for score in scores) < 10
            continue
        low, high = map(float, interval)
        assert low <= expected <= high
        assert low <= float(found.rows[0][place]) <= high  # type: ignore[arg-type]


@pytest.mark.parametrize("holders", [1, 3])
def test_an_interval_of_noisy_counts_nearly_always_holds_the_quantile(holders: int) -> None:
    plan = compile_sql(
        "SELECT MEDIAN(score) AS m, QUANTILE(score, 0.9) AS q FROM visits", catalogue("standard@2", holders)
    )
    scores = sorted(int(s) for s in np.random.default_rng(1).normal(31, 17, 900).clip(-50, 90))
    data = pa.Table.from_pylist([{"person": f"p{i}", "town": "a", "score": s} for i, s in enumerate(scores)], ARROW)
    exact = run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values
    inside, exactly, far = 0, (float(np.quantile(scores, 0.5)), float(np.quantile(scores, 0.9))), []
    for time in range(400):
        totals = [
            [
                value + sum(noise(_seed(time, place, node), int(channel.noise)) for node in range(holders))
                for value in row
            ]
            for place, (row, channel) in enumerate(zip(exact, plan.channels, strict=True))
        ]
        found = released(plan, totals)
        for value, interval, error, true in zip(
            found.rows[0], found.intervals[0], found.errors[0], exactly, strict=True
        ):
            assert interval is not None
            assert error is not None
            assert all(str(end) in [*CUTS, "-50", "90"] for end in interval)
            inside += interval[0] <= true <= interval[1]
            far.append(abs(float(value) - true) / float(error))  # type: ignore[arg-type]
    assert inside >= 0.95 * 800
    assert np.sqrt(np.mean(np.square(far))) < 1.5


def _seed(*parts: int) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def test_a_count_that_is_withheld_widens_the_interval() -> None:
    plan = compile_sql("SELECT MEDIAN(score) AS m FROM visits", catalogue("standard@2"))
    [quantile] = [o.expr for o in plan.outputs]
    assert isinstance(quantile, Quantile)
    numbers: dict[int, int] = {quantile.count: 1000} | {
        cut.below: below for cut, below in zip(quantile.cuts, (5, 100, 300, 480, 700, 900, 980), strict=True)
    }
    totals: Any = [[0] for _ in plan.channels]
    for number, value in numbers.items():
        totals[plan.aggregates[number].channels[0]] = [value]
    profile = load_profile(plan.profile)
    passed = np.ones((len(plan.aggregates), 1), np.bool_)
    before = table(plan, shown_numbers(plan, profile, passed, totals).numbers, noisy=True).intervals[0][0]
    assert before is not None
    assert [int(end) for end in before] == [30, 45]
    passed[quantile.cuts[4].below] = False
    after = table(plan, shown_numbers(plan, profile, passed, totals).numbers, noisy=True).intervals[0][0]
    assert after is not None
    assert [int(end) for end in after] == [30, 60]
    passed[quantile.count] = False
    assert table(plan, shown_numbers(plan, profile, passed, totals).numbers, noisy=True).suppressed == ((True,),)


def test_spellings_and_refusals() -> None:
    view = catalogue("standard@2")
    spelled = ["MEDIAN(score)", "QUANTILE_CONT(score, 0.5)", "QUANTILE_DISC(score, 0.50)", "APPROX_QUANTILE(score, 0.5)",
               "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY score)",
               "PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY score DESC)"]  # fmt: skip
    assert len({compile_sql(f"SELECT {s} AS m FROM visits", view).digest() for s in spelled}) == 1
    with pytest.raises(MissingDeclaration, match="cut_points"):
        compile_sql("SELECT MEDIAN(bare) AS m FROM visits", view)
    with pytest.raises(TypeMismatch, match="from 0 to 1"):
        compile_sql("SELECT QUANTILE(score, 1.5) AS m FROM visits", view)


def test_a_plan_whose_quantile_rests_on_other_counts_is_refused() -> None:
    """Else a count below 60 could be passed off as that below 10."""
    view = catalogue("standard@2")
    plan = compile_sql("SELECT MEDIAN(score) AS m FROM visits", view)
    [output] = plan.outputs
    assert isinstance(output.expr, Quantile)
    first, second, *rest = output.expr.cuts
    swapped = (
        first.model_copy(update={"below": second.below}),
        second.model_copy(update={"below": first.below}),
        *rest,
    )
    bent = output.model_copy(update={"expr": output.expr.model_copy(update={"cuts": swapped})})
    check_plan(plan, view.datasets)
    with pytest.raises(InvalidPlan):
        check_plan(plan.model_copy(update={"outputs": (bent,)}), view.datasets)
    fewer = output.model_copy(update={"expr": output.expr.model_copy(update={"cuts": output.expr.cuts[:3]})})
    with pytest.raises(InvalidPlan):
        check_plan(plan.model_copy(update={"outputs": (fewer,)}), view.datasets)


def test_the_share_is_exact() -> None:
    plan = compile_sql("SELECT QUANTILE(score, 0.1) AS m FROM visits", catalogue("standard@2"))
    [output] = plan.outputs
    assert isinstance(output.expr, Quantile)
    assert Fraction(output.expr.share) == Fraction(1, 10)
