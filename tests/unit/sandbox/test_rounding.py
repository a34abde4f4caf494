"""The grid of shown numbers follows their standard errors, never their values."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.disclosure.rounding import Step, decimals, on_grid, root_on_grid, step_below


@pytest.mark.parametrize(
    ("error", "step"),
    [("0.1", "0.1"), ("0.11", "0.1"), ("0.3", "0.2"), ("0.51", "0.5"), ("1", "1"), ("1.99", "1"), ("2", "2"),
     ("3", "2"), ("5.2", "5"), ("9.99", "5"), ("10", "10"), ("7300", "5000"), ("0.0000032", "0.000002")],
)  # fmt: skip
def test_grid_is_one_two_five_below_the_error(error: str, step: str) -> None:
    assert step_below(Fraction(error) ** 2).size == Fraction(step)


@given(st.fractions(min_value=Fraction(1, 10**30), max_value=10**80))
def test_the_step_is_the_largest_that_is_not_above(square: Fraction) -> None:
    step = step_below(square)
    assert step.factor in (1, 2, 5)
    size = step.size
    assert size**2 <= square < (size * Fraction(5, 2)) ** 2
    following = {1: Fraction(2), 2: Fraction(5, 2), 5: Fraction(2)}[step.factor]
    assert square < (size * following) ** 2


steps = st.builds(Step, st.sampled_from((1, 2, 5)), st.integers(-12, 40))


@given(st.fractions(min_value=-(10**60), max_value=10**60), steps)
def test_a_number_goes_to_the_nearest_multiple_exactly(value: Fraction, step: Step) -> None:
    shown = on_grid(value, step)
    assert Fraction(shown) % step.size == 0
    assert abs(Fraction(shown) - value) <= step.size / 2
    exponent = shown.as_tuple().exponent
    assert exponent == min(step.power, 0)  # its decimals are the step's


@given(st.fractions(min_value=0, max_value=10**30), steps)
def test_a_root_goes_to_the_nearest_multiple(square: Fraction, step: Step) -> None:
    shown = Fraction(root_on_grid(square, step))
    low, high = max(shown - step.size / 2, Fraction(0)), shown + step.size / 2
    assert shown % step.size == 0
    assert low**2 <= square <= high**2


@pytest.mark.parametrize(
    ("value", "step", "shown"),
    [("1003", Step(2, 0), "1004"), ("1001", Step(2, 0), "1000"), ("15", Step(1, 1), "20"), ("-3.14159", Step(1, -2), "-3.14"),
     ("1.5", Step(5, -2), "1.50"), ("0.2", Step(5, 0), "0"), ("12345", Step(5, 3), "10000")],
)  # fmt: skip
def test_numbers_as_they_are_shown(value: str, step: Step, shown: str) -> None:
    assert format(on_grid(Fraction(value), step), "f") == shown


def test_no_digit_of_a_large_exact_number_is_lost() -> None:
    value = 2**127 - 1
    assert format(on_grid(Fraction(value, 100), decimals(2)), "f") == f"{value // 100}.{value % 100}"
    assert int(on_grid(Fraction(value), decimals(0))) == value
    assert float(root_on_grid(Fraction(2), decimals(15))) == pytest.approx(sqrt(2), rel=1e-14)
