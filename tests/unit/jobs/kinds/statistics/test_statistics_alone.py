"""A job with one owner: what leaves the node equals what the hub would have released of the same totals, and is final."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import DisclosureBlocked, ProtocolViolation
from jobs.kinds.base import Incoming, Seat, Send
from jobs.kinds.statistics.gated import gate_own, read_gated
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_numbers,
    decode_open,
    decode_words,
    encode_key,
    encode_numbers,
    encode_open,
    encode_words,
)
from jobs.kinds.statistics.opening import flag_count, opening
from jobs.kinds.statistics.party import make_party
from jobs.kinds.statistics.plan.cost import estimate
from jobs.kinds.statistics.plan.words import explain
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.release import assemble, round_all
from jobs.kinds.statistics.tableform import content_of
from mpc.errors import MalformedMessage, WrongRound
from tests.support.statistic import (
    PROFILE,
    TOLD,
    Walk,
    case_of,
    dataset,
    draws,
    opens,
    part,
    plan_of,
    shape,
    totals,
)

NODE = "node-a"
DATASET = dataset("900000", "decimal", 2)
SQL = (
    "SELECT kind, COUNT(*) AS n, COUNT(DISTINCT unit) AS units, SUM(value) AS s, AVG(value) AS m, "
    "VAR_POP(value) AS v, STDDEV_SAMP(value) AS d, 100 * COUNT(value) / COUNT(*) AS known "
    "FROM data GROUP BY kind HAVING COUNT(*) > 0 ORDER BY m DESC"
)
PLAN = plan_of(SQL, DATASET, [NODE], rows=10**6)
CASE = case_of(PLAN, [NODE])
PAIRS = shape(PLAN)
NONE, EVERY = np.zeros(PAIRS, np.bool_), np.ones(PAIRS, np.bool_)
EXACT = totals(PLAN, [list(range(1, 100)), list(range(7, 200)), list(range(-30, 11))])
bits = st.lists(st.booleans(), min_size=PAIRS[0] * PAIRS[1], max_size=PAIRS[0] * PAIRS[1]).map(
    lambda flat: np.array(flat).reshape(PAIRS)
)
cells = st.lists(st.lists(st.integers(-90_000_000, 90_000_000), min_size=10, max_size=300), min_size=3, max_size=3)


def alone(fail: Any = NONE, present: Any = EVERY, values: Any = EXACT, case: Any = CASE) -> Walk:
    return Walk(case, [part(PLAN, fail, present, values)])


@settings(max_examples=60, deadline=None)
@given(passed=bits, small=bits, values=cells)
def test_the_release_equals_that_of_the_joint_gate(passed: Any, small: Any, values: list[list[int]]) -> None:
    """Through the wire and the hub's checks: the same numbers, the same table, to the last digit."""
    exact = totals(PLAN, values)
    walk = alone(small & ~passed, passed, exact)
    say, state = walk.opened()
    assert np.array_equal(decode_open(CASE, say), passed)
    [body] = walk.values(say).values()
    REFEREE.check(CASE, state, "values", 0, NODE, body)
    there = round_all(PLAN, PROFILE, passed, exact)
    assert read_gated(PLAN, PROFILE, passed, decode_numbers(CASE, body, int(passed.sum()))) == there
    output = REFEREE.advance(CASE, state, "values", 0, {NODE: body}).output
    assert output is not None
    released = assemble(PLAN, {}, PROFILE, passed, there)
    assert (output.content, output.verdict) == (content_of(released.table), released.verdict)


@settings(max_examples=30, deadline=None)
@given(passed=bits, one=bits, other=bits)
def test_flags_depend_on_the_pass_bits_alone(passed: Any, one: Any, other: Any) -> None:
    """Why a pair is closed, small or empty, does not leave the node."""
    bodies = [alone(small & ~passed, passed).flags[NODE].body for small in (one, other)]
    assert bodies[0] == bodies[1]
    vector = decode_words(CASE, FLAGS, bodies[0], flag_count(PLAN), 1).reshape(-1)
    assert not vector[0::2].any()
    assert np.array_equal(vector[1::2] == 1, passed.reshape(-1))


def test_exact_totals_are_refused_of_one_owner() -> None:
    _, state = alone().opened()
    words = np.zeros((len(opening(PLAN, EVERY)), PLAN.ring_bits // 64), np.uint64)
    with pytest.raises(MalformedMessage):
        REFEREE.check(CASE, state, "values", 0, NODE, encode_words(CASE, VALUES, words))


def test_numbers_come_after_the_flags_for_the_opened_pairs_and_no_others() -> None:
    walk = alone()
    say, state = walk.opened()
    numbers = list(gate_own(PLAN, PROFILE, EVERY, EXACT))
    with pytest.raises(WrongRound):
        REFEREE.check(CASE, None, "values", 0, NODE, encode_numbers(CASE, numbers))
    for bent in (numbers[1:], [*numbers, None]):
        with pytest.raises(MalformedMessage):
            REFEREE.check(CASE, state, "values", 0, NODE, encode_numbers(CASE, bent))
    [body] = walk.values(say).values()  # the control
    REFEREE.check(CASE, state, "values", 0, NODE, body)
    assert body == encode_numbers(CASE, numbers)


def test_other_pairs_than_those_that_passed_here_are_not_opened() -> None:
    shut = EVERY.copy()
    shut[0, 0] = False
    walk = alone(NONE, shut)
    say, _ = walk.opened()
    party = walk.parties[NODE]
    fewer = shut.copy()
    fewer[1, 1] = False
    for bent in (EVERY, fewer, NONE):
        with pytest.raises(ProtocolViolation):
            party.receive(opens(encode_open(CASE, bent)))
    send, _ = party.receive(opens(say))  # the control
    assert isinstance(send, Send)
    assert send.round == "values"
    with pytest.raises(ProtocolViolation):
        party.receive(opens(say))


def test_after_destruction_nothing_more_is_sent() -> None:
    walk = alone()
    say, _ = walk.opened()
    walk.parties[NODE].destroy()
    with pytest.raises(ProtocolViolation):
        walk.parties[NODE].receive(opens(say))


def test_a_second_participant_s_key_is_refused() -> None:
    good = alone().keys
    for keys in (
        {},
        {NODE: encode_key(CASE, bytes(32))},
        {"node-b": good[NODE]},
        {**good, "node-b": encode_key(CASE, b"\x09" + bytes(31))},
    ):
        party = make_party(Seat(CASE, NODE, draws(NODE)))
        party.start()
        party.computed(part(PLAN, NONE, EVERY, EXACT))
        with pytest.raises(ProtocolViolation):
            party.receive(Incoming("key", 0, keys, TOLD))


@pytest.mark.parametrize("number", [None, Decimal(-5), Decimal(12), Decimal("10.5"), Decimal("1E-7")])
def test_a_count_that_is_not_rounded_is_not_released(number: Decimal | None) -> None:
    numbers = list(gate_own(PLAN, PROFILE, EVERY, EXACT))
    counts = next(place for place, a in enumerate(PLAN.aggregates) if a.function == "count_rows")
    release(numbers)
    numbers[counts * PLAN.cells] = number
    with pytest.raises(DisclosureBlocked):
        release(numbers)


@pytest.mark.parametrize("number", [Decimal("1E+99"), Decimal("-1E+99"), Decimal("5E+39")])
@pytest.mark.parametrize("place", range(PAIRS[0]), ids=[aggregate.function for aggregate in PLAN.aggregates])
def test_a_number_that_the_plan_cannot_give_is_not_released(place: int, number: Decimal) -> None:
    numbers = list(gate_own(PLAN, PROFILE, EVERY, EXACT))
    numbers[place * PLAN.cells] = number
    with pytest.raises(DisclosureBlocked, match="beyond"):
        release(numbers)


def release(numbers: list[Decimal | None]) -> None:
    """As the hub takes them: checked when they come, then through the gate."""
    _, state = alone().opened()
    body = encode_numbers(CASE, numbers)
    REFEREE.check(CASE, state, "values", 0, NODE, body)
    assert REFEREE.advance(CASE, state, "values", 0, {NODE: body}).output is not None


def test_the_largest_totals_that_the_plan_proves_are_released() -> None:
    for end in ("low", "high"):
        rows = next(channel.high for channel in PLAN.channels if channel.kind == "rows")
        exact = [
            [rows if channel.kind in ("rows", "distinct") else getattr(channel, end)] * PLAN.cells
            for channel in PLAN.channels
        ]
        if end == "low":  # squares of the lowest value are as large as those of the highest
            exact = [
                [c.high] * PLAN.cells if c.kind == "sumsq" else row for c, row in zip(PLAN.channels, exact, strict=True)
            ]
        assert read_gated(PLAN, PROFILE, EVERY, gate_own(PLAN, PROFILE, EVERY, exact)) == round_all(
            PLAN, PROFILE, EVERY, exact
        )


def test_the_owner_reads_that_its_own_node_rounds() -> None:
    words = explain(PLAN, (DATASET,))
    assert "your own node applies all rules and rounds" in words.text()
    rules = assemble(PLAN, {}, PROFILE, EVERY, round_all(PLAN, PROFILE, EVERY, EXACT)).verdict["rules"]
    assert "rounding" in rules["at_every_part"]
    assert rules["joint"] == ["output_limits"]


def test_the_announced_bytes_bound_the_message() -> None:
    walk = alone()
    say, _ = walk.opened()
    [body] = walk.values(say).values()
    assert len(body) - len(encode_numbers(CASE, [])) <= estimate(PLAN, DATASET).value_bytes_per_node


def test_what_stands_behind_the_numbers_is_kept_for_the_commitment_and_not_sent() -> None:
    walk = alone()
    say, _ = walk.opened()
    send, _ = walk.parties[NODE].receive(opens(say))
    assert isinstance(send, Send)
    assert send.part is not None
    exact = str(EXACT[next(n for n, c in enumerate(PLAN.channels) if c.kind == "sum")][1])
    assert exact.encode() in send.part
    assert exact.encode() not in send.body
