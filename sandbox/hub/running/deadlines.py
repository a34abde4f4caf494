"""The hub's clock: one ``tick`` fails jobs that a node lost and expires requests that nobody answered."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from jobs.documents import moment_text
from jobs.kinds.base import Receiver
from jobs.kinds.registry import kind_of
from sandbox.errors import InvalidTransition, NodeLost, OutputUnconfirmed
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.running.closing import end_job
from sandbox.hub.running.held import senders
from sandbox.hub.running.jobstate import participants
from sandbox.messages import SENT, VOUCH
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.tables import jobs

_SCRUB: Final = timedelta(hours=1)
"""How often the keys of destroyed bodies are removed from where no query reads: at PostgreSQL it locks their table."""
_AT_ONCE: Final = 200
"""Requests that one tick looks at, the oldest first: a backlog ends over several ticks."""


def tick(hub: Hub) -> int:
    """End what is overdue and return how many jobs that were. Idempotent; runs in a thread, every second or so."""
    now = hub.store.now()
    old = moment_text(now - timedelta(days=hub.config.request_days))
    with hub.store.read() as connection:
        late = (jobs.c.state == State.RUNNING) & (jobs.c.deadline < moment_text(now))
        lost = [(row, silent_nodes(connection, row)) for row in connection.execute(select(jobs).where(late))]
        waiting = select(jobs.c.id, jobs.c.created).where(jobs.c.state == State.NEEDS_APPROVAL)
        oldest = connection.execute(waiting.order_by(jobs.c.serial).limit(_AT_ONCE)).all()
        expired = [row.id for row in oldest if row.created < old]
    hub.uploads.expire(time.time())
    if now >= hub.scrubbed + _SCRUB:
        hub.scrubbed = now
        hub.store.scrub()
    for row, silent in lost:
        if row.draft_digest is None:
            code, text = NodeLost.code, f"no answer before the deadline from {', '.join(silent)}"
        else:
            code, text = OutputUnconfirmed.code, f"not recomputed and signed before the deadline by {', '.join(silent)}"
        _end(hub, row.id, Step.FAIL, code, text, silent)
    for job in expired:
        _end(hub, job, Step.EXPIRE, "expired", f"no decision within {hub.config.request_days} days", ())
    return len(lost) + len(expired)


def silent_nodes(connection: Connection, row: Row[Any]) -> tuple[str, ...]:
    """Who owes the next message of a running job."""
    nodes = participants(connection, row.id)
    kind = kind_of(row.kind)
    # who tells whom in a round between nodes is the kind's affair: there the sent records tell who is late
    owed = [
        item for item in kind.rounds if not item.by_hub and not item.optional and item.receiver is not Receiver.NODE
    ]
    for name in (*(item.name for item in owed), SENT, *([VOUCH] if kind.recomputed else ())):
        spoke = senders(connection, row.id, name)
        if silent := tuple(node for node in nodes if node not in spoke):
            return silent
    return nodes


def _end(hub: Hub, job: str, step: Step, code: str, text: str, nodes: tuple[str, ...]) -> None:
    try:
        end_job(hub, job, step, Cause.CLOCK, HUB, code, text, nodes)
    except InvalidTransition:  # it ended by itself between the look and the step
        return
