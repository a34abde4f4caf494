"""What an auditor asks of a job or a column: who approved, under which data version, what left, when.

The list of events is complete up to a checkpoint, because all entries of the log were verified (``VerifiedLog``). What
an event does not say, the job's receipt proves. A job without a receipt has no proven plan: the hub's word is named so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.kinds.registry import kind_of
from sandbox.audit import JOB_PERMITTED, MESSAGE_RECEIVED, MESSAGE_REFUSED, RELEASED, LogEntry
from sandbox.errors import IntegrityFailure, NotFound
from sandbox.hub_http import HubRefused
from sandbox.keys import Trust
from sandbox.verify import VerifiedLog, VerifiedReceipt, verify_receipt

if TYPE_CHECKING:
    from sandbox.client.client import Client

_SUBMITTED = "job.submitted"
_GRANTED = "grant.accepted"
_ANSWERED = (
    "denial.accepted",
    "job.replayed",
    "job.denied",
    "job.failed",
    "job.revoked",
    "job.cancelled",
    "job.expired",
    RELEASED,
)


@dataclass(frozen=True)
class Approval:
    """An owner's grant that a run rested on, as the log has it."""

    owner: str
    grant: str
    at: datetime | None
    """When the hub accepted it; ``None`` if no entry of the log names it."""


@dataclass(frozen=True)
class Left:
    """A message of a node that the hub took or, after the end of the job, refused."""

    node: str
    round: str
    size: int
    at: datetime
    refused: bool


@dataclass(frozen=True)
class Read:
    """What one node's run reads. ``label`` is the owner's name of the version; empty where no receipt proves it."""

    node: str
    dataset: str
    columns: tuple[str, ...]
    label: str = ""
    sequence: int = 0


@dataclass(frozen=True)
class JobAudit:
    job: str
    operator: str
    asked: datetime
    state: str
    """As the hub says now."""
    approvals: tuple[Approval, ...]
    reads: tuple[Read, ...]
    left: tuple[Left, ...]
    ended: tuple[LogEntry, ...]
    entries: tuple[LogEntry, ...]
    """All that the log says about the job."""
    receipt: VerifiedReceipt | None
    replay_of: str | None
    """The job whose release answered this one: nothing was computed for it, and nothing left."""

    def reads_column(self, dataset: str, column: str | None) -> bool:
        return any(item.dataset == dataset and (column is None or column in item.columns) for item in self.reads)

    @property
    def checks(self) -> tuple[str, ...]:
        """What of this is proven, beside the log itself."""
        if self.replay_of is not None:
            return (f"{self.job} was shown the release of {self.replay_of}: 'unseen audit job {self.replay_of}'",)
        if self.receipt is None:
            return (f"not proven: what {self.job} reads: it has no receipt, its plan is the hub's word",)
        return (
            f"{self.job}: plan, data versions and approvals are those of a receipt that holds; its entry is in the log",
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "operator": self.operator,
            "asked": self.asked.isoformat(),
            "state": self.state,
            "approvals": [
                {"owner": a.owner, "grant": a.grant, "at": a.at and a.at.isoformat()} for a in self.approvals
            ],
            "reads": [item.__dict__ for item in self.reads],
            "left": [{**item.__dict__, "at": item.at.isoformat()} for item in self.left],
            "ended": [{"event": entry.event, "at": entry.at.isoformat()} for entry in self.ended],
            "replay_of": self.replay_of,
            "checks": self.checks,
        }


def audit_job(client: Client, log: VerifiedLog, trust: Trust, job: str) -> JobAudit:
    """Raises ``NotFound`` for a job that the log does not have, ``ReceiptRefused`` for a receipt that does not hold."""
    entries = tuple(entry for entry in log.entries if entry.facts.get("job") == job)
    submitted = next((entry for entry in entries if entry.event == _SUBMITTED), None)
    if submitted is None:
        raise NotFound(f"no entry that you may read says that a job {job} was submitted")
    shown: Mapping[str, Any] = client.job(job).raw
    receipt = _receipt(client, log, trust, job, entries)
    return JobAudit(
        job=job,
        operator=submitted.actor.partition(":")[2],
        asked=submitted.at,
        state=str(shown.get("state", "")),
        approvals=tuple(_approvals(log, entries)),
        reads=tuple(_proven(receipt) if receipt is not None else _said(log, shown)),
        left=tuple(_left(entries)),
        ended=tuple(entry for entry in entries if entry.event in _ANSWERED),
        entries=entries,
        receipt=receipt,
        replay_of=shown.get("replay_of"),
    )


def audit_column(client: Client, log: VerifiedLog, trust: Trust, name: str) -> list[JobAudit]:
    """Every job of the log that reads ``dataset`` or ``dataset.column``, oldest first."""
    dataset, _, column = name.partition(".")
    declared = client.dataset(dataset)["dataset"]["columns"]
    if column and column not in {item["name"] for item in declared}:
        raise NotFound(f"{dataset} declares no column {column}; 'unseen data show {dataset}' lists them")
    jobs = [str(entry.facts["job"]) for entry in log.entries if entry.event == _SUBMITTED]
    found = (audit_job(client, log, trust, job) for job in jobs)
    return [item for item in found if item.reads_column(dataset, column or None)]


def _receipt(
    client: Client, log: VerifiedLog, trust: Trust, job: str, entries: tuple[LogEntry, ...]
) -> VerifiedReceipt | None:
    """The job's receipt, verified, and its entry found in this very log; ``None`` where nothing was released by it."""
    if not any(entry.event == RELEASED for entry in entries):
        return None
    try:
        verified = verify_receipt(client.receipt(job), trust)
    except HubRefused as refused:
        if refused.code == "not-yet":  # cosignatures are on their way
            return None
        raise
    if verified.permit.document.job != job or verified.entry not in entries:
        raise IntegrityFailure(f"the receipt of {job} is not about what the log says of it")
    return verified


def _approvals(log: VerifiedLog, entries: tuple[LogEntry, ...]) -> Iterator[Approval]:
    """The grants that the job's permit names, with who gave them."""
    given = {entry.digests[0]: entry for entry in log.entries if entry.event == _GRANTED and entry.digests}
    for permitted in (entry for entry in entries if entry.event == JOB_PERMITTED):
        for grant in permitted.digests[1:]:
            entry = given.get(grant)
            yield Approval(entry.actor.partition(":")[2] if entry else "", grant, entry.at if entry else None)


def _proven(receipt: VerifiedReceipt) -> Iterator[Read]:
    records = {record.document.version: record.document for record in receipt.records}
    for use in receipt.permit.document.data:
        record = records[use.version]
        yield Read(use.node, use.dataset, use.columns, record.label, record.sequence)


def _said(log: VerifiedLog, shown: Mapping[str, Any]) -> Iterator[Read]:
    """What the plan reads that the hub shows; no version is proven."""
    kind = kind_of(str(shown["kind"]))
    touched = kind.touched(kind.read(shown["plan"]))
    for node in shown["participants"]:
        for dataset, columns in touched.items():
            yield Read(node, dataset, tuple(columns))


def _left(entries: tuple[LogEntry, ...]) -> Iterator[Left]:
    for entry in entries:
        if entry.event in (MESSAGE_RECEIVED, MESSAGE_REFUSED) and entry.actor.startswith("node:"):
            size = int(entry.facts.get("size", 0))
            node = entry.actor.partition(":")[2]
            yield Left(node, str(entry.facts.get("round", "")), size, entry.at, entry.event == MESSAGE_REFUSED)


__all__ = ["Approval", "JobAudit", "Left", "Read", "audit_column", "audit_job"]
