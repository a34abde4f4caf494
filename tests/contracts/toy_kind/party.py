"""Additive secret sharing in Z_2^64, passed on once: who sees one share of a sum sees a uniform number.

The party writes a checkpoint after every step, so a killed node goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jobs.disclosure.gate import Inquiry, Question, Records, Verdict
from jobs.errors import DisclosureBlocked, ProtocolViolation
from jobs.kinds.base import Act, Ask, Compute, Done, Incoming, Limits, Party, Seat, Send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.source import Input

MODULUS = 1 << 64


def make_party(seat: Seat, checkpoint: bytes | None = None) -> Party:
    return ToyParty(seat, None if checkpoint is None else json.loads(checkpoint))


class ToyParty:
    def __init__(self, seat: Seat, kept: dict[str, Any] | None) -> None:
        self._seat = seat
        self._state: dict[str, Any] = kept or {"share": {}, "mix": {}}
        self._total = 0

    def start(self) -> Sequence[Act]:
        return self.resume()

    def computed(self, result: Part) -> Sequence[Act]:
        if len(result.units) < self._seat.case.profile.min_group:
            raise DisclosureBlocked("fewer individuals than the profile's minimum group")
        self._total = result.total
        return [self._ask(result)]

    def judged(self, verdict: Verdict) -> Sequence[Act]:
        if not verdict[0][0].all():
            raise DisclosureBlocked("with all that was asked before, this sum would tell too much of one individual")
        return self._deal("share", self._total)

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        if incoming.round not in ("share", "mix"):
            raise ProtocolViolation("no such round")
        ((sender, body),) = incoming.bodies.items()
        self._state[incoming.round][sender] = int.from_bytes(body, "little")
        return self._follow()

    def resume(self) -> Sequence[Compute]:
        plan = self._seat.case.plan
        return (
            [] if self._seat.own in self._state["share"] else [Compute(ToyStep(plan.dataset, plan.unit, plan.column))]
        )

    def checkpoint(self) -> bytes | None:
        return json.dumps(self._state).encode()

    def destroy(self) -> None:
        self._state = {}

    def _ask(self, part: Part) -> Ask:
        """One number about one secret column, resting on every record of the part."""
        plan = self._seat.case.plan
        (seed,) = self._seat.gate.seeds([f"sum of {plan.dataset}.{plan.column}".encode()])
        base, prints = np.zeros(part.rows.sum(), np.int32), np.zeros(part.rows.sum(), np.uint64)
        records = Records(part.units, part.rows, prints, (base,))
        about = Inquiry((plan.dataset, plan.column), 0, np.zeros(1, np.int32), [seed[:16]], holders=plan.parts)
        return Ask((Question(plan.unit_domain, records, (about,)),))

    def _deal(self, round: str, secret: int) -> Sequence[Act]:
        """One random share to everybody else; what is left stays here."""
        others = [node for node in self._seat.case.participants if node != self._seat.own]
        shares = {node: int.from_bytes(self._seat.rng(8), "little") for node in others}
        self._state[round][self._seat.own] = (secret - sum(shares.values())) % MODULUS
        sends: list[Act] = [Send(round, share.to_bytes(8, "little"), receiver=node) for node, share in shares.items()]
        return [*sends, *self._follow()]

    def _follow(self) -> Sequence[Act]:
        """The next deal once all shares are there. Shares of the next round may come before."""
        whole = set(self._seat.case.participants)
        own = self._seat.own
        if set(self._state["share"]) == whole and own not in self._state["mix"]:
            return self._deal("mix", sum(self._state["share"].values()) % MODULUS)
        if set(self._state["mix"]) == whole:
            total = sum(self._state["mix"].values()) % MODULUS
            body = total.to_bytes(8, "little")
            return [Send("total", body, metered={"sums": 1}, part=body), Done()]
        return ()


@dataclass(frozen=True)
class Part:
    """Each individual once, how many rows it has, and the sum over all."""

    units: pa.Array
    rows: np.ndarray[Any, np.dtype[np.int32]]
    total: int


@dataclass(frozen=True)
class ToyStep:
    """The individuals and the sum of one column of one part."""

    dataset: str
    unit: str
    column: str

    def parts(self, tables: Mapping[str, Input]) -> int:
        return 1

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> Part:
        from adapters.open import open_source
        from adapters.source import check_unchanged

        source = open_source(tables[self.dataset].source)
        check_unchanged(source, tables[self.dataset].manifest)
        table = source.read([self.unit, self.column]).read_all()
        counted = table[self.unit].cast(pa.utf8()).combine_chunks().value_counts()
        total = sum(value for value in table[self.column].to_pylist() if value is not None)
        return Part(counted.field("values"), counted.field("counts").to_numpy().astype(np.int32), total)

    def merge(self, results: Sequence[Part]) -> Part:
        (part,) = results
        return part
