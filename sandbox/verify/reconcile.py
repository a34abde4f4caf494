"""What an auditor compares: each node's signed account of what left it, the hub's log, and the nodes with each other.

Pure and offline. Pass verified records that start at each node's first message, and verified entries of a later
checkpoint. A record is judged up to its export: what the log dates later is counted as ``since``, for the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.documents import OutboxEntry, OutboxRecord
from jobs.schema import Digest
from sandbox.audit.entry import JOB_PERMITTED, MESSAGE_RECEIVED, MESSAGE_REFUSED, LogEntry
from sandbox.errors import BadProof


@dataclass(frozen=True)
class Reconciliation:
    """A node's own account of what left it against the hub's log. ``agrees`` when nothing needs an explanation."""

    matched: int
    """Sent according to the node, and taken according to the log."""
    not_logged: tuple[OutboxEntry, ...]
    """Sent according to the node, but not in the log."""
    not_sent: tuple[LogEntry, ...]
    """Received from the node according to the log, but not in the node's record."""
    refused: tuple[OutboxEntry, ...]
    """Binding messages (values) that the hub refused: they have left their owner, and nothing came of them."""
    late: tuple[OutboxEntry, ...]
    """Other messages that the hub refused, as it does when a job has ended meanwhile."""

    since: tuple[LogEntry, ...]
    """In the log from the second of the record's export on, by the hub's clock: not judged."""

    @property
    def agrees(self) -> bool:
        return not self.not_logged and not self.not_sent and not self.refused


def reconcile(record: OutboxRecord, entries: Iterable[LogEntry]) -> Reconciliation:
    """Compare a node's record with the log, message by message."""
    taken: dict[Digest, LogEntry] = {}
    turned_away: dict[Digest, LogEntry] = {}
    by_event = {MESSAGE_RECEIVED: taken, MESSAGE_REFUSED: turned_away}
    for entry in entries:
        if entry.event in by_event and entry.actor == f"node:{record.node}" and entry.digests:
            by_event[entry.event][entry.digests[0]] = entry
    sent = {item.message.digest: item for item in record.entries}
    refused = [item for name, item in sent.items() if name not in taken and (name in turned_away or item.refused)]
    known = taken | turned_away
    unsent = [entry for name, entry in known.items() if name not in sent]
    return Reconciliation(
        matched=len(sent.keys() & taken.keys()),
        not_logged=tuple(item for name, item in sent.items() if name not in known and not item.refused),
        not_sent=tuple(entry for entry in unsent if entry.at < record.issued),
        since=tuple(entry for entry in unsent if entry.at >= record.issued),
        refused=tuple(item for item in refused if item.binding),
        late=tuple(item for item in refused if not item.binding),
    )


@dataclass(frozen=True)
class Divergence:
    """Nodes signed the same step of one job after being told different things. Transcript by node."""

    permit: Digest
    round: str
    sequence: int
    transcripts: Mapping[str, Digest]


def compare_transcripts(records: Iterable[OutboxRecord]) -> tuple[Divergence, ...]:
    """Steps that not all participants signed under the same transcript: somebody relayed different things to them."""
    steps: dict[tuple[Digest, str, int], dict[str, Digest]] = {}
    for record in records:
        for item in record.entries:
            if item.transcript is not None:
                step = (item.permit, item.message.round, item.message.sequence)
                steps.setdefault(step, {})[record.node] = item.transcript
    return tuple(Divergence(*step, told) for step, told in sorted(steps.items()) if len(set(told.values())) > 1)


@dataclass(frozen=True)
class RunCount:
    """Uses of one grant at one of its owner's nodes."""

    grant: Digest
    node: str
    hub: int
    """Runs that the hub says were used."""
    bound: int
    """Permits under the grant for which the node sent values."""
    permits: int
    """Permits under the grant in the log for which the node sent anything."""
    since: int = 0
    """Permits under the grant that the log dates from the node's export on: they may count, and cannot be judged."""

    @property
    def agrees(self) -> bool:
        """The hub gives a run back only if no values left, and counts none that never reached the node."""
        return self.bound <= self.hub <= self.permits + self.since


def count_runs(
    record: OutboxRecord, entries: Iterable[LogEntry], grants: Iterable[Mapping[str, Any]]
) -> tuple[RunCount, ...]:
    """The hub's use counts (items of ``GET /grants``) of this owner's grants against what its node sent under them."""
    sent: dict[Digest, bool] = {}
    for item in record.entries:
        sent[item.permit] = sent.get(item.permit, False) or item.binding
    under: dict[str, list[Digest]] = {}
    since: Counter[str] = Counter()
    for entry in entries:
        if entry.event != JOB_PERMITTED or not entry.digests:
            continue
        if entry.digests[0] in sent:
            for grant in entry.digests[1:]:
                under.setdefault(grant, []).append(entry.digests[0])
        elif entry.at >= record.issued:
            since.update(entry.digests[1:])
    own = [item for item in grants if item["owner"] == record.owner]
    return tuple(
        RunCount(
            grant=Digest(item["digest"]),
            node=record.node,
            hub=int(item["used"]),
            bound=sum(sent[permit] for permit in under.get(item["digest"], ())),
            permits=len(under.get(item["digest"], ())),
            since=since[item["digest"]],
        )
        for item in own
    )


def join_pages(records: Iterable[OutboxRecord]) -> tuple[OutboxRecord, ...]:
    """One record for each node out of the pages of its export; raises ``BadProof`` where a page is missing."""
    pages: dict[str, list[OutboxRecord]] = {}
    for record in records:
        pages.setdefault(record.node, []).append(record)
    return tuple(_joined(node, sorted(found, key=lambda page: page.first)) for node, found in sorted(pages.items()))


def _joined(node: str, pages: Sequence[OutboxRecord]) -> OutboxRecord:
    expected = 1
    for page in pages:
        if page.first != expected:
            raise BadProof(f"the record of {node} lacks message {expected}: give all pages of its export")
        expected = page.last + 1
    entries = tuple(entry for page in pages for entry in page.entries)
    return pages[0].model_copy(update={"entries": entries, "last": expected - 1, "issued": pages[-1].issued})
