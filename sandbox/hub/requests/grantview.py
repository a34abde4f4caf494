"""What owners see: the requests that wait for them, with everything a grant binds, and the grants there are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from jobs.documents import Envelope, parse_json
from jobs.errors import JobError
from sandbox.errors import Rejected
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller, Role
from sandbox.hub.requests.permits import held_grants
from sandbox.hub.requests.request import Setting, build_case, stored_request
from sandbox.hub.running.jobview import concerns
from sandbox.policy.decide import missing_grant
from sandbox.policy.states import State
from sandbox.store.tables import grants, jobs


def request_list(hub: Hub, caller: Caller, limit: int, after: int) -> dict[str, Any]:
    """Requests without a fitting grant by this owner. The owner renders the plan itself; no words come with it."""
    waiting = (jobs.c.state == State.NEEDS_APPROVAL) & (jobs.c.serial > after) & concerns(caller.subject)
    query = select(jobs).where(waiting).order_by(jobs.c.serial).limit(limit)
    found = []
    with hub.store.read() as connection:
        setting = Setting.at(hub, connection, hub.store.now())
        own = {node.id for node in setting.roster.document.owner(caller.subject).nodes}
        rows = connection.execute(query).all()
        for row in rows:
            try:
                request = stored_request(hub, row, setting.roster)
                case = build_case(hub, request, setting)
            except (JobError, Rejected):  # it cannot run at present, whatever the owner signs
                continue
            why = missing_grant(caller.subject, case, held_grants(hub, connection, request, setting), setting.now)
            if why is None:
                continue
            order = case.order.document
            found.append(
                {
                    "id": row.id,
                    "progress": row.progress,
                    "created": row.created,
                    "operator": row.operator,
                    "scenario": order.scenario,
                    "kind": request.kind.name,
                    "plan": order.plan,
                    "plan_digest": order.plan_digest,
                    "algorithm": order.algorithm,
                    "parameters": order.parameters,
                    "commitment": request.committed.envelope.to_json(),
                    "commitment_digest": order.commitment,
                    "participants": list(order.participants),
                    "records": [record.envelope.to_json() for record in case.records],
                    "data": [use.model_dump(mode="json") for use in order.data if use.node in own],
                    "output": order.output.model_dump(mode="json"),
                    "roster": order.roster,
                    "reason": why.to_json(),
                }
            )
    return {"items": found, "next": rows[-1].serial if len(rows) == limit else None}


def grant_list(connection: Connection, caller: Caller, limit: int, after: int) -> dict[str, Any]:
    """A page of grants with their use."""
    query = select(grants).where(grants.c.serial > after).order_by(grants.c.serial).limit(limit)
    if caller.role in (Role.OWNER, Role.OPERATOR):
        query = query.where(grants.c[caller.role] == caller.subject)
    rows = connection.execute(query).all()
    items = [
        {
            "digest": row.digest,
            "id": row.id,
            "owner": row.owner,
            "operator": row.operator,
            "plan_digest": row.plan_digest,
            "runs": row.runs,
            "used": row.used,
            "revoked": row.revoked,
            "accepted": row.at,
            "grant": parse_json(Envelope.parse(bytes(row.envelope)).payload),
        }
        for row in rows
    ]
    return {"items": items, "next": rows[-1].serial if len(rows) == limit else None}
