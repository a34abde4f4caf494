"""The messages of a job, as hub, nodes and participants who recompute all check them: header, body, transcript, seal.

Shared by hub and node, which never import each other. Pure: stores and sockets are elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from jobs.documents import Envelope, SigningKey, canonical, digest
from jobs.documents.message import ALL, Header
from jobs.errors import ProtocolViolation
from jobs.kinds.base import MESSAGE_BYTES, RESERVED_ROUNDS, Kind, Receiver, Round
from jobs.schema import Digest
from mpc.errors import MalformedMessage, UnknownParty, WrongRound, WrongSession
from mpc.party import RandomBytes
from mpc.wire import framed

INLINE_BYTES: Final = 1 << 20
"""A larger body travels in pieces of this size beside its header."""
SENT, STOP, DESTROYED, VOUCH = "sent", "stop", "destroyed", "vouch"
"""What a node says about a job apart from the kind's rounds; stored under these names, so no kind may use them."""
RESERVED: Final = RESERVED_ROUNDS
_SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


@dataclass(frozen=True)
class Message:
    """A signed header with the bytes that it names."""

    envelope: Envelope = field(repr=False)
    header: Header
    body: bytes = field(repr=False)

    @property
    def digest(self) -> Digest:
        """What log, sent record and receipt call it by: over the header's bytes, which name those of the body."""
        return digest(self.envelope.payload)


def write_message(
    key: SigningKey,
    permit: Digest,
    transcript: Digest,
    round: str,
    sequence: int,
    sender: str,
    receiver: str,
    body: bytes,
    rng: RandomBytes,
    *,
    state: Digest | None,
) -> Message:
    """Sign what is about to leave. ``body`` is masked, sealed or open as its round demands; ``state``: of a node, the
    digest of what its gate remembers."""
    header = Header(
        permit=permit,
        round=round,
        sequence=sequence,
        sender=sender,
        receiver=receiver,
        size=len(body),
        body=digest(body),
        transcript=transcript,
        state=state,
        salt=rng(16).hex(),
    )
    return Message(header.sign(key), header, body)


def read_message(envelope: Envelope, body: bytes) -> Message:
    """Header and body together; raises ``BadDocument``, or ``MalformedMessage`` for other bytes than it names."""
    header = Header.open(envelope)
    if header.size != len(body) or header.body != digest(body):
        raise MalformedMessage("the body is not the one that its header names")
    return Message(envelope, header, body)


def round_of(kind: Kind, name: str) -> Round:
    """The kind's round of that name; raises ``WrongRound``."""
    for row in kind.rounds:
        if row.name == name:
            return row
    raise WrongRound(f"a {kind.name} job has no round {name!r}")


def check_header(kind: Kind, header: Header, permit: Digest, participants: Sequence[str], hub: str) -> Round:
    """Refuse a header that the kind's table of rounds has no place for; returns the row that it belongs to."""
    if header.permit != permit:
        raise WrongSession("the message belongs to another permit")
    row = round_of(kind, header.round)
    if row.by_hub != (header.sender == hub) or (not row.by_hub and header.sender not in participants):
        raise UnknownParty(f"{header.sender} does not speak in round {row.name}")
    if (header.state is None) != row.by_hub:
        raise MalformedMessage("a node says in each message what its gate remembers, and nobody else does")
    if header.sequence >= row.repeats:
        raise WrongRound(f"round {row.name} has at most {row.repeats} message(s) of one sender to one receiver")
    if header.size > MESSAGE_BYTES:
        raise MalformedMessage(f"a message has at most {MESSAGE_BYTES} bytes")
    _check_receiver(row, header, participants, hub)
    return row


def _check_receiver(row: Round, header: Header, participants: Sequence[str], hub: str) -> None:
    match row.receiver:
        case Receiver.HUB:
            right = header.receiver == hub
        case Receiver.ALL:
            right = header.receiver == ALL
        case Receiver.NODE:
            right = header.receiver in participants and header.receiver != header.sender
    if not right:
        raise UnknownParty(f"a message of round {row.name} is not for {header.receiver}")


# --- what all participants were told --------------------------------------------------------------------------------


def first_transcript(permit: Digest, participants: Sequence[str]) -> Digest:
    """The transcript of a job in which nothing was relayed yet."""
    return _chained(b"unseen/transcript/v1", permit.encode(), *(node.encode() for node in participants))


def next_transcript(transcript: Digest, messages: Iterable[Message | tuple[str, Digest]]) -> Digest:
    """After one more relay to everybody: all messages of one (round, sequence), whatever their order."""
    named = [(m.header.sender, m.digest) if isinstance(m, Message) else m for m in messages]
    parts = [part.encode() for pair in sorted(named) for part in pair]
    return _chained(transcript.encode(), *parts)


def transcript_bytes(transcript: Digest) -> bytes:
    """The 32 bytes that a mask's context takes."""
    return bytes.fromhex(transcript.removeprefix("sha256:"))


def _chained(*parts: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(framed(*parts)).hexdigest())


# --- node to node -------------------------------------------------------------------------------------------------


def seal(public: bytes, header_key: tuple[str, int, str, str], permit: Digest, body: bytes) -> bytes:
    """HPKE base mode (RFC 9180, X25519, HKDF-SHA256, ChaCha20-Poly1305): only the receiving node opens it.

    The sender is authenticated by its signature on the header, which names the sealed bytes. ``info`` binds permit and
    place, so that nothing sealed for one place opens in another.
    """
    return _SUITE.encrypt(body, X25519PublicKey.from_public_bytes(public), info=_info(header_key, permit))


def unseal(private: X25519PrivateKey, message: Message) -> bytes:
    """Raises ``ProtocolViolation`` for what was sealed to another key or place."""
    header = message.header
    try:
        return _SUITE.decrypt(message.body, private, info=_info(header.key, header.permit))
    except (InvalidTag, ValueError):
        raise ProtocolViolation(f"a message of {header.sender} is not sealed to this node and place") from None


def _info(key: tuple[str, int, str, str], permit: Digest) -> bytes:
    return canonical({"permit": permit, "place": list(key), "use": "unseen/node-to-node/v1"})


# --- what of it a participant may be shown --------------------------------------------------------------------------


def bodies_of(messages: Iterable[Message]) -> Mapping[str, bytes]:
    """By sender."""
    return {message.header.sender: message.body for message in messages}
