"""Owners answer: grants, denials, revocations, each verified, stored with its event, and moving jobs."""

from __future__ import annotations

from sqlalchemy import func, insert, select, update

from jobs.documents import (
    Denial,
    Envelope,
    Grant,
    Revocation,
    Verified,
    is_own_review,
    moment_text,
    verify_denial,
    verify_grant,
    verify_revocation,
)
from sandbox.errors import InvalidTransition, NotFound, NotGranted
from sandbox.hub.core.errors import NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.requests.permits import settle
from sandbox.hub.running.closing import check_may_give_up, end_in
from sandbox.hub.running.jobstate import job_row, participants
from sandbox.hub.running.relay import put
from sandbox.inbox import RevokedBody
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.store import Change
from sandbox.store.tables import grants, job_grants, jobs


def accept_grant(hub: Hub, caller: Caller, envelope: Envelope) -> tuple[Verified[Grant], tuple[str, ...]]:
    """Store a grant and run what waited for it; returns it with the jobs that it moved. The same again is one grant.

    Raises ``NotGranted`` for self-review, and what a bad grant is refused for.
    """
    roster = hub.roster()
    verified = verify_grant(envelope, roster, hub.store.now())
    grant = verified.document
    _check_own(grant.owner, caller)
    if is_own_review(verified, roster.document, grant.operator):
        raise NotGranted(f"self-review: {grant.operator} asked for this and may not be among those who sign it")
    facts = {"operator": grant.operator, "owner": grant.owner, "runs": grant.runs, "plan": grant.plan_digest}
    event = Event("grant.accepted", caller.actor, subject=grant.id, digests=(verified.digest,), facts=facts)
    with hub.store.read() as connection:
        if connection.execute(select(grants.c.id).where(grants.c.digest == verified.digest)).first() is not None:
            return verified, ()
    with hub.store.change(event) as change:
        if change.execute(select(grants.c.id).where(grants.c.digest == verified.digest)).first() is not None:
            raise NotGranted("this grant was accepted a moment ago")
        row = {
            "digest": verified.digest,
            "id": grant.id,
            "owner": grant.owner,
            "operator": grant.operator,
            "plan_digest": grant.plan_digest,
            "envelope": envelope.encode(),
            "runs": grant.runs,
            "used": 0,
            "at": moment_text(change.now),
            "serial": (change.execute(select(func.max(grants.c.serial))).scalar() or 0) + 1,
        }
        change.execute(insert(grants).values(row))
        moved = _waiting(change, grant)
        for job in moved:
            settle(hub, change, job, caller.actor)
    return verified, tuple(moved)


def accept_denial(hub: Hub, caller: Caller, envelope: Envelope) -> Verified[Denial]:
    """An owner refuses a request with its reasons; raises ``NotFound`` or ``InvalidTransition``."""
    verified = verify_denial(envelope, hub.roster())
    denial = verified.document
    _check_own(denial.owner, caller)
    event = Event("denial.accepted", caller.actor, job=denial.request, subject=denial.id, digests=(verified.digest,))
    with hub.store.change(event) as change:
        row = job_row(change.connection, denial.request)
        asked = {hub.roster().document.owner_of(node).id for node in participants(change.connection, row.id)}
        if (row.plan_digest, row.operator) != (denial.plan, denial.operator) or denial.owner not in asked:
            raise NotFound(f"request {denial.request} of {denial.operator} does not ask {denial.owner} for this plan")
        text = "; ".join(denial.reasons)
        end_in(change, row, Step.DENY, Cause.OWNER, caller.actor, "denied", f"{denial.owner} denied: {text}")
    return verified


def accept_revocation(hub: Hub, caller: Caller, envelope: Envelope) -> tuple[str, ...]:
    """Take a grant back: jobs that run under it stop, nodes hear of it; returns these jobs. The same again is one."""
    verified = verify_revocation(envelope, hub.roster())
    revocation = verified.document
    _check_own(revocation.owner, caller)
    digests = (verified.digest, revocation.grant)
    event = Event("grant.revoked", caller.actor, subject=revocation.id, digests=digests)
    with hub.store.read() as connection:
        known = connection.execute(select(grants).where(grants.c.digest == revocation.grant)).first()
    if known is None or known.owner != revocation.owner:
        raise NotFound(f"{revocation.owner} has given no such grant")
    if known.revoked is not None:
        return ()
    with hub.store.change(event) as change:
        values = {"revoked": moment_text(change.now), "revocation": envelope.encode()}
        change.execute(update(grants).where(grants.c.digest == revocation.grant).values(values))
        stopped = _stop(change, revocation, caller)
        nodes = [node.id for node in hub.roster().document.owner(revocation.owner).nodes]
        if nodes:
            put(change, nodes, "", RevokedBody(revocation=envelope.to_json()))
    return stopped


def _stop(change: Change, revocation: Revocation, caller: Caller) -> tuple[str, ...]:
    under = (job_grants.c.grant == revocation.grant) & (job_grants.c.job == jobs.c.id)
    query = select(jobs.c.id).where(under & (jobs.c.state == State.RUNNING))
    stopped = []
    for job in tuple(change.execute(query).scalars()):
        row = job_row(change.connection, job)
        try:
            check_may_give_up(change.connection, row)
        except InvalidTransition:  # the owner's node hears of it too: it stops by its signed word, or has sent all
            continue
        advice = f"{revocation.owner} revoked its grant: {revocation.reason}"
        end_in(change, row, Step.REVOKE, Cause.OWNER, caller.actor, "revoked", advice)
        stopped.append(job)
    return tuple(stopped)


def _waiting(change: Change, grant: Grant) -> list[str]:
    asked = (jobs.c.plan_digest == grant.plan_digest) & (jobs.c.operator == grant.operator)
    query = select(jobs.c.id).where(asked & (jobs.c.state == State.NEEDS_APPROVAL)).order_by(jobs.c.serial)
    return list(change.execute(query).scalars())


def _check_own(owner: str, caller: Caller) -> None:
    if owner != caller.subject:
        raise NotPermitted(f"this token is not {owner}'s")
