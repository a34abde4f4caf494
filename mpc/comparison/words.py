"""Boolean arithmetic on many words at once: the carry tree that both protocols walk, compiled, one pass per round.

A sum of two w-bit words has its top bit from generate bits g = a AND c and propagate bits p = a XOR c. The carry into
the top position is a tree of (g, p) o (g', p') = (g ^ p g', p p') (the parallel prefix of Kogge and Stone 1973, of
which only the root is needed). ``interleave`` orders the bits so that neighbours in significance are w/2 apart: a level
then takes the high half against the low half of each word, and words shrink as they should: w, w/2, ..., 1 bits.
"""

from __future__ import annotations

from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters

WIDTHS: Final = (16, 32, 64)
SEED_BYTES: Final = 32
_CHUNK: Final = 256 * 1024
_ZEROS: Final = memoryview(bytes(_CHUNK))
_U = np.uint64

Array = npt.NDArray[Any]


def stream(seed: bytes, label: int, count: int, dtype: npt.DTypeLike) -> Array:
    """``count`` pseudorandom words: AES-256-CTR under the seed, each label a part of the counter space of its own."""
    words = np.empty(count, dtype)
    window = memoryview(words.view(np.uint8))  # type: ignore[arg-type]
    cipher = Cipher(algorithms.AES(seed), modes.CTR(label.to_bytes(8, "big") + bytes(8))).encryptor()
    for at in range(0, len(window), _CHUNK):
        part = window[at : at + _CHUNK]
        cipher.update_into(_ZEROS[: len(part)], part)
    return words


def word_type(bits: int) -> type[np.uint64 | np.uint32 | np.uint16 | np.uint8]:
    """The narrowest unsigned type that holds ``bits``."""
    if bits > 16:
        return np.uint64 if bits > 32 else np.uint32
    return np.uint16 if bits > 8 else np.uint8


def levels(width: int) -> list[int]:
    """Bits of a word before each level of the tree: w, w/2, ..., 2."""
    found = []
    while width > 1:
        found.append(width)
        width //= 2
    return found


def check_words(words: Array) -> int:
    """Return the width in bits; raises ``BadParameters`` unless the array is a vector of uint16, uint32 or uint64."""
    width = words.dtype.itemsize * 8
    if words.ndim != 1 or words.dtype.kind != "u" or width not in WIDTHS or not len(words):
        raise BadParameters("shares are a vector of uint16, uint32 or uint64 with at least one element")
    return width


def interleave(words: Array, width: int) -> None:
    """Bring bits into index-reversed order (bit b5..b0 of the index becomes b0..b5), in place.

    Neighbours then lie w/2 apart, the more significant one in the high half, and so on recursively.
    """
    top = width.bit_length() - 2
    for low in range((top + 1) // 2):
        high = top - low
        mask = sum(1 << i for i in range(width) if (i >> low) & 1 and not (i >> high) & 1)
        _exchange(words, mask, (1 << high) - (1 << low))


@nb.njit(nogil=True, cache=True)
def _exchange(words: Array, mask: int, shift: int) -> None:
    """Swap the bits under the mask with those ``shift`` places higher (a delta swap)."""
    m, by = _U(mask), _U(shift)
    for j in range(words.shape[0]):
        v = _U(words[j])
        t = ((v >> by) ^ v) & m
        words[j] = v ^ t ^ (t << by)


@nb.njit(nogil=True, cache=True)
def and_shares(x0: Array, x1: Array, y0: Array, y1: Array, f0: Array, f1: Array, out: Array) -> None:
    """One party's share of x AND y in replicated sharing: Araki et al. 2016; f0 ^ f1 shares zero."""
    for j in range(out.shape[0]):
        out[j] = (x0[j] & (y0[j] ^ y1[j])) ^ (x1[j] & y0[j]) ^ f0[j] ^ f1[j]


@nb.njit(nogil=True, cache=True)
def level_shares(g: Array, p: Array, f0: Array, f1: Array, width: int, out: Array) -> None:
    """One party's share of (p_hi AND g_lo) and, above it, (p_hi AND p_lo); g and p are its two components (2, n)."""
    half, mask, whole = _U(width // 2), _U((1 << (width // 2)) - 1), ~_U(0) >> _U(64 - width)
    for j in range(out.shape[0]):
        g0, p0, g1, p1 = _U(g[0, j]), _U(p[0, j]), _U(g[1, j]), _U(p[1, j])
        h0, h1 = p0 >> half, p1 >> half
        x0, x1 = h0 | (h0 << half), h1 | (h1 << half)
        y0, y1 = (g0 & mask) | ((p0 & mask) << half), (g1 & mask) | ((p1 & mask) << half)
        out[j] = ((x0 & (y0 ^ y1)) ^ (x1 & y0) ^ _U(f0[j]) ^ _U(f1[j])) & whole


@nb.njit(nogil=True, cache=True)
def level_result(g: Array, z: Array, width: int, g_out: Array, p_out: Array) -> None:
    """g_hi ^ z_lo and z_hi: the words of the next level. Linear, so the same for every component."""
    half, mask, whole = _U(width // 2), _U((1 << (width // 2)) - 1), ~_U(0) >> _U(64 - width)
    for j in range(z.shape[0]):
        v = _U(z[j]) & whole  # a word of fewer than 8 bits travels in a byte, with noise above
        g_out[j] = (_U(g[j]) >> half) ^ (v & mask)
        p_out[j] = v >> half


@nb.njit(nogil=True, cache=True)
def level_operands(g: Array, p: Array, width: int, x: Array, y: Array) -> None:
    """x = (p_hi, p_hi) and y = (p_lo, g_lo): what a level multiplies, for one component."""
    half, mask = _U(width // 2), _U((1 << (width // 2)) - 1)
    for j in range(x.shape[0]):
        gj, pj = _U(g[j]), _U(p[j])
        high = pj >> half
        x[j] = high | (high << half)
        y[j] = (gj & mask) | ((pj & mask) << half)


@nb.njit(nogil=True, cache=True)
def beaver_finish(d: Array, e: Array, d2: Array, e2: Array, a: Array, b: Array, c: Array, first: bool) -> None:
    """c becomes this party's share of the product: c ^ Db ^ Ea (^ DE at one party), D = d ^ d2, E = e ^ e2."""
    ones = ~_U(0) if first else _U(0)
    for j in range(c.shape[0]):
        both, other = _U(d[j]) ^ _U(d2[j]), _U(e[j]) ^ _U(e2[j])
        c[j] = _U(c[j]) ^ (both & _U(b[j])) ^ (other & _U(a[j])) ^ (both & other & ones)


def stages(width: int) -> list[int]:
    """Widths of the words multiplied, in order: the generate bits, then each level of the tree."""
    return [width, *levels(width)]
