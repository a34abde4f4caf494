"""What nodes send to the hub while a job runs: bounds-checked binary, inside a DSSE envelope signed by the node's key.

One kind per step of the walk in ``docs/architecture.md``. All bind the permit's digest; ``Flags`` binds the keys that
the node masked under, ``Values`` binds the opened set. Hub and node share this module and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Final, TypeVar

import numpy as np
import numpy.typing as npt

from jobs.kinds.statistics.opening import NUMBER_BYTES, Bits, pass_digest
from jobs.schema import Digest
from mpc.errors import MalformedMessage
from mpc.wire import SESSION_BYTES, Reader, Writer

PAYLOAD_TYPE: Final = "application/vnd.unseen.message;v=1"
PROTOCOL: Final = 64
MAX_ELEMENTS: Final = 1 << 22
DIGEST_BYTES: Final = 32
SALT_BYTES: Final = 32
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-][0-9]{1,2})?")

Words = npt.NDArray[np.uint64]
"""Ring elements as little-endian 64-bit words, shape (elements, words per element)."""


@dataclass(frozen=True)
class Key:
    """Round 1: the node accepts the permit and offers its mask key, fresh for this job."""

    KIND: ClassVar[int] = 1
    session: bytes
    node: str
    permit: bytes
    public: bytes

    def body(self, writer: Writer) -> Writer:
        return writer.raw(self.public)

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Key:
        return cls(session, node, permit, reader.raw(32))


@dataclass(frozen=True)
class Flags:
    """Round 2: masked fail and present flags, two elements of Z_2^64 per aggregate and cell."""

    KIND: ClassVar[int] = 2
    session: bytes
    node: str
    permit: bytes
    keys: bytes  # ``keys_digest`` of all participants' public mask keys
    vector: Words

    def body(self, writer: Writer) -> Writer:
        return writer.raw(self.keys).array(self.vector)

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Flags:
        return cls(session, node, permit, reader.raw(DIGEST_BYTES), _words(reader))


@dataclass(frozen=True)
class Values:
    """Round 3: masked counts and values of the opened pairs, in the plan's ring. The point of no return."""

    KIND: ClassVar[int] = 3
    session: bytes
    node: str
    permit: bytes
    passed: bytes  # ``jobs.kinds.statistics.opening.pass_digest``
    vector: Words

    def body(self, writer: Writer) -> Writer:
        return writer.raw(self.passed).array(self.vector)

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Values:
        return cls(session, node, permit, reader.raw(DIGEST_BYTES), _words(reader))


@dataclass(frozen=True)
class Abort:
    """The node ends the job. ``code`` is an error code of ``sandbox.errors``; ``advice`` holds no data value."""

    KIND: ClassVar[int] = 4
    session: bytes
    node: str
    permit: bytes
    code: str
    advice: str

    def body(self, writer: Writer) -> Writer:
        return writer.text(self.code).blob(_cut(self.advice, 1000))

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Abort:
        return cls(session, node, permit, reader.text(64), reader.text(1000))


@dataclass(frozen=True)
class Destroyed:
    """Last: the node has destroyed its mask key and intermediates of this job."""

    KIND: ClassVar[int] = 5
    session: bytes
    node: str
    permit: bytes

    def body(self, writer: Writer) -> Writer:
        return writer

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Destroyed:
        return cls(session, node, permit)


@dataclass(frozen=True)
class Gated:
    """Round 3 of a job with one owner, instead of ``Values``: the opened numbers, rounded by its own node.

    ``numbers``: for every passing aggregate, then cell; ``None`` where SQL says NULL. ``salt``: fresh random bytes, for
    log and receipt show this message's digest, from which few round numbers could be guessed.
    """

    KIND: ClassVar[int] = 6
    session: bytes
    node: str
    permit: bytes
    passed: bytes  # ``jobs.kinds.statistics.opening.pass_digest``
    salt: bytes = field(repr=False)
    numbers: tuple[Decimal | None, ...] = field(repr=False)

    def body(self, writer: Writer) -> Writer:
        writer.raw(self.passed).raw(self.salt).u32(len(self.numbers))
        for number in self.numbers:
            writer.text("" if number is None else str(number))
        return writer

    @classmethod
    def read(cls, session: bytes, node: str, permit: bytes, reader: Reader) -> Gated:
        passed, salt, count = reader.raw(DIGEST_BYTES), reader.raw(SALT_BYTES), reader.u32()
        if count > MAX_ELEMENTS:
            raise MalformedMessage(f"{count} numbers where at most {MAX_ELEMENTS} are allowed")
        numbers = tuple(_number(reader.text(NUMBER_BYTES)) for _ in range(count))
        return cls(session, node, permit, passed, salt, numbers)


NodeMessage = Key | Flags | Values | Gated | Abort | Destroyed
Kind = TypeVar("Kind", Key, Flags, Values, Gated, Abort, Destroyed)
_KINDS: Final[dict[int, type[NodeMessage]]] = {
    kind.KIND: kind for kind in (Key, Flags, Values, Gated, Abort, Destroyed)
}


def encode(message: NodeMessage) -> bytes:
    """The payload that the node signs."""
    writer = Writer(PROTOCOL, message.KIND, message.session).text(message.node).raw(message.permit)
    return message.body(writer).done()


def decode(payload: bytes) -> NodeMessage:
    """Bytes in, typed message out, or ``MalformedMessage``."""
    reader = Reader(payload)
    kind = _KINDS.get(reader.header.kind)
    if reader.header.protocol != PROTOCOL or kind is None:
        raise MalformedMessage("not a message of a joint job")
    message = kind.read(reader.header.session, reader.text(64), reader.raw(DIGEST_BYTES), reader)
    reader.end()
    return message


def session_of(nonce: str) -> bytes:
    """The session id of a job's messages: the first half of its permit's nonce (64 hexadecimal digits)."""
    return bytes.fromhex(nonce)[:SESSION_BYTES]


def permit_bytes(permit: str) -> bytes:
    """The raw 32 bytes of a permit's digest (``sha256:...``), as messages carry it."""
    return bytes.fromhex(permit.removeprefix("sha256:"))


def keys_digest(publics: Mapping[str, bytes]) -> bytes:
    """32 bytes that bind who takes part and with which public mask key, whatever the order of the mapping."""
    digest = hashlib.sha256(b"unseen/mask-keys/v1\0")
    for node in sorted(publics):
        name = node.encode()
        digest.update(len(name).to_bytes(4, "little") + name + publics[node])
    return digest.digest()


def transcript_of(permit: str, publics: Mapping[str, bytes], passed: Bits) -> Digest:
    """Over all that the hub relayed to every participant of a joint statistic: mask keys and opened set."""
    told = b"unseen/transcript/v1\0" + permit_bytes(permit) + keys_digest(publics) + pass_digest(passed)
    return Digest("sha256:" + hashlib.sha256(told).hexdigest())


def mask_context(permit: str, plan_digest: str, participants: Sequence[str]) -> bytes:
    """32 bytes that every pairwise mask of the job is bound to: permit, plan and participants in the permit's order."""
    digest = hashlib.sha256(b"unseen/joint/v1\0" + permit_bytes(permit) + permit_bytes(plan_digest))
    for node in participants:
        name = node.encode()
        digest.update(len(name).to_bytes(4, "little") + name)
    return digest.digest()


def _cut(text: str, size: int) -> bytes:
    """At most ``size`` bytes of UTF-8, without half a character at the end."""
    return text.encode()[:size].decode(errors="ignore").encode()


def _words(reader: Reader) -> Words:
    words = reader.array(np.uint64, MAX_ELEMENTS)
    if words.shape[1] not in (1, 2):
        raise MalformedMessage("ring elements have one or two words")
    return words.astype(np.uint64, copy=False)


def _number(text: str) -> Decimal | None:
    """A finite decimal in the one spelling that ``str`` gives it, so that two encodings do not exist."""
    if not text:
        return None
    number = Decimal(text) if _NUMBER.fullmatch(text) else None
    if number is None or str(number) != text or (number.is_zero() and number.is_signed()):
        raise MalformedMessage("a number that is no decimal in its shortest spelling")
    return number
