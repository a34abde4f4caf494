"""The three messages of ``ot_triples``, over ``mpc.wire``, protocol 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage
from mpc.ot.endemic import POINT_BYTES
from mpc.ring import Ring, Vector
from mpc.sharing.beaver import PROTOCOL
from mpc.wire import Reader, Writer

COLUMNS: Final = 128
"""Columns of the extension: the computational security parameter."""


@dataclass(frozen=True)
class Hello:
    """Base transfers: this party's point as taker, its pairs of points as giver."""

    KIND: ClassVar[int] = 2
    point: bytes
    pairs: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).raw(self.point).raw(self.pairs).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        hello = cls(reader.raw(POINT_BYTES), reader.raw(2 * POINT_BYTES * COLUMNS))
        reader.end()
        return hello


@dataclass(frozen=True, eq=False)
class Corrections:
    """Taker to giver: the extension's corrections, one row of 128 bits per bit of b."""

    KIND: ClassVar[int] = 3
    rows: npt.NDArray[np.uint64]

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).array(self.rows).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes, rows: int) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        matrix = reader.array(np.uint64, 2 * rows)
        reader.end()
        if matrix.shape != (rows, 2):
            raise MalformedMessage("corrections of another shape")
        return cls(matrix.astype(np.uint64))


@dataclass(frozen=True, eq=False)
class Products:
    """Giver to taker: r - r' + 2^k * a, one ring element per bit of b."""

    KIND: ClassVar[int] = 4
    vector: Vector

    def encode(self, session: bytes, ring: Ring) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).blob(ring.to_bytes(self.vector)).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes, rows: int, ring: Ring) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        raw = reader.blob(rows * ring.element_bytes)
        reader.end()
        return cls(ring.from_bytes(raw, rows))
