"""The two messages of an OPRF session, protocol number 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mpc.errors import BadParameters, MalformedMessage
from mpc.oprf.group import ELEMENT_BYTES, check_element
from mpc.oprf.proof import Proof
from mpc.wire import Reader, Writer

PROTOCOL: Final = 8
MOST_ELEMENTS: Final = 1 << 24


@dataclass(frozen=True)
class BlindedElements:
    """Client to server: one element per input."""

    session: bytes
    elements: tuple[bytes, ...]

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 1, self.session).u32(len(self.elements))
        return writer.raw(b"".join(self.elements)).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None, at_most: int = MOST_ELEMENTS) -> BlindedElements:
        """Raises ``BadParameters`` for more elements than ``at_most``, before looking at any of them."""
        reader = Reader(message).expect(PROTOCOL, 1, session)
        elements = _elements(reader, at_most)
        reader.end()
        return cls(reader.header.session, elements)


@dataclass(frozen=True)
class EvaluatedElements:
    """Server to client: one element per blinded one, and the proof of the verifiable modes."""

    session: bytes
    elements: tuple[bytes, ...]
    proof: Proof | None

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, 2, self.session).u32(len(self.elements))
        writer.raw(b"".join(self.elements)).u8(0 if self.proof is None else 1)
        return (writer if self.proof is None else writer.raw(self.proof.encode())).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> EvaluatedElements:
        reader = Reader(message).expect(PROTOCOL, 2, session)
        elements = _elements(reader)
        flag = reader.u8()
        if flag > 1:
            raise MalformedMessage("a flag that is neither 0 nor 1")
        proof = Proof.decode(reader.raw(64)) if flag else None
        reader.end()
        return cls(reader.header.session, elements, proof)


def _elements(reader: Reader, at_most: int = MOST_ELEMENTS) -> tuple[bytes, ...]:
    count = reader.u32()
    if not 1 <= count <= MOST_ELEMENTS:
        raise MalformedMessage("an empty batch, or one beyond any size this protocol is used for")
    if count > at_most:
        raise BadParameters(f"{count} queries where {at_most} were charged")
    flat = reader.raw(count * ELEMENT_BYTES)
    return tuple(check_element(flat[i : i + ELEMENT_BYTES]) for i in range(0, len(flat), ELEMENT_BYTES))
