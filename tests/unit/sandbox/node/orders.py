"""Signed orders over a real plan, each document bendable: what a node refuses is then the bend and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from unseen_test_world import DAY, NODES, NOW, OWNERS, SALT, TERMS, Bend, key, owner_keys, participants, roster

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    PROTOCOL_VERSION,
    Commitment,
    DataScope,
    DatasetRecord,
    DataUse,
    Envelope,
    ExactVersion,
    Grant,
    OutputRule,
    ParameterRule,
    Period,
    Permit,
    Roster,
    SigningKey,
    StatusList,
    digest,
    json_digest,
    salted_commitment,
)
from jobs.kinds.registry import algorithm_of
from jobs.kinds.statistics.kind import KIND
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.permit import Order
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role
from sandbox.catalogue.register import schema_digest

ALGORITHM = algorithm_of(KIND)
ROWS = 1000
SQL = (
    "SELECT carrier, COUNT(*) AS n, AVG(delay) AS mean FROM flights "
    "WHERE year = :year AND delay IS NOT NULL GROUP BY carrier"
)
FLIGHTS = Dataset(
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
PROFILE = load_profile("standard@1")
RULE = OutputRule(form="aggregate", profile="standard", version=1, digest=PROFILE.digest)


@lru_cache
def plan(sql: str = SQL, owners: tuple[str, ...] = OWNERS, rows: int = ROWS) -> Plan:
    """Compiled as the hub does; ``rows`` is what it believes that each owner declares."""
    holdings = tuple(
        Holding(dataset="flights", owner=o, node=f"node-{o}", provider=o, version_commitment=version(o), max_rows=rows)
        for o in owners
    )
    return compile_sql(sql, CatalogueView(datasets=(FLIGHTS,), holdings=holdings))


def version(owner: str, number: int = 1) -> str:
    return salted_commitment(SALT, digest(f"{owner} {number}".encode()))


@dataclass
class Documents:
    """All documents of one order. ``nonce`` and ``job`` make orders different; ``at`` is when the hub issues."""

    nonce: str = "ab" * 32
    job: str = "job-1"
    at: datetime = NOW
    sql: str = SQL
    rows: int = ROWS
    owners: tuple[str, ...] = OWNERS
    parameters: dict[str, Any] = field(default_factory=lambda: {"year": 2013})
    bend: Mapping[str, Bend] = field(default_factory=dict)
    signer: Mapping[str, tuple[SigningKey, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = plan(self.sql, self.owners, self.rows)
        self.nodes = tuple(node for node in NODES if node.removeprefix("node-") in self.owners)
        self.roster = self._made("roster", roster(), key("root-1"), key("root-2"))
        self.commitment = self._made("commitment", self._commitment(), key("operator"))
        self.records = [self._made(f"record:{o}", record(o), *owner_keys(o)) for o in self.owners]
        self.grants = [self._made(f"grant:{o}", self._grant(o), *owner_keys(o)) for o in self.owners]
        self.status = self._made("status", self._status(), key("status"))
        self.permit = self._made("permit", self._permit(), key("hub"))

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

    def _made(self, name: str, document: Any, *keys: SigningKey) -> Envelope:
        bent = self.bend.get(name, lambda same: same)(document)
        return bent.sign(*self.signer.get(name, keys))

    def _columns(self) -> tuple[str, ...]:
        return self.plan.columns_touched()["flights"]

    def _grant(self, owner: str) -> Grant:
        return Grant(
            id=f"grant-{owner}", owner=owner, issued=NOW - DAY, operator="op-1", commitment=self.commitment.digest,
            scenario="punctuality", purpose="public statistics", algorithm=ALGORITHM,
            plan_digest=self.plan.digest(),
            parameters=tuple(ParameterRule(name=name, allowed=(value,)) for name, value in self.parameters.items()),
            data=(DataScope(dataset="flights", columns=self._columns(),
                            version=ExactVersion(commitment=version(owner))),),
            period=Period(start=NOW - DAY, end=NOW + 30 * DAY), runs=2, output=RULE,
            participants=participants(self.nodes), terms=TERMS,
        )  # fmt: skip

    def _permit(self) -> Permit:
        return Permit(
            id=f"permit-{self.job}", nonce=self.nonce, job=self.job, protocol=PROTOCOL_VERSION, operator="op-1",
            scenario="punctuality", commitment=self.commitment.digest, algorithm=ALGORITHM,
            plan_digest=self.plan.digest(), plan=self.plan.model_dump(mode="json"),
            parameters=self.parameters,
            data=tuple(DataUse(node=f"node-{o}", dataset="flights", columns=self._columns(), version=version(o))
                       for o in self.owners),
            grants=tuple(item.digest for item in self.grants), participants=self.nodes, roster=self.roster.digest,
            status=self.status.digest, output=RULE, issued_at=self.at, expires_at=self.at + timedelta(minutes=4),
            deadline=self.at + timedelta(minutes=30),
        )  # fmt: skip

    def _status(self) -> StatusList:
        version = Roster.open(self.roster).version
        return StatusList(
            number=7, issued=NOW - DAY, expires=NOW + DAY, roster=self.roster.digest, roster_version=version
        )

    def _commitment(self) -> Commitment:
        return Commitment(
            id="commitment-1", operator="op-1", issued=NOW - 2 * DAY, datasets=("flights",), plans=(self.plan.digest(),), scenario="punctuality",
            purpose="public statistics", security_measures="results stay inside", disposal="deleted after a year",
            feedback="yearly report", period=Period(start=NOW - 2 * DAY, end=NOW + 60 * DAY),
        )  # fmt: skip


def record(owner: str) -> DatasetRecord:
    return DatasetRecord(
        owner=owner, node=f"node-{owner}", dataset="flights",
        dataset_digest=json_digest(FLIGHTS.model_dump(mode="json")), schema_digest=schema_digest(FLIGHTS),
        sequence=1, version=version(owner), label="2013", frequency="other",
        data_until=NOW - 100 * DAY, rows_at_most=ROWS, legal_basis="open data act", issued=NOW - 5 * DAY,
    )  # fmt: skip
