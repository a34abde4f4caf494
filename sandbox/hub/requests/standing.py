"""A new status list takes effect at once: what it stops ends, what waited for a fresh list goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from jobs.documents import Envelope, Permit, StatusList, Verified, moment_text, objections, verify_status
from jobs.documents.status import Objection, ordered
from jobs.errors import RosterRollback
from sandbox.hub.core.errors import Conflicting
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.requests.permits import settle
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.relay import put
from sandbox.inbox import StatusBody
from sandbox.policy.decide import NO_STATUS
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Actor, Event
from sandbox.store.store import Change
from sandbox.store.tables import jobs, status_lists


def publish_status(hub: Hub, envelope: Envelope, by: Actor) -> Verified[StatusList]:
    """Put a newer list in force; the same again changes nothing. Raises ``Conflicting`` for one that is not newer,
    ``RosterRollback`` for one that names another roster than the hub's latest, or what a bad list is refused for."""
    roster = hub.roster()
    verified = verify_status(envelope, roster, hub.store.now())
    status = verified.document
    if status.roster_version != roster.document.version:
        raise RosterRollback(
            f"the list names roster version {status.roster_version}, {roster.document.version} is in force"
        )
    facts = {"number": status.number, "stopped": len(status.stopped), "forbidden": len(status.forbidden)}
    event = Event(
        "status-list.published", by, subject=f"status-{status.number}", digests=(verified.digest,), facts=facts
    )
    with hub.store.read() as connection:
        if not _is_newer(connection, verified):
            return verified
    with hub.store.change(event) as change:
        if not _is_newer(change.connection, verified):
            raise Conflicting("this list was published a moment ago")
        row = {
            "number": status.number,
            "digest": verified.digest,
            "envelope": envelope.encode(),
            "at": moment_text(change.now),
        }
        change.execute(insert(status_lists).values(row))
        nodes = [node.id for owner in roster.document.owners for node in owner.nodes]
        put(change, nodes, "", StatusBody(status=envelope.to_json(), roster=roster.envelope.to_json()))
        _stop(hub, change, status)
        for job in _waiting(change):
            settle(hub, change, job, by)
    return verified


def _is_newer(connection: Connection, verified: Verified[StatusList]) -> bool:
    """False for the very list in force; raises ``Conflicting`` for an older one, or another one of its number."""
    query = select(status_lists.c.number, status_lists.c.digest).order_by(status_lists.c.number.desc()).limit(1)
    last = connection.execute(query).first()
    if last is None or verified.document.number > last.number:
        return True
    if (verified.document.number, verified.digest) == (last.number, last.digest):
        return False
    raise Conflicting(f"status list {last.number} is in force: publish a higher number")


def _stop(hub: Hub, change: Change, status: StatusList) -> None:
    """End the running jobs that the list objects to; their nodes hear of it as of any other end."""
    for row, objection in list(_running(hub, change, status)):
        end_in(change, row, Step.FAIL, Cause.HUB, HUB, objection.code, objection.text)


def _running(hub: Hub, change: Change, status: StatusList) -> Iterator[tuple[Row[Any], Objection]]:
    for row in change.execute(select(jobs).where(jobs.c.state == State.RUNNING)).all():
        order = Permit.open(Envelope.parse(bytes(row.permit_envelope)))
        for objection in objections(status, ordered(order), hub.roster_of(row.roster).document):
            yield row, objection
            break


def _waiting(change: Change) -> list[str]:
    """Jobs that waited for a list; those that wait for owners are judged by it when an owner answers."""
    waits = (jobs.c.state == State.NEEDS_APPROVAL) & jobs.c.reasons.contains(f'"{NO_STATUS}"')
    return list(change.execute(select(jobs.c.id).where(waits).order_by(jobs.c.serial)).scalars())
