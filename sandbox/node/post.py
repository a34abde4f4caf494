"""The outbox (one mask, one message): bytes are stored in the transaction that decides them, then sent, then resent
unchanged until the hub has them. Nothing else in a node sends a job's message.

Proven means included in the hub's log. A refusal is no proof: what was refused waits for the log's word of it, and a
binding message without a release alarms the owner (``sandbox.node.closing``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from jobs.documents import (
    Commits,
    Document,
    Envelope,
    Permit,
    SentMessage,
    SentRecord,
    SigningKey,
    Verified,
    Vouch,
)
from jobs.documents.message import Destroyed, Header, Stop
from jobs.kinds.base import Round
from jobs.schema import Digest
from sandbox.logs import facts
from sandbox.messages import DESTROYED, INLINE_BYTES, RESERVED, SENT, STOP, VOUCH, Message
from sandbox.node.hub_port import HubAway, HubPort, HubRefused
from sandbox.node.state import NodeState
from sandbox.node.tables import outbox

_LOG: Final = logging.getLogger("unseen.node")
_NOT_ABOUT_THE_MESSAGE: Final = ("not-authenticated", "not-permitted", "token-expired")
"""Refusals of the node's token, not of what it sends: keep the message and try again."""
_TOO_LARGE: Final = "too-large-body"
_POST_MESSAGES: Final = 8
_POST_BYTES: Final = 8 << 20


class Outbox:
    """Signs, queues and posts. Thread-safe: jobs, loop and follower share it."""

    def __init__(self, node: str, key: SigningKey, state: NodeState, hub: HubPort) -> None:
        self._node, self._key, self._state, self._hub = node, key, state, hub
        self._sending = threading.Lock()
        self._taken: set[int] = set()
        """Messages that the hub has; that they are posted is written with the next transaction."""
        self._behind = True

    # in -----------------------------------------------------------------------------------------------------------

    def queue(self, connection: Connection, message: Message, row: Round, at: str) -> None:
        """Store a message in the caller's transaction. A second one for its place violates the table's key."""
        self._behind = True
        self._state.queue(
            connection,
            permit=message.header.permit,
            round=row.name,
            sequence=message.header.sequence,
            receiver=message.header.receiver,
            envelope=message.envelope,
            body=message.body,
            at=at,
            reveals=row.reveals or row.binding,
            binding=row.binding,
        )

    def queue_sent_record(
        self,
        connection: Connection,
        permit: Verified[Permit],
        transcript: Digest,
        metered: Mapping[str, int],
        commits: Commits,
        at: str,
    ) -> None:
        """Queue the signed list of all that this job sent, in the transaction that queued the last of it."""
        messages = tuple(
            SentMessage.model_validate(
                {
                    "round": row.round,
                    "sequence": row.sequence,
                    "receiver": row.receiver,
                    "size": row.size,
                    "digest": row.digest,
                    "sent_at": row.at,
                }
            )
            for row in self._state.sent_rows(connection, permit.digest)
            if row.round not in RESERVED
        )
        record = SentRecord(
            node=self._node,
            permit=permit.digest,
            nonce=permit.document.nonce,
            messages=messages,
            transcript=transcript,
            metered=dict(metered),
            commits=commits,
        )
        self._queue_word(connection, permit.digest, SENT, record, at)

    def queue_vouch(self, connection: Connection, vouch: Vouch, at: str) -> None:
        self._queue_word(connection, vouch.permit, VOUCH, vouch, at)

    def queue_stop(self, connection: Connection, stop: Stop, at: str) -> None:
        self._queue_word(connection, stop.permit, STOP, stop, at)

    def queue_destroyed(self, connection: Connection, destroyed: Destroyed, at: str) -> None:
        self._queue_word(connection, destroyed.permit, DESTROYED, destroyed, at)

    def _queue_word(self, connection: Connection, permit: str, name: str, document: Document, at: str) -> None:
        hub = self._state.trusted.last.document.hub.id
        self._behind = True
        self._state.queue(
            connection,
            permit=permit,
            round=name,
            sequence=0,
            receiver=hub,
            envelope=document.sign(self._key),
            body=None,
            at=at,
            reveals=False,
            binding=False,
        )

    # out ----------------------------------------------------------------------------------------------------------

    def post(self) -> bool:
        """Send all that waits, in order, job by job; returns whether the outbox is empty. Never raises for the hub."""
        with self._sending:
            taken = frozenset(self._taken)  # before the look: what is taken from here on may be in it
            with self._state.read() as connection:
                waiting = select(outbox).where(~outbox.c.posted).order_by(outbox.c.number)
                rows = [row for row in connection.execute(waiting) if row.number not in taken]
            emptied = True
            for permit in dict.fromkeys(row.permit for row in rows):
                # one job's message that must wait holds up no other job
                emptied &= all(map(self._post_batch, _batches([row for row in rows if row.permit == permit])))
            self._behind = not emptied
        return emptied

    def post_again(self) -> None:
        """Send what may be left of an earlier attempt or process, without a look where nothing is.

        Who queues a message calls ``post`` after the commit: a look of another thread before it may find nothing.
        """
        if self._behind:
            self.post()

    def _post_batch(self, rows: Sequence[Row[Any]]) -> bool:
        """One post for what a job has to say; where the hub refuses the batch, message by message."""
        try:
            self._hub.post([(Envelope.parse(row.envelope), self._inline(row)) for row in rows])
        except HubAway:
            return False
        except HubRefused as refused:
            if refused.code in _NOT_ABOUT_THE_MESSAGE:
                return False
            if len(rows) > 1:
                return all(self._post_batch([row]) for row in rows)
            self._note_refused(rows[0], refused.code)
            return True
        self._note_taken([row.number for row in rows])
        return True

    def _inline(self, row: Row[Any]) -> bytes | None:
        """A small body goes with its header, a large one before it, in pieces that the hub takes twice."""
        body = b"" if row.body is None else bytes(row.body)
        if len(body) <= INLINE_BYTES:
            return None if row.body is None else body
        name = Header.open(Envelope.parse(row.envelope)).body
        try:
            for start in range(0, len(body), INLINE_BYTES):
                self._hub.upload(name, start, body[start : start + INLINE_BYTES])
        except HubRefused as refused:
            if refused.code != _TOO_LARGE:
                raise
            _LOG.error("a body is not taken: %s", refused, extra=facts(event="message.refused", bytes=len(body)))
        return None  # the header goes in any case: refused too, it ends the job, and the log says so

    def _note_refused(self, row: Row[Any], code: str) -> None:
        """The hub will never take this message; its log must say so."""
        named = facts(event="message.refused", permit=row.permit, round=row.round, code=code)
        _LOG.warning("the hub will not take a message", extra=named)
        with self._state.write() as connection:
            values = {"posted": True, "refused": code, "body": None}
            connection.execute(update(outbox).where(outbox.c.number == row.number).values(values))

    def _note_taken(self, numbers: Sequence[int]) -> None:
        """The hub has these; a crash before this is written sends the same bytes again, which is one message."""
        self._taken.update(numbers)
        done = update(outbox).where(outbox.c.number.in_(numbers)).values(posted=True, body=None)
        self._state.later(lambda connection: connection.execute(done), lambda: self._taken.difference_update(numbers))


def _batches(rows: Sequence[Row[Any]]) -> list[list[Row[Any]]]:
    """Posts of bounded count and size, in order."""
    found: list[list[Row[Any]]] = []
    size = 0
    for row in rows:
        weight = min(row.size, INLINE_BYTES)
        if not found or len(found[-1]) == _POST_MESSAGES or size + weight > _POST_BYTES:
            found.append([])
            size = 0
        found[-1].append(row)
        size += weight
    return found
