"""The compact, versioned, bounds-checked binary form shared by all protocol messages. Never pickle.

A message is ``b"UM" | version u8 | protocol u8 | kind u8 | session (16 bytes) | body``. Numbers are little-endian.
A ``Reader`` never returns fewer bytes than asked for and never allocates from a length it has not checked; ``end``
refuses trailing bytes, so two encodings of one message do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import MalformedMessage, WrongSession

MAGIC: Final = b"UM"
VERSION: Final = 1
SESSION_BYTES: Final = 16
HEADER_BYTES: Final = len(MAGIC) + 3 + SESSION_BYTES
MAX_BYTES: Final = 1 << 31


def framed(*parts: bytes) -> bytes:
    """All parts, each behind its length (u32): what is hashed or signed so cannot be read as other parts."""
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


class Writer:
    """Builds one message body by body; ``done`` returns the bytes."""

    def __init__(self, protocol: int, kind: int, session: bytes) -> None:
        if len(session) != SESSION_BYTES:
            raise MalformedMessage(f"a session id has {SESSION_BYTES} bytes, not {len(session)}")
        self._parts: list[bytes] = [MAGIC, bytes((VERSION, protocol, kind)), session]

    def u8(self, value: int) -> Writer:
        return self._uint(value, 1)

    def u16(self, value: int) -> Writer:
        return self._uint(value, 2)

    def u32(self, value: int) -> Writer:
        return self._uint(value, 4)

    def u64(self, value: int) -> Writer:
        return self._uint(value, 8)

    def raw(self, value: bytes) -> Writer:
        """Append bytes whose length both sides know."""
        self._parts.append(value)
        return self

    def blob(self, value: bytes) -> Writer:
        """Append bytes behind their u32 length."""
        return self.u32(len(value)).raw(value)

    def text(self, value: str) -> Writer:
        return self.blob(value.encode())

    def array(self, value: npt.NDArray[np.generic]) -> Writer:
        """Append a one- or two-dimensional array as rows u32, columns u32 (1 for a vector), then its bytes."""
        rows, columns = (value.shape[0], 1) if value.ndim == 1 else value.shape
        self.u32(rows).u32(columns)
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return self.raw(little.tobytes())

    def done(self) -> bytes:
        return b"".join(self._parts)

    def _uint(self, value: int, size: int) -> Writer:
        if not 0 <= value < 1 << (8 * size):
            raise MalformedMessage(f"a field of {size} bytes cannot hold this number")
        self._parts.append(value.to_bytes(size, "little"))
        return self


@dataclass(frozen=True)
class Header:
    protocol: int
    kind: int
    session: bytes


def header(message: bytes) -> Header:
    """Read the header alone; raises ``MalformedMessage``."""
    reader = Reader(message)
    return reader.header


class Reader:
    """Reads one message; every read is checked against what is left. Raises ``MalformedMessage``."""

    def __init__(self, message: bytes) -> None:
        if not HEADER_BYTES <= len(message) <= MAX_BYTES:
            raise MalformedMessage("shorter than a header, or larger than any message")
        if message[:2] != MAGIC:
            raise MalformedMessage("not a protocol message")
        if message[2] != VERSION:
            raise MalformedMessage(f"message version {message[2]}; this code speaks {VERSION}")
        self.header = Header(message[3], message[4], message[5:HEADER_BYTES])
        self._view = memoryview(message)
        self._at = HEADER_BYTES

    def expect(self, protocol: int, kind: int, session: bytes | None = None) -> Reader:
        """Refuse a message of another protocol or kind (``MalformedMessage``) or session (``WrongSession``)."""
        if (self.header.protocol, self.header.kind) != (protocol, kind):
            raise MalformedMessage("a message of another protocol or kind")
        if session is not None and self.header.session != session:
            raise WrongSession("the message belongs to another session")
        return self

    def raw(self, size: int) -> bytes:
        return bytes(self._take(size))

    def u8(self) -> int:
        return int.from_bytes(self._take(1), "little")

    def u16(self) -> int:
        return int.from_bytes(self._take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def blob(self, at_most: int) -> bytes:
        size = self.u32()
        if size > at_most:
            raise MalformedMessage(f"a field of {size} bytes where at most {at_most} are allowed")
        return self.raw(size)

    def text(self, at_most: int = 256) -> str:
        try:
            return self.blob(at_most).decode()
        except UnicodeDecodeError:
            raise MalformedMessage("text that is not UTF-8") from None

    def array(self, dtype: npt.DTypeLike, at_most: int) -> npt.NDArray[np.generic]:
        """Read what ``Writer.array`` wrote, as two dimensions; ``at_most`` bounds rows times columns."""
        rows, columns = self.u32(), self.u32()
        if rows * columns > at_most:
            raise MalformedMessage(f"an array of {rows} x {columns} where at most {at_most} items are allowed")
        little = np.dtype(dtype).newbyteorder("<")
        flat = np.frombuffer(self._take(rows * columns * little.itemsize), dtype=little)
        return flat.astype(dtype, copy=False).reshape(rows, columns)

    def end(self) -> None:
        if self._at != len(self._view):
            raise MalformedMessage("trailing bytes behind the message")

    def _take(self, size: int) -> memoryview:
        if size > len(self._view) - self._at:
            raise MalformedMessage("truncated")
        part = self._view[self._at : self._at + size]
        self._at += size
        return part
