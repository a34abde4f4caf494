"""The sum of many ristretto255 elements, decoded and added eight at a time on ``field25519``.

libsodium has to decode both operands and encode the sum at every single addition; here each element is decoded once
(RFC 9496 section 4.3.1) and added in extended coordinates (Hisil, Wong, Carter, Dawson, "Twisted Edwards curves
revisited", ASIACRYPT 2008, section 3.1; complete for a = -1), and only the sum is encoded. About ten times faster.

For public elements, such as ciphertexts: which encodings are refused, and nothing else, shows in branches.
"""

from __future__ import annotations

from typing import Any, Final

import gmpy2
import numba as nb
import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage
from mpc.psi_dh.edwards import IDENTITY, P, Point, broadcast, plus
from mpc.psi_dh.edwards import ROOT as CURVE_ROOT
from mpc.psi_dh.edwards import D as CURVE_D
from mpc.psi_dh.field25519 import LANES, LIMBS, SLOT, add, mul, square, sub
from mpc.psi_dh.kernels import fill, pack, power_p58, unpack

_WORDS: Final = SLOT // 8
_U = np.uint64
_CONSTANTS: Final = broadcast(CURVE_D, 1, CURVE_ROOT, 2 * CURVE_D % P, 0)


def sum_of(elements: npt.NDArray[np.uint8]) -> Point:
    """A member of the class of the elements' sum; ``elements`` has shape (n, 32). Runs without the GIL.

    Raises ``MalformedMessage`` if one of them is no canonical encoding.
    """
    words = np.ascontiguousarray(elements).view("<u8")
    high = (words[:, 3] >= 0x7FFFFFFFFFFFFFFF) & (words[:, 1:3] == 0xFFFFFFFFFFFFFFFF).all(axis=1)
    too_big = (words[:, 3] >> 63).astype(bool) | (high & (words[:, 0] >= 0xFFFFFFFFFFFFFFED))
    lanes = np.empty((3, LANES, 4), np.uint64)
    if (too_big | (words[:, 0] & 1).astype(bool)).any() or _sum_lanes(words, _CONSTANTS, lanes):
        raise MalformedMessage("not an element of ristretto255")
    total = IDENTITY
    for lane in range(LANES):
        x, y, z = (int.from_bytes(lanes[place, lane].tobytes(), "little") for place in range(3))
        inverse = int(gmpy2.invert(z, P))
        total = plus(total, (x * inverse % P, y * inverse % P))
    return total


@nb.njit(nogil=True, cache=True)
def _sum_lanes(words: Any, constants: Any, out: Any) -> int:
    """out = X, Y, Z of each lane's sum; returns how many rows do not decode. Row i goes to lane i mod 8."""
    work = np.zeros((24, _WORDS), np.uint64)
    base, fixed = _U(work.ctypes.data), _U(constants.ctypes.data)
    d, one, i, d2, zero = fixed, fixed + _U(SLOT), fixed + _U(2 * SLOT), fixed + _U(3 * SLOT), fixed + _U(4 * SLOT)
    x1, y1, z1, t1 = base, base + _U(SLOT), base + _U(2 * SLOT), base + _U(3 * SLOT)
    s, u1, u2, u2s = base + _U(4 * SLOT), base + _U(5 * SLOT), base + _U(6 * SLOT), base + _U(7 * SLOT)
    v, w, root, other = base + _U(8 * SLOT), base + _U(9 * SLOT), base + _U(10 * SLOT), base + _U(11 * SLOT)
    x, y, t, a = base + _U(12 * SLOT), base + _U(13 * SLOT), base + _U(14 * SLOT), base + _U(15 * SLOT)
    b, c, e, f = base + _U(16 * SLOT), base + _U(17 * SLOT), base + _U(18 * SLOT), base + _U(19 * SLOT)
    free = base + _U(20 * SLOT)
    fill(work[1], 1)
    fill(work[2], 1)
    rows = np.empty((LANES, 4), np.uint64)
    full = _U(0xFFFFFFFFFFFFFFFF)
    bad = 0
    for first in range(0, words.shape[0], LANES):
        unpack(words, first, work[4])  # rows that are missing are 0: the identity
        square(a, s)
        sub(u1, one, a)
        mul(u1, u1, one)
        add(u2, one, a)
        mul(u2, u2, one)
        square(u2s, u2)
        square(v, u1)
        mul(v, v, d)
        add(v, v, u2s)
        mul(v, v, one)
        sub(v, zero, v)
        mul(v, v, one)  # -(d u1^2) - u2^2
        mul(w, v, u2s)
        square(a, w)
        mul(a, a, w)  # w^3
        square(b, a)
        mul(b, b, w)  # w^7
        power_p58(root, b, free)
        mul(root, root, a)
        square(a, root)
        mul(a, a, w)
        mul(other, root, i)
        pack(work[15], rows, 0)
        for lane in range(LANES):  # w root^2 is 1, or -1 where the root needs a factor i; else w is no square
            high = rows[lane, 1] & rows[lane, 2]
            if high == full and rows[lane, 0] == full - _U(19) and rows[lane, 3] == full >> _U(1):
                for limb in range(LIMBS):
                    work[10, limb * LANES + lane] = work[11, limb * LANES + lane]
            elif rows[lane, 0] != 1 or rows[lane, 1] | rows[lane, 2] | rows[lane, 3]:
                bad += 1
        mul(x, root, u2)
        square(y, root)
        mul(y, y, u1)
        mul(y, y, u2)
        mul(y, y, v)
        mul(x, x, s)
        add(x, x, x)
        mul(x, x, one)
        sub(other, zero, x)
        mul(other, other, one)
        pack(work[12], rows, 0)
        for lane in range(LANES):
            if rows[lane, 0] & _U(1):
                for limb in range(LIMBS):
                    work[12, limb * LANES + lane] = work[11, limb * LANES + lane]
        mul(t, x, y)
        pack(work[14], rows, 0)
        for lane in range(LANES):
            bad += rows[lane, 0] & _U(1) != 0
        pack(work[13], rows, 0)
        for lane in range(LANES):
            bad += (rows[lane, 0] | rows[lane, 1] | rows[lane, 2] | rows[lane, 3]) == 0
        sub(a, y1, x1)
        sub(b, y, x)
        mul(a, a, b)
        add(b, y1, x1)
        add(c, y, x)
        mul(b, b, c)
        mul(c, t1, t)
        mul(c, c, d2)
        add(z1, z1, z1)
        mul(z1, z1, one)
        sub(e, b, a)
        sub(f, z1, c)
        add(c, z1, c)
        add(b, b, a)
        mul(x1, e, f)
        mul(y1, c, b)
        mul(t1, e, b)
        mul(z1, f, c)
    for place in range(3):
        pack(work[place], out[place], 0)
    return bad
