"""Follows the hub's log: cosigns each checkpoint after a consistency proof, and proves that own messages are in it.

The state is stored before the cosignature is released. Evidence of a second history stops the node: from then on it
accepts no job, and keeps both checkpoints for the auditor.
"""

from __future__ import annotations

import threading

from sqlalchemy import select, update

from sandbox.audit import Cosigner, LogEntry, SeenLog, verify_inclusion
from sandbox.errors import BadProof, LogFailure
from sandbox.link import claimed_size
from sandbox.node.context import Context
from sandbox.node.hub_port import HubRefused
from sandbox.node.tables import outbox


class LogFollower:
    """One node's view of one log. ``step`` is called from the follower thread; ``failure`` is read by the loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.grown = threading.Condition()
        """Notified after each step: who waits for messages to be in the log looks again."""
        self.failure: LogFailure | None = None

    def step(self, wait: float) -> bool:
        """Take the next checkpoint, if there is one; returns whether the log grew. Raises ``HubAway``."""
        context = self._context
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
        note = context.hub.checkpoint(seen.size, wait)
        if note is None:
            return False
        try:
            self._cosign(seen, note)
            self.prove()
        except LogFailure as failure:
            self.failure = failure
            context.log.critical("the hub's log does not hold: %s", failure)
            raise
        with self.grown:
            self.grown.notify_all()
        return True

    def prove(self) -> None:
        """Verify that every posted message is in the log, at the size that was cosigned."""
        context = self._context
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
            waiting = select(outbox.c.sequence, outbox.c.digest).where(outbox.c.posted, ~outbox.c.proven)
            rows = list(connection.execute(waiting))
        proven = [row.sequence for row in rows if self._is_logged(row.digest, seen)]
        if proven:
            with context.state.write() as connection:
                connection.execute(update(outbox).where(outbox.c.sequence.in_(proven)).values(proven=True))

    def _cosign(self, seen: SeenLog, note: bytes) -> None:
        context = self._context
        cosigner = Cosigner(context.config.node, context.key, context.state.origin, context.state.hub_key())
        size = claimed_size(note)
        proof = context.hub.consistency(seen.size, size) if 0 < seen.size < size else ()
        step = cosigner.advance(seen, note, proof, context.clock())
        with context.state.write() as connection:
            context.state.set_seen_log(connection, step.seen)
        context.hub.cosign(step.seen.size, step.signature.line)

    def _is_logged(self, digest: str, seen: SeenLog) -> bool:
        if seen.size == 0:
            return False
        try:
            found = self._context.hub.inclusion(digest, seen.size)
        except HubRefused:
            return False  # not within this size yet, or withheld: then no new job runs here
        verify_inclusion(found.entry, found.index, seen.size, found.proof, seen.root)
        if digest not in LogEntry.read(found.entry).digests:
            raise BadProof("the hub proved another entry than the one with this node's message")
        return True
