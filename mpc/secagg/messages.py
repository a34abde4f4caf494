"""The messages of secure aggregation, in the order of its rounds; all over ``mpc.wire``, protocol 3.

Clients are written as their position (u16) in the parameters' client list; survivor lists are bitmaps over it, so one
list says who survived *and* who did not, and a client named on both sides cannot be expressed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Protocol, Self

from mpc.errors import MalformedMessage
from mpc.secagg.parameters import PROTOCOL
from mpc.wire import Reader, Writer

KEY: Final = 32
SIGNATURE: Final = 64
MAX_CLIENTS: Final = (1 << 16) - 1
SHARE: Final = 40
"""Five field elements: a Shamir share of 32 bytes."""
SEALED: Final = 2 * SHARE + 16
"""Shares of both secrets under an AEAD with a 16-byte tag."""


class Message(Protocol):
    KIND: ClassVar[int]

    def encode(self, session: bytes) -> bytes: ...


@dataclass(frozen=True)
class Keys:
    """One client's two X25519 keys, the digest of the model it holds, and its signature (empty if unsigned)."""

    cipher: bytes
    mask: bytes
    model: bytes
    signature: bytes

    def write(self, writer: Writer) -> None:
        writer.raw(self.cipher).raw(self.mask).raw(self.model).blob(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        keys = cls(reader.raw(KEY), reader.raw(KEY), reader.raw(KEY), reader.blob(SIGNATURE))
        if len(keys.signature) not in (0, SIGNATURE):
            raise MalformedMessage("a signature has 64 bytes, or none if the variant is unsigned")
        return keys


@dataclass(frozen=True)
class Advertise:
    """Round 0, client to server: its public keys."""

    KIND: ClassVar[int] = 1
    keys: Keys

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session)
        self.keys.write(writer)
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        keys = Keys.read(reader)
        reader.end()
        return cls(keys)


@dataclass(frozen=True)
class Directory:
    """Round 0, server to client: the keys of its neighbours that advertised, by position."""

    KIND: ClassVar[int] = 2
    keys: dict[int, Keys]

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session).u16(len(self.keys))
        for position, keys in sorted(self.keys.items()):
            keys.write(writer.u16(position))
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        entries = [(reader.u16(), Keys.read(reader)) for _ in range(reader.u16())]
        reader.end()
        _check_ascending(position for position, _ in entries)
        return cls(dict(entries))


@dataclass(frozen=True)
class _Sealed:
    KIND: ClassVar[int]
    commitment: bytes
    boxes: dict[int, bytes]

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session).raw(self.commitment).u16(len(self.boxes))
        for position, box in sorted(self.boxes.items()):
            writer.u16(position).raw(box)
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        commitment = reader.raw(KEY)
        entries = [(reader.u16(), reader.raw(SEALED)) for _ in range(reader.u16())]
        reader.end()
        _check_ascending(position for position, _ in entries)
        return cls(commitment, dict(entries))


class SealedShares(_Sealed):
    """Round 1, client to server: per neighbour its sealed shares; and SHA-256 of the self-mask seed."""

    KIND: ClassVar[int] = 3


class Delivery(_Sealed):
    """Round 1, server to client: the boxes sealed for it, by their sender's position. The commitment is all zero."""

    KIND: ClassVar[int] = 4


@dataclass(frozen=True)
class MaskedInput:
    """Round 2, client to server: input plus masks, as bytes of the ring."""

    KIND: ClassVar[int] = 5
    vector: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).blob(self.vector).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes, size: int) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        vector = reader.blob(size)
        reader.end()
        if len(vector) != size:
            raise MalformedMessage("a masked input of another length")
        return cls(vector)


@dataclass(frozen=True)
class Survivors:
    """Round 3, server to client: whose masked inputs arrived, as a bitmap. Only in the signed variant."""

    KIND: ClassVar[int] = 6
    bitmap: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).blob(self.bitmap).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        bitmap = reader.blob(MAX_CLIENTS // 8 + 1)
        reader.end()
        return cls(bitmap)


@dataclass(frozen=True)
class Consent:
    """Round 3, client to server: its signature over the survivor list."""

    KIND: ClassVar[int] = 7
    signature: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, self.KIND, session).raw(self.signature).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        signature = reader.raw(SIGNATURE)
        reader.end()
        return cls(signature)


@dataclass(frozen=True)
class Unmask:
    """Round 4, server to client: the survivor list with the signatures it collected (none if unsigned)."""

    KIND: ClassVar[int] = 8
    bitmap: bytes
    signatures: dict[int, bytes]

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session).blob(self.bitmap).u16(len(self.signatures))
        for position, signature in sorted(self.signatures.items()):
            writer.u16(position).raw(signature)
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        bitmap = reader.blob(MAX_CLIENTS // 8 + 1)
        entries = [(reader.u16(), reader.raw(SIGNATURE)) for _ in range(reader.u16())]
        reader.end()
        _check_ascending(position for position, _ in entries)
        return cls(bitmap, dict(entries))


@dataclass(frozen=True)
class Shares:
    """Round 4, client to server: one share per neighbour; the survivor list says of which secret."""

    KIND: ClassVar[int] = 9
    shares: dict[int, bytes]

    def encode(self, session: bytes) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session).u16(len(self.shares))
        for position, share in sorted(self.shares.items()):
            writer.u16(position).raw(share)
        return writer.done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        entries = [(reader.u16(), reader.raw(SHARE)) for _ in range(reader.u16())]
        reader.end()
        _check_ascending(position for position, _ in entries)
        return cls(dict(entries))

    def __repr__(self) -> str:
        return f"Shares(of {len(self.shares)} clients, <redacted>)"


def to_bitmap(positions: Iterable[int], clients: int) -> bytes:
    number = sum(1 << position for position in set(positions))
    return number.to_bytes((clients + 7) // 8, "little")


def from_bitmap(bitmap: bytes, clients: int) -> set[int]:
    """The positions set; raises ``MalformedMessage`` for another length or bits beyond the last client."""
    number = int.from_bytes(bitmap, "little")
    if len(bitmap) != (clients + 7) // 8 or number >> clients:
        raise MalformedMessage("not a survivor list over these clients")
    return {i for i in range(clients) if number >> i & 1}


def _check_ascending(positions: Iterable[int]) -> None:
    listed = list(positions)
    if any(a >= b for a, b in pairwise(listed)):
        raise MalformedMessage("entries out of order or twice")
