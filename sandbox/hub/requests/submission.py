"""From SQL to a stored job: compiled, decided, logged, and run at once if every grant is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select

from jobs.documents import Commitment, Envelope, Verified, canonical, moment_text, verify_commitment
from sandbox.errors import InvalidSpec
from sandbox.hub.core.errors import Conflicting, NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.requests.compiled import compile_request
from sandbox.hub.requests.permits import decide_request, settle
from sandbox.hub.requests.replay import cached_release
from sandbox.hub.requests.request import Request, Setting, build_case, replay_key, spec_digest
from sandbox.hub.requests.waiting import check_waiting
from sandbox.hub.running.closing import check_may_give_up, end_in
from sandbox.hub.running.jobstate import job_row, topic
from sandbox.policy.decide import Allowed, Decision
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.tables import jobs, submissions


@dataclass(frozen=True)
class Preview:
    """What would happen; nothing was stored."""

    request: Request
    words: dict[str, Any]
    decision: Decision
    replay_of: str | None


def preview(hub: Hub, caller: Caller, kind: str, asked: dict[str, Any], commitment: Envelope | None) -> Preview:
    """Compile, explain and decide without storing. Without a commitment the operator's latest for this plan counts."""
    with hub.store.read() as connection:
        setting = Setting.at(hub, connection, hub.store.now())
        request, words = _compile(hub, "preview", caller.subject, kind, asked, None, setting)
        envelope = commitment or _latest_commitment(connection, caller.subject, request.plan_digest)
        if envelope is not None:
            request = replace(request, commitment=_verify(envelope, caller, setting))
        case = build_case(hub, request, setting)
        cached = cached_release(connection, replay_key(case.order.document))
        decision = decide_request(hub, connection, request, case, setting, replay=cached is not None)
    return Preview(request, words, decision, cached.job if cached and isinstance(decision, Allowed) else None)


def submit(
    hub: Hub, caller: Caller, kind: str, asked: dict[str, Any], commitment: Envelope, key: str | None
) -> tuple[str, bool]:
    """Store the job and decide on it; returns its id and whether it is new.

    ``key`` is the Idempotency-Key: the same key and body give the same job, another body raises ``Conflicting``.
    Raises what the planner, the commitment or the parameters are refused for.
    """
    body = spec_digest(commitment.digest, kind, asked)
    with hub.store.read() as connection:
        if (earlier := _submitted(connection, caller.subject, key, body)) is not None:
            return earlier, False
        setting = Setting.at(hub, connection, hub.store.now())
        bound = _verify(commitment, caller, setting)
        request, words = _compile(hub, hub.random_id("job"), caller.subject, kind, asked, bound, setting)
        if request.plan_digest not in bound.document.plans:
            raise InvalidSpec("the commitment does not name this plan: preview it, then sign its digest")
    # the signed commitment names the plan; a digest of the plan alone would outlive the question and confirm guesses
    with hub.store.change(Event("job.submitted", caller.actor, job=request.job, digests=(bound.digest,))) as change:
        if (earlier := _submitted(change.connection, caller.subject, key, body)) is not None:
            change.abandon()
            return earlier, False
        serial = (change.execute(select(func.max(jobs.c.serial))).scalar() or 0) + 1
        at = moment_text(change.now)
        row = {
            "id": request.job,
            "state": State.SUBMITTED,
            "progress": "submitted",
            "operator": caller.subject,
            "spec": request.spec,
            "plan_digest": request.plan_digest,
            "kind": request.kind.name,
            "plan": canonical(request.plan_json).decode(),
            "commitment": bound.digest,
            "roster": setting.roster.digest,
            "request": canonical({"parameters": request.parameters, "request": asked, "words": words}).decode(),
            "commitment_envelope": commitment.encode(),
            "reasons": "[]",
            "replay_key": request.spec,  # until it is settled
            "created": at,
            "changed": at,
            "serial": serial,
        }
        change.execute(insert(jobs).values(row))
        if key is not None:
            used = {"operator": caller.subject, "key": key, "body": body, "job": request.job}
            change.execute(insert(submissions).values(used))
        change.wake(topic(request.job), "requests")
        settle(hub, change, request.job, caller.actor)
        check_waiting(hub, change.connection, caller.subject)
    return request.job, True


def cancel(hub: Hub, caller: Caller, job: str) -> None:
    """The operator gives a job up; raises ``InvalidTransition`` when it is over, or past the point of no return."""
    with hub.store.change(Event("job.ending", caller.actor, job=job, facts={"code": "cancelled"})) as change:
        row = job_row(change.connection, job)
        check_may_give_up(change.connection, row)
        end_in(change, row, Step.CANCEL, Cause.OPERATOR, caller.actor, "cancelled", "the operator cancelled the job")


def _compile(
    hub: Hub,
    job: str,
    operator: str,
    kind: str,
    asked: dict[str, Any],
    commitment: Verified[Commitment] | None,
    setting: Setting,
) -> tuple[Request, dict[str, Any]]:
    made = compile_request(hub, operator, kind, asked, setting.catalogue)
    parameters = dict(made.parameters)
    request = Request(
        job, operator, made.kind, asked, made.plan, made.plan_json, made.plan_digest, parameters, commitment
    )
    return request, made.words


def _verify(envelope: Envelope, caller: Caller, setting: Setting) -> Verified[Commitment]:
    verified = verify_commitment(envelope, setting.roster, setting.now)
    if verified.document.operator != caller.subject:
        raise NotPermitted("the commitment is another operator's")
    return verified


def _latest_commitment(connection: Connection, operator: str, plan: str) -> Envelope | None:
    """What the operator last signed for this plan."""
    same = (jobs.c.operator == operator) & (jobs.c.plan_digest == plan)
    query = select(jobs.c.commitment_envelope).where(same).order_by(jobs.c.serial.desc())
    data = connection.execute(query.limit(1)).scalar()
    return None if data is None else Envelope.parse(bytes(data))


def _submitted(connection: Connection, operator: str, key: str | None, body: str) -> str | None:
    if key is None:
        return None
    where = (submissions.c.operator == operator) & (submissions.c.key == key)
    row = connection.execute(select(submissions).where(where)).first()
    if row is not None and row.body != body:
        raise Conflicting("this Idempotency-Key was used for another request: use a new one")
    return None if row is None else str(row.job)
