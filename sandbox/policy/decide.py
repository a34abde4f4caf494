"""May this request run now? A pure decision over documents; the hub asks before it issues, nodes ask themselves again.

``Denied`` when a rule forbids it whatever owners sign, ``NeedsApproval`` when grants are missing (one reason for each
owner, saying why the grants at hand do not fit), else ``Allowed`` with the grants to run under.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jobs.documents import (
    Commitment,
    DatasetRecord,
    Grant,
    Permit,
    Roster,
    StatusList,
    Verified,
    check_grant_covers,
    is_own_review,
    objections,
)
from jobs.documents.status import ordered
from jobs.documents.verify import check_period
from jobs.errors import Expired, OutOfScope
from jobs.schema import Dataset, Grade

NO_STATUS: Final = "no-status-list"
"""Code of the reason that the authority alone can remove."""


@dataclass(frozen=True)
class Reason:
    """``code`` for programs, ``text`` for people; ``owner`` who can change it, ``entry`` of the status list."""

    code: str
    text: str
    owner: str | None = None
    entry: str | None = None

    def to_json(self) -> dict[str, str]:
        given = {"code": self.code, "text": self.text, "owner": self.owner, "entry": self.entry}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Allowed:
    grants: tuple[Verified[Grant], ...]


@dataclass(frozen=True)
class NeedsApproval:
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Denied:
    reasons: tuple[Reason, ...]


Decision = Allowed | NeedsApproval | Denied


@dataclass(frozen=True)
class Use:
    """What one grant has been used for so far."""

    grant: Verified[Grant]
    runs: int
    revoked: bool = False


@dataclass(frozen=True)
class Case:
    """A request as it would run now: ``order`` is the permit that would be issued, for comparison only."""

    order: Verified[Permit]
    commitment: Verified[Commitment] | None  # None: asked before the operator committed to anything
    records: tuple[Verified[DatasetRecord], ...]
    roster: Verified[Roster]


def decide(
    touched: Mapping[str, tuple[str, ...]],
    case: Case,
    datasets: Sequence[Dataset],
    grants: Sequence[Use],
    status: StatusList | None,
    now: datetime,
    *,
    replay: bool = False,
) -> Decision:
    """Decide on one request that reads ``touched``: columns by dataset.

    With ``replay`` the cached release would be shown again, which uses no run. ``status``: the authority's list in
    force; without a fresh one nothing runs, and the request waits.
    """
    if forbidden := tuple(_forbidden(touched, case, datasets, status, now)):
        return Denied(forbidden)
    found = [_choose(owner, case, grants, status, now, replay) for owner in owners_of(case)]
    missing = [item for item in found if isinstance(item, Reason)]
    if status is None:
        missing.append(Reason(NO_STATUS, "there is no fresh status list of the authority: it has to publish one"))
    if missing:
        return NeedsApproval(tuple(missing))
    return Allowed(tuple(item for item in found if not isinstance(item, Reason)))


def missing_grant(owner: str, case: Case, grants: Sequence[Use], now: datetime) -> Reason | None:
    """Why this owner's grants do not cover the request; None if one does."""
    found = _choose(owner, case, grants, None, now, replay=False)
    return found if isinstance(found, Reason) else None


def owners_of(case: Case) -> tuple[str, ...]:
    """Whose data the request reads, each once, in the order of the participants."""
    roster = case.roster.document
    return tuple(dict.fromkeys(roster.owner_of(node).id for node in case.order.document.participants))


def _forbidden(
    touched: Mapping[str, tuple[str, ...]],
    case: Case,
    datasets: Sequence[Dataset],
    status: StatusList | None,
    now: datetime,
) -> list[Reason]:
    against = objections(status, ordered(case.order.document), case.roster.document) if status else ()
    found = [Reason(objection.code, objection.text, entry=objection.entry) for objection in against]
    for dataset in datasets:
        if Grade.CORE in (dataset.grade, *(column.grade for column in dataset.columns)):
            found.append(Reason("core-data", f"{dataset.name} is graded core: it is not processed here"))
        if dataset.open_attribute == "not_open":
            found.append(
                Reason("not-open", f"{dataset.name} is not open to authorised operation: {dataset.legal_basis}")
            )
    return [*found, *_outside_commitment(case, touched, now)]


def _outside_commitment(case: Case, touched: Mapping[str, tuple[str, ...]], now: datetime) -> list[Reason]:
    if case.commitment is None:
        return []
    commitment = case.commitment.document
    found = [
        Reason("outside-commitment", f"the commitment {commitment.id} does not list dataset {name}")
        for name in sorted(set(touched) - set(commitment.datasets))
    ]
    try:
        check_period(commitment.period, now, f"commitment {commitment.id}")
    except Expired as error:
        found.append(Reason("outside-commitment", str(error)))
    return found


def _choose(
    owner: str, case: Case, grants: Sequence[Use], status: StatusList | None, now: datetime, replay: bool
) -> Verified[Grant] | Reason:
    """The owner's first grant that fits, else the reason why its latest one does not."""
    why = Reason("no-grant", f"{owner} has not granted this plan to this operator", owner)
    for use in grants:
        if use.grant.document.owner != owner:
            continue
        refusal = _unfit(use, case, status, now, replay)
        if refusal is None:
            return use.grant
        why = refusal
    return why


def _unfit(use: Use, case: Case, status: StatusList | None, now: datetime, replay: bool) -> Reason | None:
    grant = use.grant.document
    if use.revoked:
        return Reason("grant-revoked", f"{grant.owner} has revoked grant {grant.id}", grant.owner)
    if status is not None and (entry := status.stops("grant", use.grant.digest)) is not None:
        return Reason(entry.code, entry.cite(status.number), grant.owner, entry.subject)
    if is_own_review(use.grant, case.roster.document, case.order.document.operator):
        return Reason("self-review", f"grant {grant.id} is signed by the operator that asks for it", grant.owner)
    try:
        check_period(grant.period, now, f"grant {grant.id}")
        check_grant_covers(grant, case.order, case.records, case.roster)
    except OutOfScope as error:
        return Reason(f"grant-differs-{error.field.replace('_', '-')}", f"grant {grant.id}: {error}", grant.owner)
    except Expired as error:
        return Reason("grant-expired", str(error), grant.owner)
    if use.runs >= grant.runs and not replay:
        return Reason("grant-used-up", f"all {grant.runs} run(s) of grant {grant.id} are used", grant.owner)
    return None
