"""The messages of the two-party intersection, protocol number 6. Lengths are bounded before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage
from mpc.ot.endemic import POINT_BYTES
from mpc.ot.extension import BLOCK_ROWS
from mpc.psi.code import CODE_KEY_BYTES
from mpc.psi.items import SALT_BYTES
from mpc.psi.parameters import HASHES, MAX_ITEMS, code_words_for
from mpc.wire import Reader, Writer

PROTOCOL: Final = 6
RECEIVER_HELLO, SENDER_HELLO, CORRECTION, MASKS, HINT, KEY_SHARE = 1, 2, 3, 4, 5, 6
MASKS_AT_ONCE: Final = 1 << 18
HINT_ROWS_AT_ONCE: Final = 1 << 17
_LONGEST_CODE: Final = 8
_LONGEST_MASK: Final = 16

Longs = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ReceiverHello:
    """The receiver's number of items and its base-transfer point."""

    count: int
    point: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, RECEIVER_HELLO, session).u32(self.count).raw(self.point).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> ReceiverHello:
        reader = Reader(message).expect(PROTOCOL, RECEIVER_HELLO, session)
        hello = cls(_count(reader), reader.raw(POINT_BYTES))
        reader.end()
        return hello


@dataclass(frozen=True)
class SenderHello:
    """The sender's number of items, the public salt and code key, and one pair of points per code bit."""

    count: int
    salt: bytes
    code_key: bytes
    pairs: bytes

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, SENDER_HELLO, session).u32(self.count)
        return writer.raw(self.salt).raw(self.code_key).raw(self.pairs).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> SenderHello:
        reader = Reader(message).expect(PROTOCOL, SENDER_HELLO, session)
        count = _count(reader)
        salt, key = reader.raw(SALT_BYTES), reader.raw(CODE_KEY_BYTES)
        hello = cls(count, salt, key, reader.raw(2 * POINT_BYTES * 64 * code_words_for(count)))
        reader.end()
        return hello


@dataclass(frozen=True)
class Correction:
    """The corrections (rows, width) of one block of bins."""

    block: int
    rows: Longs

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, CORRECTION, session).u32(self.block).array(self.rows).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Correction:
        reader = Reader(message).expect(PROTOCOL, CORRECTION, session)
        block = reader.u32()
        rows = cast(Longs, reader.array(np.uint64, BLOCK_ROWS * _LONGEST_CODE))
        reader.end()
        return cls(block, rows)


@dataclass(frozen=True)
class Masks:
    """Part of list ``number`` of the sender's masks, beginning at ``offset``: (k, mask length)."""

    number: int
    offset: int
    masks: Octets

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, MASKS, session).u8(self.number).u32(self.offset).array(self.masks).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Masks:
        reader = Reader(message).expect(PROTOCOL, MASKS, session)
        number, offset = reader.u8(), reader.u32()
        if number >= HASHES:
            raise MalformedMessage("a list of masks beyond the third")
        masks = cast(Octets, reader.array(np.uint8, MASKS_AT_ONCE * _LONGEST_MASK))
        reader.end()
        return cls(number, offset, masks)


def _count(reader: Reader) -> int:
    count = reader.u32()
    if count > MAX_ITEMS:
        raise MalformedMessage(f"a set of more than {MAX_ITEMS} items")
    return count
