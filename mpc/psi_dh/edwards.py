"""Edwards25519 for opening totals: decode ristretto255, add points, and add one point to thousands at once.

The batch keeps one lane per point on ``field25519`` and inverts all denominators together (Montgomery, "Speeding the
Pollard and elliptic curve methods", Math. Comp. 1987, section 10.3.1): ten multiplications a point. The affine law of
a = -1 and non-square d is complete (Bernstein, Birkner, Joye, Lange, Peters, "Twisted Edwards curves", AFRICACRYPT
2008, section 6), so there are no special cases.

Nothing here is meant for secrets that outlive a run: it handles the totals that the caller is about to learn.
"""

from __future__ import annotations

from typing import Any, Final

import gmpy2
import numba as nb
import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage
from mpc.psi_dh.field25519 import LANES, SLOT, add, mul, square, sub
from mpc.psi_dh.kernels import invert, pack, unpack

Point = tuple[int, int]
"""Affine (x, y) on -x^2 + y^2 = 1 + d x^2 y^2."""
Slots = npt.NDArray[np.uint64]

P: Final = 2**255 - 19
D: Final = -121665 * pow(121666, -1, P) % P
IDENTITY: Final[Point] = (0, 1)
ROOT: Final = pow(2, (P - 1) // 4, P)
_WORDS: Final = SLOT // 8
_U = np.uint64


def plus(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    a, b, c = x1 * x2, y1 * y2, x1 * y2 + x2 * y1
    t = D * a * b % P
    inverse = int(gmpy2.invert(1 - t * t, P))
    return c * (1 - t) * inverse % P, (a + b) * (1 + t) * inverse % P


def minus(point: Point) -> Point:
    return -point[0] % P, point[1]


def times(number: int, point: Point) -> Point:
    """number * point for any integer, by doubling and adding."""
    total, power = IDENTITY, point if number >= 0 else minus(point)
    for bit in bin(abs(number))[:1:-1]:
        if bit == "1":
            total = plus(total, power)
        power = plus(power, power)
    return total


def multiples(point: Point, count: int) -> list[Point]:
    """0, 1, ... count-1 times the point."""
    found = [IDENTITY]
    while len(found) < count:
        found.append(plus(found[-1], point))
    return found


def eight_times_decoded(element: bytes) -> Point:
    """8 * the point of a ristretto255 element: the same for every member of its class. Raises ``MalformedMessage``.

    Decoding is RFC 9496 section 4.3.1; eight times the result is free of the torsion in which the members differ.
    """
    s = int.from_bytes(element, "little")
    if len(element) != 32 or s >= P or s & 1:
        raise MalformedMessage("not a canonical element of ristretto255")
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square_found, root = _inverse_root(v * u2 * u2 % P)
    x = 2 * s * root * u2 % P
    x, y = min(x, P - x, key=lambda z: z & 1) if x else 0, u1 * root * u2 * root * v % P
    if not square_found or x * y % P & 1 or y == 0:
        raise MalformedMessage("not an element of ristretto255")
    return times(8, (x, y))


def encoded(point: Point) -> bytes:
    """The encoding of the point's class: RFC 9496 section 4.3.2 with Z = 1. Not in constant time."""
    x, y = point
    u1, u2 = (1 + y) * (1 - y) % P, x * y % P
    root = _inverse_root(u1 * u2 * u2 % P)[1]
    inverse = root * root % P * u1 * u2 % P * u2 % P
    scale = root * u2 % P
    if u2 * inverse % P & 1:
        x, y, scale = y * ROOT % P, x * ROOT % P, root * u1 * _inverse_root(-1 - D)[1] % P
    if x * inverse % P & 1:
        y = -y
    s = scale * (1 - y) % P
    return min(s, P - s, key=lambda z: z & 1).to_bytes(32, "little") if s else bytes(32)


def as_slots(points: list[Point]) -> tuple[Slots, Slots]:
    """x and y of a multiple of eight points, in the form ``shifted`` takes."""
    return _slots([x for x, _ in points]), _slots([y for _, y in points])


def shifted(points: tuple[Slots, Slots], shift: Point) -> npt.NDArray[np.uint64]:
    """The low 64 bits of the y-coordinate of point + shift for each point. y cannot tell a point from its negative."""
    xs, ys = points
    constants = broadcast(*shift, D, 1)
    out = np.empty(len(xs) * LANES, np.uint64)
    _shifted(xs, ys, constants, out)
    return out


def broadcast(*numbers: int) -> Slots:
    """One slot for each number, the same in all lanes."""
    return _slots([number for number in numbers for _ in range(LANES)])


def _slots(numbers: list[int]) -> Slots:
    rows = np.frombuffer(b"".join(n.to_bytes(32, "little") for n in numbers), np.uint64).reshape(-1, 4)
    slots = np.empty((len(rows) // LANES, _WORDS), np.uint64)
    for index in range(len(slots)):
        unpack(rows, index * LANES, slots[index])
    return slots


def _inverse_root(number: int) -> tuple[bool, int]:
    """SQRT_RATIO_M1(1, number) of RFC 9496 section 4.2: is it a square, and the root of 1/number or else i/number."""
    root = pow(number, 3, P) * pow(number, 7 * (P - 5) // 8, P) % P
    check = number * root * root % P
    if check in (P - 1, -ROOT % P):
        root = root * ROOT % P
    return check in (1, P - 1), min(root, P - root, key=lambda z: z & 1) if root else 0


@nb.njit(nogil=True, cache=True)
def _shifted(xs: Any, ys: Any, constants: Any, out: Any) -> None:
    count = xs.shape[0]
    at_x, at_y, at_constants = _U(xs.ctypes.data), _U(ys.ctypes.data), _U(constants.ctypes.data)
    sx, sy = at_constants, at_constants + _U(SLOT)
    d, one = at_constants + _U(2 * SLOT), at_constants + _U(3 * SLOT)
    work = np.empty((3 * count + 8, _WORDS), np.uint64)
    tops = _U(work.ctypes.data)
    bottoms = tops + _U(SLOT * count)
    products = bottoms + _U(SLOT * count)
    a = products + _U(SLOT * count)
    b, t, inverse, free = a + _U(SLOT), a + _U(2 * SLOT), a + _U(3 * SLOT), a + _U(4 * SLOT)
    for i in range(count):
        at = _U(SLOT * i)
        mul(a, at_x + at, sx)
        mul(b, at_y + at, sy)
        mul(t, a, b)
        mul(t, t, d)
        add(a, a, b)
        add(b, one, t)
        mul(tops + at, a, b)  # (x x' + y y') (1 + t)
        square(t, t)
        sub(t, one, t)
        mul(bottoms + at, t, one)  # 1 - t^2, never 0: d is no square
        if i == 0:
            mul(products, t, one)
        else:
            mul(products + at, products + at - _U(SLOT), t)
    invert(inverse, products + _U(SLOT * (count - 1)), free)
    words = np.empty((LANES, 4), np.uint64)
    for i in range(count - 1, -1, -1):
        at = _U(SLOT * i)
        if i == 0:
            mul(a, inverse, one)
        else:
            mul(a, inverse, products + at - _U(SLOT))
            mul(inverse, inverse, bottoms + at)
        mul(a, a, tops + at)
        pack(work[3 * count], words, 0)
        for lane in range(LANES):
            out[i * LANES + lane] = words[lane, 0]
