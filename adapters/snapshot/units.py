"""A keyed hash of the unit decides its part and its place: who has no key cannot tell which units a part holds.

Two SipHash-2-4 under the two halves of a 32-byte key: 128 bits by which units are split, ordered and told apart. The
key is random and secret, so nobody can look for units that collide; by chance two of 10^9 do with less than 2^-69.

Source: Aumasson and Bernstein, SipHash: a fast short-input PRF (2012), section 2; checked with its test vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.errors import BadSource

KEY_BYTES: Final = 32
UInt64 = npt.NDArray[np.uint64]


def hash_units(array: pa.Array, key: bytes) -> tuple[UInt64, UInt64]:
    """High and low half for each value, which may not be null. Equal values of one type have equal hashes.

    Texts by their UTF-8 bytes; numbers, dates, times and booleans by the eight bytes of their stored integer.
    """
    if len(key) != KEY_BYTES:
        raise ValueError("a unit key has 32 bytes")
    data, ends = _bytes(array)
    words = np.frombuffer(key, dtype="<u8")
    return _hashed(data, ends, words[0], words[1]), _hashed(data, ends, words[2], words[3])


def _bytes(array: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """All values' bytes one after the other, and where each ends (one more entry at the front)."""
    type_ = array.type
    if pa.types.is_large_string(type_) or pa.types.is_string(type_):
        array = array.cast(pa.large_utf8())
        _, places, text = array.buffers()
        ends = np.frombuffer(places, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        data = np.frombuffer(text, dtype=np.uint8) if text is not None else np.zeros(0, np.uint8)
        return data, ends
    if pa.types.is_boolean(type_):
        array = array.cast(pa.int64())
    elif pa.types.is_date32(type_):
        array = array.view(pa.int32()).cast(pa.int64())
    elif pa.types.is_timestamp(type_):
        array = array.view(pa.int64())
    elif pa.types.is_integer(type_):
        array = array.cast(pa.int64())
    else:
        raise BadSource(f"a unit cannot be a {type_}")
    whole = np.ascontiguousarray(array.to_numpy(zero_copy_only=False).astype("<i8"))
    return whole.view(np.uint8), np.arange(len(whole) + 1, dtype=np.int64) * 8


def _hashed_plain(data: Any, ends: Any, k0: Any, k1: Any) -> Any:
    count = len(ends) - 1
    out = np.empty(count, dtype=np.uint64)
    for number in range(count):
        first, last = ends[number], ends[number + 1]
        v0 = k0 ^ np.uint64(0x736F6D6570736575)
        v1 = k1 ^ np.uint64(0x646F72616E646F6D)
        v2 = k0 ^ np.uint64(0x6C7967656E657261)
        v3 = k1 ^ np.uint64(0x7465646279746573)
        length = last - first
        words = length // 8
        for step in range(words + 5):
            # the whole words, the rest with the length, then four rounds at the end: two rounds after each word
            m = np.uint64(0)
            if step < words:
                for at in range(8):
                    m |= np.uint64(data[first + 8 * step + at]) << np.uint64(8 * at)
            elif step == words:
                m = np.uint64(length & 255) << np.uint64(56)
                for at in range(length - 8 * words):
                    m |= np.uint64(data[first + 8 * words + at]) << np.uint64(8 * at)
            elif step == words + 1:
                v2 ^= np.uint64(0xFF)
            if step <= words:
                v3 ^= m
            rounds = 2 if step <= words else 1
            for _ in range(rounds):
                v0 += v1
                v1 = ((v1 << np.uint64(13)) | (v1 >> np.uint64(51))) ^ v0
                v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
                v2 += v3
                v3 = ((v3 << np.uint64(16)) | (v3 >> np.uint64(48))) ^ v2
                v0 += v3
                v3 = ((v3 << np.uint64(21)) | (v3 >> np.uint64(43))) ^ v0
                v2 += v1
                v1 = ((v1 << np.uint64(17)) | (v1 >> np.uint64(47))) ^ v2
                v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
            if step <= words:
                v0 ^= m
        out[number] = v0 ^ v1 ^ v2 ^ v3
    return out


_hashed: Callable[..., UInt64] = numba.njit(nogil=True, cache=True)(_hashed_plain)
