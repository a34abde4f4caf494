"""The hub's part in a joint statistic: masked vectors in, pass bits out, then totals of passing cells, then the gate.

Semi-honest: the hub learns pass bits, then totals of passing cells, from sums of masked vectors. It cannot open a cell
that a node flagged. Of a job with one owner it learns pass bits and rounded numbers. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jobs.errors import DisclosureBlocked
from jobs.kinds.base import Case, Output, Rendered, Say, Turn
from jobs.kinds.statistics.gated import read_gated
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    Words,
    decode_key,
    decode_numbers,
    decode_words,
    encode_open,
)
from jobs.kinds.statistics.opening import Bits, Opening, flag_count, opening, pack, unpack
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import Released, assemble, round_all
from jobs.kinds.statistics.tableform import content_of, render_table, table_of, warm_up
from mpc.errors import WrongRound
from mpc.masks import check_public
from mpc.ring import Z64, Ring, Vector

Totals = tuple[tuple[int | None, ...], ...]
"""Exact sums per channel, per cell; ``None`` where nothing was opened."""


class StatisticsReferee:
    """``state`` is the packed pass bits, from the moment when all flags were added."""

    def check(self, case: Case, state: bytes | None, round: str, sequence: int, sender: str, body: bytes) -> None:
        match round:
            case "key":
                check_public(decode_key(case, body))
            case "flags":
                decode_words(case, FLAGS, body, flag_count(_plan(case)), 1)
            case "values":
                _read_values(case, _passed(case, state), body)

    def advance(self, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]) -> Turn:
        in_order = [bodies[node] for node in case.participants]
        if round == "flags":
            passed = _add_flags(case, in_order)
            return Turn(say=[Say("open", encode_open(case, passed))], state=pack(passed))
        passed = _passed(case, state)
        return Turn(state=state, output=_output(case, passed, _numbers(case, passed, in_order)))

    def warm(self) -> None:
        warm_up()

    def render(self, case: Case, content: bytes, release: str, source: str) -> Rendered:
        return render_table(table_of(content), release, source)


REFEREE = StatisticsReferee()


def _add_flags(case: Case, bodies: Sequence[bytes]) -> Bits:
    """Pass bits, shape (aggregates, cells): nobody flagged a failure, and somebody has data."""
    plan = _plan(case)
    total = _sum(Z64, [decode_words(case, FLAGS, body, flag_count(plan), 1).reshape(-1) for body in bodies])
    passed: Bits = (total[0::2] == 0) & (total[1::2] != 0)
    return passed.reshape(len(plan.aggregates), plan.cells)


def _numbers(case: Case, passed: Bits, bodies: Sequence[bytes]) -> list[list[Released]]:
    """Released numbers per aggregate, per cell: rounded here, or by the node of the only owner."""
    plan, profile = _plan(case), case.profile
    if _is_alone(case):
        return read_gated(plan, profile, passed, decode_numbers(case, bodies[0], int(passed.sum())))
    return round_all(plan, profile, passed, _add_values(case, passed, bodies))


def _add_values(case: Case, passed: Bits, bodies: Sequence[bytes]) -> Totals:
    """Signed totals of the opened pairs; raises ``DisclosureBlocked`` for one that no data within the plan gives."""
    plan = _plan(case)
    ring, pairs = Ring(plan.ring_bits), opening(plan, passed)
    width = plan.ring_bits // 64
    parts = [decode_words(case, VALUES, body, len(pairs), width) for body in bodies]
    numbers = ring.decode_signed(_sum(ring, [part.reshape(-1) if width == 1 else part for part in parts]))
    for channel, number in zip(pairs.channel.tolist(), numbers, strict=True):
        if not plan.channels[channel].low <= number <= plan.channels[channel].high:
            raise DisclosureBlocked(
                "a total lies outside the range that the plan proves: the nodes masked under different inputs, or one "
                "of them sent a number that its data cannot give. Nothing was released; the nodes' records tell which"
            )
    return _spread(plan, pairs, numbers)


def _output(case: Case, passed: Bits, numbers: Sequence[Sequence[Released]]) -> Output:
    released = assemble(_plan(case), case.parameters, case.profile, passed, numbers)
    shown, withheld = int(np.count_nonzero(passed)), int(np.count_nonzero(~passed))
    content = content_of(released.table)
    return Output(content, shown, withheld, {"cells": shown}, released.verdict)


def _read_values(case: Case, passed: Bits, body: bytes) -> None:
    plan = _plan(case)
    if _is_alone(case):
        decode_numbers(case, body, int(passed.sum()))
    else:
        decode_words(case, VALUES, body, len(opening(plan, passed)), plan.ring_bits // 64)


def _passed(case: Case, state: bytes | None) -> Bits:
    if state is None:
        raise WrongRound("values before any cell was opened")
    return unpack(_plan(case), state)


def _spread(plan: Plan, opened: Opening, numbers: Sequence[int]) -> Totals:
    table: list[list[int | None]] = [[None] * plan.cells for _ in plan.channels]
    for channel, cell, number in zip(opened.channel.tolist(), opened.cell.tolist(), numbers, strict=True):
        table[channel][cell] = number
    return tuple(map(tuple, table))


def _sum(ring: Ring, vectors: Sequence[Vector | Words]) -> Vector:
    total = np.array(vectors[0], dtype=ring.dtype)
    for vector in vectors[1:]:
        ring.add_into(total, vector)
    return total


def _is_alone(case: Case) -> bool:
    """One participant, whose own node applies the whole gate."""
    return len(case.participants) == 1


def _plan(case: Case) -> Plan:
    plan: Plan = case.plan
    return plan
