"""The authority's status lists as the hub keeps them: all that were published, the newest in force while fresh."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from jobs.documents import Envelope, Roster, StatusList, Verified, check_fresh, verify_status
from jobs.documents.status import check_latest
from jobs.errors import JobError
from sandbox.errors import NotFound
from sandbox.hub.core.hub import Hub
from sandbox.store.tables import status_lists


def current_status(
    hub: Hub, connection: Connection, roster: Verified[Roster], now: datetime
) -> Verified[StatusList] | None:
    """The newest list, verified under the roster in force; ``None`` if none holds now: then nothing runs."""
    data = _newest(connection)
    if data is None:
        return None
    try:
        verified: Verified[StatusList] = hub.verified_once.verified(verify_status, data, roster)
        check_fresh(verified.document, now)
        check_latest(verified.document, roster)
    except JobError:
        return None
    return verified


def latest_status(connection: Connection) -> Envelope:
    """The newest list, fresh or not; raises ``NotFound``."""
    data = _newest(connection)
    if data is None:
        raise NotFound("the authority has not published a status list yet: nothing runs before it does")
    return Envelope.parse(data)


def _newest(connection: Connection) -> bytes | None:
    query = select(status_lists.c.envelope).order_by(status_lists.c.number.desc()).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)
