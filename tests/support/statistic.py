"""Real parties of one statistic over made-up parts: what each of them saw is a matter of a few arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jobs.disclosure.profile import load_profile
from jobs.kinds.base import Case, Compute, Incoming, Party, Seat, Send
from jobs.kinds.statistics.evidence import Contributions, LocalResult
from jobs.kinds.statistics.party import make_party
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.referee import REFEREE
from jobs.schema import CatalogueView, Dataset, Digest, Holding

NODES = ("node-a", "node-b", "node-c")
PROFILE = load_profile("standard@1")
TOLD = hashlib.sha256(b"told").digest()
"""A transcript."""


def dataset(high: str, type_: str = "int", decimals: int | None = None) -> Dataset:
    value: dict[str, Any] = {
        "name": "value", "type": type_, "role": "measure", "bounds": {"low": "-" + high, "high": high}
    }  # fmt: skip
    if decimals is not None:
        value["decimals"] = decimals
    columns = [
        {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y", "z"], "nullable": False},
        value,
    ]
    return Dataset.model_validate({"name": "data", "columns": columns, "unit": "unit", "legal_basis": "law"})


def plan_of(sql: str, data: Dataset, nodes: Sequence[str], rows: int = 1000) -> Plan:
    held = tuple(
        Holding(dataset="data", owner=n, node=n, provider=n, version_commitment="v", max_rows=rows) for n in nodes
    )
    return compile_sql(sql, CatalogueView(datasets=(data,), holdings=held))


def case_of(plan: Plan, nodes: Sequence[str] = NODES, nonce: str = "ab" * 32) -> Case:
    return Case(Digest("sha256:" + "cd" * 32), nonce, plan, {}, tuple(nodes), PROFILE)


def draws(name: str) -> Callable[[int], bytes]:
    """Randomness that is another for every name, and the same for the same."""
    count = iter(range(10**6))
    return lambda size: hashlib.shake_256(f"{name}/{next(count)}".encode()).digest(size)


def shape(plan: Plan) -> tuple[int, int]:
    return len(plan.aggregates), plan.cells


def totals(plan: Plan, cells: Sequence[Sequence[int]]) -> tuple[list[int], ...]:
    """What a scan finds in cells that hold these scaled values; every second row has a unit of its own."""
    of: dict[str, Callable[[Sequence[int]], int]] = {
        "rows": len, "distinct": lambda v: len(v) // 2, "sum": sum, "sumsq": lambda v: sum(x * x for x in v)
    }  # fmt: skip
    return tuple([of[channel.kind](cell) for cell in cells] for channel in plan.channels)


def part(plan: Plan, fail: Any, present: Any, values: Sequence[Sequence[int]]) -> LocalResult:
    """A local result on which the rules come to just these verdicts: three units fail, fifty of one row each pass."""
    units = np.where(fail, 3, np.where(present, 50, 0)).astype(np.int64)
    evidence = tuple((_contributions(row),) for row in units)
    return LocalResult(tuple(map(list, values)), evidence, 1000)


def _contributions(units: Any) -> Contributions:
    one = [int(count > 0) for count in units]
    return Contributions(units, one, one, [int(count) for count in units], "unit", "rows")


class Walk:
    """All parties of one job, from ``start`` to their flags. ``told``: what each of them was told, if not the same."""

    def __init__(self, case: Case, parts: Sequence[LocalResult], told: Mapping[str, bytes] | None = None) -> None:
        self.case, told = case, told or {}
        self.parties: dict[str, Party] = {n: make_party(Seat(case, n, draws(n))) for n in case.participants}
        self.keys: dict[str, bytes] = {}
        for node, party in self.parties.items():
            key, compute = party.start()
            assert isinstance(key, Send)
            assert isinstance(compute, Compute)
            self.keys[node] = key.body
            REFEREE.check(case, None, "key", 0, node, key.body)
        self.flags: dict[str, Send] = {}
        for (node, party), result in zip(self.parties.items(), parts, strict=True):
            assert list(party.receive(Incoming("key", 0, self.keys, told.get(node, TOLD)))) == []
            [flags] = party.computed(result)
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
