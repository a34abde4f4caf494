"""A permitted job as the hub drives it: its kind, its case, and what the kind's referee needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Row

from jobs.disclosure.profile import load_profile
from jobs.documents import Permit, Roster, Verified, parse_json, verify_permit
from jobs.errors import JobError
from jobs.kinds.base import Case, Kind, Referee
from jobs.kinds.registry import kind_of, referee_of
from mpc.errors import MpcError
from sandbox.errors import SandboxError
from sandbox.hub.core.errors import HubFault
from sandbox.hub.core.hub import Hub
from sandbox.logs import facts
from sandbox.store import contents

_LOG: Final = logging.getLogger("unseen.hub")


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


@contextmanager
def foreseen(job: RunningJob) -> Iterator[None]:
    """Run the kind's own code: what it raises is one of our types, or a ``HubFault`` whose cause the hub's log has."""
    try:
        yield
    except (JobError, MpcError, SandboxError):
        raise
    except Exception as error:  # a kind's own fault ends its job, and no other's
        _LOG.exception("the referee failed", extra=facts(event="referee.failed", job=job.id))
        text = f"the {job.kind.name} referee failed with {type(error).__name__}; the platform's log has the cause"
        raise HubFault(text) from None


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


@lru_cache(maxsize=256)
def stored_plan_json(text: str) -> Any:
    """The same as the canonical JSON that its digest is of. Nobody changes it."""
    return parse_json(text.encode())


def walk_scope(job: str) -> str:
    """Under which bodies and referee states of a job lie: destroyed when it ends, while its release stays."""
    return f"walk {job}"
