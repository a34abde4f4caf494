"""Real parties of one statistic over made-up parts: records, what each of them saw, and what the gate was asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.disclosure.gate import Bits, Question, Records, Verdict
from jobs.disclosure.noise import noise
from jobs.disclosure.profile import load_profile
from jobs.kinds.base import Ask, Case, Compute, Incoming, Party, Seat, Send
from jobs.kinds.statistics.evidence import Contributions, LocalResult
from jobs.kinds.statistics.party import make_party
from jobs.kinds.statistics.plan.bases import base_count, bases_of_cells, partitions
from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.referee import REFEREE
from jobs.schema import CatalogueView, Dataset, Digest, Holding
from tests.support.gates import OpenGate, all_may_be_answered

NODES = ("node-a", "node-b", "node-c")
PROFILE = load_profile("standard@2")
OPEN = load_profile("open@1")
TOLD = hashlib.sha256(b"told").digest()
"""A transcript."""
Judge = Callable[[tuple[Question, ...]], Verdict]
"""What a node's audit answers."""


def allowing(questions: tuple[Question, ...]) -> Verdict:
    """A node whose audit has nothing against it."""
    return all_may_be_answered(Ask(questions))


@dataclass(frozen=True)
class OwnGate(OpenGate):
    """Remembers what it was asked."""

    asked: list[bytes] = field(default_factory=list)

    def seeds(self, questions: Sequence[bytes]) -> list[bytes]:
        self.asked.extend(questions)
        return super().seeds(questions)


def dataset(
    high: str,
    type_: str = "int",
    decimals: int | None = None,
    *,
    profile: str = "standard@2",
    disjoint: bool = False,
    nullable: bool = False,
    joint_minimum: bool = False,
    colluding_owners: int | None = None,
) -> Dataset:
    """People with a known kind, a secret yes or no, and a measure within +-``high``."""
    value: dict[str, Any] = {
        "name": "value", "type": type_, "role": "measure", "bounds": {"low": "-" + high, "high": high},
        "nullable": nullable,
    }  # fmt: skip
    if decimals is not None:
        value["decimals"] = decimals
    columns = [
        {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y", "z"], "nullable": False},
        {"name": "ill", "type": "bool", "role": "sensitive", "domain": [False, True], "nullable": False},
        value,
    ]
    return Dataset.model_validate(
        {"name": "data", "columns": columns, "unit": "unit", "legal_basis": "law", "profile": profile,
         "units_disjoint": disjoint, "joint_minimum": joint_minimum, "colluding_owners": colluding_owners}
    )  # fmt: skip


def plan_of(sql: str, data: Dataset, nodes: Sequence[str], rows: int = 1000) -> Plan:
    held = tuple(
        Holding(dataset="data", owner=n, node=n, provider=n, version_commitment="v", max_rows=rows) for n in nodes
    )
    return compile_sql(sql, CatalogueView(datasets=(data,), holdings=held))


def case_of(plan: Plan, nodes: Sequence[str] = NODES, nonce: str = "ab" * 32) -> Case:
    return Case(Digest("sha256:" + "cd" * 32), nonce, plan, {}, tuple(nodes), load_profile(plan.profile))


def draws(name: str) -> Callable[[int], bytes]:
    """Randomness that is another for every name, and the same for the same."""
    count = iter(range(10**6))
    return lambda size: hashlib.shake_256(f"{name}/{next(count)}".encode()).digest(size)


def seat_of(case: Case, node: str) -> Seat:
    return Seat(case, node, draws(node), OwnGate(node))


def shape(plan: Plan) -> tuple[int, int]:
    return len(plan.aggregates), plan.cells


def totals(plan: Plan, cells: Sequence[Sequence[int]]) -> tuple[list[int], ...]:
    """What a scan finds in cells that hold these scaled values; every record has a unit of its own."""
    of: dict[str, Callable[[Sequence[int]], int]] = {
        "rows": len, "distinct": len, "sum": sum, "sumsq": lambda v: sum(x * x for x in v)
    }  # fmt: skip
    return tuple([of[channel.kind](cell) for cell in cells] for channel in plan.channels)


@dataclass(frozen=True)
class Person:
    """One record: a unit, the base that its known values put it into, and the cell that it counts in; -1 for none."""

    unit: int
    base: int
    cell: int = -1
    value: int = 0


def part_of(plan: Plan, people: Sequence[Person]) -> LocalResult:
    """What a scan of these records finds, for a plan with one unit column whose channels all count the same records.

    A record outside ``cell`` satisfies the known conditions of its base and not the secret ones.
    """
    ordered = sorted(people, key=lambda person: person.unit)
    groups = [list(group) for _, group in groupby(ordered, key=lambda person: person.unit)]
    labels = np.array([person.base for person in ordered], np.int32)
    assert labels.max(initial=-1) < base_count(plan)
    records = Records(
        pa.array([str(group[0].unit) for group in groups], pa.string()),
        np.array([len(group) for group in groups], np.int32),
        np.zeros(len(labels), np.uint64),
        (labels,) * len(partitions(plan)),
    )
    cells = [[person for person in ordered if person.cell == cell] for cell in range(plan.cells)]
    of: dict[str, Callable[[list[Person]], int]] = {
        "rows": len,
        "distinct": lambda found: len({p.unit for p in found}),
        "sum": lambda found: sum(p.value for p in found),
        "sumsq": lambda found: sum(p.value**2 for p in found),
    }
    values = tuple([of[channel.kind](cell) for cell in cells] for channel in plan.channels)
    evidence = tuple(
        tuple(_contributions(plan.channels[channel].kind, of, cells) for channel in aggregate.channels)
        for aggregate in plan.aggregates
    )
    return LocalResult(values, evidence, len(ordered), (records,))


def _contributions(kind: Any, of: Mapping[str, Callable[[list[Person]], int]], cells: list[list[Person]]) -> Any:
    by_unit = [
        sorted((abs(of[kind]([p for p in cell if p.unit == unit])) for unit in {p.unit for p in cell}), reverse=True)
        for cell in cells
    ]
    units = np.array([len(found) for found in by_unit], np.int64)
    padded = [[*found, 0, 0] for found in by_unit]
    return Contributions(units, [p[0] for p in padded], [p[1] for p in padded], list(map(sum, by_unit)), "unit", kind)


def part(plan: Plan, fail: Any, values: Sequence[Sequence[int]]) -> LocalResult:
    """A local result that passes the rules but where an aggregate is about a known base of three units: it fails.

    ``fail``: per base. Fifty units of one record each stand in the other bases. ``values``: as ``totals`` makes them.
    """
    sizes = np.where(np.broadcast_to(fail, base_count(plan)), 3, 50)
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    names = pa.array([str(number) for number in range(len(labels))], pa.string())
    prints = np.zeros(len(labels), np.uint64)
    records = Records(names, np.ones(len(labels), np.int32), prints, (labels,) * len(partitions(plan)))
    units = sizes[bases_of_cells(plan)].astype(np.int64)
    one = [1] * plan.cells
    evidence = tuple(
        tuple(Contributions(units, one, one, units.tolist(), "unit", plan.channels[c].kind) for c in a.channels)
        for a in plan.aggregates
    )
    return LocalResult(tuple(map(list, values)), evidence, 1000, (records,))


def noise_of(case: Case, node: str, channel: int, cell: int) -> int:
    """What a node adds to a cell of a channel: from the definition, another way."""
    question = cell_questions(case.plan, case.parameters)[channel][cell]
    [seed] = OpenGate(node).seeds([question])
    return noise(seed, case.plan.channels[channel].noise)


def opened_total(case: Case, parts: Sequence[LocalResult], channel: int, cell: int) -> int:
    """What whoever adds up all parts must see."""
    return sum(
        result.values[channel][cell] + noise_of(case, node, channel, cell)
        for node, result in zip(case.participants, parts, strict=True)
    )


class Walk:
    """All parties of one job, from ``start`` to their flags. ``told``: what each of them was told, if not the same;
    ``judges``: a node's audit, if it is not one that allows everything.
    """

    def __init__(
        self,
        case: Case,
        parts: Sequence[LocalResult],
        told: Mapping[str, bytes] | None = None,
        judges: Mapping[str, Judge] | None = None,
    ) -> None:
        self.case, told, judges = case, told or {}, judges or {}
        self.gates = {node: OwnGate(node) for node in case.participants}
        self.parties: dict[str, Party] = {
            n: make_party(Seat(case, n, draws(n), self.gates[n])) for n in case.participants
        }
        self.keys: dict[str, bytes] = {}
        for node, party in self.parties.items():
            key, compute = party.start()
            assert isinstance(key, Send)
            assert isinstance(compute, Compute)
            self.keys[node] = key.body
            REFEREE.check(case, None, "key", 0, node, key.body)
        self.asks: dict[str, Ask] = {}
        self.flags: dict[str, Send] = {}
        for (node, party), result in zip(self.parties.items(), parts, strict=True):
            assert list(party.receive(Incoming("key", 0, self.keys, told.get(node, TOLD)))) == []
            [ask] = party.computed(result)
            assert isinstance(ask, Ask)
            self.asks[node] = ask
            [flags] = party.judged(judges.get(node, allowing)(ask.questions))
            assert isinstance(flags, Send)
            self.flags[node] = flags

    def opened(self) -> tuple[bytes, bytes]:
        """What the referee says, and what it keeps."""
        for node, send in self.flags.items():
            REFEREE.check(self.case, None, "flags", 0, node, send.body)
        turn = REFEREE.advance(self.case, None, "flags", 0, {node: send.body for node, send in self.flags.items()})
        [say] = turn.say
        assert (say.round, turn.output) == ("open", None)
        assert turn.state is not None
        return say.body, turn.state

    def values(self, say: bytes, told: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Every party's numbers for what the hub opened."""
        sent = {}
        for node, party in self.parties.items():
            send, _ = party.receive(opens(say, (told or {}).get(node, TOLD)))
            assert isinstance(send, Send)
            sent[node] = send.body
        return sent


def opens(say: bytes, told: bytes = TOLD) -> Incoming:
    return Incoming("open", 0, {"hub": say}, told)


def refusing(cells: Bits) -> Judge:
    """A node whose audit refuses these cells of every inquiry."""
    return lambda questions: [[~cells for _ in question.inquiries] for question in questions]
