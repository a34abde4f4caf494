"""Three nodes over real documents and keys, a runner in this process, and the tiny hub of ``toyhub``.

``Federation.drive`` runs nodes until something holds.
"""

from __future__ import annotations

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

from adapters.source import Input, Manifest, SourceSpec
from jobs.documents import Envelope
from jobs.kinds.base import LocalStep
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.run import run_local
from jobs.permit import CheckedPermit, OwnLook
from jobs.runner.port import ProgressReport
from sandbox.node.config import NodeConfig
from sandbox.node.context import Context
from sandbox.node.hub_port import HubAway, HubRefused
from sandbox.node.loop import Node
from sandbox.node.opened_gate import OpenedGate
from sandbox.node.post import Outbox
from sandbox.node.record import Record
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import alarms, jobs, ledger, outbox
from sandbox.node.vault import Vault
from tests.support.orders import FLIGHTS, NOW, PARTIES, ROWS, TRUST, owner_keys, record, version
from tests.support.signed import OWNERS, key, seal
from tests.support.toyhub import Hub, Port, round_of

PATIENCE_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time_: float) -> None:
        self.now += timedelta(**time_)


class LocalRunner:
    """Runs the real local step in this process over an Arrow table; ``gate`` holds scans back, ``fault`` fails them."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.scans = table, 0
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.progress: ProgressReport | None = None
        """Of the latest scan: a test says in its place how far it is."""
        self._pool = ThreadPoolExecutor(2)

    def submit(
        self,
        checked: CheckedPermit | OwnLook,
        step: LocalStep[Any],
        inputs: Mapping[str, Input],
        progress: ProgressReport | None = None,
    ) -> Future[Any]:
        self.progress = progress
        return self._pool.submit(self._scan, checked)

    def close(self) -> None:
        self.gate.set()
        self._pool.shutdown()

    def _scan(self, checked: CheckedPermit | OwnLook) -> LocalResult:
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

    def __init__(self, folder: Path, owners: Sequence[str] = OWNERS, **config: Any) -> None:
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
                so_far = [(self.hub.rounds(name), self.states(name)) for name in self.names]
                raise AssertionError(f"never happened; rounds and states so far: {so_far}")
            self.tick()
            time.sleep(0.002)

    def answer(self, name: str) -> None:
        """One tick of one node, and a wait until every order that it has a place for was looked at."""
        node, end = self.nodes[name], time.monotonic() + PATIENCE_S
        node.tick(0)
        while node._starting and time.monotonic() < end:
            time.sleep(0.002)

    def refusal(self, name: str, body: dict[str, Any]) -> str:
        """Lay an order into one node's inbox and return the code that it is refused with."""
        permit = Envelope.from_json(body["permit"]).digest
        self.hub.put(name, "permit", "job-x", body)
        self.answer(name)
        [code] = [stop.code for stop in self.hub.messages(name, "stop") if stop.permit == permit]
        return str(code)

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

    def told(self, name: str) -> list[str]:
        """The rounds that the hub has relayed to this node."""
        found = [item.body["messages"] for item in self.hub.inboxes[name] if item.kind == "messages"]
        return [round_of(Envelope.from_json(messages[0]["header"])) for messages in found if messages]

    def alarms(self, name: str) -> list[str]:
        return [row.code for row in self.rows(name, alarms)]

    def rows(self, name: str, table: Any) -> list[Any]:
        self.nodes[name].context.state.catch_up()
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
        state = NodeState(folder, TRUST)
        state.trust_roster(PARTIES.roster_envelope)
        port = Port(self.hub, name)
        config = NodeConfig(
            node=name, owner=name.removeprefix("node-"), hub="http://127.0.0.1:1", state_dir=folder, trust=folder,
            token_file=folder, **{"log_patience_s": 0.0, **self.config},
        )  # fmt: skip
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(str(time.monotonic_ns()).encode()).digest()[:8]))
        context = Context(
            config=config, key=key(name), sealing_key=seal(name), state=state, record=Record(bytes(32)),
            vault=Vault(bytes(32)), gate=OpenedGate(state, bytes(32), rng.bytes), hub=port,
            outbox=Outbox(name, key(name), state, port), runner=self.runners[name], clock=self.clock,
            rng=rng.bytes, forget=lambda _permit: None,
        )  # fmt: skip
        return Node(context)

    def _register(self, name: str) -> None:
        owner, state = name.removeprefix("node-"), self.nodes[name].context.state
        envelope = record(owner).sign(*owner_keys(owner))
        spec, manifest = SourceSpec(kind="parquet", path="flights"), Manifest(files=())
        held = Held(FLIGHTS, spec, manifest, version(owner), 1, envelope, ROWS, {"cells": 10_000})
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
