"""The messages of both protocols, protocol number 7. Points are rows of 32 bytes; lists are sets, in value order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage
from mpc.psi_dh.curve25519 import Points
from mpc.psi_dh.points import MOST_POINTS, PointSet, read_points, write_points
from mpc.wire import Reader, Writer

PROTOCOL: Final = 7
MOST_GROUPS: Final = 1 << 20
MOST_KEY_BYTES: Final = 4096
MOST_CIPHERTEXT_BYTES: Final = 1 << 20


class Masked(PointSet):
    """One party's set under its own key."""

    PROTOCOL, KIND = PROTOCOL, 1


class DoublyMasked(PointSet):
    """The other party's set, sent back under both keys."""

    PROTOCOL, KIND = PROTOCOL, 2


@dataclass(frozen=True)
class Groups:
    """Party 1's set (kind 3), or the same set under both keys (kind 4), cut into groups of the given sizes."""

    session: bytes
    doubly: bool
    sizes: tuple[int, ...]
    points: Points

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 4 if self.doubly else 3, self.session)
        writer.array(np.array(self.sizes, np.uint32))
        return write_points(writer, self.points).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None, doubly: bool, at_most: int = MOST_POINTS) -> Groups:
        """``at_most`` bounds the points, before any is looked at (``BadParameters``)."""
        reader = Reader(message).expect(PROTOCOL, 4 if doubly else 3, session)
        sizes = reader.array(np.uint32, MOST_GROUPS)
        points = read_points(reader, at_most)
        reader.end()
        if sizes.shape[1] != 1 or not len(sizes) or int(sizes.sum(dtype=np.uint64)) != len(points):
            raise MalformedMessage("group sizes that do not add up to the number of points")
        return cls(reader.header.session, doubly, tuple(int(size) for size in sizes[:, 0]), points)


@dataclass(frozen=True)
class Pairs:
    """Party 2's set under its key, each point with the encryption of its values, and the public key of that."""

    session: bytes
    public: bytes
    points: Points
    ciphertexts: npt.NDArray[np.uint8]

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 5, self.session).blob(self.public)
        return write_points(writer, self.points).array(self.ciphertexts).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> Pairs:
        reader = Reader(message).expect(PROTOCOL, 5, session)
        public, points = reader.blob(MOST_KEY_BYTES), read_points(reader)
        rows = reader.array(np.uint8, max(1, len(points)) * MOST_CIPHERTEXT_BYTES).astype(np.uint8, copy=False)
        reader.end()
        if len(rows) != len(points):
            raise MalformedMessage("not one ciphertext per point")
        return cls(reader.header.session, public, points, rows)


@dataclass(frozen=True)
class EncryptedSums:
    """For each of party 1's groups the encrypted sums, or ``None`` for a withheld group."""

    session: bytes
    sums: tuple[bytes | None, ...]

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 6, self.session).u32(len(self.sums))
        for total in self.sums:
            writer.blob(total or b"")
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> EncryptedSums:
        reader = Reader(message).expect(PROTOCOL, 6, session)
        count = reader.u32()
        if not 1 <= count <= MOST_GROUPS:
            raise MalformedMessage("no group, or more than any message holds")
        sums = tuple(reader.blob(MOST_CIPHERTEXT_BYTES) or None for _ in range(count))
        reader.end()
        return cls(reader.header.session, sums)
