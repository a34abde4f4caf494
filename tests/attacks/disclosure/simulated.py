"""The bench in this process: the real plan, scan, parties, noise, audit and referee; no network, keys that repeat.

An owner's node is its secret and the audit's memory (``sandbox.node.gate.domain.Domain``), used as the node uses them.
A fixed secret makes every run the same, so its figures are limits and not chances.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from adapters.snapshot.prints import PRINT, prints_of
from adapters.snapshot.units import KEY_BYTES
from jobs.disclosure.gate import Bits, Question
from jobs.disclosure.profile import Profile
from jobs.errors import JobError
from jobs.kinds.base import Ask, Case, Incoming, Party, Seat, Send
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.messages import VALUES, encode_vector
from jobs.kinds.statistics.party import make_party
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Dataset, Digest, Holding
from jobs.stored import printed_columns, stored_columns
from mpc.ring import Ring
from sandbox.client import Table
from sandbox.node.gate.domain import Domain
from sandbox.node.gate.limits import Limits
from tests.attacks.disclosure import people as made
from tests.attacks.disclosure.bench import Answer, Refused, named
from tests.attacks.disclosure.people import People

NODES: Final = tuple(f"node-{letter}" for letter in "abcdefghij")
TOLD: Final = hashlib.sha256(b"keys").digest()
OPENED: Final = hashlib.sha256(b"open").digest()
Sight = Literal["operator", "insiders"]


@dataclass
class Node:
    """One owner's: its noise key, and what its audit remembers per unit domain."""

    secret: bytes
    domains: dict[str, Domain] = field(default_factory=dict)
    asked: int = 0
    """Numbers judged, ..."""
    refused: int = 0
    """... and those of them that were refused."""

    def judge(
        self, ask: Ask, profile: Profile, roots: dict[str, str], job: str, by_records: bool
    ) -> list[Sequence[Bits]]:
        """As ``sandbox.node.asking`` does; ``roots``: dataset name -> the name its rows were first known under."""
        found: list[Sequence[Bits]] = []
        for question in ask.questions:
            if profile.leverage_cap_percent == 0:
                found.append([np.ones(len(inquiry.bases), np.bool_) for inquiry in question.inquiries])
                continue
            known = self.domains.get(question.unit_domain, Domain())
            rooted = replace(
                question,
                inquiries=tuple(
                    replace(
                        i,
                        subject=None if i.subject is None else (roots[i.subject[0]], i.subject[1]),
                        of_unit=i.of_unit and not by_records,
                    )
                    for i in question.inquiries
                ),
            )
            outcome = known.judged(job, rooted, _hashes(question), profile.leverage_cap_percent / 100, Limits())
            self.domains[question.unit_domain] = outcome.domain
            found.append(outcome.verdict)
            self.asked += sum(int((inquiry.bases >= 0).sum()) for inquiry in question.inquiries)
            self.refused += sum(int((~allowed).sum()) for allowed in outcome.verdict)
        return found


@dataclass(frozen=True)
class Seeds:
    """A node's gate for one job: keyed by question and rows. ``fresh``: what a key that changes every time would give."""

    key: bytes
    fresh: Callable[[], bytes] | None

    def seeds(self, questions: Sequence[bytes]) -> list[bytes]:
        salt = self.fresh() if self.fresh else b""
        return [hmac.digest(self.key, salt + question, "sha256") for question in questions]


@dataclass
class Simulated:
    """``declared``: the profile that datasets name; ``profile``: what judges (a control may differ from it)."""

    profile: Profile
    declared: str
    sight: Sight = "operator"
    unkeyed: bool = False
    tight: bool = False
    """Ranges of totals proven without the noise: the control of ``extreme_values``."""
    rows_are_units: bool = False
    by_records: bool = False
    """Every record an unknown of its own, whatever is said of a person: the audit as it was."""
    by_place: bool = False
    """A record is its place among the rows of its person, whatever is known of it: the audit as it was."""
    _number: Any = field(default_factory=lambda: itertools.count(1))
    _nodes: dict[str, Node] = field(
        default_factory=lambda: {name: Node(hashlib.sha256(name.encode()).digest()) for name in NODES}
    )

    def open(
        self, people: People, *, owners: int = 1, disjoint: bool = True, said: Sequence[str] = ()
    ) -> SimulatedData:
        name = f"people{next(self._number)}"
        dataset = made.dataset(name, self.declared, disjoint=disjoint, said=said)
        return SimulatedData(self, dataset, [part.arrow() for part in people.parts(owners)], name)

    def again(self, data: Any, *, owners: int = 1) -> SimulatedData:
        name = f"people{next(self._number)}"
        domain = data.dataset.column("person").unit_domain
        dataset = made.dataset(name, self.declared, domain=domain)
        return SimulatedData(self, dataset, data.tables[:owners], data.root)

    def beside(self, data: Any, people: People) -> str:
        name = f"beside{next(self._number)}"
        domain = data.dataset.column("person").unit_domain
        data.joined[name] = (made.beside(name, self.declared, domain), made.register_of(people))
        return name

    def node(self, name: str) -> Node:
        return self._nodes[name]

    def judged(self) -> tuple[int, int]:
        """How many numbers the audits of all nodes judged, and refused."""
        nodes = self._nodes.values()
        return sum(node.asked for node in nodes), sum(node.refused for node in nodes)

    def job(self) -> str:
        return f"job-{next(self._number)}"


@dataclass
class SimulatedData:
    bench: Simulated
    dataset: Dataset
    tables: list[pa.Table]
    root: str
    joined: dict[str, tuple[Dataset, pa.Table]] = field(default_factory=dict)

    def change(self, people: People) -> None:
        self.tables = [part.arrow() for part in people.parts(len(self.tables))]

    def ask(self, sql: str, *, operator: int = 0) -> Answer:
        try:
            return self._asked(named(sql, self.dataset.name))
        except JobError as error:
            raise Refused(f"{type(error).__name__}|{error}") from None

    def _asked(self, sql: str) -> Answer:
        nodes = NODES[: len(self.tables)]
        plan = self._plan(sql, self.dataset, nodes)
        if self.bench.tight:
            exact = self._plan(sql, self.dataset.model_copy(update={"profile": "open@1"}), nodes)
            channels = tuple(
                own.model_copy(update={"low": bare.low, "high": bare.high})
                for own, bare in zip(plan.channels, exact.channels, strict=True)
            )
            plan = plan.model_copy(update={"channels": channels})
        job = self.bench.job()
        case = Case(_digest(job), hashlib.sha256(job.encode()).hexdigest(), plan, {}, nodes, self.bench.profile)
        printed = not self.bench.by_place
        results = [run_local(plan, {}, self._opened(table), printed=printed) for table in self.tables]
        return Walk(self, case, job).answer(results)

    def rows_digest(self, table: pa.Table) -> bytes:
        """Of the exact rows and the dataset's name, as at the node."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return hashlib.sha256(self.dataset.name.encode() + sink.getvalue().to_pybytes()).digest()

    def roots(self) -> dict[str, str]:
        return {self.dataset.name: self.root} | {name: name for name in self.joined}

    def _plan(self, sql: str, dataset: Dataset, nodes: Sequence[str]) -> Plan:
        others = {name: found for name, (found, _) in self.joined.items()}
        held = tuple(
            Holding(dataset=name, owner=n, node=n, provider=n, version_commitment="v", max_rows=size)
            for n in nodes
            for name, size in [(dataset.name, max(map(len, self.tables))), *((name, 4096) for name in others)]
        )
        return compile_sql(sql, CatalogueView(datasets=(dataset, *others.values()), holdings=held))

    def _opened(self, table: pa.Table) -> dict[str, Callable[[Sequence[str]], pa.RecordBatchReader]]:
        tables = {self.dataset.name: self._printed(table)} | {name: rows for name, (_, rows) in self.joined.items()}
        return {name: _reader_of(rows) for name, rows in tables.items()}

    def _printed(self, table: pa.Table) -> pa.Table:
        """With the column of prints that a snapshot has."""
        columns = [column for column in stored_columns(self.dataset) if column.name in printed_columns(self.dataset)]
        stored = {column.name: column.store(table[column.name].combine_chunks()) for column in columns}
        prints = prints_of(stored, columns, len(table), bytes(KEY_BYTES))
        return table.append_column(PRINT.name, pa.array(prints.view(np.int64)))


def _reader_of(rows: pa.Table) -> Callable[[Sequence[str]], pa.RecordBatchReader]:
    return lambda columns: rows.select(list(columns)).to_reader()


class Walk:
    """All parties of one job and the referee, message by message."""

    def __init__(self, data: SimulatedData, case: Case, job: str) -> None:
        self._data, self._case, self._job = data, case, job
        draws = itertools.count()
        fresh = (lambda: f"{job}/{next(draws)}".encode()) if data.bench.unkeyed else None
        self._parties: dict[str, Party] = {}
        for node, table in zip(case.participants, data.tables, strict=True):
            key = hmac.digest(data.bench.node(node).secret, data.rows_digest(table), "sha256")
            self._parties[node] = make_party(Seat(case, node, _randomness(f"{job}/{node}"), Seeds(key, fresh)))

    def answer(self, results: Sequence[LocalResult]) -> Answer:
        keys = {node: _body(party.start()) for node, party in self._parties.items()}
        flags = {node: self._flags(node, keys, result) for node, result in zip(self._parties, results, strict=True)}
        turn = REFEREE.advance(self._case, None, "flags", 0, flags)
        (said,) = turn.say
        sent = {
            node: _send(party.receive(Incoming("open", 0, {"hub": said.body}, OPENED)))
            for node, party in self._parties.items()
        }
        case, bodies = self._case, {node: send.body for node, send in sent.items()}
        if self._data.bench.sight == "insiders":
            case, bodies = self._first_alone(sent)
        output = REFEREE.advance(case, turn.state, "values", 0, bodies).output
        assert output is not None
        table = Table.read(dict(REFEREE.render(case, output.content, "release", "source").shown))
        return read_table(table)

    def _flags(self, node: str, keys: dict[str, bytes], result: LocalResult) -> bytes:
        party, bench = self._parties[node], self._data.bench
        assert list(party.receive(Incoming("key", 0, keys, TOLD))) == []
        (ask,) = party.computed(result)
        assert isinstance(ask, Ask)
        verdict = bench.node(node).judge(ask, self._case.profile, self._data.roots(), self._job, bench.by_records)
        return _body(party.judged(verdict))

    def _first_alone(self, sent: dict[str, Send]) -> tuple[Case, dict[str, bytes]]:
        """What hub and all other owners have when they take their own parts off the total: the first one's, noisy."""
        first = self._case.participants[0]
        plan: Plan = self._case.plan.model_copy(update={"holders": 1})
        case, ring = replace(self._case, plan=plan, participants=(first,)), Ring(plan.ring_bits)
        part = sent[first].part
        assert part is not None
        return case, {first: encode_vector(case, VALUES, ring, np.frombuffer(part, dtype=ring.dtype))}


def read_table(table: Table) -> Answer:
    """As an attacker reads it: what is withheld is ``None``."""
    return Answer(
        tuple(
            {name: None if name in hidden else value for name, value in zip(table.columns, row, strict=True)}
            for row, hidden in zip(table.rows, table.suppressed, strict=True)
        )
    )


def _hashes(question: Question) -> Any:
    """128 bits of each unit, as the node hashes them."""
    units = question.records.units
    if isinstance(units, np.ndarray):
        return units
    digests = b"".join(hashlib.blake2b(repr(unit).encode(), digest_size=16).digest() for unit in units.to_pylist())
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2).astype(np.uint64)


def _send(acts: Sequence[Any]) -> Send:
    (send,) = [act for act in acts if isinstance(act, Send)]
    return send


def _body(acts: Sequence[Any]) -> bytes:
    return _send(acts).body


def _randomness(name: str) -> Callable[[int], bytes]:
    count = itertools.count()
    return lambda size: hashlib.shake_256(f"{name}/{next(count)}".encode()).digest(size)


def _digest(name: str) -> Digest:
    return Digest("sha256:" + hashlib.sha256(name.encode()).hexdigest())
