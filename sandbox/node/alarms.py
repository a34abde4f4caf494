"""What an owner must look at before its node runs another job: numbers left without a release, nodes told differently.

An alarm stands until the owner acknowledges it on the node's machine; the auditor finds the same facts in the node's
signed export and the hub's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from sandbox.errors import IntegrityFailure, NotFound
from sandbox.node.tables import alarms

UNRELEASED: Final = "sent-but-not-released"
MISLED: Final = "told-differently"
ALTERED: Final = "release-altered"
UNCONFIRMED: Final = "output-unconfirmed"
RESTORED: Final = "restored-state"
_AUDITOR: Final = (
    "Run `unseen node export` and give the file to the auditor, who compares it with the hub's log "
    "(`unseen log reconcile`)."
)
ADVICE: Final[Mapping[str, str]] = {
    UNRELEASED: f"Ask the hub why. {_AUDITOR} Until that is explained, revoke the grant: `unseen node revoke`.",
    MISLED: f"The hub cannot have done this by accident: accept nothing more from it. {_AUDITOR}",
    ALTERED: f"Do not rely on this release. {_AUDITOR}",
    UNCONFIRMED: f"Ask the auditor to recompute it from the stored messages (`unseen log recompute JOB`). {_AUDITOR}",
    RESTORED: (
        "Stop the node and put the newest copy of its state folder back. If there is none, what was answered since "
        "this copy was made counts neither in budgets nor in the audit any more: acknowledge it only if you accept "
        f"that, and revoke the grants that ran meanwhile. {_AUDITOR}"
    ),
}
"""What the owner does next, by the alarm's code."""


def raise_alarm(connection: Connection, job: str, permit: str, code: str, text: str, at: str) -> None:
    """Note it once for a permit; the caller logs it."""
    known = select(alarms.c.id).where((alarms.c.permit == permit) & (alarms.c.code == code))
    if connection.execute(known).first() is None:
        row = {"at": at, "job": job, "permit": permit, "code": code, "text": text}
        connection.execute(insert(alarms).values(row))


def check_quiet(connection: Connection) -> None:
    """Raise ``IntegrityFailure`` while an alarm is not acknowledged."""
    first = connection.execute(select(alarms).where(alarms.c.acknowledged.is_(None)).limit(1)).first()
    if first is not None:
        raise IntegrityFailure(
            f"alarm {first.id} of job {first.job} stands at this node; its owner looks at `unseen node alarms` first"
        )


def alarm_list(connection: Connection) -> list[dict[str, Any]]:
    """All alarms, oldest first, with ``advice``; ``acknowledged`` is null while one stands."""
    rows = connection.execute(select(alarms).order_by(alarms.c.id))
    return [{**row._mapping, "advice": ADVICE.get(row.code, _AUDITOR)} for row in rows]


def acknowledge(connection: Connection, number: int, at: str) -> list[int]:
    """The owner has seen it; the first time counts. Returns what still stands; raises ``NotFound``."""
    this = alarms.c.id == number
    if connection.execute(select(alarms.c.id).where(this)).first() is None:
        raise NotFound(f"there is no alarm {number}")
    connection.execute(update(alarms).where(this & alarms.c.acknowledged.is_(None)).values(acknowledged=at))
    standing = select(alarms.c.id).where(alarms.c.acknowledged.is_(None)).order_by(alarms.c.id)
    return list(connection.execute(standing).scalars())
