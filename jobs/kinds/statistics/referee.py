"""The hub's part in a joint statistic: masked vectors in, pass bits out, then noisy totals, then their format.

Semi-honest: the hub learns pass bits, then totals of passing cells, from sums of masked vectors; each part has its
noise, so all participants may see the totals too and recompute the release. The hub cannot open a cell that a node
flagged. Of a job with one owner it learns the same, unmasked. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jobs.errors import DisclosureBlocked
from jobs.kinds.base import Case, Output, Rendered, Say, Turn
from jobs.kinds.statistics.messages import FLAGS, VALUES, decode_key, decode_vector, encode_open
from jobs.kinds.statistics.opening import Bits, Opening, flag_count, opening, pack, unpack
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import Totals, assemble, shown_numbers
from jobs.kinds.statistics.tableform import content_of, render_table, table_of, warm_up
from mpc.errors import WrongRound
from mpc.masks import check_public
from mpc.ring import Z64, Ring, Vector


class StatisticsReferee:
    """``state`` is the packed pass bits, from the moment when all flags were added."""

    def check(self, case: Case, state: bytes | None, round: str, sequence: int, sender: str, body: bytes) -> None:
        match round:
            case "key":
                check_public(decode_key(case, body))
            case "flags":
                _read_flags(case, body)
            case "values":
                _read_values(case, _passed(case, state), body)

    def advance(self, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]) -> Turn:
        in_order = [bodies[node] for node in case.participants]
        if round == "flags":
            passed = _add_flags(case, in_order)
            return Turn(say=[Say("open", encode_open(case, passed))], state=pack(passed))
        passed = _passed(case, state)
        return Turn(state=state, output=_output(case, passed, _add_values(case, passed, in_order)))

    def warm(self) -> None:
        warm_up()

    def render(self, case: Case, content: bytes, release: str, source: str) -> Rendered:
        return render_table(table_of(content), release, source)


REFEREE = StatisticsReferee()


def _add_flags(case: Case, bodies: Sequence[bytes]) -> Bits:
    """Pass bits, shape (aggregates, cells): nobody flagged a failure."""
    total = _sum(Z64, [_read_flags(case, body) for body in bodies])
    return Z64.is_zero(total).reshape(len(_plan(case).aggregates), _plan(case).cells)


def _add_values(case: Case, passed: Bits, bodies: Sequence[bytes]) -> Totals:
    """Signed totals of the opened pairs; raises ``DisclosureBlocked`` for one that no data within the plan gives."""
    plan = _plan(case)
    ring, pairs = Ring(plan.ring_bits), opening(plan, passed)
    numbers = ring.decode_signed(_sum(ring, [_read_values(case, passed, body) for body in bodies]))
    for channel, number in zip(pairs.channel.tolist(), numbers, strict=True):
        if not plan.channels[channel].low <= number <= plan.channels[channel].high:
            raise DisclosureBlocked(
                "a total lies outside the range that the plan proves: the nodes masked under different inputs, or one "
                "of them sent a number that its data cannot give. Nothing was released; the nodes' records tell which"
            )
    return _spread(plan, pairs, numbers)


def _output(case: Case, passed: Bits, totals: Totals) -> Output:
    plan, profile = _plan(case), case.profile
    shown = shown_numbers(plan, profile, passed, totals)
    released = assemble(plan, case.parameters, profile, shown)
    metered = {"cells": int(np.count_nonzero(passed))}  # what was opened, shown or not
    return Output(content_of(released.table), shown.count, passed.size - shown.count, metered, released.verdict)


def _read_flags(case: Case, body: bytes) -> Vector:
    return decode_vector(case, FLAGS, Z64, body, flag_count(_plan(case)))


def _read_values(case: Case, passed: Bits, body: bytes) -> Vector:
    plan = _plan(case)
    return decode_vector(case, VALUES, Ring(plan.ring_bits), body, len(opening(plan, passed)))


def _passed(case: Case, state: bytes | None) -> Bits:
    if state is None:
        raise WrongRound("values before any cell was opened")
    return unpack(_plan(case), state)


def _spread(plan: Plan, opened: Opening, numbers: Sequence[int]) -> Totals:
    table: list[list[int | None]] = [[None] * plan.cells for _ in plan.channels]
    for channel, cell, number in zip(opened.channel.tolist(), opened.cell.tolist(), numbers, strict=True):
        table[channel][cell] = number
    return table


def _sum(ring: Ring, vectors: Sequence[Vector]) -> Vector:
    total = vectors[0].copy()
    for vector in vectors[1:]:
        ring.add_into(total, vector)
    return total


def _plan(case: Case) -> Plan:
    plan: Plan = case.plan
    return plan
