"""Jobs and releases as the API shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, select

from jobs.documents import parse_json
from jobs.documents.ed25519 import encode_base64
from sandbox.errors import InvalidTransition, NotFound
from sandbox.hub.people.tokens import Caller, Role
from sandbox.hub.running.jobstate import participants
from sandbox.hub.running.releasing import SHOWN
from sandbox.hub.running.scans import scans_json
from sandbox.policy.states import State
from sandbox.store import contents
from sandbox.store.tables import deliveries, job_nodes, jobs, releases


def job_json(connection: Connection, row: Row[Any], caller: Caller) -> dict[str, Any]:
    """One job in full. The operator's own text is shown to the operator and to auditors only."""
    request = parse_json(row.request.encode())
    shown = {
        **event_json(connection, row),
        "operator": row.operator,
        "kind": row.kind,
        "spec": row.spec,
        "plan": parse_json(row.plan.encode()),
        "plan_digest": row.plan_digest,
        "parameters": request["parameters"],
        "words": request["words"],
        "commitment": row.commitment,
        "roster": row.roster,
        "permit": row.permit,
        "participants": list(participants(connection, row.id)),
        "created": row.created,
        "deadline": row.deadline,
        "replay_of": row.release_of if row.release_of != row.id else None,
    }
    return shown if caller.role is Role.OWNER else {**shown, "request": request["request"]}


def event_json(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """What changes while a job runs, and how far its scans are."""
    return {**progress_json(row), "scans": scans_json(connection, row)}


def progress_json(row: Row[Any]) -> dict[str, Any]:
    """What changes while a job runs, without looking further."""
    return {
        "id": row.id,
        "state": row.state,
        "progress": row.progress,
        "changed": row.changed,
        "reasons": parse_json(row.reasons.encode()),
        "failure": None if row.failure is None else parse_json(row.failure.encode()),
    }


def job_list(connection: Connection, caller: Caller, limit: int, after: int, state: State | None) -> dict[str, Any]:
    """A page of the jobs that this caller may see, oldest first; ``next`` is the cursor for the following page."""
    query = select(jobs).where(jobs.c.serial > after).order_by(jobs.c.serial).limit(limit)
    if state is not None:
        query = query.where(jobs.c.state == state)
    if caller.role is Role.OPERATOR:
        query = query.where(jobs.c.operator == caller.subject)
    elif caller.role is Role.OWNER:
        query = query.where(
            concerns(caller.subject) if state else jobs.c.serial.in_(_own(caller.subject, limit, after))
        )
    rows = connection.execute(query).all()
    items = [
        {
            **progress_json(row),
            "operator": row.operator,
            "kind": row.kind,
            "plan_digest": row.plan_digest,
            "created": row.created,
        }
        for row in rows
    ]
    return {"items": items, "next": rows[-1].serial if len(rows) == limit else None}


def concerns(owner: str) -> ColumnElement[bool]:
    """Whether a job asks this owner: looked up job by job, so the jobs should be few already."""
    return exists().where((job_nodes.c.job == jobs.c.id) & (job_nodes.c.owner == owner))


def _own(owner: str, limit: int, after: int) -> Select[tuple[int]]:
    """A page of the serials of an owner's jobs, by its own index: another owner's jobs cost nothing."""
    own = (job_nodes.c.owner == owner) & (job_nodes.c.serial > after)
    return select(job_nodes.c.serial).where(own).distinct().order_by(job_nodes.c.serial).limit(limit)


def release_row(connection: Connection, row: Row[Any]) -> Row[Any]:
    """The release that answers this job; raises ``InvalidTransition`` before there is one."""
    if row.release_of is None:
        raise InvalidTransition(f"job {row.id} is {row.state}: there is no release")
    return connection.execute(select(releases).where(releases.c.job == row.release_of)).one()


def release_json(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    found = release_row(connection, row)
    query = select(deliveries).where((deliveries.c.job == found.job) & (deliveries.c.receiver == row.operator))
    given = connection.execute(query).one()
    return {
        "job": row.id,
        "replay_of": row.release_of if row.release_of != row.id else None,
        "digest": found.digest,
        "release": parse_json(bytes(found.envelope)),
        "content_salt": encode_base64(bytes(found.salt)),
        "delivery": parse_json(bytes(given.envelope)),
        "salt": encode_base64(bytes(given.salt)),
        **parse_json(contents.get(connection, found.job, SHOWN)),
    }


def release_file(connection: Connection, row: Row[Any], name: str) -> tuple[str, bytes]:
    """Media type and exact bytes of one form of a release; raises ``NotFound``, or ``ContentDestroyed``."""
    found = release_row(connection, row)
    listed = parse_json(contents.get(connection, found.job, SHOWN))["files"]
    for item in listed:
        if item["name"] == name:
            return str(item["media_type"]), contents.get(connection, found.job, name)
    raise NotFound(f"this release has no {name}; it has {', '.join(item['name'] for item in listed)}")
