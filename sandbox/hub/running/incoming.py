"""One envelope that a node posted, decoded and verified, and what the hub holds of the same job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select

from jobs.documents import Envelope, Roster, SentRecord, Verified, digest, verify_sent_record, verify_threshold
from jobs.errors import BadDocument
from jobs.schema import Digest
from sandbox.errors import IntegrityFailure, NotFound
from sandbox.hub.running.coordinator import ROUND
from sandbox.messages import PAYLOAD_TYPE, Key, NodeMessage, decode
from sandbox.store.tables import jobs, messages

M = TypeVar("M", bound=NodeMessage)


@dataclass(frozen=True)
class Incoming:
    """``read`` decodes it; nothing is believed before ``verify``."""

    round: str
    envelope: Envelope = field(repr=False)
    content: NodeMessage | SentRecord = field(repr=False)

    @classmethod
    def read(cls, envelope: Envelope) -> Incoming:
        """Decode by payload type; raises ``BadDocument`` or ``MalformedMessage``."""
        content: NodeMessage | SentRecord
        if envelope.payload_type == SentRecord.payload_type():
            content = SentRecord.open(envelope)
        elif envelope.payload_type == PAYLOAD_TYPE:
            content = decode(envelope.payload)
        else:
            raise BadDocument("neither a message of a joint job nor a sent record")
        return cls(ROUND[type(content)], envelope, content)

    def verify(self, node: str, roster: Verified[Roster]) -> None:
        """Raise ``BadSignature`` or ``UnknownSigner`` unless this node's certified key signed it."""
        if isinstance(self.content, SentRecord):
            verify_sent_record(self.envelope, roster)
        verify_threshold(self.envelope, [roster.document.node_key(node)], 1, f"message of node {node}")

    @property
    def payload_digest(self) -> Digest:
        """What a ``SentRecord`` and the log call this message by."""
        return digest(self.envelope.payload)

    @property
    def permit(self) -> Digest:
        permit = self.content.permit
        return Digest(permit if isinstance(permit, str) else "sha256:" + permit.hex())


@dataclass(frozen=True)
class Held:
    """Which messages of a job are stored: payload digest by node and round."""

    job: str
    digests: dict[tuple[str, str], Digest]

    @classmethod
    def of(cls, connection: Connection, job: str) -> Held:
        query = select(messages.c.node, messages.c.round, messages.c.digest).where(messages.c.job == job)
        return cls(job, {(row.node, row.round): Digest(row.digest) for row in connection.execute(query)})

    def has_all(self, nodes: Iterable[str], *rounds: str) -> bool:
        return all((node, name) in self.digests for node in nodes for name in rounds)

    def count(self, name: str) -> int:
        return sum(round_name == name for _, round_name in self.digests)

    def envelopes(self, connection: Connection, name: str, nodes: Iterable[str]) -> list[Envelope]:
        """The stored envelopes of one round, in the order of ``nodes``."""
        query = select(messages.c.node, messages.c.envelope)
        rows = connection.execute(query.where((messages.c.job == self.job) & (messages.c.round == name)))
        found = {row.node: bytes(row.envelope) for row in rows}
        return [Envelope.parse(found[node]) for node in nodes if node in found]

    def publics(self, connection: Connection, nodes: Iterable[str]) -> dict[str, bytes]:
        """The mask keys offered so far, by node."""
        keys = [decoded(item, Key) for item in self.envelopes(connection, "key", nodes)]
        return {key.node: key.public for key in keys}


def decoded(envelope: Envelope, kind: type[M]) -> M:
    """A stored message again; raises ``IntegrityFailure`` if the store holds another kind."""
    message = decode(envelope.payload)
    if not isinstance(message, kind):
        raise IntegrityFailure("the store holds another message than it should for this round")
    return message


def job_of(connection: Connection, incoming: Iterable[Incoming]) -> Row[Any]:
    """The job that all these messages belong to; raises ``BadDocument`` or ``NotFound``."""
    permits = {item.permit for item in incoming}
    if len(permits) != 1:
        raise BadDocument("one post holds messages of one job")
    row = connection.execute(select(jobs).where(jobs.c.permit == permits.pop())).first()
    if row is None:
        raise NotFound("the message belongs to no permit of this hub")
    return row
