"""Who calls: the role and subject that the door found, checked before a route's function runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field
from sqlalchemy import Connection, Row, select

from jobs.documents import Envelope
from sandbox.errors import NotFound
from sandbox.hub.api.door import CALLER
from sandbox.hub.core.errors import NotAuthenticated, NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller, Role
from sandbox.hub.running.jobstate import job_row
from sandbox.store.tables import job_nodes

_bearer = HTTPBearer(auto_error=False, description="A token that `unseen hub token` made for one role and party")


async def hub_of(request: Request) -> Hub:
    """The application's hub; async, so that no thread is taken for it."""
    hub = request.app.state.hub
    if not isinstance(hub, Hub):
        raise TypeError("the application was made without a hub")
    return hub


HubDep = Annotated[Hub, Depends(hub_of)]


def _caller(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """Whom the door let in, if the role fits; ``_bearer`` is there for the OpenAPI document."""

    async def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
        caller = request.scope.get(CALLER)
        if not isinstance(caller, Caller):
            raise NotAuthenticated("a bearer token is needed")
        if caller.role not in roles:
            raise NotPermitted(f"this call is for the {' or '.join(roles)}, the token is the {caller.role}'s")
        return caller

    return check


AnyCaller = Annotated[Caller, Depends(_caller(*(role for role in Role if role is not Role.MONITOR)))]
Monitor = Annotated[Caller, Depends(_caller(Role.MONITOR))]
Operator = Annotated[Caller, Depends(_caller(Role.OPERATOR))]
Owner = Annotated[Caller, Depends(_caller(Role.OWNER))]
Authority = Annotated[Caller, Depends(_caller(Role.AUTHORITY))]
Node = Annotated[Caller, Depends(_caller(Role.NODE))]
Reader = Annotated[Caller, Depends(_caller(Role.OPERATOR, Role.OWNER, Role.AUDITOR, Role.AUTHORITY))]
Auditor = Annotated[Caller, Depends(_caller(Role.AUDITOR, Role.AUTHORITY))]

Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many items")]
Wait = Annotated[float, Query(ge=0, le=120, description="Seconds to wait for news (long poll)")]
After = Annotated[int, Query(ge=-1, le=2**53, description="Cursor: items after this one")]


EnvelopeJson = Annotated[
    dict[str, Any],
    Field(
        description="A DSSE envelope: canonical JSON payload in base64, its payload type, Ed25519 signatures",
        examples=[{"payload": "e30=", "payloadType": "application/vnd.unseen.grant+json;v=1", "signatures": []}],
    ),
]


def envelope(value: dict[str, Any]) -> Envelope:
    """Read a DSSE envelope from a request body; raises ``BadDocument``."""
    return Envelope.from_json(value)


def visible_job(connection: Connection, caller: Caller, job: str) -> Row[Any]:
    """The job's row if this caller may see it; raises ``NotFound`` otherwise, as if it did not exist."""
    row = job_row(connection, job)
    if may_see(connection, caller, row):
        return row
    raise NotFound(f"there is no job {job}")


def may_see(connection: Connection, caller: Caller, row: Row[Any]) -> bool:
    """Operators see their own jobs, owners those that read their data, auditors and the authority all."""
    if caller.role in (Role.AUDITOR, Role.AUTHORITY):
        return True
    if caller.role is Role.OPERATOR:
        return bool(row.operator == caller.subject)
    column = job_nodes.c.owner if caller.role is Role.OWNER else job_nodes.c.node
    query = select(job_nodes.c.job).where((job_nodes.c.job == row.id) & (column == caller.subject))
    return connection.execute(query).first() is not None
