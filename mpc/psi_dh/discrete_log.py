"""Small discrete logarithms over ristretto255: which number of a proven range is the multiple of the generator?

Baby-step giant-step (Shanks, "Class number, a theory of factorization, and genera", 1971), with the negation map: a
y-coordinate stands for +j and -j at once, so m baby steps let a giant step stride over 2m - 1 numbers. Both kinds of
steps are the additions of one point to a block of ``BLOCK`` known points (``edwards.shifted``).

Every search takes all its giant steps, so the time depends on the range and not on the number found (the memory
accesses of the look-up do). Ranges may reach below zero: they are shifted, there is no modular wrap-around to undo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.oprf.group import ORDER, multiply_base
from mpc.psi_dh.edwards import (
    IDENTITY,
    Point,
    Slots,
    as_slots,
    eight_times_decoded,
    minus,
    multiples,
    plus,
    shifted,
    times,
)
from mpc.psi_dh.field25519 import LANES

MOST_BITS: Final = 44
"""The widest range: 2^44 numbers."""
BLOCK: Final = 2048


class DiscreteLog:
    """Finds logarithms between ``low`` and ``high``, both included. The table is made once, at the first search."""

    def __init__(self, low: int, high: int) -> None:
        """Raises ``BadParameters`` for more than 2^44 numbers."""
        if high < low or high - low >> MOST_BITS:
            raise BadParameters(f"a range of 1 to 2^{MOST_BITS} numbers can be searched: smaller values or fewer rows")
        self._low, self._high = low, high
        blocks = math.isqrt((high - low) // 2) // BLOCK + 1
        self._babies = blocks * BLOCK
        self._stride = 2 * self._babies - 1
        self._giants = (high - low) // self._stride + 1
        self._table: _Table | None = None

    def find(self, element: bytes) -> int | None:
        """The number whose multiple of the generator this is, or ``None`` if it lies outside the range.

        Raises ``MalformedMessage`` for bytes that are no element.
        """
        table = self._table = self._table or self._make_table()
        keys, numbers = table.keys, table.numbers
        first_centre = self._low + self._babies - 1
        shift = plus(eight_times_decoded(element), minus(times(first_centre, _eightfold_generator())))
        found = None
        for first in range(0, self._giants, BLOCK):
            steps = shifted(table.giants, shift)
            shift = plus(shift, table.leap)
            left = np.searchsorted(keys, steps)
            for step in np.flatnonzero(keys[np.minimum(left, len(keys) - 1)] == steps):
                centre = first_centre + (first + int(step)) * self._stride
                for at in range(left[step], np.searchsorted(keys, steps[step], "right")):
                    for number in (centre + int(numbers[at]), centre - int(numbers[at])):
                        # 64 bits of y can coincide; the whole element cannot
                        if self._low <= number <= self._high and _multiple(number) == element:
                            found = number
        return found

    def _make_table(self) -> _Table:
        base = _eightfold_generator()
        block, leap, shift = as_slots(multiples(base, BLOCK)), times(BLOCK, base), IDENTITY
        parts = []
        for _ in range(self._babies // BLOCK):
            parts.append(shifted(block, shift))
            shift = plus(shift, leap)
        keys = np.concatenate(parts)
        order = np.argsort(keys)
        stride = minus(times(self._stride, base))
        giants = as_slots(multiples(stride, min(BLOCK, -(-self._giants // LANES) * LANES)))
        return _Table(keys[order], order, giants, times(BLOCK, stride))


@dataclass(frozen=True)
class _Table:
    """Baby steps by key, with the numbers that they belong to; a block of giant steps, and the leap to the next one."""

    keys: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.intp]
    giants: tuple[Slots, Slots]
    leap: Point


def _eightfold_generator() -> Point:
    return eight_times_decoded(_multiple(1))


def _multiple(number: int) -> bytes:
    return multiply_base((number % ORDER).to_bytes(32, "little"))
