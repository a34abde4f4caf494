"""Formats of noisy totals: stated errors are the real ones, grids follow them, small and flat cells are withheld."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.noise import noise
from jobs.errors import DisclosureBlocked
from jobs.kinds.statistics.answer_expr import Number
from jobs.kinds.statistics.estimate import estimate, squares
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import FEW, NOISE, OWNER, Shown, assemble, least_count, shown_numbers
from tests.support.statistic import NODES, OPEN, PROFILE, dataset, plan_of, shape, totals

ALL = (
    "COUNT(*) AS n, COUNT(DISTINCT unit) AS units, SUM(value) AS s, AVG(value) AS m, VAR_POP(value) AS v, "
    "VAR_SAMP(value) AS w, STDDEV_SAMP(value) AS d, STDDEV_POP(value) AS e"
)


def plan(
    select: str, nodes: int = 1, profile: str = "standard@2", high: str = "100", decimals: int | None = None
) -> Plan:
    type_ = "int" if decimals is None else "decimal"
    data = dataset(high, type_, decimals, profile=profile, disjoint=True)
    return plan_of(f"SELECT {select} FROM data", data, NODES[:nodes], rows=10**6)


def shown(of: Plan, values: list[int], profile: Any = PROFILE) -> dict[str, Number | None]:
    found = shown_numbers(of, profile, np.ones(shape(of), np.bool_), totals(of, [values]))
    return {a.function: row[0] for a, row in zip(of.aggregates, found.numbers, strict=True)}


# --- exact ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-10_000, 10_000), min_size=10, max_size=60))
def test_open_data_is_shown_as_exact_arithmetic_gives_it(values: list[int]) -> None:
    """Values of two decimals; what is no decimal, to six more."""
    found = shown(plan(ALL, profile="open@1", decimals=2), values, OPEN)
    n, numbers = len(values), [Fraction(value, 100) for value in values]
    mean = sum(numbers, Fraction(0)) / n
    squared = sum(((x - mean) ** 2 for x in numbers), Fraction(0))
    assert found["count_rows"] == Number(n)
    assert found["count_distinct_unit"] == Number(n)
    assert found["sum"] == Number(Decimal(sum(values)).scaleb(-2))
    half = Fraction(1, 2 * 10**8)
    for name, exact in (("avg", mean), ("var_pop", squared / n), ("var_samp", squared / (n - 1))):
        number = found[name]
        assert number is not None
        assert abs(Fraction(number.value) - exact) <= half
    for name, exact in (("stddev_pop", squared / n), ("stddev_samp", squared / (n - 1))):
        number = found[name]
        assert number is not None
        value = Fraction(number.value)
        assert max(value - half, Fraction(0)) ** 2 <= exact <= (value + half) ** 2
    assert {number.error for number in found.values() if number} == {0}


def test_open_data_below_the_minimum_group_is_withheld() -> None:
    of = plan("COUNT(*) AS n", profile="open@1")
    assert shown(of, [1] * 9, OPEN) == {"count_rows": None}
    assert shown(of, [1] * 10, OPEN) == {"count_rows": Number(10)}


def test_a_sum_of_whole_numbers_keeps_every_digit() -> None:
    of = plan("SUM(value) AS s", profile="open@1", high="1" + "0" * 17)
    assert shown(of, [10**17] * 1000 + [7], OPEN)["sum"] == Number(10**20 + 7)


# --- standard errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [1, 3])
def test_counts_and_sums_state_the_noise_of_all_parts(nodes: int) -> None:
    found = shown(plan("COUNT(*) AS n, SUM(value) AS s", nodes), list(range(100)) * 10)
    for name, cut in (("count_rows", 1), ("sum", 100)):
        number = found[name]
        assert number is not None
        assert float(number.error) == pytest.approx(sqrt(nodes) * 3 * cut, rel=1e-12)


VALUES = [n * 7 % 121 - 20 for n in range(6000)]


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("function", ["avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop"])
def test_the_stated_error_is_how_far_noisy_answers_spread(nodes: int, function: str) -> None:
    """3,000 times other noise over the same data: the spread is what is stated, but for the truncation of the noise
    (1.4%), within 5%."""
    of = plan(ALL, nodes)
    aggregate = next(a for a in of.aggregates if a.function == function)
    exact = [totals(of, [VALUES])[i][0] for i in aggregate.channels]
    cuts = [of.channels[i].noise for i in aggregate.channels]
    errors = squares(of, aggregate)
    estimates, stated = [], []
    for time in range(3000):
        parts = [
            Fraction(value + sum(noise(_seed(time, place, node), int(sd)) for node in range(nodes)))
            for place, (value, sd) in enumerate(zip(exact, cuts, strict=True))
        ]
        found = estimate(function, parts, errors)
        assert found is not None
        is_root = function.startswith("stddev")
        estimates.append(sqrt(found.value) if is_root else float(found.value))
        stated.append(sqrt(found.square) / (2 * sqrt(found.value)) if is_root else sqrt(found.square))
    assert np.std(estimates) == pytest.approx(0.9866 * np.mean(stated), rel=0.05)


def _seed(*parts: int) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=30, max_size=300), st.sampled_from((1, 3)))
def test_every_number_stands_on_the_largest_grid_step_not_above_its_error(values: list[int], nodes: int) -> None:
    found = shown(plan(ALL, nodes), values)
    for number in found.values():
        if number is None:
            continue
        error, value = Fraction(number.error), Fraction(number.value)
        steps = [f * Fraction(10) ** p for p in range(-9, 9) for f in (1, 2, 5)]
        assert value % max(step for step in steps if step <= error) == 0


def test_whole_numbers_stay_whole() -> None:
    found = shown(plan("COUNT(*) AS n, SUM(value) AS s, AVG(value) AS m"), [7] * 1000)
    assert {name: type(number.value) for name, number in found.items() if number} == {
        "count_rows": int, "sum": int, "avg": Decimal
    }  # fmt: skip


# --- what is withheld -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nodes", "least"), [(1, 12), (2, 17), (3, 21), (20, 54)])
def test_the_least_count_is_a_group_and_four_standard_errors(nodes: int, least: int) -> None:
    of = plan("COUNT(*) AS n, AVG(value) AS m", min(nodes, 3)).model_copy(update={"holders": nodes})
    assert least_count(of, PROFILE, of.aggregates[0]) == least
    assert set(shown(of, [5] * (least - 1)).values()) == {None}
    assert None not in shown(of, [5] * least).values()
    assert least_count(of, PROFILE.model_copy(update={"min_group": 60}), of.aggregates[0]) == 60
    exact = of.model_copy(update={"channels": tuple(c.model_copy(update={"noise": 0}) for c in of.channels)})
    assert least_count(exact, OPEN, exact.aggregates[0]) == 10


def test_a_spread_within_its_own_noise_is_withheld_and_its_root_too() -> None:
    flat, wide = [50] * 400, [-100, 100] * 500
    of = plan("VAR_POP(value) AS v, STDDEV_POP(value) AS d, AVG(value) AS m")
    assert {name for name, number in shown(of, flat).items() if number is None} == {"var_pop", "stddev_pop"}
    assert None not in shown(of, wide).values()


def test_why_numbers_are_withheld_is_counted_by_public_rule_and_nothing_else_is_told() -> None:
    data = dataset("100")
    of = plan_of("SELECT kind, COUNT(*) AS n, VAR_POP(value) AS v FROM data GROUP BY kind", data, NODES[:1])
    passed = np.ones(shape(of), np.bool_)
    passed[:, 0] = False
    found = shown_numbers(of, PROFILE, passed, totals(of, [[1] * 500, [2] * 3, [50] * 400]))
    assert found.withheld == {OWNER: 2, FEW: 2, NOISE: 1}
    assert found.count == 1
    released = assemble(of, {}, PROFILE, found)
    assert released.verdict == {
        "profile": "standard@2",
        "profile_digest": PROFILE.digest,
        "cells": 6,
        "suppressed": 5,
        "withheld": {"owner-rule": 2, "too-few": 2, "within-noise": 1},
        "rows": 3,
        "decision": "release",
    }
    assert [any(row) for row in released.table.suppressed] == [True, True, True]


def test_empty_small_and_closed_cells_look_alike() -> None:
    of = plan_of("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind", dataset("100"), NODES[:1])
    passed = np.array([[False, True, True]])
    table = assemble(of, {}, PROFILE, shown_numbers(of, PROFILE, passed, [[500, 3, -2]])).table
    assert {row[1:] for row in table.rows} == {(None,)}
    assert set(table.suppressed) == {(False, True)}
    assert set(table.errors) == {(None, None)}


def test_a_table_beyond_the_output_limits_is_blocked() -> None:
    of = plan_of("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind", dataset("100"), NODES[:1])
    found = Shown([[Number(20, Decimal(3))] * 3], {OWNER: 0, FEW: 0, NOISE: 0})
    assert len(assemble(of, {}, PROFILE, found).table.rows) == 3
    with pytest.raises(DisclosureBlocked, match="group more coarsely"):
        assemble(of, {}, PROFILE.model_copy(update={"max_rows": 2}), found)
    with pytest.raises(DisclosureBlocked, match="bytes"):
        assemble(of, {}, PROFILE.model_copy(update={"max_bytes": 20}), found)
