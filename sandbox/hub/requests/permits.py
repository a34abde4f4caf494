"""Decides on a stored request and, when every grant is there, issues the permit in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from jobs.documents import (
    Basis,
    Envelope,
    Grant,
    Verified,
    canonical,
    check_basis,
    moment_text,
    verify_grant,
    verify_permit,
)
from jobs.errors import JobError
from jobs.schema import Digest
from sandbox.errors import Rejected
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.requests.replay import cached_release
from sandbox.hub.requests.request import Request, Setting, build_case, replay_key, stored_request
from sandbox.hub.running.jobstate import job_row, move, set_progress
from sandbox.hub.running.relay import put
from sandbox.inbox import PermitBody
from sandbox.messages import first_transcript
from sandbox.policy.decide import Allowed, Case, Decision, Denied, NeedsApproval, Reason, Use, decide
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Actor
from sandbox.store.store import Change
from sandbox.store.tables import grants, job_grants, job_nodes, jobs, rosters

HELD: Final = 32
"""Grants of one owner that a decision looks at."""


def settle(hub: Hub, change: Change, job: str, actor: Actor) -> None:
    """Decide on a job that is ``submitted`` or ``needs_approval`` and take the steps that follow from it."""
    row = job_row(change.connection, job)
    setting = Setting.at(hub, change.connection, change.now)
    try:
        request = stored_request(hub, row, setting.roster)
        case = build_case(hub, request, setting)
    except (JobError, Rejected) as error:
        if row.state == State.SUBMITTED:
            raise
        _ask(change, row, (Reason(error.code, str(error)),))  # it waits until catalogue or roster allow it again
        return
    _note_participants(change, row, case)
    key = replay_key(case.order.document)
    change.execute(update(jobs).where(jobs.c.id == job).values(replay_key=key, roster=setting.roster.digest))
    cached = cached_release(change.connection, key)
    decision = decide_request(hub, change.connection, request, case, setting, replay=cached is not None)
    match decision:
        case Denied(reasons):
            move(change, row, Step.REFUSE, Cause.HUB, HUB, reasons=_json(reasons), facts={"codes": _codes(reasons)})
        case NeedsApproval(reasons):
            _ask(change, row, reasons)
        case Allowed(chosen):
            if row.state == State.SUBMITTED:
                move(change, row, Step.ALLOW, Cause.HUB, HUB, reasons="[]")
            else:
                move(change, row, Step.GRANT, Cause.OWNER, actor, reasons="[]")
            if cached is not None:
                cached.show_again(change, row, chosen)
            else:
                _issue(hub, change, row, request, setting, case, chosen)


def decide_request(
    hub: Hub, connection: Connection, request: Request, case: Case, setting: Setting, *, replay: bool = False
) -> Decision:
    """The pure decision over what the database holds."""
    touched = request.kind.touched(request.plan)
    datasets = [dataset for dataset in setting.view.datasets if dataset.name in touched]
    held = held_grants(hub, connection, request, setting)
    status = setting.status.document if setting.status else None
    return decide(touched, case, datasets, held, status, setting.now, replay=replay)


def held_grants(hub: Hub, connection: Connection, request: Request, setting: Setting) -> list[Use]:
    """The grants to this operator for this plan, oldest first; one that the roster no longer supports is left out.

    Of each owner at most ``HELD``: those that stand, those with runs left, the newest. A plan that has been granted for
    years costs a decision no more than a new one.
    """
    where = (grants.c.operator == request.operator) & (grants.c.plan_digest == request.plan_digest)
    best = (grants.c.revoked.is_not(None), grants.c.used >= grants.c.runs, grants.c.serial.desc())
    rank = func.row_number().over(partition_by=grants.c.owner, order_by=best).label("rank")
    ranked = select(grants.c.digest, rank).where(where).subquery()
    query = select(grants).join(ranked, ranked.c.digest == grants.c.digest).where(ranked.c.rank <= HELD)
    found = []
    for row in connection.execute(query.order_by(grants.c.at, grants.c.serial)):
        try:
            grant: Verified[Grant] = hub.verified_once.verified(verify_grant, bytes(row.envelope), setting.roster)
        except JobError:  # its owner's keys changed: it needs a new signature
            continue
        found.append(Use(grant, row.used, row.revoked is not None))
    return found


def refund(change: Change, job: str) -> None:
    """Give back the runs of a job that ended before any node sent values. The nodes' ledgers decide; this mirrors."""
    used = select(job_grants.c.grant).where(job_grants.c.job == job)
    change.execute(update(grants).where(grants.c.digest.in_(used)).values(used=grants.c.used - 1))


def _issue(
    hub: Hub,
    change: Change,
    row: Row[Any],
    request: Request,
    setting: Setting,
    case: Case,
    chosen: Sequence[Verified[Grant]],
) -> None:
    """Sign the drafted order with the chosen grants, check it as a node would, and put it into the inboxes."""
    draft, records = case.order.document, case.records
    envelope = draft.model_copy(update={"grants": tuple(grant.digest for grant in chosen)}).sign(hub.key)
    verified = hub.verified_once.verified(verify_permit, envelope.encode(), setting.roster)
    permit = verified.document
    if setting.status is None:
        raise ValueError("a permit was decided without a status list")
    basis = Basis(verified, tuple(chosen), request.committed, records, setting.status, setting.roster)
    check_basis(basis)
    digests = (verified.digest, *(grant.digest for grant in chosen))
    move(
        change,
        row,
        Step.PERMIT,
        Cause.HUB,
        HUB,
        progress="waiting for the nodes",
        digests=digests,
        permit=verified.digest,
        permit_envelope=envelope.encode(),
        deadline=moment_text(permit.deadline),
        transcript=first_transcript(verified.digest, permit.participants),
    )
    change.execute(insert(job_grants), [{"job": row.id, "grant": grant.digest} for grant in chosen])
    taken = [grant.digest for grant in chosen]
    change.execute(update(grants).where(grants.c.digest.in_(taken)).values(used=grants.c.used + 1))
    body = PermitBody(
        permit=envelope.to_json(),
        grants=tuple(grant.envelope.to_json() for grant in chosen),
        commitment=request.committed.envelope.to_json(),
        records=tuple(record.envelope.to_json() for record in records),
        status=setting.status.envelope.to_json(),
        evidence=(),
        roster=_roster_envelope(change.connection, setting.roster.digest).to_json(),
    )
    put(change, permit.participants, row.id, body)


def _ask(change: Change, row: Row[Any], reasons: Sequence[Reason]) -> None:
    progress = f"waiting for {', '.join(reason.owner or reason.code for reason in reasons)}"[:160]
    if row.state == State.SUBMITTED:
        move(
            change,
            row,
            Step.ASK,
            Cause.HUB,
            HUB,
            progress=progress,
            reasons=_json(reasons),
            facts={"codes": _codes(reasons)},
        )
    else:
        change.execute(update(jobs).where(jobs.c.id == row.id).values(reasons=_json(reasons)))
        set_progress(change, row.id, progress)


def _note_participants(change: Change, row: Row[Any], case: Case) -> None:
    """Who takes part follows the catalogue until the permit fixes it."""
    roster = case.roster.document
    change.execute(delete(job_nodes).where(job_nodes.c.job == row.id))
    nodes = case.order.document.participants
    rows = [
        {"job": row.id, "node": node, "owner": roster.owner_of(node).id, "place": place, "serial": row.serial}
        for place, node in enumerate(nodes)
    ]
    change.execute(insert(job_nodes), rows)


def _roster_envelope(connection: Connection, digest: Digest) -> Envelope:
    query = select(rosters.c.envelope).where(rosters.c.digest == digest)
    return Envelope.parse(bytes(connection.execute(query).scalar_one()))


def _json(reasons: Sequence[Reason]) -> str:
    return canonical([reason.to_json() for reason in reasons]).decode()


def _codes(reasons: Sequence[Reason]) -> list[str]:
    return sorted({reason.code for reason in reasons})
