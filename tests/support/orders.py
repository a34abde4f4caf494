"""Signed orders over a real plan, each document bendable: what a node refuses is then the bend and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    Commitment,
    DatasetRecord,
    Document,
    Envelope,
    Grant,
    OutputRule,
    Period,
    Permit,
    Roster,
    SigningKey,
    StatusList,
    digest,
    salted_commitment,
)
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.permit import Order
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Digest, Holding, NodeId, OwnerId, Role
from tests.support.signed import DAY, OWNERS, Parties, key

NOW: Final = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
PARTIES: Final = Parties(NOW - 10 * DAY, witnesses=("witness-1", "witness-2"), offices=(("root", 2, 2), ("ewr", 2, 3)))
ROOT, ORIGIN, TRUST = PARTIES.root, PARTIES.origin, PARTIES.trust
SALT: Final = bytes(range(32))
ROWS: Final = 1000
SQL: Final = (
    "SELECT carrier, COUNT(*) AS n, AVG(delay) AS mean FROM flights "
    "WHERE year = :year AND delay IS NOT NULL GROUP BY carrier"
)
FLIGHTS: Final = Dataset(
    name="flights",
    columns=(
        Column(name="tailnum", type=ColumnType.STRING, role=Role.UNIT, unit_domain="aircraft", nullable=False),
        Column(
            name="carrier", type=ColumnType.STRING, role=Role.KNOWN, nullable=False, domain=("AA", "B6", "UA", "ZZ")
        ),
        Column(name="year", type=ColumnType.INT, role=Role.KNOWN, nullable=False, domain=(2012, 2013)),
        Column(name="delay", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="-100", high="2000")),
        Column(name="crew", type=ColumnType.STRING, role=Role.IDENTIFIER),
    ),
    unit="tailnum",
    legal_basis="open data act",
)
PROFILE: Final = load_profile("standard@2")
RULE: Final = OutputRule(form="aggregate", profile="standard", version=2, digest=PROFILE.digest)

ASKED: Final = {"operator": "acme", "scenario": "punctuality", "purpose": "public statistics"}
"""What was asked for: a bent commitment bends no document that follows."""

Bend = Callable[[Any], Any]
Keys = tuple[SigningKey, ...]


def change(**fields: Any) -> Bend:
    """A bend that replaces fields, unchecked."""
    return lambda document: document.model_copy(update=fields)


def owner_keys(owner: str) -> Keys:
    """The keys that sign for the owner: ``ewr`` needs two of three."""
    return PARTIES.signers(owner)


def roster(**changed: Any) -> Roster:
    return PARTIES.roster(**changed)


@cache
def plan(sql: str = SQL, owners: tuple[str, ...] = OWNERS, rows: int = ROWS) -> Plan:
    """Compiled as the hub does; ``rows`` is what it believes that each owner declares."""
    return compile_sql(
        sql, CatalogueView(datasets=(FLIGHTS,), holdings=tuple(holding(owner, rows) for owner in owners))
    )


def holding(owner: str, rows: int = ROWS) -> Holding:
    return Holding(
        dataset="flights", owner=OwnerId(owner), node=NodeId(f"node-{owner}"), provider=owner,
        version_commitment=version(owner), max_rows=rows,
    )  # fmt: skip


def version(owner: str, number: int = 1) -> Digest:
    return salted_commitment(SALT, digest(f"{owner} {number}".encode()))


def record(owner: str) -> DatasetRecord:
    return PARTIES.record(owner, FLIGHTS, version=version(owner), rows_at_most=ROWS, issued=NOW - 5 * DAY)


@dataclass
class Documents:
    """All documents of one order. ``nonce`` and ``job`` make orders different; ``at`` is when the hub issues.

    ``bend`` replaces a document by its name (``grant:ewr``), ``signer`` its signers; what follows is made over that.
    """

    nonce: str = "ab" * 32
    job: str = "job-1"
    at: datetime = NOW
    sql: str = SQL
    rows: int = ROWS
    owners: tuple[str, ...] = OWNERS
    parameters: dict[str, Any] = field(default_factory=lambda: {"year": 2013})
    bend: Mapping[str, Bend] = field(default_factory=dict)
    signer: Mapping[str, Keys] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.trust = TRUST
        self.plan = plan(self.sql, self.owners, self.rows)
        self._plan = self.plan.model_dump(mode="json")
        self._uses = PARTIES.uses(self.plan.columns_touched()["flights"], {o: version(o) for o in self.owners})
        self.nodes = tuple(use.node for use in self._uses)
        self.roster = self.made("roster", roster(), *PARTIES.signers("root"))
        self.commitment = self.made("commitment", self._commitment(), key("acme"))
        self.records = [self.made(f"record:{o}", record(o), *owner_keys(o)) for o in self.owners]
        self.grants = [self.made(f"grant:{o}", self.grant(o), *owner_keys(o)) for o in self.owners]
        self.status = self.made("status", self._status(), key("status"))
        self.permit = self.made("permit", self._permit(), key("hub"))

    @property
    def body(self) -> dict[str, Any]:
        """The inbox item's body."""
        return {
            "permit": self.permit.to_json(),
            "grants": [item.to_json() for item in self.grants],
            "commitment": self.commitment.to_json(),
            "records": [item.to_json() for item in self.records],
            "status": self.status.to_json(),
            "evidence": [],
            "roster": self.roster.to_json(),
        }

    def order(self) -> Order:
        return Order.read(self.body)

    def made(self, name: str, document: Document, *keys: SigningKey) -> Envelope:
        bent = self.bend[name](document) if name in self.bend else document
        envelope: Envelope = bent.sign(*self.signer.get(name, keys))
        return envelope

    def grant(self, owner: str) -> Grant:
        period = Period(start=NOW - DAY, end=NOW + 30 * DAY)
        return PARTIES.grant(
            owner,
            self.commitment,
            self.plan.digest(),
            self._uses,
            RULE,
            self.parameters,
            **ASKED,
            issued=NOW - DAY,
            period=period,
        )

    def _commitment(self) -> Commitment:
        return PARTIES.commitment(
            self.plan.digest(), **ASKED, issued=NOW - 2 * DAY, period=Period(start=NOW - 2 * DAY, end=NOW + 60 * DAY)
        )

    def _status(self) -> StatusList:
        return PARTIES.status(number=7, issued=NOW - DAY, expires=NOW + DAY, **PARTIES.under(self.roster))

    def _permit(self) -> Permit:
        return PARTIES.permit(
            self.commitment, self.grants, self._plan, self._uses, RULE, self.parameters,
            operator=ASKED["operator"], scenario=ASKED["scenario"], id=f"permit-{self.job}", nonce=self.nonce, job=self.job, roster=self.roster.digest,
            status=self.status.digest, issued_at=self.at,
            expires_at=self.at + timedelta(minutes=4), deadline=self.at + timedelta(minutes=30),
        )  # fmt: skip
