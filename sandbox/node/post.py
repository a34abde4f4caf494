"""The outbox (one mask, one message): bytes are stored in the transaction that decides them, then sent, then resent
unchanged until the hub has them. Nothing else in a node sends a job's message.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from jobs.documents import (
    Commits,
    Envelope,
    Permit,
    SentMessage,
    SentRecord,
    SigningKey,
    Verified,
    digest,
    moment_text,
)
from jobs.schema import Digest
from sandbox.messages import PAYLOAD_TYPE, Abort, Destroyed, Flags, Gated, Key, NodeMessage, Values, encode
from sandbox.node.hub_port import HubAway, HubPort, HubRefused
from sandbox.node.state import NodeState
from sandbox.node.tables import outbox

ROUNDS: dict[type[NodeMessage], str] = {
    Key: "key",
    Flags: "flags",
    Values: "values",
    Gated: "values",
    Abort: "abort",
    Destroyed: "destroyed",
}
INFORMATIVE = ("flags", "values")
"""Rounds that tell the hub something about the data: after the first of them a charge is never given back."""

_NOT_ABOUT_THE_MESSAGE = ("not-authenticated", "not-permitted")
"""Refusals of the node's token, not of what it sends: keep the message and try again."""


class Outbox:
    """Signs, queues and posts. Thread-safe: jobs, loop and follower share it."""

    def __init__(self, node: str, key: SigningKey, state: NodeState, hub: HubPort) -> None:
        self._node, self._key, self._state, self._hub = node, key, state, hub
        self._sending = threading.Lock()

    def queue(self, connection: Connection, permit: str, message: NodeMessage, at: str) -> None:
        """Sign the message and store it in the caller's transaction."""
        envelope = Envelope(PAYLOAD_TYPE, encode(message), ()).signed_by(self._key)
        self._state.queue(connection, permit, ROUNDS[type(message)], envelope, digest(envelope.payload), at)

    def queue_sent_record(
        self,
        connection: Connection,
        permit: Verified[Permit],
        hub: str,
        now: datetime,
        transcript: Digest,
        metered: Mapping[str, int],
        commits: Commits,
    ) -> None:
        """Queue the signed list of all that this job sent, in the transaction that queued its values."""
        rows = self._state.rounds(connection, permit.digest)
        messages = tuple(
            SentMessage(round=name, sequence=0, receiver=hub, size=row.size, digest=row.digest, sent_at=row.at)
            for name, row in rows.items()
            if name in ("key", *INFORMATIVE)
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
        envelope = record.sign(self._key)
        self._state.queue(connection, permit.digest, "sent", envelope, digest(envelope.payload), moment_text(now))

    def post(self) -> bool:
        """Send all that waits, in order, job by job; returns whether the outbox is empty. Never raises for the hub."""
        with self._sending:
            with self._state.read() as connection:
                waiting = select(outbox).where(~outbox.c.posted).order_by(outbox.c.sequence)
                rows = list(connection.execute(waiting))
            for permit in dict.fromkeys(row.permit for row in rows):
                if not self._post_batch([row for row in rows if row.permit == permit]):
                    return False
        return True

    def _post_batch(self, rows: Sequence[Row[Any]]) -> bool:
        """One post for all that a job has to say; where the hub refuses the batch, message by message."""
        try:
            self._hub.post([Envelope.parse(row.envelope) for row in rows])
        except HubAway:
            return False
        except HubRefused as refused:
            if refused.code in _NOT_ABOUT_THE_MESSAGE:
                return False
            if len(rows) > 1:
                return all(self._post_batch([row]) for row in rows)
            # The job is over at the hub: it will never take this message, so its log will never show it either.
            self._mark(rows, {"posted": True, "proven": True})
            return True
        self._mark(rows, {"posted": True})
        return True

    def _mark(self, rows: Sequence[Row[Any]], facts: dict[str, bool]) -> None:
        numbers = [row.sequence for row in rows]
        with self._state.write() as connection:
            connection.execute(update(outbox).where(outbox.c.sequence.in_(numbers)).values(**facts))
