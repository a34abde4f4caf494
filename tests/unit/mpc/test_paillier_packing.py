"""Packing: signed values side by side, and nothing that does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from mpc.errors import BadParameters, OutOfRange
from mpc.paillier import Packing


@pytest.mark.parametrize(
    ("value_bits", "growth"), [(1, 1), (7, 3), (8, 1), (20, 1000), (32, 16), (62, 1), (62, 1 << 100)]
)
def test_extremes_survive_packing(value_bits: int, growth: int) -> None:
    packing = Packing(value_bits, growth, 2048)
    top = (1 << value_bits) - 1
    values = np.array([top, -top, 0, 1, -1] * 37, dtype=np.int64)
    assert packing.unpack(packing.pack(values), values.size).tolist() == values.tolist()


def test_growth_extremes_do_not_carry_into_neighbours() -> None:
    packing = Packing(10, 50, 2048)
    values = np.array([1023, -1023, 1023, -1023, 0] * 40, dtype=np.int64)
    grown = [50 * plain for plain in packing.pack(values)]
    assert packing.unpack(grown, values.size).tolist() == (50 * values).tolist()


def test_plaintexts_stay_below_half_the_modulus() -> None:
    packing = Packing(30, 7, 2048)
    values = np.full(packing.slots, (1 << 30) - 1, dtype=np.int64)
    assert 7 * packing.pack(values)[0] < 1 << 2046
    assert 7 * packing.pack(-values)[0] > -(1 << 2046)


def test_a_value_too_wide_is_refused_not_clipped() -> None:
    packing = Packing(8, 4, 2048)
    with pytest.raises(OutOfRange, match="8 bits"):
        packing.pack(np.array([0, 256], dtype=np.int64))
    with pytest.raises(OutOfRange):
        packing.pack(np.array([np.iinfo(np.int64).min], dtype=np.int64))


def test_a_plaintext_beyond_the_slots_is_refused() -> None:
    packing = Packing(8, 4, 2048, per=3)
    with pytest.raises(OutOfRange, match="outside the packing"):
        packing.unpack([1 << (3 * packing.width)], 3)
    with pytest.raises(BadParameters, match="take"):
        packing.unpack([0], 4)


@pytest.mark.parametrize(
    "bad", [(0, 1, 2048, 0), (63, 1, 2048, 0), (8, 0, 2048, 0), (60, 1 << 100, 128, 0), (8, 1, 2048, -1)]
)
def test_parameters_that_make_no_sense(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadParameters):
        Packing(*bad)


def test_floats_and_matrices_are_refused() -> None:
    packing = Packing(8, 4, 2048)
    with pytest.raises(BadParameters):
        packing.pack(np.array([1.0]))
    with pytest.raises(BadParameters):
        packing.pack(np.zeros((2, 2), dtype=np.int64))
