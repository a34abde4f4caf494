"""A permitted job as the hub drives it: its kind, its case, and what the kind's referee needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row

from jobs.disclosure.profile import load_profile
from jobs.documents import Permit, Roster, Verified, parse_json, verify_permit
from jobs.kinds.base import Case, Kind, Referee
from jobs.kinds.registry import kind_of, referee_of
from sandbox.hub.core.hub import Hub
from sandbox.store import contents


@dataclass(frozen=True)
class RunningJob:
    """``row`` as it was read; ``case`` is what referee and parties know."""

    row: Row[Any]
    permit: Verified[Permit]
    roster: Verified[Roster]
    kind: Kind
    case: Case
    hub_id: str

    @property
    def id(self) -> str:
        return str(self.row.id)

    @property
    def participants(self) -> tuple[str, ...]:
        return self.permit.document.participants

    @property
    def referee(self) -> Referee:
        return referee_of(self.kind)

    def state(self, connection: Connection) -> bytes | None:
        """What the referee kept."""
        return None if self.row.referee is None else contents.get(connection, walk_scope(self.id), self.row.referee)


def running_job(hub: Hub, row: Row[Any]) -> RunningJob:
    """The job under the roster of its permit; raises what its stored documents are refused for."""
    roster = hub.roster_of(row.roster)
    permit: Verified[Permit] = hub.verified_once.verified(verify_permit, bytes(row.permit_envelope), roster)
    kind, plan = kind_of(row.kind), stored_plan(row.kind, row.plan)
    order = permit.document
    case = Case(
        permit=permit.digest,
        nonce=order.nonce,
        plan=plan,
        parameters=kind.parameters(plan, order.parameters),
        participants=order.participants,
        profile=load_profile(kind.profile(plan)),
    )
    return RunningJob(row, permit, roster, kind, case, roster.document.hub.id)


@lru_cache(maxsize=256)
def stored_plan(kind: str, text: str) -> Any:
    """A plan as the hub stored it, read once."""
    return kind_of(kind).read(parse_json(text.encode()))


def walk_scope(job: str) -> str:
    """Under which bodies and referee states of a job lie: destroyed when it ends, while its release stays."""
    return f"walk {job}"
