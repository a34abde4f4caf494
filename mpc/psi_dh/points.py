"""Messages that carry one set of points: how they are written, and the bounds within which they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np

from mpc.errors import BadParameters, MalformedMessage
from mpc.psi_dh.curve25519 import POINT_BYTES, Points, check_points
from mpc.wire import Reader, Writer

MOST_POINTS: Final = 1 << 25


@dataclass(frozen=True)
class PointSet:
    """A message that is one set of points, in value order."""

    PROTOCOL: ClassVar[int]
    KIND: ClassVar[int]
    session: bytes
    points: Points

    def encode(self) -> bytes:
        return write_points(Writer(self.PROTOCOL, self.KIND, self.session), self.points).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None, at_most: int = MOST_POINTS) -> Self:
        """Raises ``BadParameters`` for more points than ``at_most``, before looking at any of them."""
        reader = Reader(message).expect(cls.PROTOCOL, cls.KIND, session)
        points = read_points(reader, at_most)
        reader.end()
        return cls(reader.header.session, points)


def write_points(writer: Writer, points: Points) -> Writer:
    return writer.u32(len(points)).raw(points.tobytes())


def read_points(reader: Reader, at_most: int = MOST_POINTS) -> Points:
    """Rows of 32 bytes, canonical and distinct. Comparing them costs several times their size, hence ``at_most``."""
    count = reader.u32()
    if count > MOST_POINTS:
        raise MalformedMessage("more points than any message of this protocol holds")
    if count > at_most:
        raise BadParameters(f"{count} points where at most {at_most} are allowed")
    return check_points(np.frombuffer(reader.raw(count * POINT_BYTES), np.uint8).reshape(-1, POINT_BYTES))
