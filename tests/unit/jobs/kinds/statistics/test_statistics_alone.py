"""A job with one owner: the same walk as with several, and nothing to mask; what the hub reads has its noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import DisclosureBlocked, ProtocolViolation
from jobs.kinds.base import Ask, Incoming, Send
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_open,
    decode_vector,
    encode_key,
    encode_open,
    encode_vector,
)
from jobs.kinds.statistics.opening import flag_count, opening
from jobs.kinds.statistics.party import make_party
from jobs.kinds.statistics.plan.cost import estimate
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.release import assemble, shown_numbers
from jobs.kinds.statistics.tableform import content_of
from mpc.errors import MalformedMessage, WrongRound
from mpc.ring import Z64, Ring
from tests.support.statistic import (
    OPEN,
    PROFILE,
    TOLD,
    Walk,
    case_of,
    dataset,
    opened_total,
    opens,
    part,
    plan_of,
    refusing,
    seat_of,
    shape,
    totals,
)

NODE = "node-a"
SQL = (
    "SELECT kind, COUNT(*) AS n, COUNT(DISTINCT unit) AS units, SUM(value) AS s, AVG(value) AS m, "
    "VAR_POP(value) AS v, STDDEV_SAMP(value) AS d, 100 * COUNT(value) / COUNT(*) AS known "
    "FROM data GROUP BY kind HAVING COUNT(*) > 0 ORDER BY m DESC"
)
DATASET = dataset("900000", "decimal", 2)
PLAN = plan_of(SQL, DATASET, [NODE], rows=10**6)
CASE = case_of(PLAN, [NODE])
OPEN_PLAN = plan_of(SQL, dataset("900000", "decimal", 2, profile="open@1"), [NODE], rows=10**6)
OPEN_CASE = case_of(OPEN_PLAN, [NODE])
PAIRS = shape(PLAN)
EVERY = np.ones(PAIRS, np.bool_)
EXACT = totals(PLAN, [list(range(1, 100)), list(range(7, 200)), list(range(-30, 11))])
closed = st.lists(st.booleans(), min_size=3, max_size=3).map(np.array)
cells = st.lists(st.lists(st.integers(-90_000_000, 90_000_000), min_size=10, max_size=300), min_size=3, max_size=3)


def alone(fail: Any = False, values: Any = EXACT, case: Any = CASE, **judges: Any) -> Walk:
    return Walk(case, [part(case.plan, fail, values)], **judges)


@settings(max_examples=60, deadline=None)
@given(small=closed, refused=closed, values=cells)
def test_the_release_is_made_of_the_noisy_totals(small: Any, refused: Any, values: list[list[int]]) -> None:
    """Through the wire and the hub's checks: the same table as from the definition, to the last digit."""
    exact = totals(PLAN, values)
    walk = alone(small, exact, judges={NODE: refusing(refused)})
    say, state = walk.opened()
    passed = decode_open(CASE, say)
    assert np.array_equal(passed, np.broadcast_to(~(small | refused), PAIRS))
    [body] = walk.values(say).values()
    REFEREE.check(CASE, state, "values", 0, NODE, body)
    output = REFEREE.advance(CASE, state, "values", 0, {NODE: body}).output
    assert output is not None
    held = [part(PLAN, small, exact)]
    noisy = [[opened_total(CASE, held, c, cell) for cell in range(3)] for c in range(len(PLAN.channels))]
    released = assemble(PLAN, {}, PROFILE, shown_numbers(PLAN, PROFILE, passed, noisy))
    assert (output.content, output.verdict) == (content_of(released.table), released.verdict)


@settings(max_examples=30, deadline=None)
@given(values=cells)
def test_open_data_is_released_exactly(values: list[list[int]]) -> None:
    """Nothing is asked of the gate, nothing is added, and the table has no errors."""
    exact = totals(OPEN_PLAN, values)
    walk = alone(False, exact, OPEN_CASE)
    assert walk.asks[NODE] == Ask(())
    assert walk.gates[NODE].asked == []
    say, state = walk.opened()
    [body] = walk.values(say).values()
    output = REFEREE.advance(OPEN_CASE, state, "values", 0, {NODE: body}).output
    assert output is not None
    released = assemble(OPEN_PLAN, {}, OPEN, shown_numbers(OPEN_PLAN, OPEN, EVERY, exact))
    assert output.content == content_of(released.table)
    assert {error for row in released.table.errors for error in row} == {None}
    assert not any(column.noisy for column in released.table.columns)


@settings(max_examples=20, deadline=None)
@given(small=closed, refused=closed)
def test_why_a_pair_is_closed_does_not_leave_the_node(small: Any, refused: Any) -> None:
    """A flag is zero, or a fresh number: small, refused and both are alike."""
    [send] = alone(small, judges={NODE: refusing(refused)}).flags.values()
    vector = decode_vector(CASE, FLAGS, Z64, send.body, flag_count(PLAN))
    assert np.array_equal(vector != 0, np.broadcast_to(small | refused, PAIRS).reshape(-1))
    marked = vector[vector != 0].tolist()
    assert len(set(marked)) == len(marked)
    assert all(number > 1 << 32 for number in marked)


def test_the_hub_reads_no_exact_number() -> None:
    walk = alone()
    say, _ = walk.opened()
    [body] = walk.values(say).values()
    pairs, ring = opening(PLAN, EVERY), Ring(PLAN.ring_bits)
    found = ring.decode_signed(decode_vector(CASE, VALUES, ring, body, len(pairs)))
    exact = [EXACT[channel][cell] for channel, cell in zip(pairs.channel, pairs.cell, strict=True)]
    off = [
        abs(x - y) / PLAN.channels[channel].noise
        for x, y, channel in zip(found, exact, pairs.channel.tolist(), strict=True)
    ]
    assert max(off) <= 3
    assert sum(x != y for x, y in zip(found, exact, strict=True)) > len(exact) // 2
    sent = alone().parties[NODE].receive(opens(say))[0]
    assert isinstance(sent, Send)
    assert sent.part == decode_vector(CASE, VALUES, ring, body, len(pairs)).tobytes()  # nothing else stands behind it


def test_numbers_come_after_the_flags_for_the_opened_pairs_and_no_others() -> None:
    walk = alone()
    say, state = walk.opened()
    [body] = walk.values(say).values()
    ring = Ring(PLAN.ring_bits)
    vector = decode_vector(CASE, VALUES, ring, body, len(opening(PLAN, EVERY)))
    with pytest.raises(WrongRound):
        REFEREE.check(CASE, None, "values", 0, NODE, body)
    for bent in (vector[1:], np.concatenate([vector, vector[:1]])):
        with pytest.raises(MalformedMessage):
            REFEREE.check(CASE, state, "values", 0, NODE, encode_vector(CASE, VALUES, ring, bent))
    REFEREE.check(CASE, state, "values", 0, NODE, body)  # the control


def test_a_pair_that_was_flagged_is_not_opened() -> None:
    small = np.array([True, False, False])
    walk = alone(small)
    say, _ = walk.opened()
    party = walk.parties[NODE]
    with pytest.raises(ProtocolViolation, match="flagged"):
        party.receive(opens(encode_open(CASE, EVERY)))
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
    party = make_party(seat_of(CASE, NODE))
    party.start()
    party.destroy()
    [ask] = [*party.computed(part(PLAN, False, EXACT)), *party.receive(Incoming("key", 0, walk.keys, TOLD))]
    assert isinstance(ask, Ask)
    with pytest.raises(ProtocolViolation, match="destroyed"):
        party.judged([[np.ones(3, np.bool_) for _ in question.inquiries] for question in ask.questions])


def test_a_second_participant_s_key_is_refused() -> None:
    good = alone().keys
    for keys in (
        {},
        {NODE: encode_key(CASE, bytes(32))},
        {"node-b": good[NODE]},
        {**good, "node-b": encode_key(CASE, b"\x09" + bytes(31))},
    ):
        party = make_party(seat_of(CASE, NODE))
        party.start()
        party.computed(part(PLAN, False, EXACT))
        with pytest.raises(ProtocolViolation):
            party.receive(Incoming("key", 0, keys, TOLD))


@pytest.mark.parametrize("kind", ["rows", "sum", "sumsq", "distinct"])
@pytest.mark.parametrize(("end", "beyond"), [("low", -1), ("high", 1)])
def test_a_number_that_the_plan_cannot_give_is_not_released(kind: str, end: str, beyond: int) -> None:
    walk = alone()
    say, state = walk.opened()
    [body] = walk.values(say).values()
    ring, pairs = Ring(PLAN.ring_bits), opening(PLAN, EVERY)
    numbers = ring.decode_signed(decode_vector(CASE, VALUES, ring, body, len(pairs)))
    place = next(n for n, c in enumerate(pairs.channel.tolist()) if PLAN.channels[c].kind == kind)
    limit = getattr(PLAN.channels[int(pairs.channel[place])], end)
    for number in (limit, limit + beyond):
        bent = encode_vector(CASE, VALUES, ring, ring.encode([*numbers[:place], number, *numbers[place + 1 :]]))
        REFEREE.check(CASE, state, "values", 0, NODE, bent)
        if number == limit:
            assert REFEREE.advance(CASE, state, "values", 0, {NODE: bent}).output is not None
        else:
            with pytest.raises(DisclosureBlocked, match="outside the range"):
                REFEREE.advance(CASE, state, "values", 0, {NODE: bent})


def test_the_announced_bytes_are_those_of_the_messages() -> None:
    walk = alone()
    say, _ = walk.opened()
    [values], [flags] = walk.values(say).values(), walk.flags.values()
    cost, ring = estimate(PLAN, DATASET), Ring(PLAN.ring_bits)
    assert len(values) - len(encode_vector(CASE, VALUES, ring, ring.zeros(0))) == cost.value_bytes_per_node
    assert len(flags.body) - len(encode_vector(CASE, FLAGS, Z64, Z64.zeros(0))) == cost.flag_bytes_per_node
