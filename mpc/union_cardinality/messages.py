"""The two messages, protocol number 9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mpc.psi_dh.curve25519 import Points
from mpc.psi_dh.points import PointSet, read_points, write_points
from mpc.wire import Reader, Writer

PROTOCOL: Final = 9


@dataclass(frozen=True)
class Travelling:
    """Member to next member: the set of member ``origin`` under ``masks`` masks, in value order."""

    session: bytes
    origin: int
    masks: int
    points: Points

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 1, self.session).u16(self.origin).u16(self.masks)
        return write_points(writer, self.points).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> Travelling:
        reader = Reader(message).expect(PROTOCOL, 1, session)
        origin, masks, points = reader.u16(), reader.u16(), read_points(reader)
        reader.end()
        return cls(reader.header.session, origin, masks, points)


class FullyMasked(PointSet):
    """Last member of a way to the counter: a set under everybody's mask."""

    PROTOCOL, KIND = PROTOCOL, 2
