"""Health, rosters, status lists, catalogue, usage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from jobs.documents import parse_json
from sandbox.hub.api.answers import people, requests
from sandbox.hub.api.answers.base import Envelope
from sandbox.hub.api.routes.access import (
    After,
    AnyCaller,
    Authority,
    EnvelopeJson,
    HubDep,
    Limit,
    Owner,
    Reader,
    envelope,
)
from sandbox.hub.api.routes.whole import whole_router
from sandbox.hub.core.hub import stored_rosters
from sandbox.hub.core.version import VERSION
from sandbox.hub.people.rosters import accept_roster, latest_roster
from sandbox.hub.people.status import latest_status
from sandbox.hub.people.tokens import Role
from sandbox.hub.requests.catalogue import catalogue_of, describe, register
from sandbox.hub.requests.standing import publish_status
from sandbox.store.tables import usage
from sandbox.store.tree import read_size

router = whole_router()
DatasetName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Registration(BaseModel):
    """The logical dataset that all holders share, and one owner's signed record of one version of its part."""

    dataset: Annotated[dict[str, Any], Field(description="A Dataset document: columns with roles, domains, bounds")]
    record: EnvelopeJson


@router.get("/health", tags=["platform"], response_model=people.Health)
def health(hub: HubDep) -> dict[str, Any]:
    """Is the hub up, what does it call itself, how large is its log?"""
    with hub.store.read() as connection:
        return {"name": hub.trust.origin, "version": VERSION, "log_size": read_size(connection)}


@router.get("/roster", tags=["platform"], response_model=Envelope)
def get_roster(hub: HubDep) -> Any:
    """The newest roster's envelope. Nobody needs to believe the hub: the authority's root signed it."""
    return parse_json(latest_roster(hub))


@router.get("/rosters", tags=["platform"], response_model=people.Rosters)
def get_rosters(hub: HubDep) -> dict[str, Any]:
    """All rosters, oldest first: who pinned an old root follows the rotations from there."""
    with hub.store.read() as connection:
        return {"rosters": [parse_json(roster) for roster in stored_rosters(connection)]}


@router.post("/roster", status_code=201, tags=["platform"], response_model=people.Published)
def post_roster(hub: HubDep, caller: Authority, body: EnvelopeJson) -> dict[str, Any]:
    """Publish a newer roster, signed by the root."""
    accepted = accept_roster(hub, envelope(body), caller.actor)
    return {"version": accepted.document.version, "digest": accepted.digest}


@router.post("/datasets", status_code=201, tags=["catalogue"], response_model=requests.Registered)
def post_dataset(hub: HubDep, caller: Owner, body: Registration) -> dict[str, Any]:
    """Register one version of this owner's part of a dataset."""
    record = register(hub, caller, body.dataset, envelope(body.record))
    return {"dataset": record.document.dataset, "node": record.document.node, "record": record.digest}


@router.get("/datasets", tags=["catalogue"], response_model=requests.DatasetPage)
def get_datasets(hub: HubDep, caller: AnyCaller, limit: Limit = 100, after: str = "") -> dict[str, Any]:
    """All logical datasets, by name."""
    with hub.store.read() as connection:
        view = catalogue_of(hub, connection, hub.roster()).view
    found = [dataset for dataset in view.datasets if dataset.name > after][:limit]
    items = [
        {
            "name": dataset.name,
            "title": dataset.title,
            "grade": dataset.grade,
            "profile": dataset.profile,
            "update_frequency": dataset.update_frequency,
            "columns": len(dataset.columns),
            "holders": [holding.provider for holding in view.holdings_of(dataset.name)],
        }
        for dataset in found
    ]
    return {"items": items, "next": found[-1].name if len(found) == limit else None}


@router.get("/datasets/{name}", tags=["catalogue"], response_model=requests.DatasetShown)
def get_dataset(hub: HubDep, caller: AnyCaller, name: DatasetName) -> dict[str, Any]:
    """One logical dataset with its columns and holders."""
    with hub.store.read() as connection:
        return describe(hub, connection, name)


@router.get("/status", tags=["platform"], response_model=Envelope)
def get_status(hub: HubDep) -> Any:
    """The newest status list's envelope, fresh or not. The roster's status key signed it; refusals cite its entries."""
    with hub.store.read() as connection:
        return latest_status(connection).to_json()


@router.post("/status", status_code=201, tags=["platform"], response_model=people.StatusPublished)
def post_status(hub: HubDep, caller: Authority, body: EnvelopeJson) -> dict[str, Any]:
    """Put a newer list in force: what it stops ends, what waited for a fresh one goes on."""
    published = publish_status(hub, envelope(body), caller.actor)
    return {"number": published.document.number, "digest": published.digest}


@router.get("/usage", tags=["platform"], response_model=requests.UsagePage)
def get_usage(hub: HubDep, caller: Reader, limit: Limit = 100, after: After = -1) -> dict[str, Any]:
    """Runs and metered units per operator, owner and dataset: one's own, or all for auditor and authority."""
    columns = (usage.c.operator, usage.c.owner, usage.c.dataset, usage.c.unit)
    totals = [func.sum(usage.c.amount).label("amount"), func.count().label("releases")]
    query = select(*columns, *totals).group_by(*columns).order_by(*columns)
    if caller.role in (Role.OPERATOR, Role.OWNER):
        query = query.where(usage.c[caller.role] == caller.subject)
    with hub.store.read() as connection:
        rows = connection.execute(query.offset(after + 1).limit(limit)).all()
    items = [{**row._asdict(), "amount": int(row.amount)} for row in rows]
    return {"items": items, "next": after + len(items) if len(items) == limit else None}
