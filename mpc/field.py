"""The prime field of 2^61 - 1 elements, vectorised in numpy: where Shamir's polynomials live.

Elements are uint64 arrays of any shape with values in [0, P). A Mersenne prime, because a product reduces by shifts and
adds (2^61 = 1 modulo P), and 61 bits, because all partial products then fit into uint64. Longer secrets are several
elements. Functions take and return reduced arrays and run in time independent of the values.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.party import RandomBytes

P: Final = (1 << 61) - 1
HIGH: Final = P // 2
"""Signed numbers in [-HIGH, HIGH] have a unique element."""
ELEMENT_BYTES: Final = 8
Elements: TypeAlias = npt.NDArray[np.uint64]

_P: Final = np.uint64(P)
_61: Final = np.uint64(61)
_32: Final = np.uint64(32)
_29: Final = np.uint64(29)
_LOW32: Final = np.uint64((1 << 32) - 1)
_LOW29: Final = np.uint64((1 << 29) - 1)


def encode(values: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Elements:
    """Encode signed whole numbers in [-HIGH, HIGH]; raises ``OutOfRange`` and never wraps."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "iu":
            raise BadParameters("only whole numbers go into a field; encode fractions with mpc.fixed")
        if values.size and (int(values.min()) < -HIGH or int(values.max()) > HIGH):
            raise OutOfRange("a number does not fit into the field of 61 bits")
        signed = values.astype(np.int64)
        return np.where(signed < 0, signed + P, signed).astype(np.uint64)
    try:
        whole = [operator.index(value) for value in values]
    except TypeError:
        raise BadParameters("only whole numbers go into a field; encode fractions with mpc.fixed") from None
    if any(not -HIGH <= value <= HIGH for value in whole):
        raise OutOfRange("a number does not fit into the field of 61 bits")
    return np.array([value % P for value in whole], dtype=np.uint64)


def decode_signed(elements: Elements) -> list[int]:
    """Read a vector as numbers in [-HIGH, HIGH]."""
    signed = elements.astype(np.int64)
    numbers: list[int] = np.where(signed > HIGH, signed - P, signed).tolist()
    return numbers


def add(left: Elements, right: Elements) -> Elements:
    return _reduce(left + right)


def sub(left: Elements, right: Elements) -> Elements:
    return _reduce(left + (_P - right))


def neg(elements: Elements) -> Elements:
    return _reduce(_P - elements)


def mul(left: Elements, right: Elements) -> Elements:
    """Multiply element by element, with broadcasting."""
    a_high, a_low = left >> _32, left & _LOW32  # 29 and 32 bits
    b_high, b_low = right >> _32, right & _LOW32
    middle = a_high * b_low + a_low * b_high  # < 2^62, weighs 2^32
    low = a_low * b_low  # < 2^64
    # 2^64 = 2^3, and 2^32 * m = (m >> 29) + 2^32 * (m mod 2^29), modulo P
    total = ((a_high * b_high) << np.uint64(3)) + (middle >> _29) + ((middle & _LOW29) << _32)
    return _reduce((total & _P) + (total >> _61) + (low & _P) + (low >> _61))


def mul_small(elements: Elements, factors: Elements) -> Elements:
    """Multiply by factors below 2^16 (evaluation points): a third of the work of ``mul``; the result is below 2^62."""
    high, low = (elements >> _32) * factors, (elements & _LOW32) * factors  # < 2^46 and < 2^48 for elements < 2^62
    product: Elements = (high >> _29) + ((high & _LOW29) << _32) + low
    return product


def dot(weights: Elements, rows: Elements) -> Elements:
    """Return the sum over i of weights[i] * rows[i]; rows has shape (t, m), the result (m,)."""
    products = mul(weights[:, None], rows)
    # summed in halves of 31 and 30 bits: exact for up to 2^32 rows
    low = (products & np.uint64((1 << 31) - 1)).sum(axis=0, dtype=np.uint64)
    high = (products >> np.uint64(31)).sum(axis=0, dtype=np.uint64)
    low = _reduce((low & _P) + (low >> _61))
    high = _reduce((high & _P) + (high >> _61))
    return add(low, mul(high, np.full_like(high, 1 << 31)))


def random(shape: tuple[int, ...], rng: RandomBytes) -> Elements:
    """Draw uniform elements by rejection; ``rng`` must be fit for secrets."""
    size = int(np.prod(shape, dtype=np.int64))
    out = np.frombuffer(rng(size * ELEMENT_BYTES), dtype="<u8").astype(np.uint64) & _P
    while (again := np.flatnonzero(out == _P)).size:  # 2^-61 each
        out[again] = np.frombuffer(rng(int(again.size) * ELEMENT_BYTES), dtype="<u8").astype(np.uint64) & _P
    return out.reshape(shape)


def to_bytes(elements: Elements) -> bytes:
    return np.ascontiguousarray(elements, dtype="<u8").tobytes()


def from_bytes(data: bytes, n: int) -> Elements:
    """Read n elements; raises ``MalformedMessage`` for another length or a number that is not reduced."""
    if len(data) != n * ELEMENT_BYTES:
        raise MalformedMessage(f"{len(data)} bytes are not {n} field elements")
    return check(np.frombuffer(data, dtype="<u8").astype(np.uint64))


def check(elements: Elements) -> Elements:
    """Return the elements if all are reduced; raises ``MalformedMessage``."""
    if elements.dtype != np.uint64 or bool((elements >= _P).any()):
        raise MalformedMessage("not reduced elements of the field of 2^61 - 1")
    return elements


def _reduce(elements: Elements) -> Elements:
    """Bring numbers below 2^63 into [0, P)."""
    folded = (elements & _P) + (elements >> _61)
    return np.where(folded >= _P, folded - _P, folded)
