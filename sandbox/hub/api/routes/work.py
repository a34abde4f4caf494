"""The operator's calls: plan, submit, follow, read the release, keep the receipt."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sse_starlette.sse import EventSourceResponse

from jobs.documents import canonical
from sandbox.errors import InvalidTransition
from sandbox.hub.api.answers import requests, running
from sandbox.hub.api.routes.access import (
    After,
    Auditor,
    EnvelopeJson,
    HubDep,
    Limit,
    Operator,
    Reader,
    Wait,
    envelope,
    visible_job,
)
from sandbox.hub.api.routes.whole import whole_router
from sandbox.hub.core.errors import NotYet
from sandbox.hub.core.hub import Hub
from sandbox.hub.log.receipts import receipt_of
from sandbox.hub.people.tokens import Caller
from sandbox.hub.requests.submission import cancel, preview, submit
from sandbox.hub.running.inputs import input_piece, inputs_json
from sandbox.hub.running.jobstate import topic
from sandbox.hub.running.jobview import event_json, job_json, job_list, release_file, release_json
from sandbox.policy.decide import Allowed, Denied
from sandbox.policy.states import State, is_final
from sandbox.store.store import PUBLISHED_TOPIC
from sandbox.store.tables import messages

router = whole_router()
_SQL = "SELECT carrier, count(*) AS flights, avg(arr_delay) AS mean FROM flights WHERE month = :month GROUP BY carrier"
_REQUEST = {"sql": _SQL, "parameters": {"month": 7}}
KindName = Annotated[str, Field(min_length=1, max_length=64, examples=["statistics"])]
RequestJson = Annotated[dict[str, Any], Field(description="In the kind's own shape", examples=[_REQUEST])]


class Question(BaseModel):
    """A kind of job, and a request in its shape."""

    model_config = ConfigDict(extra="forbid")
    kind: KindName = "statistics"
    request: RequestJson
    commitment: EnvelopeJson | None = None


class Submission(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: KindName = "statistics"
    request: RequestJson
    commitment: EnvelopeJson


@router.post("/plans", tags=["jobs"], response_model=requests.PlanShown, response_model_exclude_unset=True)
def post_plan(hub: HubDep, caller: Operator, body: Question) -> dict[str, Any]:
    """What would this do, what does it reveal, may it run? Nothing is stored."""
    bound = envelope(body.commitment) if body.commitment is not None else None
    found = preview(hub, caller, body.kind, body.request, bound)
    decision = found.decision
    name = (
        "allowed" if isinstance(decision, Allowed) else "denied" if isinstance(decision, Denied) else "needs_approval"
    )
    reasons = () if isinstance(decision, Allowed) else decision.reasons
    return {
        "kind": found.request.kind.name,
        "plan": found.request.plan_json,
        "plan_digest": found.request.plan_digest,
        "parameters": found.request.parameters,
        "words": found.words,
        "decision": name,
        "reasons": [reason.to_json() for reason in reasons],
        "replay_of": found.replay_of,
    }


@router.post(
    "/jobs",
    status_code=201,
    tags=["jobs"],
    response_model=running.JobShown,
    response_model_exclude_unset=True,
    responses={200: {"model": running.JobShown, "description": "The job that this Idempotency-Key has made before"}},
)
def post_job(
    hub: HubDep,
    caller: Operator,
    body: Submission,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=128)] = None,
) -> dict[str, Any]:
    """Submit. With an Idempotency-Key a repeated call returns the first one's job."""
    signed = envelope(body.commitment)
    job, new = submit(hub, caller, body.kind, body.request, signed, idempotency_key)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/jobs/{job}"
    with hub.store.read() as connection:
        return job_json(connection, visible_job(connection, caller, job), caller)


@router.get("/jobs", tags=["jobs"], response_model=running.JobPage, response_model_exclude_unset=True)
def get_jobs(
    hub: HubDep,
    caller: Reader,
    limit: Limit = 50,
    after: After = -1,
    state: Annotated[State | None, Query(description="Only jobs in this state")] = None,
) -> dict[str, Any]:
    """Jobs that this caller may see, oldest first."""
    with hub.store.read() as connection:
        return job_list(connection, caller, limit, after, state)


@router.get("/jobs/{job}", tags=["jobs"], response_model=running.JobShown, response_model_exclude_unset=True)
def get_job(hub: HubDep, caller: Reader, job: str) -> dict[str, Any]:
    """State, plan, words, reasons, participants, failure."""
    with hub.store.read() as connection:
        return job_json(connection, visible_job(connection, caller, job), caller)


@router.post("/jobs/{job}/cancel", tags=["jobs"], response_model=running.JobShown, response_model_exclude_unset=True)
def post_cancel(hub: HubDep, caller: Operator, job: str) -> dict[str, Any]:
    """Give the job up. What was released stays released."""
    with hub.store.read() as connection:
        visible_job(connection, caller, job)
    cancel(hub, caller, job)
    return get_job(hub, caller, job)


@router.get("/jobs/{job}/events", tags=["jobs"], response_class=EventSourceResponse)
async def get_events(hub: HubDep, caller: Operator, job: str) -> EventSourceResponse:
    """Server-sent events: a ``state`` event (``StateEvent``) for each change, ending with the job."""
    first = await run_in_threadpool(_progress, hub, caller, job)
    return EventSourceResponse(_follow(hub, caller, job, first))


@router.get("/jobs/{job}/release", tags=["jobs"], response_model=running.ReleaseShown)
def get_release(hub: HubDep, caller: Operator, job: str) -> dict[str, Any]:
    """The released table as JSON, the hub's signed release, and the salt that opens its commitments."""
    with hub.store.read() as connection:
        return release_json(connection, visible_job(connection, caller, job))


@router.get("/jobs/{job}/files/{name}", tags=["jobs"], response_class=Response)
def get_file(hub: HubDep, caller: Operator, job: str, name: str) -> Response:
    """One form of the release, whole: exactly the bytes that the delivery commits to."""
    with hub.store.read() as connection:
        media_type, content = release_file(connection, visible_job(connection, caller, job), name)
    return Response(content, media_type=media_type)


@router.get("/jobs/{job}/receipt", tags=["jobs"], response_class=Response)
async def get_receipt(hub: HubDep, caller: Reader, job: str, wait: Wait = 0) -> Response:
    """The receipt, to be verified offline; 409 names who has not cosigned yet. With ``wait`` it is waited for."""
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(PUBLISHED_TOPIC, topic(job)) as listener:
        while True:
            try:
                body = await run_in_threadpool(_receipt, hub, caller, job)
                return Response(body, media_type="application/json")
            except (NotYet, InvalidTransition):
                left = end - time.monotonic()
                if left <= 0 or not hub.notifier.running or not await listener.wait(left):
                    raise


@router.get("/jobs/{job}/messages", tags=["audit"], response_model=running.Messages)
def get_messages(hub: HubDep, caller: Auditor, job: str) -> dict[str, Any]:
    """Which messages the job had: who, which round, digest and log entry, as its receipt and log name them.

    No bodies; those that a recomputed output rests on are under ``inputs``.
    """
    names = ("sender", "round", "sequence", "receiver", "size", "digest", "entry", "at")
    with hub.store.read() as connection:
        row = visible_job(connection, caller, job)
        query = select(*(messages.c[name] for name in names)).where(messages.c.job == row.id)
        return {"job": row.id, "messages": [found._asdict() for found in connection.execute(query.order_by("entry"))]}


@router.get("/jobs/{job}/inputs", tags=["audit"], response_model=running.Inputs)
def get_inputs(hub: HubDep, caller: Auditor, job: str) -> dict[str, Any]:
    """What a recomputed output was computed from, in order, and what everybody signed about it; 410 once destroyed.

    Also of a job whose output was not confirmed by all. Bodies are fetched one by one.
    """
    with hub.store.read() as connection:
        return inputs_json(connection, visible_job(connection, caller, job))


@router.get("/jobs/{job}/inputs/{place}", tags=["audit"], response_class=Response)
def get_input(
    hub: HubDep,
    caller: Auditor,
    job: str,
    place: int,
    number: Annotated[int, Query(ge=0, le=1 << 20, description="Which piece of the body")] = 0,
) -> Response:
    """One piece of the body of one of these messages, by its place in the list."""
    with hub.store.read() as connection:
        piece = input_piece(connection, visible_job(connection, caller, job), place, number)
    return Response(piece, media_type="application/octet-stream")


def _receipt(hub: Hub, caller: Caller, job: str) -> bytes:
    with hub.store.read() as connection:
        visible_job(connection, caller, job)
    return receipt_of(hub, job)


def _progress(hub: Hub, caller: Caller, job: str) -> dict[str, Any]:
    with hub.store.read() as connection:
        return event_json(connection, visible_job(connection, caller, job))


async def _follow(hub: Hub, caller: Caller, job: str, first: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
    told: dict[str, Any] = {}
    async with hub.notifier.listen(topic(job)) as listener:
        now = first
        while True:
            now = await run_in_threadpool(_progress, hub, caller, job) if told else now
            if now != told:
                told = now
                yield {"event": "state", "data": canonical(now).decode()}
            if is_final(State(now["state"])) or not hub.notifier.running:
                return
            await listener.wait(hub.config.max_wait_seconds)
