"""The numba kernels behind ``curve25519``: X25519 ladder and Elligator 2 on blocks of eight points.

Run without the GIL. All points are rows of 32 little-endian bytes seen as four uint64. Memory addresses and branches
depend on sizes and on the loop counter only. Numba's cache watches this file alone: touch it (and
``edwards``, ``ristretto_sum``) after editing ``field25519``, or the old field arithmetic stays in use on your machine.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from mpc.psi_dh.field25519 import LANES, SLOT, add, mul, small, square, sub, swap

_WORDS = SLOT // 8
_U = np.uint64
_MASK26 = _U((1 << 26) - 1)
_MASK25 = _U((1 << 25) - 1)
_A = 486662


@nb.njit(nogil=True, cache=True)
def unpack(rows: Any, first: int, slot: Any) -> None:
    """Split rows first..first+7 into limbs; bit 255 is dropped (RFC 7748 section 5), missing rows become 0."""
    for lane in range(LANES):
        row = first + lane
        if row >= rows.shape[0]:
            for limb in range(10):
                slot[limb * LANES + lane] = _U(0)
            continue
        w0, w1, w2, w3 = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
        slot[lane] = w0 & _MASK26
        slot[LANES + lane] = (w0 >> _U(26)) & _MASK25
        slot[2 * LANES + lane] = ((w0 >> _U(51)) | (w1 << _U(13))) & _MASK26
        slot[3 * LANES + lane] = (w1 >> _U(13)) & _MASK25
        slot[4 * LANES + lane] = w1 >> _U(38)
        slot[5 * LANES + lane] = w2 & _MASK25
        slot[6 * LANES + lane] = (w2 >> _U(25)) & _MASK26
        slot[7 * LANES + lane] = ((w2 >> _U(51)) | (w3 << _U(13))) & _MASK25
        slot[8 * LANES + lane] = (w3 >> _U(12)) & _MASK26
        slot[9 * LANES + lane] = (w3 >> _U(38)) & _MASK25


@nb.njit(nogil=True, cache=True)
def pack(slot: Any, rows: Any, first: int) -> None:
    """Write a reduced slot as canonical rows (each < p)."""
    h = np.empty(10, np.uint64)
    for lane in range(min(LANES, rows.shape[0] - first)):
        for limb in range(10):
            h[limb] = slot[limb * LANES + lane]
        # the value is below 2p: q = 1 exactly if value + 19 >= 2^255, after limbs are carried
        for _ in range(2):
            carry = _U(0)
            for limb in range(10):
                bits = _U(26 - (limb & 1))
                h[limb] += carry
                carry = h[limb] >> bits
                h[limb] &= (_U(1) << bits) - _U(1)
            h[0] += _U(19) * carry
        q = _U(19)
        for limb in range(10):
            q = (h[limb] + q) >> _U(26 - (limb & 1))
        h[0] += _U(19) * q
        carry = _U(0)
        for limb in range(10):
            bits = _U(26 - (limb & 1))
            h[limb] += carry
            carry = h[limb] >> bits
            h[limb] &= (_U(1) << bits) - _U(1)
        row = first + lane
        rows[row, 0] = h[0] | h[1] << _U(26) | h[2] << _U(51)
        rows[row, 1] = h[2] >> _U(13) | h[3] << _U(13) | h[4] << _U(38)
        rows[row, 2] = h[5] | h[6] << _U(25) | h[7] << _U(51)
        rows[row, 3] = h[7] >> _U(13) | h[8] << _U(12) | h[9] << _U(38)


@nb.njit(nogil=True, cache=True)
def fill(slot: Any, value: int) -> None:
    """Fill all lanes with a number below 2^25."""
    slot[:] = _U(0)
    slot[:LANES] = _U(value)


@nb.njit(nogil=True, cache=True)
def _square_times(out: Any, a: Any, times: int) -> None:
    square(out, a)
    for _ in range(times - 1):
        square(out, out)


@nb.njit(nogil=True, cache=True)
def power_p58(out: Any, z: Any, t: Any) -> None:
    """out = z^((p-5)/8) = z^(2^252-3), the usual chain; t = address of three scratch slots. out is none of them."""
    t0, t1, t2 = t, t + _U(SLOT), t + _U(2 * SLOT)
    square(t0, z)
    _square_times(t1, t0, 2)
    mul(t1, z, t1)  # 9
    mul(t0, t0, t1)  # 11
    square(t0, t0)
    mul(t0, t1, t0)  # 2^5 - 1
    _square_times(t1, t0, 5)
    mul(t0, t1, t0)  # 2^10 - 1
    _square_times(t1, t0, 10)
    mul(t1, t1, t0)  # 2^20 - 1
    _square_times(t2, t1, 20)
    mul(t1, t2, t1)  # 2^40 - 1
    _square_times(t1, t1, 10)
    mul(t0, t1, t0)  # 2^50 - 1
    _square_times(t1, t0, 50)
    mul(t1, t1, t0)  # 2^100 - 1
    _square_times(t2, t1, 100)
    mul(t1, t2, t1)  # 2^200 - 1
    _square_times(t1, t1, 50)
    mul(t0, t1, t0)  # 2^250 - 1
    _square_times(t0, t0, 2)
    mul(out, t0, z)


@nb.njit(nogil=True, cache=True)
def invert(out: Any, z: Any, t: Any) -> None:
    """out = z^(p-2) = (z^((p-5)/8))^8 * z^3; 0 for 0. out is neither z nor in the four scratch slots at t."""
    t3 = t + _U(3 * SLOT)
    power_p58(out, z, t)
    _square_times(out, out, 3)
    square(t3, z)
    mul(t3, t3, z)
    mul(out, out, t3)


@nb.njit(nogil=True, cache=True)
def ladder(points: Any, scalar: Any, out: Any) -> None:
    """out = X25519(scalar, each point): RFC 7748 section 5, one scalar (32 bytes, clamped) for all rows."""
    scratch = np.zeros(16 * _WORDS, np.uint64)
    base = _U(scratch.ctypes.data)
    x1, x2, z2, x3, z3 = base, base + _U(SLOT), base + _U(2 * SLOT), base + _U(3 * SLOT), base + _U(4 * SLOT)
    a, b, c, d, e = x1 + _U(5 * SLOT), x1 + _U(6 * SLOT), x1 + _U(7 * SLOT), x1 + _U(8 * SLOT), x1 + _U(9 * SLOT)
    for first in range(0, points.shape[0], LANES):
        unpack(points, first, scratch[:_WORDS])
        fill(scratch[_WORDS : 2 * _WORDS], 1)
        fill(scratch[2 * _WORDS : 3 * _WORDS], 0)
        scratch[3 * _WORDS : 4 * _WORDS] = scratch[:_WORDS]
        fill(scratch[4 * _WORDS : 5 * _WORDS], 1)
        before = _U(0)
        for at in range(254, -1, -1):
            bit = _U((scalar[at >> 3] >> (at & 7)) & 1)
            mask = _U(0) - (bit ^ before)
            swap(x2, x3, mask)
            swap(z2, z3, mask)
            before = bit
            add(a, x2, z2)
            sub(b, x2, z2)
            add(c, x3, z3)
            sub(d, x3, z3)
            mul(d, d, a)  # DA
            mul(c, c, b)  # CB
            square(a, a)  # AA
            square(b, b)  # BB
            add(x3, d, c)
            square(x3, x3)
            sub(z3, d, c)
            square(z3, z3)
            mul(z3, z3, x1)
            mul(x2, a, b)
            sub(e, a, b)
            small(z2, e)
            add(z2, z2, a)
            mul(z2, z2, e)
        mask = _U(0) - before
        swap(x2, x3, mask)
        swap(z2, z3, mask)
        invert(a, z2, base + _U(10 * SLOT))
        mul(a, a, x2)
        pack(scratch[5 * _WORDS : 6 * _WORDS], out, first)


@nb.njit(nogil=True, cache=True)
def elligator2(field: Any, out: Any) -> None:
    """out = the u-coordinate of map_to_curve_elligator2(each field element): RFC 9380 section 6.7.1 with Z = 2.

    With t = 2r^2 and d = 1 + t: x1 = -A/d, and g(x1) is a square exactly if -A(A^2 - A^2 d + d^2)d is. The result is
    x1, or else x2 = -A - x1 = -A t/d. d is never 0, and g(x1) neither (2 and A^2 - 4 are no squares).
    """
    scratch = np.zeros(16 * _WORDS, np.uint64)
    base = _U(scratch.ctypes.data)
    t, d, n, w = base, base + _U(SLOT), base + _U(2 * SLOT), base + _U(3 * SLOT)
    a, zero = base + _U(4 * SLOT), base + _U(5 * SLOT)
    one, chi, free = base + _U(6 * SLOT), base + _U(7 * SLOT), base + _U(8 * SLOT)
    aa = base + _U(12 * SLOT)
    fill(scratch[4 * _WORDS : 5 * _WORDS], _A)
    fill(scratch[5 * _WORDS : 6 * _WORDS], 0)
    fill(scratch[6 * _WORDS : 7 * _WORDS], 1)
    square(aa, a)
    flags = np.empty((LANES, 4), np.uint64)
    for first in range(0, field.shape[0], LANES):
        unpack(field, first, scratch[:_WORDS])
        square(t, t)
        add(t, t, t)
        mul(t, t, one)  # reduced again
        add(d, t, one)
        mul(d, d, one)
        mul(n, aa, t)  # A^2 (d - 1)
        square(w, d)
        sub(n, w, n)  # A^2 - A^2 d + d^2
        mul(n, n, d)
        mul(n, n, a)
        sub(n, zero, n)
        mul(n, n, one)
        power_p58(chi, n, free)
        _square_times(chi, chi, 2)
        square(w, n)
        mul(chi, chi, w)  # n^(2^254 - 10) = n^((p-1)/2)
        pack(scratch[7 * _WORDS : 8 * _WORDS], flags, 0)
        # chi is 1 (odd) or p - 1 (even): keep 1 for a square, t otherwise, without a branch
        for lane in range(LANES):
            mask = _U(0) - (flags[lane, 0] & _U(1))
            for limb in range(10):
                at = limb * LANES + lane
                scratch[at] ^= (scratch[at] ^ scratch[6 * _WORDS + at]) & mask
        invert(chi, d, free)
        mul(chi, chi, t)
        mul(chi, chi, a)
        sub(chi, zero, chi)
        mul(chi, chi, one)
        pack(scratch[7 * _WORDS : 8 * _WORDS], out, first)
