"""What the gate sees of a number made of two columns: an answer about each, noise for the product of their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.disclosure.profile import load_profile
from jobs.disclosure.rules import Evidence
from jobs.disclosure.rules.degrees_of_freedom import degrees_of_freedom, least_units
from jobs.disclosure.rules.weights import weights
from jobs.kinds.statistics.asking import answers_of
from jobs.kinds.statistics.plan.bases import known_part, subjects
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import RoleForbids
from jobs.kinds.statistics.plan.expr import Col, Mul
from jobs.kinds.statistics.plan.types import Channel, Plan
from jobs.kinds.statistics.plan.weights import squares_of_factors
from jobs.schema import CatalogueView, Dataset, Holding

A, B, K = Col(name="a"), Col(name="b"), Col(name="k")


def compiled(sql: str, profile: str = "standard@2", holders: int = 1, **changed: Any) -> Plan:
    def column(name: str, role: str, low: str, high: str) -> dict[str, Any]:
        return {"name": name, "type": "int", "role": role, "bounds": {"low": low, "high": high}}

    data = Dataset.model_validate(
        {
            "name": "data", "unit": "unit", "legal_basis": "law", "profile": profile, "units_disjoint": True,
            "columns": [
                {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
                column("a", "measure", "0", "50"), column("b", "measure", "-4", "3"), column("k", "known", "0", "9"),
                column("l", "known", "0", "9"),
            ],
        } | changed
    )  # fmt: skip
    held = tuple(
        Holding(dataset="data", owner=f"o{n}", node=f"n{n}", provider="p", version_commitment="v", max_rows=1000)
        for n in range(holders)
    )
    return compile_sql(sql, CatalogueView(datasets=(data,), holdings=held))


def product(plan: Plan) -> Channel:
    [found] = [channel for channel in plan.channels if channel.kind == "sum" and isinstance(channel.column, Mul)]
    return found


def test_a_product_is_about_both_columns_with_noise_for_both_bounds() -> None:
    plan = compiled("SELECT SUM(a * b) AS s FROM data", holders=3)
    channel = product(plan)
    assert subjects(plan, channel) == (A, B)
    assert channel.noise == 3 * 50 * 4
    assert (channel.low, channel.high) == (4096 * -200 - 3 * 3 * 600, 4096 * 150 + 3 * 3 * 600)
    assert answers_of(plan, channel) == 3  # from -200 to 150: ((350 / 200) ^ 2 - 1/4), rounded up


def test_under_differential_privacy_one_individual_moves_it_by_all_its_rows() -> None:
    plan = compiled("SELECT SUM(a * b) AS s FROM data", "dp@1", rows_per_unit=2)
    assert product(plan).sensitivity == 2 * 200


def test_a_correlation_is_over_the_rows_that_have_both() -> None:
    plan = compiled("SELECT CORR(a, b) AS r, COUNT(*) FILTER (WHERE a IS NOT NULL AND b IS NOT NULL) AS n FROM data")
    correlation, count = plan.aggregates
    assert correlation.channels[0] == count.channels[0]  # one number, one noise, one answer
    assert all(subjects(plan, plan.channels[i]) == (A, B) for i in correlation.channels)


def test_a_known_column_that_must_have_a_value_makes_the_base() -> None:
    plan = compiled("SELECT CORR(k, l) AS r FROM data")
    assert len({known_part(plan, channel) for channel in plan.channels}) == 1
    assert not any(subjects(plan, channel) for channel in plan.channels)


@pytest.mark.parametrize("statistic", ["SUM(a * k)", "CORR(k, a)", "AVG(k * b)", "REGR_SLOPE(a, k)"])
def test_known_values_weigh_no_secret_ones(statistic: str) -> None:
    with pytest.raises(RoleForbids, match="known values as weights are not audited"):
        compiled(f"SELECT {statistic} AS s FROM data")
    compiled(f"SELECT {statistic} AS s FROM data", "open@1")
    compiled(f"SELECT {statistic} AS s FROM data", "dp@1", rows_per_unit=1)


def test_an_estimate_needs_degrees_of_freedom_and_two_individuals_for_each_number() -> None:
    profile = load_profile("standard@2")
    assert [least_units(f, n, profile) for f, n in (("var_pop", 3), ("corr", 6), ("regr_slope", 5), ("sum", 2))] == [
        11, 12, 12, 0,
    ]  # fmt: skip
    assert least_units("corr", 9, profile) == 18
    few = np.array([11, 12])
    evidence = Evidence("corr", few, few, False, (None,) * 6)  # type: ignore[arg-type]
    assert degrees_of_freedom(evidence, profile).tolist() == [True, False]


@pytest.mark.parametrize(("squares", "fails"), [((9, 500), True), ((500, 9), True), ((10, 10), False), ((), False)])
def test_a_product_needs_the_weight_of_ten(squares: tuple[int, ...], fails: bool) -> None:
    many = np.array([500])
    evidence = Evidence("sum", many, many, False, weights=[np.array([n]) for n in squares])
    assert weights(evidence, load_profile("standard@2")).tolist() == [fails]
    assert not weights(evidence, load_profile("open@1")).any()


def test_the_squares_of_both_factors_are_opened_with_a_product() -> None:
    plan = compiled("SELECT SUM(a * b) AS s FROM data")
    [aggregate] = plan.aggregates
    assert [plan.channels[i].kind for i in aggregate.channels] == ["rows", "sum", "sumsq", "sumsq"]
    assert squares_of_factors(plan, aggregate) == [(2, 2500), (3, 16)]
    [alone] = compiled("SELECT SUM(a * a) AS s FROM data").aggregates
    assert squares_of_factors(compiled("SELECT SUM(a * a) AS s FROM data"), alone) == []
