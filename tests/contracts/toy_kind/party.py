"""Additive secret sharing in Z_2^64, passed on once: who sees one share of a sum sees a uniform number.

The party writes a checkpoint after every step, so a killed node goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.errors import DisclosureBlocked, ProtocolViolation
from jobs.kinds.base import Act, Compute, Done, Incoming, Limits, Party, Seat, Send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.source import Input

MODULUS = 1 << 64


def make_party(seat: Seat, checkpoint: bytes | None = None) -> Party:
    return ToyParty(seat, None if checkpoint is None else json.loads(checkpoint))


class ToyParty:
    def __init__(self, seat: Seat, kept: dict[str, Any] | None) -> None:
        self._seat = seat
        self._state: dict[str, Any] = kept or {"own": None, "share": {}, "mix": {}}

    def start(self) -> Sequence[Act]:
        return self.resume()

    def computed(self, result: tuple[int, int]) -> Sequence[Act]:
        rows, total = result
        if rows < self._seat.case.profile.min_group:
            raise DisclosureBlocked("fewer rows than the profile's minimum group")
        return self._deal("share", total)

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        if incoming.round not in ("share", "mix"):
            raise ProtocolViolation("no such round")
        ((sender, body),) = incoming.bodies.items()
        self._state[incoming.round][sender] = int.from_bytes(body, "little")
        return self._follow()

    def resume(self) -> Sequence[Compute]:
        plan = self._seat.case.plan
        return [] if self._seat.own in self._state["share"] else [Compute(ToyStep(plan.dataset, plan.column))]

    def checkpoint(self) -> bytes | None:
        return json.dumps(self._state).encode()

    def destroy(self) -> None:
        self._state = {}

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
class ToyStep:
    """Rows and sum of one column of one part."""

    dataset: str
    column: str

    def parts(self, tables: Mapping[str, Input]) -> int:
        return 1

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> tuple[int, int]:
        from adapters.open import open_source
        from adapters.source import check_unchanged

        source = open_source(tables[self.dataset].source)
        check_unchanged(source, tables[self.dataset].manifest)
        values = [value for batch in source.read([self.column]) for value in batch.column(0).to_pylist()]
        return len(values), sum(value for value in values if value is not None)

    def merge(self, results: Sequence[tuple[int, int]]) -> tuple[int, int]:
        return sum(rows for rows, _ in results), sum(total for _, total in results)
