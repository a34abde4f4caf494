"""The authority's status list: who and what is stopped, what is forbidden (负面清单), and which roster is the latest.

Signed by the roster's online status key, numbered, and valid for hours to days: no fresh list, no run. A hub that
holds back a newer roster, a suspension or a forbidden use can do so only until its last list has expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, model_validator

from jobs.documents.base import (
    CLOCK_SKEW,
    DigestText,
    Document,
    Id,
    Label,
    Moment,
    Part,
    Verified,
    Version,
    Words,
    check_distinct,
)
from jobs.documents.execution import Permit
from jobs.documents.roster import Roster
from jobs.errors import Expired, OutOfScope, RosterRollback

MAX_STATUS_LIFE: Final = timedelta(days=7)


class StatusEntry(Part):
    """Somebody or something that may not be used for now (``suspended``) or ever again (``revoked``)."""

    kind: Literal["grant", "operator", "owner", "node"]
    subject: Id
    """A grant's digest, or an id of the roster."""
    state: Literal["suspended", "revoked"]
    since: Moment
    reason: Words

    def cite(self, number: int) -> str:
        """How a refusal names the entry."""
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return f"status list {number}: {self.kind} {self.subject} is {self.state} since {since}: {self.reason}"

    @property
    def code(self) -> str:
        return f"{self.kind}-{self.state}"


class ForbiddenUse(Part):
    """One entry of the negative list: what it names must all be present in a request; what it leaves out is any."""

    id: Id
    dataset: Id
    column: Label | None = None
    scenario: Label | None = None
    operator: Id | None = None
    ground: Literal[
        "harms_security", "harms_privacy", "harms_secrets", "no_authorisation", "unlawful_source", "dispute", "listed"
    ]
    reason: Words

    @property
    def whole_dataset(self) -> bool:
        """Forbids any use, by anyone, for anything: the dataset is not even registered."""
        return self.column is None and self.scenario is None and self.operator is None

    def matches(self, touched: Mapping[str, Iterable[str]], scenario: str, operator: str) -> bool:
        columns = touched.get(self.dataset)
        if columns is None or (self.column is not None and self.column not in set(columns)):
            return False
        return self.scenario in (None, scenario) and self.operator in (None, operator)

    def cite(self, number: int) -> str:
        """How a refusal names the entry."""
        return f"status list {number}, entry {self.id} ({self.ground.replace('_', ' ')}): {self.reason}"


class StatusList(Document):
    KIND: ClassVar[str] = "status-list"
    number: Version
    """Grows by one with every list; whoever has seen one takes no lower one."""
    issued: Moment
    expires: Moment
    roster: DigestText
    """The latest roster when this list was signed."""
    roster_version: Version
    stopped: Annotated[tuple[StatusEntry, ...], Field(max_length=10_000)] = ()
    forbidden: Annotated[tuple[ForbiddenUse, ...], Field(max_length=10_000)] = ()

    @model_validator(mode="after")
    def _short_lived(self) -> StatusList:
        if not timedelta(0) < self.expires - self.issued <= MAX_STATUS_LIFE:
            raise ValueError(f"a status list is valid for at most {MAX_STATUS_LIFE.days} days")
        check_distinct([f"{entry.kind} {entry.subject}" for entry in self.stopped], "stopped subjects")
        check_distinct([entry.id for entry in self.forbidden], "ids of forbidden uses")
        return self

    def stops(self, kind: str, subject: str) -> StatusEntry | None:
        return next((entry for entry in self.stopped if (entry.kind, entry.subject) == (kind, subject)), None)


@dataclass(frozen=True)
class Objection:
    """Why a run may not be: ``code`` for programs, ``text`` for people, ``entry`` of the list."""

    code: str
    text: str
    entry: str


@dataclass(frozen=True)
class Asked:
    """A run, ordered or only asked for: who, for what, over which columns (by dataset), at whose nodes."""

    operator: str
    scenario: str
    touched: Mapping[str, Iterable[str]]
    participants: Sequence[str]
    grants: Sequence[str] = ()


def objections(status: StatusList, asked: Asked, roster: Roster) -> Iterator[Objection]:
    """Yield all that the list says against a run, granted or not: the one rule of hub, node, owner and verifier."""
    for entry in status.forbidden:
        if entry.matches(asked.touched, asked.scenario, asked.operator):
            yield Objection("negative-listed", entry.cite(status.number), entry.id)
    owners = dict.fromkeys(roster.owner_of(node).id for node in asked.participants)
    subjects = {("operator", asked.operator), *(("owner", owner) for owner in owners)}
    subjects |= {("node", node) for node in asked.participants} | {("grant", grant) for grant in asked.grants}
    for stop in status.stopped:
        if (stop.kind, stop.subject) in subjects:
            yield Objection(stop.code, stop.cite(status.number), stop.subject)


def ordered(order: Permit) -> Asked:
    """What a permit orders."""
    touched: dict[str, set[str]] = {}
    for use in order.data:
        touched.setdefault(use.dataset, set()).update(use.columns)
    return Asked(order.operator, order.scenario, touched, order.participants, order.grants)


def check_not_stopped(status: StatusList, asked: Asked, roster: Roster) -> None:
    """Raise ``OutOfScope`` (``field`` is the objection's code) for the first thing that the list says against it."""
    for objection in objections(status, asked, roster):
        raise OutOfScope(objection.code, objection.text)


def check_fresh(status: StatusList, at: datetime) -> None:
    """Raise ``Expired`` unless the list is valid at that moment (5 minutes' skew before its issue)."""
    if at >= status.expires:
        raise Expired(f"status list {status.number} has expired: the authority publishes a new one every few hours")
    if at < status.issued - CLOCK_SKEW:
        raise Expired(f"status list {status.number} is not valid yet: check this machine's clock")


def check_latest(status: StatusList, roster: Verified[Roster]) -> None:
    """Raise ``RosterRollback`` for a roster that is older than the list's, or another one of the same version."""
    version = roster.document.version
    if version < status.roster_version:
        raise RosterRollback(
            f"roster version {version} is not the latest: the status list names {status.roster_version}"
        )
    if version == status.roster_version and roster.digest != status.roster:
        raise RosterRollback(f"there are two different rosters of version {version}: the status list names another")


def check_status(status: Verified[StatusList], order: Permit, roster: Verified[Roster]) -> None:
    """Raise unless this list is the order's, fresh for the whole run, about this roster, and objects to nothing.

    ``OutOfScope`` (``field`` is the objection's code, or ``status``), ``Expired`` or ``RosterRollback``.
    """
    if order.status != status.digest:
        raise OutOfScope("status", "the permit was issued under another status list")
    check_fresh(status.document, order.issued_at)
    if order.deadline > status.document.expires:
        raise OutOfScope("status", "the permit runs longer than the status list that it was issued under is valid")
    check_latest(status.document, roster)
    check_not_stopped(status.document, ordered(order), roster.document)


def check_numbers(status: Verified[StatusList], number: int, digest: str) -> None:
    """Raise ``RosterRollback`` if a list with a higher number, or another one of the same, was seen before."""
    if status.document.number < number:
        raise RosterRollback(f"status list {status.document.number} is older than list {number}, which was seen before")
    if status.document.number == number and status.digest != digest:
        raise RosterRollback(f"there are two different status lists of number {number}")
