"""What an owner must look at before its node runs another job: numbers left without a release, nodes told differently.

An alarm stands until the owner acknowledges it on the node's machine; the auditor finds the same facts in the node's
signed export and the hub's log.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from sandbox.errors import IntegrityFailure, NotFound
from sandbox.node.tables import alarms

UNRELEASED: Final = "sent-but-not-released"
MISLED: Final = "told-differently"
ALTERED: Final = "release-altered"


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
    return [dict(row._mapping) for row in connection.execute(select(alarms).order_by(alarms.c.id))]


def acknowledge(connection: Connection, number: int, at: str) -> None:
    """The owner has seen it; raises ``NotFound``."""
    changed = connection.execute(update(alarms).where(alarms.c.id == number).values(acknowledged=at))
    if not changed.rowcount:
        raise NotFound(f"there is no alarm {number}")
