"""Curve25519 in batches: hash many strings to the curve, multiply many points by one secret scalar. x-coordinates only.

``multiply`` is X25519 (RFC 7748 section 5) and ``encode`` is the suite curve25519_XMD:SHA-512_ELL2_NU_ of RFC 9380
without its final cofactor multiplication, which every clamped scalar repeats (it is a multiple of 8). Because
X25519(a, X25519(b, P)) = X25519(b, X25519(a, P)), the pair commutes as Diffie-Hellman PSI needs.

Why u-coordinates: they name a point up to its sign, which costs a PSI nothing and saves the square root and half of the
field operations. Why the single ("nonuniform") map: PSI needs H to be a programmable random oracle into the group, and
Elligator 2 can be inverted on its image, which suffices (Abdalla, Haase, Hesse, "Security analysis of CPace",
ASIACRYPT 2021, argue so for X25519). Plain SHA-256 used as a u-coordinate, as some PSI code does, would not: half
of all strings would fall on the twist, and every exchanged value would tell on which side its string fell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, IntegrityError, MalformedMessage
from mpc.party import RandomBytes
from mpc.psi_dh import kernels

Points = npt.NDArray[np.uint8]
"""Shape (n, 32): one little-endian u-coordinate a row."""

POINT_BYTES: Final = 32
_P: Final = 2**255 - 19
_CHUNK: Final = 4096
_SHA512_BLOCK: Final = 128


def encode(items: Sequence[bytes], tag: bytes, executor: Executor | None = None) -> Points:
    """Hash each string to the curve (point Q of RFC 9380 J.4.2) under a domain separation ``tag`` of 1-255 bytes."""
    if not 1 <= len(tag) <= 255:
        raise BadParameters("a domain separation tag has 1 to 255 bytes")
    field = b"".join(_hash_to_field(items, tag))
    return _in_chunks(kernels.elligator2, _rows(field), executor)


def multiply(points: Points, scalar: Scalar, executor: Executor | None = None) -> Points:
    """Multiply every point by the scalar. Raises ``IntegrityError`` for a point of small order, whose product is 0."""
    clamped = scalar.clamped()
    product = _in_chunks(lambda part, out: kernels.ladder(part, clamped, out), points, executor)
    if not product.any(axis=1).all():
        raise IntegrityError("a point of small order: it would give the same result under every key")
    return product


class Scalar:
    """A secret multiplier for one session. Its repr is redacted."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._bytes = random_bytes(POINT_BYTES)
        if len(self._bytes) != POINT_BYTES:
            raise BadParameters("the source of randomness gave the wrong number of bytes")

    def clamped(self) -> npt.NDArray[np.uint8]:
        """The scalar as RFC 7748 section 5 decodes it: a multiple of 8 with bit 254 set."""
        scalar = np.frombuffer(self._bytes, np.uint8).copy()
        scalar[0] &= 248
        scalar[31] = (scalar[31] & 127) | 64
        return scalar

    def __repr__(self) -> str:
        return "Scalar(<secret>)"


def in_value_order(points: Points) -> npt.NDArray[np.intp]:
    """The order of the points by value. Sorting masked points forgets the order of the items behind them, and is what
    every "shuffle" here is: the masked values are pseudorandom, so their order says nothing."""
    return np.lexsort(points.view("<u8").T)


def check_points(points: Points) -> Points:
    """Return points received from another party if all are canonical (below p) and distinct; raises otherwise."""
    words = points.view("<u8")
    top = (words[:, 3] >= 0x7FFFFFFFFFFFFFFF) & (words[:, 1:3] == 0xFFFFFFFFFFFFFFFF).all(axis=1)
    if (top & (words[:, 0] >= 0xFFFFFFFFFFFFFFED)).any() or (points[:, 31] > 127).any():
        raise MalformedMessage("a point that is not written canonically")
    if len(set(as_keys(points))) != len(points):
        raise MalformedMessage("the same point twice: a set has no duplicates")
    return points


def as_keys(points: Points) -> list[bytes]:
    """The rows as hashable bytes."""
    flat = points.tobytes()
    return [flat[i : i + POINT_BYTES] for i in range(0, len(flat), POINT_BYTES)]


def _hash_to_field(items: Sequence[bytes], tag: bytes) -> list[bytes]:
    """RFC 9380 section 5.2 with expand_message_xmd over SHA-512 and L = 48: one field element each, little-endian."""
    tail = tag + bytes((len(tag),))
    start = hashlib.sha512(bytes(_SHA512_BLOCK))
    elements = []
    for item in items:
        first = start.copy()
        first.update(item + b"\x00\x30\x00" + tail)
        uniform = hashlib.sha512(first.digest() + b"\x01" + tail).digest()[:48]
        elements.append((int.from_bytes(uniform, "big") % _P).to_bytes(POINT_BYTES, "little"))
    return elements


def _rows(flat: bytes) -> Points:
    return np.frombuffer(flat, np.uint8).reshape(-1, POINT_BYTES)


def _in_chunks(
    kernel: Callable[[npt.NDArray[np.uint64], npt.NDArray[np.uint64]], None], rows: Points, executor: Executor | None
) -> Points:
    """Apply a kernel, which runs without the GIL, to pieces of 4096 rows in the caller's threads (or in this one)."""
    if rows.ndim != 2 or rows.shape[1] != POINT_BYTES:
        raise BadParameters("points are rows of 32 bytes")
    words = np.ascontiguousarray(rows).view(np.uint64)
    out = np.zeros_like(words)
    pieces = [slice(at, at + _CHUNK) for at in range(0, len(words), _CHUNK)]
    if executor is None:
        for piece in pieces:
            kernel(words[piece], out[piece])
    else:
        list(executor.map(lambda piece: kernel(words[piece], out[piece]), pieces))
    return out.view(np.uint8)
