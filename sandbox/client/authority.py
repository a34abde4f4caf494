"""The authority's side: the next status list, signed on its machine with the roster's status key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.documents import Envelope, ForbiddenUse, Roster, SigningKey, StatusEntry, StatusList, Verified


def build_status(
    roster: Verified[Roster],
    key: SigningKey,
    now: datetime,
    life: timedelta,
    previous: StatusList | None = None,
    *,
    stopped: Sequence[StatusEntry] | None = None,
    forbidden: Sequence[ForbiddenUse] | None = None,
) -> Envelope:
    """Return the list that follows ``previous``, naming ``roster`` as the latest, valid for ``life`` (7 days at most).

    What is not given stays as it was: without entries this is a refresh. Raises ``ValueError`` for a life too long.
    """
    kept = (previous.stopped, previous.forbidden) if previous else ((), ())
    return StatusList(
        number=previous.number + 1 if previous else 1,
        issued=now,
        expires=now + life,
        roster=roster.digest,
        roster_version=roster.document.version,
        stopped=kept[0] if stopped is None else tuple(stopped),
        forbidden=kept[1] if forbidden is None else tuple(forbidden),
    ).sign(key)
