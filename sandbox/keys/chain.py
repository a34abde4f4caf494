"""A chain of rosters as the hub distributes it: take the newer, pass over the older, refuse a second history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jobs.documents import Envelope, Roster, TrustedRoster, Verified
from jobs.errors import RosterRollback

Accept = Callable[[Envelope], Verified[Roster]]


def take_newer(trusted: TrustedRoster, chain: Iterable[Any], accept: Accept) -> int:
    """Give ``accept`` every roster of the chain (JSON, oldest first) that is not older than the trusted one.

    Run by nodes and witnesses on what a hub shows; returns how many were taken. Older rosters are history and no
    reason to stop; another roster of the trusted version raises ``RosterRollback``, a bad one any other ``JobError``.
    """
    taken = 0
    for value in chain:
        envelope = Envelope.from_json(value)
        if trusted.known and Roster.open(envelope).version < trusted.last.document.version:
            continue
        accept(envelope)
        taken += 1
    return taken


def current_roster(trusted: TrustedRoster, now: datetime, oldest: int) -> Verified[Roster]:
    """The trusted roster if it is valid now and not below the trust file's ``oldest_roster``; raises a ``JobError``."""
    roster = trusted.current(now)
    if roster.document.version < oldest:
        raise RosterRollback(f"the trust file refuses rosters before version {oldest}: get the authority's newer one")
    return roster
