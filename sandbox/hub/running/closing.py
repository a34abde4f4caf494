"""How a job ends without a release: failed, cancelled, revoked or expired; participants hear of it, runs go back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from jobs.documents import Envelope, canonical
from jobs.kinds.registry import kind_of
from sandbox.errors import InvalidTransition
from sandbox.hub.core.hub import Hub
from sandbox.hub.requests.permits import refund
from sandbox.hub.running.held import destroy_bodies
from sandbox.hub.running.jobstate import current_state, job_row, move, participants
from sandbox.hub.running.relay import put
from sandbox.hub.running.releasing import keep_inputs
from sandbox.inbox import AbortBody
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
    stop: Envelope | None = None,
) -> None:
    """End the job inside a change that is under way. ``nodes`` are those to blame, if any, ``stop`` is their word."""
    before = current_state(change.connection, row.id)
    failure: dict[str, Any] = {"code": code, "detail": advice, "nodes": list(nodes)}
    move(
        change, row, step, cause, actor, facts={"code": code, "nodes": list(nodes)}, failure=canonical(failure).decode()
    )
    if before is not State.RUNNING:
        return
    if not _has_revealed(change, row):
        refund(change, row.id)
    put(
        change,
        participants(change.connection, row.id),
        row.id,
        AbortBody(code=code, advice=advice, stop=None if stop is None else stop.to_json()),
    )
    if row.draft_digest is not None:  # whoever asks why nothing was released can recompute what was not confirmed
        keep_inputs(change, row.id, kind_of(row.kind))
    destroy_bodies(change, row.id)


def check_may_give_up(connection: Connection, row: Row[Any]) -> None:
    """Raise ``InvalidTransition`` past the point of no return: participants' numbers may have left by now, and each of
    them that hears of no release, nor of another's signed stop, is alarmed and runs nothing more.
    """
    if row.state != State.RUNNING:
        return
    rounds = kind_of(row.kind).rounds
    first = next(place for place, item in enumerate(rounds) if item.binding)
    due = next((place for place in reversed(range(first)) if not rounds[place].optional), None)
    names = [item.name for item in rounds[due or 0 :]]
    told = (messages.c.job == row.id) & messages.c.round.in_(names)
    if due is None or connection.execute(select(messages.c.sender).where(told).limit(1)).first() is not None:
        raise InvalidTransition(f"job {row.id} is past the point of no return: its owners' numbers are on their way")


def _has_revealed(change: Change, row: Row[Any]) -> bool:
    """Whether any node has sent something informative: then no run goes back. The nodes' ledgers decide."""
    names = [item.name for item in kind_of(row.kind).rounds if (item.reveals or item.binding) and not item.by_hub]
    told = (messages.c.job == row.id) & messages.c.round.in_(names)
    return change.execute(select(messages.c.sender).where(told).limit(1)).first() is not None
