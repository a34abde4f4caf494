"""How a job ends without a release: failed, cancelled, revoked or expired; participants hear of it, runs go back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from jobs.documents import canonical
from sandbox.hub.core.hub import Hub
from sandbox.hub.requests.permits import refund
from sandbox.hub.running.jobstate import current_state, job_row, move, participants, put
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Actor, Event
from sandbox.store.store import Change
from sandbox.store.tables import messages


def end_job(
    hub: Hub, job: str, step: Step, cause: Cause, actor: Actor, code: str, advice: str, nodes: tuple[str, ...] = ()
) -> None:
    """End the job in a change of its own; raises ``NotFound`` or ``InvalidTransition``."""
    with hub.store.change(Event("job.ending", actor, job=job, facts={"code": code})) as change:
        end_in(change, job_row(change.connection, job), step, cause, actor, code, advice, nodes)


def end_in(
    change: Change,
    row: Row[Any],
    step: Step,
    cause: Cause,
    actor: Actor,
    code: str,
    advice: str,
    nodes: tuple[str, ...] = (),
) -> None:
    """End the job inside a change that is under way. ``nodes`` are those to blame, if any."""
    before = current_state(change.connection, row.id)
    failure: dict[str, Any] = {"code": code, "detail": advice, "nodes": list(nodes)}
    move(
        change, row, step, cause, actor, facts={"code": code, "nodes": list(nodes)}, failure=canonical(failure).decode()
    )
    if before is not State.RUNNING:
        return
    sent_values = select(messages.c.node).where((messages.c.job == row.id) & (messages.c.round == "values")).limit(1)
    if change.execute(sent_values).first() is None:
        refund(change, row.id)
    for node in participants(change.connection, row.id):
        put(change, node, "abort", row.id, {"code": code, "advice": advice})
