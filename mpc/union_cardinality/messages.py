"""The two messages, protocol number 9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mpc.errors import MalformedMessage
from mpc.psi_dh.curve25519 import POINT_BYTES, Points, check_points
from mpc.wire import Reader, Writer

PROTOCOL: Final = 9
MOST_POINTS: Final = 1 << 25


@dataclass(frozen=True)
class Travelling:
    """Member to next member: the set of member ``origin`` under ``masks`` masks, in value order."""

    session: bytes
    origin: int
    masks: int
    points: Points

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 1, self.session).u16(self.origin).u16(self.masks)
        return writer.u32(len(self.points)).raw(self.points.tobytes()).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> Travelling:
        reader = Reader(message).expect(PROTOCOL, 1, session)
        origin, masks, points = reader.u16(), reader.u16(), _points(reader)
        reader.end()
        return cls(reader.header.session, origin, masks, points)


@dataclass(frozen=True)
class FullyMasked:
    """Last member of a way to the counter: a set under everybody's mask."""

    session: bytes
    points: Points

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 2, self.session)
        return writer.u32(len(self.points)).raw(self.points.tobytes()).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> FullyMasked:
        reader = Reader(message).expect(PROTOCOL, 2, session)
        points = _points(reader)
        reader.end()
        return cls(reader.header.session, points)


def _points(reader: Reader) -> Points:
    count = reader.u32()
    if count > MOST_POINTS:
        raise MalformedMessage("more points than any message of this protocol holds")
    return check_points(np.frombuffer(reader.raw(count * POINT_BYTES), np.uint8).reshape(-1, POINT_BYTES))
