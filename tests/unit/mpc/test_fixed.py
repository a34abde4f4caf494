"""mpc.fixed: exact or refused, never clipped; sums of encodings are encodings of sums."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpc.errors import BadParameters, OutOfRange
from mpc.fixed import FixedPoint
from mpc.ring import Z32, Z64, Z128

MONEY = FixedPoint.decimals(2, -1_000_000, 1_000_000)
WEIGHTS = FixedPoint.binary(16, -8, 8)


@given(st.lists(st.decimals(-1_000_000, 1_000_000, places=2), max_size=30))
def test_sums_of_decimals_are_exact_in_ring_and_field(amounts: list[Decimal]) -> None:
    ring = MONEY.ring(max(1, len(amounts)))
    total, in_field = ring.zeros(1), np.zeros(1, dtype=np.uint64)
    for amount in amounts:
        total = ring.add(total, MONEY.encode([amount], ring))
        in_field = (in_field + MONEY.encode_field([amount])) % np.uint64((1 << 61) - 1)
    exact = Fraction(sum(amounts, Decimal(0)))
    assert MONEY.decode(total, ring) == [exact]
    assert MONEY.decode_field(in_field) == [exact]


@given(st.lists(st.floats(-8, 8), max_size=30))
def test_floats_are_rounded_to_the_nearest_multiple(values: list[float]) -> None:
    for encoded in (WEIGHTS.encode(values, Z32), WEIGHTS.encode(np.array(values, dtype=np.float64), Z32)):
        for back, value in zip(WEIGHTS.decode(encoded, Z32), values, strict=True):
            assert abs(back - Fraction(value)) <= Fraction(1, 2 << 16)


@given(st.lists(st.floats(-10_000, 10_000), min_size=1, max_size=30))
@example([2.675, 1.005, 0.285, 1.115, -2.675])
def test_lists_and_arrays_are_rounded_alike(values: list[float]) -> None:
    """2.675 is a little less, but times 100 in doubles it is 267.5: one side used to encode 267, the other 268."""
    whole = MONEY.to_integers(np.array(values))
    assert isinstance(whole, np.ndarray)
    assert MONEY.to_integers(values) == whole.tolist()


def test_whole_number_arrays_are_exact_beyond_what_floats_hold() -> None:
    wide = FixedPoint.decimals(2, -(1 << 80), 1 << 80)
    numbers = np.array([(1 << 62) + 1, -(1 << 62) - 1])
    assert wide.ring(1) == Z128
    assert wide.decode(wide.encode(numbers, Z128), Z128) == [Fraction(int(x)) for x in numbers]
    assert MONEY.encode(np.array([3, -4]), Z64).view(np.int64).tolist() == [300, -400]


OUT: list[Any] = [
    [1_000_001],
    [Decimal("-1000000.01")],
    [Decimal("0.001")],
    [Fraction(1, 3)],
    [float("nan")],
    [float("inf")],
    np.array([0.0, np.nan]),
    np.array([np.inf]),
    np.array([1_000_001]),
    np.array([-1_000_000.5]),
    np.array([1 << 62]),
    np.array([(1 << 64) - 1], dtype=np.uint64),
]


@pytest.mark.parametrize("values", OUT)
def test_what_has_no_exact_place_is_refused(values: Any) -> None:
    with pytest.raises(OutOfRange):
        MONEY.encode(values, Z64)


@pytest.mark.parametrize("values", [["1"], [True], [None], np.array(["a"]), np.zeros((2, 2)), np.array([True])])
def test_what_is_no_number_is_refused(values: Any) -> None:
    with pytest.raises(BadParameters):
        MONEY.encode(values, Z64)


def test_bounds_and_proofs() -> None:
    assert MONEY.ring(1 << 10) == Z64
    assert MONEY.ring(1 << 40) == Z128
    assert WEIGHTS.ring(100, smallest=Z32) == Z32
    MONEY.check_field(1 << 20)
    with pytest.raises(OutOfRange):
        MONEY.check_field(1 << 40)
    for bad in [(0, Fraction(0), Fraction(1)), (10, Fraction(1), Fraction(0))]:
        with pytest.raises(BadParameters):
            FixedPoint(*bad)


def test_a_factor_beyond_64_bits_and_long_doubles_end_typed() -> None:
    tiny = FixedPoint.decimals(20, 0, Fraction(1, 100))
    assert list(tiny.to_integers(np.zeros(3, dtype=np.int64))) == [0, 0, 0]
    with pytest.raises(OutOfRange):
        tiny.to_integers(np.ones(1, dtype=np.int64))
    with pytest.raises(BadParameters):
        MONEY.to_integers([np.longdouble(1.5)])  # type: ignore[list-item]
