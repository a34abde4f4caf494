"""Numbers with a fraction as whole numbers, with a declared range and a proof that sums of them fit.

Run by a party before it masks or shares. A ``FixedPoint`` stands for value * factor rounded to a whole number, with the
factor a power of ten for amounts of money and of two for model weights. Whole numbers and decimals are encoded exactly
or refused; floats are rounded half to even after a product in double precision, in lists as in arrays. Nothing is
clipped: a value outside the declared range, a NaN or an infinity is ``OutOfRange``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpc import field
from mpc.errors import BadParameters, OutOfRange
from mpc.field import Elements
from mpc.ring import Z64, Range, Ring, Vector

Number: TypeAlias = int | float | Decimal | Fraction
Numbers: TypeAlias = Sequence[Number] | npt.NDArray[np.generic]
_EXACT_FLOAT = 1 << 53


@dataclass(frozen=True)
class FixedPoint:
    """An encoding of numbers in [low, high] as multiples of 1 / factor."""

    factor: int
    low: Fraction
    high: Fraction

    @classmethod
    def decimals(cls, places: int, low: Number, high: Number) -> FixedPoint:
        """Numbers with ``places`` decimal places."""
        return cls(10**places, Fraction(low), Fraction(high))

    @classmethod
    def binary(cls, bits: int, low: Number, high: Number) -> FixedPoint:
        """Numbers with ``bits`` binary places."""
        return cls(1 << bits, Fraction(low), Fraction(high))

    def __post_init__(self) -> None:
        if self.factor < 1 or self.low > self.high:
            raise BadParameters("fixed point needs a factor of at least 1 and a lower bound not above the upper one")

    @property
    def range(self) -> Range:
        """The whole numbers that the encoding produces."""
        return Range(round(self.low * self.factor), round(self.high * self.factor))

    def ring(self, terms: int, smallest: Ring = Z64) -> Ring:
        """The smallest ring that holds every sum of ``terms`` values; ``OutOfRange`` if none does."""
        return self.range.sum_of(terms).ring(smallest)

    def check_field(self, terms: int) -> None:
        """Raise ``OutOfRange`` unless every sum of ``terms`` values fits the prime field."""
        total = self.range.sum_of(terms)
        if total.low < -field.HIGH or total.high > field.HIGH:
            raise OutOfRange("the sum may need more than the field's 61 bits: narrow the bounds or use a ring")

    def encode(self, values: Numbers, ring: Ring) -> Vector:
        return ring.encode(self.to_integers(values))

    def encode_field(self, values: Numbers) -> Elements:
        return field.encode(self.to_integers(values))

    def decode(self, vector: Vector, ring: Ring) -> list[Fraction]:
        """The exact numbers that a vector (a sum of encodings) stands for."""
        return [Fraction(number, self.factor) for number in ring.decode_signed(vector)]

    def decode_field(self, elements: Elements) -> list[Fraction]:
        return [Fraction(number, self.factor) for number in field.decode_signed(elements)]

    def to_integers(self, values: Numbers) -> list[int] | npt.NDArray[np.int64]:
        """The encoded numbers before they enter ring or field; raises ``OutOfRange`` or ``BadParameters``."""
        if isinstance(values, np.ndarray):
            return self._array(values)
        whole = [self._one(value) for value in values]
        if whole and not (self.range.low <= min(whole) and max(whole) <= self.range.high):
            raise OutOfRange("a value lies outside the declared bounds")
        return whole

    def _one(self, value: Number) -> int:
        if isinstance(value, bool) or not isinstance(
            value, int | float | Decimal | Fraction | np.integer | np.floating
        ):
            raise BadParameters("only int, float, Decimal and Fraction are encoded")
        inexact = isinstance(value, float | np.floating)
        if isinstance(value, float | np.float32 | np.float16) and self._in_doubles:
            product = float(value) * self.factor
            if not math.isfinite(product):
                raise OutOfRange("a value lies outside the declared bounds, or is NaN or infinite")
            return round(product)
        try:
            exact = Fraction(value.item() if isinstance(value, np.generic) else value)
        except (ValueError, OverflowError):  # NaN, infinity
            raise OutOfRange("NaN and infinities have no encoding") from None
        except TypeError:  # numpy's long double
            raise BadParameters("only int, float, Decimal and Fraction are encoded") from None
        scaled = exact * self.factor
        if scaled.denominator != 1 and not inexact:
            raise OutOfRange(f"a number has more places than the factor {self.factor} keeps: round it first")
        return round(scaled)

    @property
    def _in_doubles(self) -> bool:
        """Whether a product in double precision is exact to the last whole number."""
        return max(abs(self.range.low), abs(self.range.high)) < _EXACT_FLOAT and self.factor < _EXACT_FLOAT

    def _array(self, values: npt.NDArray[Any]) -> list[int] | npt.NDArray[np.int64]:
        bound = max(abs(self.range.low), abs(self.range.high))
        if values.ndim != 1 or values.dtype.kind not in "iuf" or values.dtype.itemsize > 8:
            raise BadParameters("a vector of whole numbers or floats is needed")
        if values.dtype.kind == "f" and self._in_doubles:
            scaled: npt.NDArray[Any] = values.astype(np.float64) * self.factor
            np.rint(scaled, out=scaled)
        elif (
            values.dtype.kind in "iu" and max(bound, self.factor) < 1 << 62 and self._fits(values, bound // self.factor)
        ):
            scaled = values.astype(np.int64) * self.factor
        else:  # beyond what 64-bit arithmetic does exactly
            return self.to_integers(values.tolist())
        if scaled.size and not (self.range.low <= scaled.min() and scaled.max() <= self.range.high):  # NaN: false
            raise OutOfRange("a value lies outside the declared bounds, or is NaN or infinite")
        return scaled.astype(np.int64)

    @staticmethod
    def _fits(values: npt.NDArray[Any], bound: int) -> bool:
        return not values.size or (int(values.max()) <= bound and int(values.min()) >= -bound)
