"""Is this the state that the node last had? A node that was put back to an older copy of its state would charge and
audit as if what it answered since had never been asked.

Two witnesses: the hub's log, which names messages of this node that it does not know; and the node's own last message,
which names what its gate remembered then. What does not agree is an alarm: no job runs until the owner has looked.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from jobs.documents import Envelope, moment_text
from jobs.documents.message import Header
from sandbox.audit import LogEntry
from sandbox.errors import IntegrityFailure
from sandbox.logs import facts
from sandbox.messages import RESERVED
from sandbox.node.alarms import RESTORED, raise_alarm
from sandbox.node.context import Context
from sandbox.node.tables import outbox


def note_unknown(context: Context, connection: Connection, logged: Sequence[LogEntry]) -> None:
    """Alarm for messages of this node that the log names and its outbox lacks: every message is stored before it is
    sent, so an earlier life of this node has sent them. In the transaction that takes the checkpoint, so once each."""
    digests = [entry.digests[0] for entry in logged]
    known = set(connection.execute(select(outbox.c.digest).where(outbox.c.digest.in_(digests))).scalars())
    unknown = [entry for entry in logged if entry.digests[0] not in known]
    if unknown:
        first = unknown[0]
        text = (
            f"the hub's log names {len(unknown)} message(s) of this node that it does not know, the first of "
            f"{moment_text(first.at)}: its state folder is an older copy"
        )
        _alarm(context, connection, str(first.facts.get("job", "-")), first.digests[0], text)


def check_memory(context: Context) -> None:
    """When the node starts: does its gate remember what its last message says that it remembered?"""
    said = select(outbox).where(outbox.c.round.not_in(RESERVED)).order_by(outbox.c.number.desc()).limit(1)
    with context.state.write() as connection:
        last = connection.execute(said).first()
        if last is None:
            return
        state = Header.open(Envelope.parse(last.envelope)).state
        try:
            if state is not None:  # a node's message always says it
                context.gate.check(connection, state)
        except IntegrityFailure as failure:
            _alarm(context, connection, "-", last.permit, f"this node's gate has lost its memory: {failure}")


def _alarm(context: Context, connection: Connection, job: str, permit: str, text: str) -> None:
    context.log.critical("restored state: %s", text, extra=facts(event="alarm.raised"))
    raise_alarm(connection, job, permit, RESTORED, text, moment_text(context.clock()))
