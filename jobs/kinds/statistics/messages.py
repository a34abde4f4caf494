"""The bodies of a joint statistic's messages: bounds-checked binary, one kind per round.

``key``: a public mask key. ``flags``: masked fail and present flags, two elements of Z_2^64 per aggregate and cell.
``open``: pass bits, from the hub. ``values``: masked counts and values of the opened pairs in the plan's ring, or, from
an only owner, numbers that its own node rounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from jobs.kinds.base import Case
from jobs.kinds.statistics.opening import NUMBER_BYTES, Bits, pack, unpack
from jobs.kinds.statistics.plan.types import Plan
from mpc.errors import MalformedMessage
from mpc.masks import PUBLIC_BYTES
from mpc.wire import SESSION_BYTES, Reader, Writer

PROTOCOL: Final = 64
KEY, FLAGS, OPEN, VALUES, NUMBERS = range(1, 6)
MAX_ELEMENTS: Final = 1 << 24
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-][0-9]{1,2})?")
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


def encode_numbers(case: Case, numbers: Sequence[Decimal | None]) -> bytes:
    """``None`` where SQL says NULL."""
    writer = _writer(case, NUMBERS).u32(len(numbers))
    for number in numbers:
        writer.text("" if number is None else str(number))
    return writer.done()


def decode_numbers(case: Case, body: bytes, count: int) -> list[Decimal | None]:
    reader = _reader(case, NUMBERS, body)
    if reader.u32() != count:
        raise MalformedMessage("another count of numbers than of pairs that passed")
    numbers = [_number(reader.text(NUMBER_BYTES)) for _ in range(count)]
    reader.end()
    return numbers


def _number(text: str) -> Decimal | None:
    """A finite decimal in the one spelling that ``str`` gives it, so that two encodings do not exist."""
    if not text:
        return None
    number = Decimal(text) if _NUMBER.fullmatch(text) else None
    if number is None or str(number) != text or (number.is_zero() and number.is_signed()):
        raise MalformedMessage("a number that is no decimal in its shortest spelling")
    return number


def _writer(case: Case, kind: int) -> Writer:
    return Writer(PROTOCOL, kind, _session(case))


def _reader(case: Case, kind: int, body: bytes) -> Reader:
    return Reader(body).expect(PROTOCOL, kind, _session(case))


def _session(case: Case) -> bytes:
    """The first half of the permit's nonce (64 hexadecimal digits)."""
    return bytes.fromhex(case.nonce)[:SESSION_BYTES]
