"""Follows the hub's log: cosigns each checkpoint after a consistency proof, and proves that own messages are in it.

One call for each checkpoint: it brings the last cosignature and takes the next news. The state is stored before the
cosignature is released. Evidence of a second history stops the node for good: it is
stored with both checkpoints for the auditor, and from then on, restarted or not, the node accepts no job.
"""

from __future__ import annotations

import threading
from typing import Final

from sqlalchemy import Connection, select, update

from jobs.documents import canonical, parse_json
from jobs.errors import BadDocument
from sandbox.audit import MESSAGE_RECEIVED, MESSAGE_REFUSED, Cosigner, LogEntry, SeenLog, Step, verify_inclusion
from sandbox.errors import BadLogSignature, BadProof, ForeignLog, LogFailure, MalformedNote
from sandbox.keys.chain import take_newer
from sandbox.log_link import MOST_DIGESTS, Cosignature, Following, News
from sandbox.logs import facts
from sandbox.node.context import Context
from sandbox.node.restored import note_unknown
from sandbox.node.state import LOG_FAILURE
from sandbox.node.tables import outbox

_UNSIGNED: Final = (MalformedNote, BadLogSignature, ForeignLog)
"""Notes that the hub's known key did not sign: anyone in between could make them, so they convict nobody."""
_SENT: Final = (MESSAGE_RECEIVED, MESSAGE_REFUSED)


class LogFollower:
    """One node's view of one log. ``step`` is called from the follower thread; ``failure`` is read by the loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._following = Following()
        self.grown = threading.Condition()
        """Notified after each step: who waits for messages to be in the log looks again."""
        self.trouble: str | None = None
        """Why the last step led nowhere, for the owner; the next good step clears it."""
        with context.state.read() as connection:
            self.failure = _stored_failure(context.state.setting(connection, LOG_FAILURE))

    def step(self, wait: float) -> bool:
        """Take the next news, if there are any; returns whether the log grew. Raises ``HubAway``, ``HubRefused``.

        Raises ``LogFailure`` when the log does not hold, and from then on at every call.
        """
        if self.failure is not None:
            raise self.failure
        context = self._context
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
            unproven = select(outbox.c.digest).where(~outbox.c.proven).order_by(outbox.c.number)
            asked = list(connection.execute(unproven.limit(MOST_DIGESTS)).scalars())
        news = self._following.news(context.hub, seen.size, asked, wait)
        try:
            step = self._advance(seen, news)
            logged = self._logged(step.seen, news)
        except _UNSIGNED as failure:
            self.trouble = str(failure)
            raise
        except LogFailure as failure:
            self._stop(failure)
            raise
        due = self._following.is_due(seen.size, step.seen.size)
        if due or logged:
            with context.state.write() as connection:
                context.state.set_seen_log(connection, step.seen)
                named = [entry.digests[0] for entry in logged]
                connection.execute(update(outbox).where(outbox.c.digest.in_(named)).values(proven=True))
                note_unknown(context, connection, logged)
        if due:  # the state is stored: now the signature may leave, with the next call
            self._following.cosign(Cosignature(step.seen.size, step.signature.line))
        self.trouble = None
        with self.grown:
            self.grown.notify_all()
        return step.seen.size > seen.size

    def _advance(self, seen: SeenLog, news: News) -> Step:
        """Check that the hub signed the note and that its log keeps all that was seen."""
        context = self._context
        try:
            return self._cosigner().advance(seen, news.note, news.consistency, context.clock())
        except BadLogSignature:
            # the authority may have given the hub a new key since this node last heard of a roster
            take_newer(context.state.trusted, context.hub.rosters(), context.state.trust_roster)
            return self._cosigner().advance(seen, news.note, news.consistency, context.clock())

    def _cosigner(self) -> Cosigner:
        context = self._context
        return Cosigner(context.config.node, context.key, context.state.origin, context.state.hub_key())

    def _logged(self, seen: SeenLog, news: News) -> list[LogEntry]:
        """What the log, proven to be in the verified tree, says that the hub was sent by this node."""
        found: list[LogEntry] = []
        for item in news.inclusions:
            verify_inclusion(item.entry, item.index, seen.size, item.proof, seen.root)
            try:
                entry = LogEntry.read(item.entry)
            except BadDocument:
                raise BadProof("the hub's log holds an entry that is none") from None
            if entry.event in _SENT and entry.actor == f"node:{self._context.config.node}" and entry.digests:
                found.append(entry)
        return found

    def _stop(self, failure: LogFailure) -> None:
        self._context.log.critical("the hub's log does not hold: %s", failure, extra=facts(event="log.failed"))
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
