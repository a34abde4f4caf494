"""Which messages of a job are stored, and their bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, select

from jobs.documents import Envelope, json_digest
from jobs.documents.message import Header
from jobs.schema import Digest
from sandbox.errors import NotFound
from sandbox.hub.core.hub import HUB
from sandbox.hub.running.running_job import walk_scope
from sandbox.messages import INLINE_BYTES, RESERVED, Message, read_message
from sandbox.store import contents
from sandbox.store.store import Change
from sandbox.store.tables import messages

Key = tuple[str, int, str, str]
"""(round, sequence, sender, receiver)."""

# Every message asks these questions several times: making such a statement costs as much as running it.
_ROUND: Final = (messages.c.job == bindparam("job")) & (messages.c.round == bindparam("round"))
_NUMBER: Final = _ROUND & (messages.c.sequence == bindparam("sequence"))
_LINE: Final = _ROUND & (messages.c.sender == bindparam("sender")) & (messages.c.receiver == bindparam("receiver"))
_PLACE: Final = _LINE & (messages.c.sequence == bindparam("sequence"))
_DIGEST: Final = select(messages.c.digest).where(_PLACE)
_ENVELOPE: Final = select(messages.c.envelope).where(_PLACE)
_COUNT: Final = select(func.count()).where(_LINE)
_SENDERS: Final = select(messages.c.sender).where(_NUMBER)
_WHOLE: Final = select(messages.c.sender, messages.c.envelope).where(_NUMBER).order_by(messages.c.sender)
_SENT: Final = (
    select(messages)
    .where(messages.c.job == bindparam("job"), messages.c.sender == bindparam("sender"))
    .where(~messages.c.round.in_(RESERVED))
    .order_by(messages.c.entry)
)


def stored_digest(connection: Connection, job: str, key: Key) -> Digest | None:
    found = connection.execute(_DIGEST, at(job, key)).scalar()
    return None if found is None else Digest(found)


def stored_envelope(connection: Connection, job: str, key: Key) -> Envelope:
    """The stored envelope of one message; raises ``NotFound``."""
    found = connection.execute(_ENVELOPE, at(job, key)).scalar()
    if found is None:
        raise NotFound("there is no such message")
    return Envelope.parse(bytes(found))


def count_sent(connection: Connection, job: str, round: str, sender: str, receiver: str) -> int:
    """How many messages of one sender to one receiver a round has so far."""
    line = {"job": job, "round": round, "sender": sender, "receiver": receiver}
    return int(connection.execute(_COUNT, line).scalar_one())


def senders(connection: Connection, job: str, round: str, sequence: int = 0) -> set[str]:
    """Who has sent this round's message of this number."""
    return set(connection.execute(_SENDERS, {"job": job, "round": round, "sequence": sequence}).scalars())


def sent_by(connection: Connection, job: str, sender: str) -> list[Row[Any]]:
    """The messages of the kind's rounds that one node sent, in the order in which they were taken."""
    return list(connection.execute(_SENT, {"job": job, "sender": sender}))


def envelopes(connection: Connection, job: str, round: str, nodes: Iterable[str]) -> list[Envelope]:
    """The envelopes of a round with one message of each node, in the order of ``nodes``."""
    rows = connection.execute(_WHOLE, {"job": job, "round": round, "sequence": 0})
    found = {row.sender: bytes(row.envelope) for row in rows}
    return [Envelope.parse(found[node]) for node in nodes if node in found]


def whole_round(connection: Connection, job: str, round: str, sequence: int) -> list[Message]:
    """Headers and bodies of one sequence number of a round."""
    rows = connection.execute(_WHOLE, {"job": job, "round": round, "sequence": sequence}).all()
    return [with_body(connection, job, Envelope.parse(bytes(row.envelope))) for row in rows]


def with_body(connection: Connection, job: str, envelope: Envelope) -> Message:
    header = Header.open(envelope)
    return read_message(envelope, b"".join(body_pieces(connection, job, header)))


def put_body(change: Change, job: str, header: Header, body: bytes) -> None:
    """Store the body in pieces, so that it can be read in pieces."""
    for number, start in enumerate(range(0, len(body), INLINE_BYTES)):
        contents.put(change, walk_scope(job), piece_name(header, number), body[start : start + INLINE_BYTES])


def destroy_bodies(change: Change, job: str) -> None:
    """The job has ended: what travelled, and what the referee kept, goes. Headers and digests stay."""
    with suppress(NotFound):  # it ended before anything came
        contents.destroy(change, walk_scope(job), HUB)


def keep_for_auditor(change: Change, job: str, key: Key) -> None:
    """Let the body of a message to the hub outlive the job: with the job's contents, until those are destroyed."""
    header = Header.open(stored_envelope(change.connection, job, key))
    for number, piece in enumerate(body_pieces(change.connection, job, header)):
        contents.put(change, job, piece_name(header, number), piece)


def body_pieces(connection: Connection, job: str, header: Header) -> Iterator[bytes]:
    """The stored body, piece by piece. Raises ``ContentDestroyed`` after the job's end."""
    for number in range(-(-header.size // INLINE_BYTES)):
        yield contents.get(connection, walk_scope(job), piece_name(header, number))


def piece_name(header: Header, number: int) -> str:
    return f"body {json_digest(list(header.key))} {number}"


def at(job: str, key: Key) -> dict[str, Any]:
    """The parameters of a statement about the one message at this place."""
    round, sequence, sender, receiver = key
    return {"job": job, "round": round, "sequence": sequence, "sender": sender, "receiver": receiver}
