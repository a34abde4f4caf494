"""Whole numbers modulo 2^32, 2^64 or 2^128, vectorised, and range proofs that choose the modulus.

Run by every party that masks, shares or adds. A ``Vector`` of n elements is a numpy array of shape (n,) and dtype
uint32 or uint64, or of shape (n, 2) and dtype uint64 for 128 bits: low limb first. Signed numbers are two's
complement. Addition wraps by definition; *encoding* never does: a number outside the range is refused
(``OutOfRange``), and a ``Range`` shows beforehand that a whole computation fits.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.party import RandomBytes

Vector: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Ring:
    """Z_2^bits. Every method refuses vectors of another ring (``BadParameters``) and leaves its arguments alone."""

    bits: Literal[32, 64, 128]

    def __post_init__(self) -> None:
        if self.bits not in (32, 64, 128):
            raise BadParameters("a ring has 32, 64 or 128 bits")

    def encode(self, values: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Vector:
        """Encode signed whole numbers; raises ``OutOfRange`` if one lies outside [-2^(bits-1), 2^(bits-1))."""
        if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iu" and len(values):
            self._check_range(int(values.min()), int(values.max()))
            return self._from_int64(values)
        try:
            whole = [operator.index(value) for value in values]
        except TypeError:
            raise BadParameters("only whole numbers go into a ring; encode fractions with mpc.fixed") from None
        if whole:
            self._check_range(min(whole), max(whole))
        if self.bits < 128:
            return self._from_int64(np.array(whole, dtype=np.int64))
        limbs = b"".join(value.to_bytes(16, "little", signed=True) for value in whole)
        return np.frombuffer(limbs, dtype="<u8").astype(np.uint64).reshape(-1, 2)

    def decode_signed(self, vector: Vector) -> list[int]:
        """Read the elements as numbers in [-2^(bits-1), 2^(bits-1))."""
        self.check(vector)
        if self.bits < 128:
            signed: list[int] = vector.view(np.int32 if self.bits == 32 else np.int64).tolist()
            return signed
        high: list[int] = vector[:, 1].astype(np.int64).tolist()
        return [(h << 64) + low for h, low in zip(high, vector[:, 0].tolist(), strict=True)]

    def decode_unsigned(self, vector: Vector) -> list[int]:
        """Read the elements as numbers in [0, 2^bits)."""
        self.check(vector)
        if self.bits < 128:
            unsigned: list[int] = vector.tolist()
            return unsigned
        return [(high << 64) | low for low, high in vector.tolist()]

    def add(self, left: Vector, right: Vector) -> Vector:
        out = left.copy()
        self.add_into(out, right)
        return out

    def sub(self, left: Vector, right: Vector) -> Vector:
        out = left.copy()
        self.sub_into(out, right)
        return out

    def neg(self, vector: Vector) -> Vector:
        return self.sub(self.zeros(len(vector)), vector)

    def mul(self, left: Vector, right: Vector) -> Vector:
        """Multiply element by element, modulo 2^bits."""
        self.check(left, right)
        if self.bits < 128:
            return np.multiply(left, right)
        out = np.empty_like(left)
        low, carry = _wide_product(left[:, 0], right[:, 0])
        out[:, 0] = low
        out[:, 1] = carry + left[:, 0] * right[:, 1] + left[:, 1] * right[:, 0]
        return out

    def add_into(self, total: Vector, other: Vector) -> None:
        """Add ``other`` to ``total`` in place."""
        self.check(total, other)
        if self.bits < 128:
            np.add(total, other, out=total)
            return
        low = total[:, 0] + other[:, 0]
        total[:, 1] += other[:, 1] + (low < other[:, 0])
        total[:, 0] = low

    def sub_into(self, total: Vector, other: Vector) -> None:
        """Subtract ``other`` from ``total`` in place."""
        self.check(total, other)
        if self.bits < 128:
            np.subtract(total, other, out=total)
            return
        borrow = total[:, 0] < other[:, 0]
        total[:, 1] -= other[:, 1] + borrow
        total[:, 0] -= other[:, 0]

    def zeros(self, n: int) -> Vector:
        return np.zeros(self._shape(n), dtype=self.dtype)

    def random(self, n: int, rng: RandomBytes) -> Vector:
        """Draw n uniform elements; ``rng`` must be fit for secrets."""
        return self.from_bytes(rng(n * self.element_bytes), n)

    def random_nonzero(self, n: int, rng: RandomBytes) -> Vector:
        """Draw n elements, uniform over all but zero."""
        out = self.random(n, rng)
        while (again := np.flatnonzero(self.is_zero(out))).size:
            out[again] = self.random(int(again.size), rng)
        return out

    def is_zero(self, vector: Vector) -> npt.NDArray[np.bool_]:
        """Return n booleans: which elements are zero."""
        self.check(vector)
        zero: npt.NDArray[np.bool_] = vector == 0 if self.bits < 128 else (vector[:, 0] | vector[:, 1]) == 0
        return zero

    def to_bytes(self, vector: Vector) -> bytes:
        """Little-endian, ``element_bytes`` each."""
        self.check(vector)
        return np.ascontiguousarray(vector, dtype=self.dtype.newbyteorder("<")).tobytes()

    def from_bytes(self, data: bytes, n: int | None = None) -> Vector:
        """Read n elements (all there are, if n is None); raises ``MalformedMessage`` for any other length."""
        if len(data) % self.element_bytes or (n is not None and len(data) != n * self.element_bytes):
            raise MalformedMessage(f"{len(data)} bytes are not the expected number of {self.bits}-bit elements")
        flat = np.frombuffer(data, dtype=self.dtype.newbyteorder("<")).astype(self.dtype)
        return flat.reshape(self._shape(len(data) // self.element_bytes))

    def check(self, *vectors: Vector) -> None:
        """Raise ``BadParameters`` unless all are vectors of this ring with one length."""
        for vector in vectors:
            if not isinstance(vector, np.ndarray) or vector.dtype != self.dtype:
                raise BadParameters(f"not a vector over {self.bits} bits")
            if vector.ndim != len(self._shape(0)) or vector.shape != self._shape(len(vectors[0])):
                raise BadParameters("vectors of different rings or lengths")

    @property
    def element_bytes(self) -> int:
        return self.bits // 8

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        return np.dtype(np.uint32) if self.bits == 32 else np.dtype(np.uint64)

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The largest signed number, inclusive."""
        return (1 << (self.bits - 1)) - 1

    def _shape(self, n: int) -> tuple[int, ...]:
        return (n,) if self.bits < 128 else (n, 2)

    def _from_int64(self, values: npt.NDArray[np.integer[Any]]) -> Vector:
        """Two's complement of numbers already known to fit."""
        if self.bits < 128:
            return values.astype(self.dtype)
        sign = -(values < 0).astype(np.int64)
        return np.stack([values.astype(np.uint64), sign.astype(np.uint64)], axis=1)

    def _check_range(self, low: int, high: int) -> None:
        if low < self.low or high > self.high:
            raise OutOfRange(f"a number does not fit into {self.bits} bits: declare its range and use a wider ring")


Z32: Final = Ring(32)
Z64: Final = Ring(64)
Z128: Final = Ring(128)


def _wide_product(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """The low and high 64 bits of 64-bit products, by halves of 32 bits."""
    shift, mask = np.uint64(32), np.uint64((1 << 32) - 1)
    a_low, a_high, b_low, b_high = a & mask, a >> shift, b & mask, b >> shift
    middle = a_high * b_low + ((a_low * b_low) >> shift)  # no overflow: (2^32 - 1)^2 + 2^32 - 1 < 2^64
    other = a_low * b_high + (middle & mask)
    return a * b, a_high * b_high + (middle >> shift) + (other >> shift)


@dataclass(frozen=True)
class Range:
    """A proof by interval arithmetic: every value of a computation lies in [low, high]."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise BadParameters("a range's lower end must not exceed its upper end")

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Range) -> Range:
        return Range(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Range) -> Range:
        """The range of a product of two independent values (a square is covered too, if not tightly)."""
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Range(min(ends), max(ends))

    def scale(self, factor: int) -> Range:
        """The range of the value times a public constant."""
        return self * Range(factor, factor)

    def sum_of(self, terms: int) -> Range:
        """The range of every sum of 0 to ``terms`` such values (and so of all partial sums)."""
        if terms < 0:
            raise BadParameters("a sum has no negative number of terms")
        return Range(min(0, self.low * terms), max(0, self.high * terms))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))

    def ring(self, smallest: Ring = Z64) -> Ring:
        """The smallest ring, not under ``smallest``, that holds the range; ``OutOfRange`` if 128 bits do not."""
        for ring in (Z32, Z64, Z128):
            if ring.bits >= smallest.bits and ring.low <= self.low and self.high <= ring.high:
                return ring
        raise OutOfRange("the result may need more than 128 bits: narrow the bounds, the scale or the number of terms")


def smallest_ring(max_abs: int, terms: int) -> Ring:
    """Choose Z_2^64 or Z_2^128 such that a sum of ``terms`` numbers of at most ``max_abs`` each cannot wrap."""
    if max_abs < 0 or terms < 1:
        raise BadParameters("a range proof needs a bound of at least 0 and at least one term")
    return Range(-max_abs, max_abs).sum_of(terms).ring()
