"""How many of one operator's requests may wait for owners at a time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

from sandbox.hub.core.errors import TooManyRequests
from sandbox.hub.core.hub import Hub
from sandbox.policy.states import State
from sandbox.store.tables import jobs

_RETRY_S: Final = 300.0
"""Owners are people: asking again sooner is no use."""


def check_waiting(hub: Hub, connection: Connection, operator: str) -> None:
    """Raise ``TooManyRequests`` if more of the operator's requests wait than it may have; run before the commit."""
    most = hub.config.front_door.waiting_requests
    mine = (jobs.c.operator == operator) & (jobs.c.state == State.NEEDS_APPROVAL)
    some = select(jobs.c.id).where(mine).limit(most + 1).subquery()
    if (connection.execute(select(func.count()).select_from(some)).scalar() or 0) > most:
        text = f"{most} requests of {operator} wait for their owners: cancel some, or wait for answers"
        raise TooManyRequests(text, _RETRY_S)
