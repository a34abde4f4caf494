"""Identical question, identical answer: the cached release is shown again, no run is charged, the log says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from jobs.documents import Grant, Verified, moment_text
from jobs.schema import Digest
from sandbox.hub.core.hub import HUB
from sandbox.hub.running.jobstate import move
from sandbox.policy.states import Cause
from sandbox.policy.states import Event as Step
from sandbox.store.store import Change
from sandbox.store.tables import job_grants, releases, usage


@dataclass(frozen=True)
class CachedRelease:
    """An earlier job whose release answers this request."""

    job: str
    digest: Digest

    def show_again(self, change: Change, row: Row[Any], grants: Sequence[Verified[Grant]]) -> None:
        """End the job as released with the earlier release, under grants that are valid now."""
        digests = (self.digest, *(grant.digest for grant in grants))
        facts = {"replay_of": self.job}
        move(change, row, Step.REPLAY, Cause.HUB, HUB, digests=digests, facts=facts, release_of=self.job)
        change.execute(insert(job_grants), [{"job": row.id, "grant": grant.digest} for grant in grants])
        booked = change.execute(select(usage).where(usage.c.job == self.job)).all()
        again = {"job": row.id, "amount": 0, "at": moment_text(change.now)}
        change.execute(insert(usage), [{**item._asdict(), **again} for item in booked])


def cached_release(connection: Connection, key: Digest) -> CachedRelease | None:
    """The first release under this replay key."""
    query = select(releases.c.job, releases.c.digest).where(releases.c.replay_key == key).order_by(releases.c.entry)
    row = connection.execute(query.limit(1)).first()
    return None if row is None else CachedRelease(row.job, Digest(row.digest))
