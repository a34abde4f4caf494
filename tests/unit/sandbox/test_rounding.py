"""Rounding hides counts: for every released pair, at least ``base`` counts stay possible."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.disclosure.rounding import grid_step, round_count, round_magnitude, round_root

BASE, GROUP = 5, 10


@pytest.mark.parametrize(("count", "expected"), [(10, 10), (12, 10), (13, 15), (17, 15), (2003, 2005)])
def test_counts_go_to_the_nearest_multiple(count: int, expected: int) -> None:
    assert round_count(count, BASE) == expected


@pytest.mark.parametrize(
    ("least", "step"),
    [("0.1", "0.1"), ("0.11", "0.2"), ("0.3", "0.5"), ("0.51", "1"), ("1", "1"), ("1.01", "2"), ("7300", "10000")],
)
def test_grid_is_one_two_five(least: str, step: str) -> None:
    assert grid_step(Fraction(least)) == Fraction(step)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**12))
def test_grid_step_is_the_smallest_that_suffices(least: Fraction) -> None:
    step = grid_step(least)
    assert least <= step <= least * Fraction(5, 2)


@given(st.integers(GROUP, 10**6), st.integers(-(10**9), 10**9))
def test_exact_sum_and_released_mean_leave_base_counts_possible(n: int, total: int) -> None:
    mean = Fraction(total, n)
    rounded_n = round_count(n, BASE)
    released = Fraction(round_magnitude(mean, Fraction(1, GROUP), Fraction(BASE, rounded_n)))
    step = grid_step(max(Fraction(1, GROUP), Fraction(BASE, rounded_n) * abs(mean)))
    low, high = abs(released) - step / 2, abs(released) + step / 2
    if low <= 0:
        return  # the mean rounds to about zero: any large count fits
    most, least = floor(abs(total) / low), ceil(abs(total) / high)
    assert most - least + 1 >= BASE - 1, "the sum divided by the mean pins the count"


@given(st.integers(GROUP, 5000), st.integers(-(10**4), 10**4))
def test_digits_of_a_mean_fit_every_count(n: int, total: int) -> None:
    mean = Fraction(total, n)
    released = Fraction(round_magnitude(mean, Fraction(1, GROUP), Fraction(BASE, round_count(n, BASE))))
    half = grid_step(Fraction(1, GROUP)) / 2
    for other in range(GROUP, GROUP + 40):
        assert floor((released + half) * other) >= ceil((released - half) * other)


@given(st.fractions(min_value=0, max_value=10**9), st.integers(GROUP, 10**5))
def test_root_is_rounded_as_the_square_root(square: Fraction, n: int) -> None:
    released = round_root(square, Fraction(1, GROUP), Fraction(BASE, round_count(n, BASE)))
    step = float(grid_step(max(Fraction(1, GROUP), Fraction(BASE, round_count(n, BASE)) * Fraction(sqrt(square)))))
    assert abs(float(released) - sqrt(square)) <= step / 2 * (1 + 1e-9)


def test_an_indicator_sum_is_as_coarse_as_its_count() -> None:
    released = round_magnitude(Fraction(2003), Fraction(1), Fraction(BASE, round_count(2003, BASE)))
    assert released == Decimal(2005)
