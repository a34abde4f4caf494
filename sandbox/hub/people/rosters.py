"""Who is who: the authority's signed rosters, accepted in a chain from the pinned root; the hub only distributes."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from jobs.documents import Envelope, Roster, TrustedRoster, Verified
from jobs.errors import BadDocument
from sandbox.errors import NotFound
from sandbox.hub.core.errors import Conflicting
from sandbox.hub.core.hub import Hub, stored_rosters
from sandbox.store.event import Actor, Event
from sandbox.store.tables import rosters


def accept_roster(hub: Hub, envelope: Envelope, by: Actor) -> Verified[Roster]:
    """Verify against the chain so far and store; the same again changes nothing. Raises a ``JobError``."""
    with hub.store.read() as connection:
        trusted = TrustedRoster.of(hub.trust.root, stored_rosters(connection))
    verified = trusted.update(envelope)
    roster = verified.document
    if roster.origin != hub.trust.origin:
        raise BadDocument(f"the roster is for the log {roster.origin}, this hub keeps {hub.trust.origin}")
    if roster.hub_key() != hub.key.public:
        raise BadDocument("the roster names another hub key than this hub's: put the hub's public key into it")
    event = Event("roster.accepted", by, subject=f"roster-{roster.version}", digests=(verified.digest,))
    with hub.store.read() as connection:
        if _is_stored(connection, verified):
            return verified
    with hub.store.change(event) as change:
        if _is_stored(change.connection, verified):
            raise Conflicting("this version was accepted a moment ago")
        row = {"version": roster.version, "digest": verified.digest, "envelope": envelope.encode()}
        change.execute(insert(rosters).values(row))
        change.wake("roster")
    hub.load_rosters()
    return verified


def latest_roster(hub: Hub) -> bytes:
    """The newest envelope, expired or not; raises ``NotFound``."""
    with hub.store.read() as connection:
        chain = stored_rosters(connection)
    if not chain:
        raise NotFound("the authority has not published a roster yet")
    return chain[-1]


def _is_stored(connection: Connection, roster: Verified[Roster]) -> bool:
    query = select(rosters.c.version).where(rosters.c.version == roster.document.version)
    return connection.execute(query).first() is not None
