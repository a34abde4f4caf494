"""The bodies of a joint statistic's messages: bounds-checked binary, one kind per round.

``key``: a public mask key. ``flags``: masked flags, one element of Z_2^64 per aggregate and cell. ``open``: pass bits,
from the hub. ``values``: masked noisy counts and sums of the opened pairs in the plan's ring. An only owner's vectors
are the same, unmasked.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from jobs.kinds.base import Case
from jobs.kinds.statistics.opening import Bits, pack, unpack
from jobs.kinds.statistics.plan.types import Plan
from mpc.errors import MalformedMessage
from mpc.masks import PUBLIC_BYTES
from mpc.ring import Ring, Vector
from mpc.wire import SESSION_BYTES, Reader, Writer

PROTOCOL: Final = 64
KEY, FLAGS, OPEN, VALUES = range(1, 5)
MAX_ELEMENTS: Final = 1 << 24
Words = npt.NDArray[np.uint64]
"""Ring elements as little-endian 64-bit words, shape (elements, words per element)."""


def encode_key(case: Case, public: bytes) -> bytes:
    return _writer(case, KEY).raw(public).done()


def decode_key(case: Case, body: bytes) -> bytes:
    reader = _reader(case, KEY, body)
    public = reader.raw(PUBLIC_BYTES)
    reader.end()
    return public


def encode_words(case: Case, kind: int, words: Words) -> bytes:
    return _writer(case, kind).array(words).done()


def encode_vector(case: Case, kind: int, ring: Ring, vector: Vector) -> bytes:
    """Elements of a ring of 64 or 128 bits."""
    words = vector.reshape(len(vector), ring.bits // 64).astype(np.uint64, copy=False)
    return encode_words(case, kind, words)


def decode_vector(case: Case, kind: int, ring: Ring, body: bytes, elements: int) -> Vector:
    """Inverse of ``encode_vector``; raises ``MalformedMessage`` for another number of elements."""
    words = decode_words(case, kind, body, elements, ring.bits // 64)
    return words if ring.bits == 128 else words.reshape(-1)


def decode_words(case: Case, kind: int, body: bytes, elements: int, width: int) -> Words:
    """Ring elements of exactly this shape; raises ``MalformedMessage`` otherwise."""
    reader = _reader(case, kind, body)
    words = reader.array(np.uint64, min(MAX_ELEMENTS, elements * width))
    reader.end()
    if words.shape != (elements, width):
        raise MalformedMessage(f"{words.shape[0]} ring elements where the plan has {elements}")
    return words.astype(np.uint64, copy=False)


def encode_open(case: Case, passed: Bits) -> bytes:
    return _writer(case, OPEN).blob(pack(passed)).done()


def decode_open(case: Case, body: bytes) -> Bits:
    plan: Plan = case.plan
    reader = _reader(case, OPEN, body)
    packed = reader.blob(len(plan.aggregates) * plan.cells // 8 + 1)
    reader.end()
    try:
        return unpack(plan, packed)
    except ValueError as error:
        raise MalformedMessage(str(error)) from None


def _writer(case: Case, kind: int) -> Writer:
    return Writer(PROTOCOL, kind, _session(case))


def _reader(case: Case, kind: int, body: bytes) -> Reader:
    return Reader(body).expect(PROTOCOL, kind, _session(case))


def _session(case: Case) -> bytes:
    """The first half of the permit's nonce (64 hexadecimal digits)."""
    return bytes.fromhex(case.nonce)[:SESSION_BYTES]
