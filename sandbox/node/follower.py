"""Follows the hub's log: cosigns each checkpoint after a consistency proof, and proves that own messages are in it.

The state is stored before the cosignature is released. Evidence of a second history stops the node for good: it is
stored with both checkpoints for the auditor, and from then on, restarted or not, the node accepts no job.
"""

from __future__ import annotations

import threading
from typing import Final

from sqlalchemy import Connection, select, update

from jobs.documents import canonical, parse_json
from jobs.errors import BadDocument
from sandbox.audit import Cosigner, LogEntry, SeenLog, Step, verify_inclusion
from sandbox.errors import BadLogSignature, BadProof, ForeignLog, LogFailure, MalformedNote
from sandbox.keys.chain import take_newer
from sandbox.log_link import claimed_size
from sandbox.node.context import Context
from sandbox.node.hub_port import HubRefused
from sandbox.node.state import LOG_FAILURE
from sandbox.node.tables import outbox

_UNSIGNED: Final = (MalformedNote, BadLogSignature, ForeignLog)
"""Notes that the hub's known key did not sign: anyone in between could make them, so they convict nobody."""


class LogFollower:
    """One node's view of one log. ``step`` is called from the follower thread; ``failure`` is read by the loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.grown = threading.Condition()
        """Notified after each step: who waits for messages to be in the log looks again."""
        self.trouble: str | None = None
        """Why the last step led nowhere, for the owner; the next good step clears it."""
        self._cosigned = -1
        with context.state.read() as connection:
            self.failure = _stored_failure(context.state.setting(connection, LOG_FAILURE))

    def step(self, wait: float) -> bool:
        """Take the next checkpoint, if there is one; returns whether the log grew. Raises ``HubAway``, ``HubRefused``.

        Raises ``LogFailure`` when the log does not hold, and from then on at every call.
        """
        if self.failure is not None:
            raise self.failure
        context = self._context
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
        # a crash between store and cosignature left this size without ours: ask for it again
        known = seen.size if self._cosigned == seen.size else max(seen.size - 1, 0)
        note = context.hub.checkpoint(known, wait)
        try:
            grown = note is not None and self._cosign(seen, note)
            self.prove()
        except _UNSIGNED as failure:
            self.trouble = str(failure)
            raise
        except LogFailure as failure:
            self._stop(failure)
            raise
        self.trouble = None
        with self.grown:
            self.grown.notify_all()
        return grown

    def prove(self) -> None:
        """Verify that every message that the hub took is in the log, at the size that was cosigned."""
        context = self._context
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
            waiting = select(outbox.c.sequence, outbox.c.digest).where(~outbox.c.proven)
            rows = list(connection.execute(waiting))
        proven = [row.sequence for row in rows if self._is_logged(row.digest, seen)]
        if proven:
            with context.state.write() as connection:
                connection.execute(update(outbox).where(outbox.c.sequence.in_(proven)).values(proven=True))

    def _cosign(self, seen: SeenLog, note: bytes) -> bool:
        """Advance, store, cosign; returns whether the log grew. A log that stands still is only compared."""
        context = self._context
        size = claimed_size(note)
        proof = context.hub.consistency(seen.size, size) if 0 < seen.size < size else ()
        try:
            step = self._advance(seen, note, proof)
        except BadLogSignature:
            # the authority may have given the hub a new key since this node last heard of a roster
            take_newer(context.state.trusted, context.hub.rosters(), context.state.trust_roster)
            step = self._advance(seen, note, proof)
        if step.seen.size == self._cosigned:
            return False
        with context.state.write() as connection:
            context.state.set_seen_log(connection, step.seen)
        context.hub.cosign(step.seen.size, step.signature.line)
        self._cosigned = step.seen.size
        return step.seen.size > seen.size

    def _advance(self, seen: SeenLog, note: bytes, proof: tuple[bytes, ...]) -> Step:
        context = self._context
        cosigner = Cosigner(context.config.node, context.key, context.state.origin, context.state.hub_key())
        return cosigner.advance(seen, note, proof, context.clock())

    def _is_logged(self, digest: str, seen: SeenLog) -> bool:
        if seen.size == 0:
            return False
        try:
            found = self._context.hub.inclusion(digest, seen.size)
        except HubRefused:
            return False  # not within this size yet, or withheld: then no new job runs here
        verify_inclusion(found.entry, found.index, seen.size, found.proof, seen.root)
        try:
            named = LogEntry.read(found.entry).digests
        except BadDocument:
            raise BadProof("the hub's log holds an entry that is none") from None
        if digest not in named:
            raise BadProof("the hub proved another entry than the one with this node's message")
        return True

    def _stop(self, failure: LogFailure) -> None:
        self._context.log.critical("the hub's log does not hold: %s", failure)
        with self._context.state.write() as connection:
            _store_failure(self._context, connection, failure)
        self.failure = failure


def _store_failure(context: Context, connection: Connection, failure: LogFailure) -> None:
    if context.state.setting(connection, LOG_FAILURE) is None:  # the first evidence is the one to keep
        value = {"code": failure.code, "text": str(failure), "evidence": list(failure.evidence)}
        context.state.set_setting(connection, LOG_FAILURE, canonical(value))


def _stored_failure(stored: bytes | None) -> LogFailure | None:
    if stored is None:
        return None
    value = parse_json(stored)
    return LogFailure(value["text"], tuple(value["evidence"]))
