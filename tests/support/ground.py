"""A federation of real processes over toy data behind the proxy, and what must hold in it whatever broke."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from jobs.documents import Envelope, verify_outbox_record
from jobs.kinds.registry import kind_of
from sandbox.audit import LogEntry, verify_checkpoint
from sandbox.client import Job, Table
from sandbox.errors import Unavailable
from sandbox.local.federation import Federation, parquet
from sandbox.local.layout import free_port, lay_out
from sandbox.local.processes import Processes
from sandbox.verify import read_item, reconcile, verify_entries, verify_receipt
from tests.support import toy
from tests.support.proxy import Proxy

PLAIN_NODE: Final = "tests.support.plain_node"
PATIENCE_S: Final = 90.0
T = TypeVar("T")


@dataclass
class Ground:
    """``break``, observe, ``unbreak``, ``check_all``: one per test module, since starting processes takes seconds."""

    federation: Federation
    processes: Processes
    proxy: Proxy
    _questions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def places(self) -> Any:
        return self.federation.places

    def ask(self, sql: str = toy.SQL) -> Job:
        """A question that nobody asked before; not approved yet."""
        return self.federation.submit(toy.job(next(self._questions), sql))

    def run(self, sql: str = toy.SQL) -> Job:
        """Asked and approved: the permits are in the inboxes."""
        job = self.ask(sql)
        self.federation.approve_all(job.id)
        return job

    def ask_for(self, kind: str, request: dict[str, Any], datasets: tuple[str, ...] = ("trips",)) -> Job:
        """A request of any kind; not approved yet."""
        job = {"kind": kind, "request": request, "scenario": "test", "purpose": "testing", "datasets": datasets}
        return self.federation.submit(job)

    def job(self, job: str) -> Job:
        with self.federation.operator() as client:
            return client.job(job)

    def ended(self, job: str) -> Job:
        """The job after its end at the hub."""
        return until(lambda: found if (found := self.job(job)).is_final else None, f"job {job} to end")

    def table(self, job: str) -> list[tuple[Any, ...]]:
        return sorted(self.answer(job).rows, key=repr)

    def answer(self, job: str) -> Table:
        """The released table, standard errors and all."""
        with self.federation.operator() as client:
            return client.table(job)

    def entries(self) -> tuple[LogEntry, ...]:
        """All entries, verified against the hub's signed checkpoint."""
        with self.federation.auditor() as client:
            roster, trust = client.roster(), self.federation.trust
            note = client.log_get("checkpoint")["note"].encode()
            checkpoint, _ = verify_checkpoint(note, trust.origin, roster.document.hub_key())
            leaves = [read_item(entry) for entry in client.log_entries()][: checkpoint.size]
        return verify_entries(leaves, checkpoint)

    # databases, as whoever owns the machine sees them

    def node_rows(self, owner: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return read(self.places.node(owner) / "state" / "node.sqlite", query, *values)

    def hub_rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return read(self.places.hub / "state" / "hub.sqlite", query, *values)

    # what must hold ---------------------------------------------------------------------------------------------

    def settled(self, job: str) -> None:
        """Wait until no node has this job open and everything that waited in the outboxes was taken or refused."""
        for owner in toy.OWNERS:
            until(partial(self._is_settled, owner, job), f"node {owner} to close job {job}")

    def _is_settled(self, owner: str, job: str) -> bool:
        open_jobs = "select 1 from jobs where job = ? and state not in ('finished', 'failed')"
        waiting = "select 1 from outbox where posted = 0"
        return not self.node_rows(owner, open_jobs, job) and not self.node_rows(owner, waiting)

    def check(self, job: Job) -> None:
        """After the end of a job, however it came: ledgers, masks, release and log are consistent."""
        self.settled(job.id)
        for owner in toy.OWNERS:
            self._check_ledger(owner, job)
            self._check_masks(owner, job)
        releases = len(self.hub_rows("select 1 from releases where job = ?", job.id))
        entries = self.entries()
        logged = [entry for entry in entries if entry.event == "job.released" and entry.facts.get("job") == job.id]
        assert releases == len(logged) == (1 if job.state == "released" else 0)
        assert self.hub_rows("select 1 from conflicts") == []

    def _check_ledger(self, owner: str, job: Job) -> None:
        """Spent if something informative was queued, given back if not; nothing stays reserved; a release is paid."""
        query = "select l.state, l.amount from ledger l join jobs j on j.permit = l.permit where j.job = ?"
        charges = self.node_rows(owner, query, job.id)
        revealed = any(found for (found,) in self._sent(owner, job, "reveals"))
        expected = "committed" if revealed else "refunded"
        assert {state for state, _ in charges} <= {expected}, (owner, charges)
        if job.state == "released":
            assert charges, f"{owner} was not charged for a release"
            assert expected == "committed"

    def _check_masks(self, owner: str, job: Job) -> None:
        """One envelope per place, and the hub holds none but those very bytes."""
        own = self._sent(owner, job, "round", "sequence", "receiver", "envelope")
        kept = {tuple(place): envelope for *place, envelope in own}
        assert len(kept) == len(own)
        stored = "select round, sequence, receiver, envelope from messages where job = ? and sender = ?"
        theirs = self.hub_rows(stored, job.id, f"node-{owner}")
        assert all(kept.get(tuple(place)) == envelope for *place, envelope in theirs), owner
        if job.state == "released":
            expected = {item.name for item in kind_of(job.kind).rounds if not item.by_hub and not item.optional}
            assert {name for name, *_ in theirs} >= {*expected, "sent"}

    def _sent(self, owner: str, job: Job, *columns: str) -> list[tuple[Any, ...]]:
        permits = self.hub_rows("select permit from jobs where id = ?", job.id)
        names = ", ".join(columns)
        return self.node_rows(owner, f"select {names} from outbox where permit = ?", *permits[0])

    def check_records(self) -> None:
        """Every node's signed account of what it sent agrees with the log, but for what came after a job had failed."""
        entries = self.entries()
        released = {permit for (permit,) in self.hub_rows("select permit from jobs where state = 'released'")}
        with self.federation.auditor() as client:
            roster = client.roster()
        for owner in toy.OWNERS:
            record = self.federation.ask_node(owner, {"do": "export"})["record"]
            result = reconcile(verify_outbox_record(Envelope.from_json(record), roster).document, entries)
            assert result.not_sent == (), owner
            assert not released & {item.permit for item in result.not_logged}, owner
            assert result.matched > 0

    def check_receipt(self, job: str) -> None:
        with self.federation.operator() as client:
            receipt = client.receipt(job, wait=PATIENCE_S)
        verify_receipt(receipt, self.federation.trust, datetime.now(UTC))


def read(database: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(query, values).fetchall()


def until(look: Callable[[], T | None], what: str) -> T:
    """Look until there is something; raises after a generous while."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited in vain for {what}")


@contextmanager
def open_ground(root: Path, kinds: tuple[str, ...] = (), **hub_options: Any) -> Iterator[Ground]:
    """Lay out, start, register; ends everything it started. ``kinds``: packages of further kinds of jobs."""
    port = free_port()
    proxy = Proxy(port)
    places = lay_out(
        root / "places",
        toy.OWNERS,
        ("acme", "rival"),
        port=port,
        hub_options={"kinds": kinds, **hub_options},
        node_options={"hub": proxy.url, "kinds": kinds},
    )
    ground = Ground(Federation(places), Processes(places, PLAIN_NODE), proxy)
    try:
        ground.processes.start_all()
        for owner, file in toy.write(root / "data").items():
            ground.federation.register(owner, toy.dataset(), parquet(file), rows_at_most=5000)
        yield ground
    finally:
        ground.processes.stop_all()
        proxy.close()


__all__ = ["Ground", "Unavailable", "open_ground", "read", "until"]
