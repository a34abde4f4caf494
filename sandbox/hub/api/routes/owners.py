"""The owner's calls: what asks for my data, and my signed answers."""

from __future__ import annotations

from typing import Any

from sandbox.hub.api.answers import requests
from sandbox.hub.api.routes.access import After, EnvelopeJson, HubDep, Limit, Owner, Reader, envelope
from sandbox.hub.api.routes.whole import whole_router
from sandbox.hub.requests.approvals import accept_denial, accept_grant, accept_revocation
from sandbox.hub.requests.grantview import grant_list, request_list

router = whole_router(tags=["approvals"])


@router.get("/requests", response_model=requests.RequestPage, response_model_exclude_unset=True)
def get_requests(hub: HubDep, caller: Owner, limit: Limit = 100, after: After = -1) -> dict[str, Any]:
    """Jobs that wait for this owner: plan, parameters, commitment, participants, data versions, roster, output rule."""
    return request_list(hub, caller, limit, after)


@router.post("/grants", status_code=201, response_model=requests.GrantTaken)
def post_grant(hub: HubDep, caller: Owner, body: EnvelopeJson) -> dict[str, Any]:
    """A signed grant; what waited only for it starts at once."""
    grant, moved = accept_grant(hub, caller, envelope(body))
    return {"grant": grant.digest, "jobs": list(moved)}


@router.get("/grants", response_model=requests.GrantPage)
def get_grants(hub: HubDep, caller: Reader, limit: Limit = 100, after: After = -1) -> dict[str, Any]:
    """Grants given by or to this caller, with runs used; auditor and authority see all."""
    with hub.store.read() as connection:
        return grant_list(connection, caller, limit, after)


@router.post("/denials", status_code=201, response_model=requests.DenialTaken)
def post_denial(hub: HubDep, caller: Owner, body: EnvelopeJson) -> dict[str, Any]:
    """A signed, reasoned refusal of one request."""
    denial = accept_denial(hub, caller, envelope(body))
    return {"denial": denial.digest, "job": denial.document.request}


@router.post("/revocations", status_code=201, response_model=requests.RevocationTaken)
def post_revocation(hub: HubDep, caller: Owner, body: EnvelopeJson) -> dict[str, Any]:
    """A signed revocation: jobs that run under the grant stop. Tell your node first, it obeys before the hub."""
    stopped = accept_revocation(hub, caller, envelope(body))
    return {"stopped": list(stopped)}
