"""Three nodes over real documents and keys, a runner in this process, and a tiny hub that adds vectors.

``Hub`` implements every ``HubPort`` and bends on request; ``Federation.drive`` runs nodes until something holds.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from unseen_test_orders import FLIGHTS, ROWS, Documents, record, version
from unseen_test_world import NOW, ORIGIN, ROOT, Nodes, key, owner_keys, roster

from adapters.source import Input, Manifest, SourceSpec
from jobs.documents import Envelope, SentRecord, digest
from jobs.kinds.base import LocalStep
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.opening import opening, pack
from jobs.kinds.statistics.run import run_local
from jobs.permit import CheckedPermit
from mpc.ring import Ring
from sandbox.audit import Checkpoint, LogEntry, append, prove_consistency, prove_inclusion, root
from sandbox.keys import Trust
from sandbox.log_link import Cosignature, Inclusion, News
from sandbox.messages import Flags, Gated, Key, Values, decode
from sandbox.node.config import NodeConfig
from sandbox.node.context import Context
from sandbox.node.hub_port import HubAway, HubRefused, Item
from sandbox.node.loop import Node
from sandbox.node.post import Outbox
from sandbox.node.record import Record
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import jobs, ledger, outbox

PATIENCE_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time_: float) -> None:
        self.now += timedelta(**time_)


class Hub:
    """One hub for all nodes: inboxes, messages by round, a log. ``bend_*`` are what a dishonest hub does."""

    def __init__(self, nodes: Sequence[str], clock: Clock) -> None:
        self.nodes, self.clock = tuple(nodes), clock
        self.inboxes: dict[str, list[Item]] = {node: [] for node in nodes}
        self.posted: list[tuple[str, bytes]] = []
        self.by_round: dict[str, dict[str, Envelope]] = {}
        self.cosigned: list[tuple[str, int, str]] = []
        self.away: set[str] = set()
        self.refuse: str | None = None
        self.log = True
        self.hold: set[str] = set()
        self.bend_keys: Callable[[list[Envelope]], list[Any]] = list
        self.bend_passed: Callable[[np.ndarray], np.ndarray] = lambda passed: passed
        self.totals: list[list[int | None]] | None = None
        self.gated: Gated | None = None
        self.passed: np.ndarray | None = None
        self.tree, self.leaves = Nodes(), []
        self.plan: Any = None
        self.lock = threading.RLock()
        self.note: Callable[[], bytes] | None = None

    # what the nodes call

    def inbox(self, node: str, after: int) -> list[Item]:
        self._reach(node)
        with self.lock:
            return [item for item in self.inboxes[node] if item.sequence > after]

    def post(self, node: str, envelopes: Sequence[Envelope]) -> None:
        self._reach(node)
        with self.lock:
            if self.refuse is not None:
                raise HubRefused(self.refuse, "no")
            for envelope in envelopes:
                self._take(node, envelope)

    def inclusions(self, names: Sequence[str], size: int) -> tuple[Inclusion, ...]:
        """Proofs for the digests asked for, as far as the log names them."""
        return tuple(
            Inclusion(index, leaf, tuple(prove_inclusion(self.tree, index, size)))
            for index, leaf in enumerate(self.leaves[:size])
            if set(names) & set(LogEntry.read(leaf).digests)
        )

    def checkpoint(self) -> bytes:
        with self.lock:
            if self.note is not None:
                return self.note()
            size = len(self.leaves)
            return Checkpoint(ORIGIN, size, root(self.tree, size)).sign(key("hub")).encode()

    # what a test calls

    def put(self, node: str, kind: str, job: str, body: dict[str, Any]) -> None:
        with self.lock:
            self.inboxes[node].append(Item(len(self.inboxes[node]) + 1, kind, job, body))

    def order(self, documents: Documents) -> None:
        self.plan = documents.plan
        for node in documents.nodes:
            self.put(node, "permit", documents.job, documents.body)

    def add(self, entry: LogEntry) -> None:
        with self.lock:
            append(self.tree, len(self.leaves), entry.leaf())
            self.leaves.append(entry.leaf())

    def rounds(self, node: str) -> list[str]:
        """Names of all that this node posted, in order, repetitions included."""
        return [_round(Envelope.parse(data)) for name, data in self.posted if name == node]

    def messages(self, node: str, round: str) -> list[Any]:
        envelopes = [Envelope.parse(data) for name, data in self.posted if name == node]
        return [decode(item.payload) for item in envelopes if _round(item) == round]

    # the walk

    def _reach(self, node: str) -> None:
        if node in self.away:
            raise HubAway("away")

    def _take(self, node: str, envelope: Envelope) -> None:
        self.posted.append((node, envelope.encode()))
        name = _round(envelope)
        held = self.by_round.setdefault(name, {})
        if held.get(node) == envelope:
            return
        held[node] = envelope
        if self.log:
            self.add(
                LogEntry(
                    salt="00" * 32, event="message.received", at=self.clock(), actor=f"node:{node}", subject=f"{node}:{name}",
                    digests=(digest(envelope.payload), envelope.digest),
                )
            )  # fmt: skip
        job = next((item.job for item in reversed(self.inboxes[node]) if item.kind == "permit"), "")
        if name == "abort":
            for other in self.nodes:
                self.put(other, "abort", job, {"code": "node", "advice": "a node ended the job"})
        if name in self.hold or len(held) < len(self.nodes):
            return
        if name == "key":
            keys = [item.to_json() for item in self.bend_keys([held[n] for n in self.nodes])]
            for other in self.nodes:
                self.put(other, "keys", job, {"messages": keys})
        elif name == "flags":
            self.open(job)
        elif name == "sent":
            self.add_values()
            for other in self.nodes:
                self.put(other, "finished", job, {"state": "released", "release_digest": "sha256:" + "0" * 64})

    def open(self, job: str) -> None:
        flags = [decode(item.payload) for item in self.by_round["flags"].values()]
        total = np.add.reduce([item.vector.reshape(-1) for item in flags], dtype=np.uint64)
        passed = (total[0::2] == 0) & (total[1::2] != 0)
        self.passed = self.bend_passed(passed.reshape(len(self.plan.aggregates), self.plan.cells))
        body = {"passed": base64.b64encode(pack(self.passed)).decode()}
        for other in self.nodes:
            self.put(other, "open", job, body)

    def add_values(self) -> None:
        first = decode(next(iter(self.by_round["values"].values())).payload)
        if isinstance(first, Gated):
            self.gated = first
            return
        ring = Ring(self.plan.ring_bits)
        vectors = [decode(item.payload).vector for item in self.by_round["values"].values()]
        total = ring.zeros(len(vectors[0]))
        for vector in vectors:
            ring.add_into(total, vector.reshape(-1) if self.plan.ring_bits == 64 else vector)
        opened = opening(self.plan, self.passed)
        self.totals = [[None] * self.plan.cells for _ in self.plan.channels]
        for channel, cell, value in zip(opened.channel, opened.cell, ring.decode_signed(total), strict=True):
            self.totals[channel][cell] = value


class Port:
    """One node's view of the hub."""

    def __init__(self, hub: Hub, node: str) -> None:
        self._hub, self._node = hub, node

    def inbox(self, after: int, wait: float) -> list[Item]:
        return self._hub.inbox(self._node, after)

    def post(self, messages: Sequence[Envelope]) -> None:
        self._hub.post(self._node, messages)

    def rosters(self) -> list[Any]:
        return [roster().sign(key("root-1"), key("root-2")).to_json()]

    def follow(
        self, size: int, again: bool, digests: Sequence[str], wait: float, cosignature: Cosignature | None
    ) -> News:
        self._hub._reach(self._node)
        if cosignature is not None:
            self._hub.cosigned.append((self._node, cosignature.size, cosignature.line))
        with self._hub.lock:
            now = len(self._hub.leaves)
            proof = tuple(prove_consistency(self._hub.tree, size, now)) if 0 < size < now else ()
            return News(self._hub.checkpoint(), proof, self._hub.inclusions(digests, now))


class LocalRunner:
    """Runs the real local step in this process over an Arrow table; ``gate`` holds scans back, ``fault`` fails them."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.scans = table, 0
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self._pool = ThreadPoolExecutor(2)

    def submit(self, checked: CheckedPermit, step: LocalStep[Any], inputs: Mapping[str, Input]) -> Future[Any]:
        return self._pool.submit(self._scan, checked)

    def close(self) -> None:
        self.gate.set()
        self._pool.shutdown()

    def _scan(self, checked: CheckedPermit) -> LocalResult:
        self.scans += 1
        if not self.gate.wait(PATIENCE_S):
            raise TimeoutError
        if self.fault is not None:
            raise self.fault
        return run_local(checked.plan, checked.parameters, {"flights": self._read})

    def _read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        return self.table.select(list(columns)).to_reader()


class Federation:
    """All nodes over one clock and hub. ``restart`` drops a Node object and builds a new one on the same folder."""

    def __init__(self, folder: Path, owners: Sequence[str] = ("ewr", "jfk", "lga"), **config: Any) -> None:
        self.folder, self.clock, self.config = folder, Clock(), config
        self.names = tuple(f"node-{owner}" for owner in owners)
        self.hub = Hub(self.names, self.clock)
        self.runners = {name: LocalRunner(flights(name)) for name in self.names}
        self.nodes = {name: self._node(name) for name in self.names}
        for name in self.names:
            self._register(name)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def restart(self, name: str, recover: bool = True) -> Node:
        self.nodes[name].context.state.close()
        self.nodes[name] = self._node(name)
        if recover:
            self.nodes[name].recover()
        return self.nodes[name]

    def tick(self) -> None:
        for node in self.nodes.values():
            try:
                node.tick(0)
                if node.follower.failure is None:
                    node.follower.step(0)
            except (HubAway, HubRefused):
                continue

    def drive(self, until: Callable[[], bool]) -> None:
        """Tick all nodes until the condition holds; fails if it never does."""
        end = time.monotonic() + PATIENCE_S
        while not until():
            if time.monotonic() > end:
                raise AssertionError(f"never happened; rounds so far: {[self.hub.rounds(n) for n in self.names]}")
            self.tick()
            time.sleep(0.002)

    def settle(self) -> None:
        """Drive until no job has a thread and nothing waits in an outbox."""
        self.drive(lambda: not any(node.states() for node in self.nodes.values()))
        for _ in range(3):
            self.tick()

    def states(self, name: str) -> list[tuple[str, str | None]]:
        return [(row.state, row.code) for row in self.rows(name, jobs)]

    def ledger(self, name: str) -> dict[str, tuple[int, str]]:
        """Kind of account -> amount and state, for one job."""
        return {row.account.split()[0]: (row.amount, row.state) for row in self.rows(name, ledger)}

    def outbox(self, name: str) -> list[str]:
        return [row.round for row in self.rows(name, outbox)]

    def rows(self, name: str, table: Any) -> list[Any]:
        with self.nodes[name].context.state.read() as connection:
            return list(connection.execute(select(table)))

    def close(self) -> None:
        for runner in self.runners.values():
            runner.gate.set()
        for node in self.nodes.values():
            node.end_runs()
            node.context.state.close()
        for runner in self.runners.values():
            runner.close()

    def _node(self, name: str) -> Node:
        folder = self.folder / name
        state = NodeState(folder, Trust(root=ROOT, origin=ORIGIN))
        state.trust_roster(roster().sign(key("root-1"), key("root-2")))
        port = Port(self.hub, name)
        config = NodeConfig(
            node=name, owner=name.removeprefix("node-"), hub="http://127.0.0.1:1", state_dir=folder, trust=folder,
            token_file=folder, **{"log_patience_s": 0.0, **self.config},
        )  # fmt: skip
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(str(time.monotonic_ns()).encode()).digest()[:8]))
        context = Context(
            config=config, key=key(name), state=state, record=Record(bytes(32)), hub=port,
            outbox=Outbox(name, key(name), state, port), runner=self.runners[name], clock=self.clock,
            rng=rng.bytes, forget=lambda _permit: None,
        )  # fmt: skip
        return Node(context)

    def _register(self, name: str) -> None:
        owner, state = name.removeprefix("node-"), self.nodes[name].context.state
        envelope = record(owner).sign(*owner_keys(owner))
        spec, manifest = SourceSpec(kind="parquet", path="flights"), Manifest(files=())
        held = Held(FLIGHTS, spec, manifest, version(owner), 1, envelope, ROWS, 10_000)
        with state.write() as connection:
            state.add_dataset(connection, held, bytes(32))


def flights(name: str) -> pa.Table:
    """AA: many aircraft everywhere. B6: four aircraft at EWR, many elsewhere. UA: at EWR only. ZZ: nowhere."""
    rows: list[tuple[str, str, int, int | None]] = []
    salt = sum(name.encode())
    counts = {"AA": 40, "B6": 4 if name == "node-ewr" else 30, "UA": 25 if name == "node-ewr" else 0}
    for carrier, aircraft in counts.items():
        for number in range(aircraft):
            for flight in range(3):
                delay = None if flight == 2 and number % 7 == 0 else (number * 13 + flight * 5 + salt) % 90 - 20
                rows.append((f"{carrier}-{name}-{number}", carrier, 2013, delay))
    columns = dict(zip(("tailnum", "carrier", "year", "delay"), zip(*rows, strict=True), strict=True))
    types = {"tailnum": pa.string(), "carrier": pa.string(), "year": pa.int64(), "delay": pa.int64()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def _round(envelope: Envelope) -> str:
    if envelope.payload_type == SentRecord.payload_type():
        return "sent"
    return {Key: "key", Flags: "flags", Values: "values", Gated: "values"}.get(
        type(decode(envelope.payload)), type(decode(envelope.payload)).__name__.lower()
    )
