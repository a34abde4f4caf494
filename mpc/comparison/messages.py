"""The one message of these protocols, number 11: the words one party sends another in one round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.wire import MAX_BYTES, Reader, Writer

PROTOCOL: Final = 11

Octets = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Words:
    """Shares as raw bytes, little-endian; how many and how wide follows from the round."""

    session: bytes
    round: int
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return Writer(PROTOCOL, 1, self.session).u8(self.round).blob(self.data).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> Words:
        reader = Reader(message).expect(PROTOCOL, 1, session)
        number, data = reader.u8(), reader.blob(MAX_BYTES)
        reader.end()
        return cls(reader.header.session, number, data)
