"""Parties and referee of a joint statistic: sums are exact but for their noise, flagged cells stay shut, masks hold."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import DisclosureBlocked, ProtocolViolation
from jobs.kinds.base import Ask, Case, Done, Incoming, Send
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_open,
    decode_vector,
    decode_words,
    encode_key,
    encode_open,
    encode_words,
)
from jobs.kinds.statistics.opening import flag_count, opening
from jobs.kinds.statistics.party import Masked, make_party
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.release import assemble, shown_numbers
from jobs.kinds.statistics.tableform import content_of
from mpc.errors import (
    IntegrityError,
    KeyPolicyViolation,
    MalformedMessage,
    OutOfRange,
    TooFewParties,
    WrongRound,
    WrongSession,
)
from mpc.masks import MaskKey
from mpc.ring import Z64, Ring
from tests.support.statistic import (
    NODES,
    PROFILE,
    TOLD,
    Walk,
    allowing,
    case_of,
    dataset,
    draws,
    noise_of,
    opened_total,
    opens,
    part,
    plan_of,
    refusing,
    seat_of,
    shape,
    totals,
)

OTHER = hashlib.sha256(b"told something else").digest()


def make_plan(aggregate: str, high: str) -> Plan:
    return plan_of(f"SELECT kind, COUNT(*) AS n, {aggregate}(value) AS s FROM data GROUP BY kind", dataset(high), NODES)


PLANS = (make_plan("SUM", "1000"), make_plan("VAR_SAMP", "100000000000"))
assert [plan.ring_bits for plan in PLANS] == [64, 128]
CASES = tuple(map(case_of, PLANS))
SHAPE = shape(PLANS[0])
EVERY = np.ones(SHAPE, np.bool_)
CELLS = [[3, 4, 5] * 20, [-7, 9] * 30, [100] * 60]
bases = st.lists(st.booleans(), min_size=9, max_size=9).map(lambda b: np.array(b).reshape(3, 3))
cells = st.lists(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40), min_size=3, max_size=3)


def sums(case: Case, say: bytes, bodies: dict[str, bytes]) -> dict[tuple[int, int], int]:
    """What whoever has all vectors can add up, by (channel, cell)."""
    plan = case.plan
    ring, pairs = Ring(plan.ring_bits), opening(plan, decode_open(case, say))
    total = ring.zeros(len(pairs))
    for body in bodies.values():
        ring.add_into(total, decode_vector(case, VALUES, ring, body, len(pairs)))
    return dict(
        zip(zip(pairs.channel.tolist(), pairs.cell.tolist(), strict=True), ring.decode_signed(total), strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(small=bases, refused=bases, which=st.sampled_from((0, 1)), held=st.tuples(cells, cells, cells))
def test_only_what_nobody_flags_is_opened_and_sums_are_exact_but_for_the_noise_of_every_part(
    small: Any, refused: Any, which: int, held: Any
) -> None:
    plan, case = PLANS[which], CASES[which]
    parts = [part(plan, *of) for of in zip(small, [totals(plan, values) for values in held], strict=True)]
    walk = Walk(case, parts, judges={node: refusing(cells) for node, cells in zip(NODES, refused, strict=True)})
    say, state = walk.opened()
    passed = decode_open(case, say)
    assert (passed == np.broadcast_to(~(small | refused).any(axis=0), SHAPE)).all()
    bodies = walk.values(say)
    expected = [[opened_total(case, parts, c, cell) for cell in range(3)] for c in range(len(plan.channels))]
    found = sums(case, say, bodies)
    assert found == {place: expected[place[0]][place[1]] for place in found}
    assert set(found) == {
        (channel, cell)
        for aggregate, row in zip(plan.aggregates, passed, strict=True)
        for channel in aggregate.channels
        for cell in map(int, np.flatnonzero(row))
    }
    for node, body in bodies.items():
        REFEREE.check(case, state, "values", 0, node, body)
    output = REFEREE.advance(case, state, "values", 0, bodies).output
    assert output is not None
    shown = shown_numbers(plan, PROFILE, passed, expected)
    assert output.content == content_of(assemble(plan, {}, PROFILE, shown).table)
    assert (output.released, output.metered) == (shown.count, {"cells": int(passed.sum())})
    assert output.released + output.withheld == passed.size


def walked(which: int = 0, **changed: Any) -> Walk:
    """All have data in all cells, and nobody flags anything."""
    plan = PLANS[which]
    held = changed.pop("parts", [totals(plan, CELLS)] * 3)
    return Walk(CASES[which], [part(plan, False, values) for values in held], **changed)


# --- what is asked, and what the gate refuses ----------------------------------------------------------------------


def asking() -> tuple[Any, Ask]:
    """A party that has asked."""
    walk = walked()
    party = make_party(seat_of(CASES[0], "node-a"))
    party.start()
    party.receive(Incoming("key", 0, walk.keys, TOLD))
    [ask] = party.computed(part(PLANS[0], False, totals(PLANS[0], CELLS)))
    assert isinstance(ask, Ask)
    return party, ask


def test_what_is_asked_comes_before_the_flags_and_its_answer_once() -> None:
    party, ask = asking()
    with pytest.raises(ProtocolViolation, match="no place"):
        party.receive(opens(encode_open(CASES[0], EVERY)))
    verdict = allowing(ask.questions)
    [flags] = party.judged(verdict)
    assert flags.round == "flags"
    with pytest.raises(ProtocolViolation, match="nothing was asked"):
        party.judged(verdict)


def test_a_verdict_for_other_questions_ends_the_job_unflagged() -> None:
    party, ask = asking()
    verdict = allowing(ask.questions)
    with pytest.raises(ValueError, match="zip"):
        party.judged([verdict[0][:-1]])
    [flags] = party.judged(verdict)
    assert flags.round == "flags"


def test_what_the_audit_refuses_of_one_channel_closes_the_aggregates_that_need_it() -> None:
    """The sum is refused in one cell; the count, which needs no sum, stays open."""
    case, plan = CASES[0], PLANS[0]
    place = next(n for n, channel in enumerate(plan.channels) if channel.kind == "sum")

    def judge(questions: Any) -> Any:
        verdict = [list(of_unit) for of_unit in allowing(questions)]
        verdict[0][place] = np.array([True, False, True])
        return verdict

    say, _ = walked(judges={"node-b": judge}).opened()
    passed = decode_open(case, say)
    by_function = {a.function: row.tolist() for a, row in zip(plan.aggregates, passed, strict=True)}
    assert by_function == {"count_rows": [True] * 3, "sum": [True, False, True]}


# --- what is opened -------------------------------------------------------------------------------------------------


def test_a_pair_that_this_node_flagged_is_never_opened_whatever_the_hub_says() -> None:
    plan = PLANS[0]
    flagged = np.array([False, False, True])
    values = totals(plan, CELLS)
    walk = Walk(CASES[0], [part(plan, fail, values) for fail in (flagged, False, False)])
    say, _ = walk.opened()
    assert np.array_equal(decode_open(CASES[0], say), np.broadcast_to(~flagged, SHAPE))
    party = walk.parties["node-a"]
    for bent in (EVERY, np.broadcast_to(flagged, SHAPE)):
        with pytest.raises(ProtocolViolation, match="flagged"):
            party.receive(opens(encode_open(CASES[0], bent)))
    send, done = party.receive(opens(say))  # the control: what was refused has changed nothing
    assert isinstance(send, Send)
    assert isinstance(done, Done)
    assert send.round == "values"


def test_one_opening_one_message() -> None:
    walk = walked()
    say, _ = walk.opened()
    walk.values(say)
    fewer = EVERY.copy()
    fewer[0, 0] = False
    for again in (say, encode_open(CASES[0], fewer)):
        with pytest.raises(ProtocolViolation, match="no place"):
            walk.parties["node-a"].receive(opens(again))


def test_nothing_is_opened_before_this_node_sent_its_flags() -> None:
    party = make_party(seat_of(CASES[0], "node-a"))
    party.start()
    with pytest.raises(ProtocolViolation, match="no place"):
        party.receive(opens(encode_open(CASES[0], EVERY)))


def test_what_is_sent_is_metered_and_recorded_by_pair_and_not_by_value() -> None:
    walk = walked()
    say, _ = walk.opened()
    send, _ = walk.parties["node-a"].receive(opens(say))
    assert isinstance(send, Send)
    assert send.part is not None
    assert send.metered == {"cells": 6}
    assert send.record["count"] == 6
    assert walk.flags["node-a"].record["failed"]["base"] == 0
    assert walk.flags["node-a"].record["failed"]["audit"] == 0
    assert {type(value) for value in send.record.values()} <= {int, str}


def test_what_a_node_commits_to_is_its_part_with_its_noise_and_never_an_exact_number() -> None:
    walk = walked()
    say, _ = walk.opened()
    send, _ = walk.parties["node-a"].receive(opens(say))
    assert isinstance(send, Send)
    assert send.part is not None
    vector = np.frombuffer(send.part, np.uint64).view(np.int64).tolist()
    exact = totals(PLANS[0], CELLS)
    expected = [exact[c][k] + noise_of(CASES[0], "node-a", c, k) for c in range(2) for k in range(3)]
    assert vector == expected
    assert vector != [number for channel in exact for number in channel]


def test_no_party_keeps_an_exact_number_once_it_has_asked() -> None:
    party, _ = asking()
    exact = {number for channel in totals(PLANS[0], CELLS) for number in channel if number > 50}
    kept = {number for row in party._asked.values for number in row}
    assert party._result is None
    assert len(exact & kept) < len(exact)


def test_a_number_that_does_not_fit_the_ring_is_refused_and_not_wrapped() -> None:
    walk = walked(parts=[[[1 << 64] * 3, [0] * 3], totals(PLANS[0], CELLS), totals(PLANS[0], CELLS)])
    say, _ = walk.opened()
    with pytest.raises(OutOfRange):
        walk.parties["node-a"].receive(opens(say))


# --- keys -----------------------------------------------------------------------------------------------------------


def ready() -> tuple[Any, dict[str, bytes]]:
    """A party that has scanned, and everybody's keys."""
    walk = walked()
    party = make_party(seat_of(CASES[0], "node-a"))
    party.start()
    party.computed(part(PLANS[0], False, totals(PLANS[0], CELLS)))
    return party, walk.keys


def public(value: bytes) -> bytes:
    return encode_key(CASES[0], value)


BAD_KEYS: dict[str, Any] = {
    "missing": lambda keys: {node: key for node, key in keys.items() if node != "node-c"},
    "none": lambda keys: {},
    "a stranger's": lambda keys: {**keys, "node-x": public(b"\x09" + bytes(31))},
    "a stranger's instead": lambda keys: {**{n: k for n, k in keys.items() if n != "node-c"}, "node-x": keys["node-c"]},
    "another as own": lambda keys: {**keys, "node-a": public(b"\x09" + bytes(31))},
    "the same twice": lambda keys: {**keys, "node-c": keys["node-b"]},
    "own as another's": lambda keys: {**keys, "node-c": keys["node-a"]},
    "of small order": lambda keys: {**keys, "node-c": public(bytes(32))},
    "of small order, one": lambda keys: {**keys, "node-c": public(b"\x01" + bytes(31))},
    "not canonical": lambda keys: {**keys, "node-c": public(b"\xff" * 32)},
    "another session's": lambda keys: {**keys, "node-c": encode_key(case_of(PLANS[0], nonce="ef" * 32), bytes(32))},
    "another message": lambda keys: {**keys, "node-c": encode_open(CASES[0], EVERY)},
    "cut short": lambda keys: {**keys, "node-c": keys["node-c"][:-1]},
    "longer": lambda keys: {**keys, "node-c": keys["node-c"] + b"\0"},
}
_REFUSALS = (ProtocolViolation, IntegrityError, MalformedMessage, WrongSession)


@pytest.mark.parametrize("name", BAD_KEYS)
def test_keys_that_are_not_one_good_one_of_each_participant_are_refused(name: str) -> None:
    party, keys = ready()
    with pytest.raises(_REFUSALS):
        party.receive(Incoming("key", 0, BAD_KEYS[name](keys), TOLD))
    [ask] = party.receive(Incoming("key", 0, keys, TOLD))  # the control: a refused message has changed nothing
    assert isinstance(ask, Ask)


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_keys_are_refused_when_they_are_heard_and_not_after_the_scan(name: str) -> None:
    walk = walked()
    party = make_party(seat_of(CASES[0], "node-a"))
    party.start()
    with pytest.raises(_REFUSALS):
        party.receive(Incoming("key", 0, BAD_KEYS[name](walk.keys), TOLD))
    assert not party.receive(Incoming("key", 0, walk.keys, TOLD))  # the control: nothing changed; the scan is awaited


def test_keys_are_taken_once() -> None:
    walk = walked()
    with pytest.raises(ProtocolViolation, match="no place"):
        walk.parties["node-a"].receive(Incoming("key", 0, walk.keys, TOLD))


# --- masks ----------------------------------------------------------------------------------------------------------


def test_flags_of_nodes_that_were_told_different_things_add_up_to_noise() -> None:
    everything, _ = walked().opened()  # the control: told the same, all six pass
    assert decode_open(CASES[0], everything).all()
    noise, _ = walked(told={"node-b": OTHER}).opened()
    assert not decode_open(CASES[0], noise).any()


@pytest.mark.parametrize("which", [0, 1], ids=["64 bits", "128 bits"])
def test_values_of_nodes_that_were_told_different_things_add_up_to_noise_and_release_nothing(which: int) -> None:
    case, walk = CASES[which], walked(which)
    say, state = walk.opened()
    bodies = walk.values(say, {"node-b": OTHER})
    parts = [part(PLANS[which], False, totals(PLANS[which], CELLS))] * 3
    exact = {(c, k): opened_total(case, parts, c, k) for c in range(len(PLANS[which].channels)) for k in range(3)}
    found = sums(case, say, bodies)
    assert found.keys() == exact.keys()
    assert all(found[place] != exact[place] for place in exact)
    with pytest.raises(DisclosureBlocked, match="outside the range that the plan proves"):
        REFEREE.advance(case, state, "values", 0, bodies)
    again = walked(which)
    say, state = again.opened()
    bodies = again.values(say)  # the control: told the same
    assert sums(case, say, bodies) == exact
    assert REFEREE.advance(case, state, "values", 0, bodies).output is not None


def test_a_mask_key_masks_a_round_once_whatever_was_told() -> None:
    masked = Masked(seat_of(CASES[0], "node-a"))
    keys = {"node-a": public(masked.public)}
    keys |= {node: public(MaskKey.generate(draws(node)).public) for node in NODES[1:]}
    for told in (TOLD, OTHER):
        incoming = Incoming("key", 0, keys, told)
        masked.hear(incoming)
        for seen in (incoming, opens(b"", told)):
            if told is TOLD:
                assert not Z64.is_zero(masked.mask(Z64, 3, seen)).any()
                continue
            with pytest.raises(KeyPolicyViolation):
                masked.mask(Z64, 3, seen)


def test_a_message_tells_nothing_of_its_part() -> None:
    """Every element is masked, zeros too; two nodes with the same part send nothing alike."""
    walk = walked()
    say, _ = walk.opened()
    for bodies, kind, count in (
        ({node: send.body for node, send in walk.flags.items()}, FLAGS, flag_count(PLANS[0])),
        (walk.values(say), VALUES, len(opening(PLANS[0], EVERY))),
    ):
        seen = [set(decode_vector(CASES[0], kind, Z64, body, count).tolist()) for body in bodies.values()]
        assert all(len(one) == count and 0 not in one for one in seen)
        assert len(set.union(*seen)) == 3 * count
        assert not set.union(*seen) & {number for channel in totals(PLANS[0], CELLS) for number in channel}


def test_masks_of_one_alone_are_none_and_so_are_refused() -> None:
    alone = Masked(seat_of(case_of(PLANS[0], NODES[:1]), "node-a"))
    with pytest.raises(TooFewParties):
        alone.mask(Z64, 3, Incoming("key", 0, {"node-a": public(alone.public)}, TOLD))


def test_after_destruction_nothing_more_is_sent() -> None:
    walk = walked()
    say, _ = walk.opened()
    party = walk.parties["node-a"]
    party.destroy()
    with pytest.raises(ProtocolViolation):
        party.receive(opens(say))


def test_a_mask_key_never_touches_a_disk() -> None:
    walk = walked()
    assert walk.parties["node-a"].checkpoint() is None
    with pytest.raises(ProtocolViolation, match="no checkpoint"):
        make_party(seat_of(CASES[0], "node-a"), b"{}")


# --- what the referee refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1], ids=["64 bits", "128 bits"])
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_total_outside_the_proven_range_is_not_released(which: int, end: str) -> None:
    """One node sends a number that no data within the declared bounds and no noise gives; the edge itself passes."""
    plan, case = PLANS[which], CASES[which]
    aggregate = next(a for a in plan.aggregates if a.function not in ("count_rows", "count"))
    place = next(c for c in aggregate.channels if plan.channels[c].kind == "sum")
    limit, step = getattr(plan.channels[place], end), 1 if end == "high" else -1
    zeros = tuple([0] * 3 for _ in plan.channels)
    added = sum(noise_of(case, node, place, 0) for node in NODES)
    for number, fits in ((limit, True), (limit + step, False)):
        bent = [number - added, 0, 0]
        own = tuple(row if c != place else bent for c, row in enumerate(totals(plan, CELLS)))
        walk = walked(which, parts=[own, zeros, zeros])
        say, state = walk.opened()
        bodies = walk.values(say)
        assert sums(case, say, bodies)[place, 0] == number
        if fits:
            assert REFEREE.advance(case, state, "values", 0, bodies).output is not None
        else:
            with pytest.raises(DisclosureBlocked, match="outside the range that the plan proves"):
                REFEREE.advance(case, state, "values", 0, bodies)


def wrong_messages() -> dict[str, tuple[str, Any, type[Exception]]]:
    walk = walked()
    say, _ = walk.opened()
    flags, values = walk.flags["node-a"].body, walk.values(say)["node-a"]
    vector = decode_words(CASES[0], FLAGS, flags, flag_count(PLANS[0]), 1)
    other = case_of(PLANS[0], nonce="ef" * 32)
    return {
        "flags of another session": ("flags", encode_words(other, FLAGS, vector), WrongSession),
        "flags, one less": ("flags", encode_words(CASES[0], FLAGS, vector[1:]), MalformedMessage),
        "flags of another ring": ("flags", encode_words(CASES[0], FLAGS, vector.reshape(-1, 2)), MalformedMessage),
        "flags with more behind": ("flags", flags + b"\0", MalformedMessage),
        "values as flags": ("flags", values, MalformedMessage),
        "values of another opening": ("values", encode_words(CASES[0], VALUES, vector[:3]), MalformedMessage),
        "flags as values": ("values", flags, MalformedMessage),
        "a key that is none": ("key", public(b"\xff" * 32), IntegrityError),
        "nothing": ("values", b"", MalformedMessage),
    }


WRONG = wrong_messages()


@pytest.mark.parametrize("name", WRONG)
def test_a_message_of_another_shape_session_or_round_is_refused(name: str) -> None:
    round, body, error = WRONG[name]
    _, state = walked().opened()
    with pytest.raises(error):
        REFEREE.check(CASES[0], state, round, 0, "node-a", body)


def test_values_come_after_the_flags() -> None:
    walk = walked()
    say, _ = walk.opened()
    for node, body in walk.values(say).items():
        with pytest.raises(WrongRound):
            REFEREE.check(CASES[0], None, "values", 0, node, body)


@pytest.mark.parametrize("bend", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[:-1] + b"\x01"])
def test_pass_bits_of_another_plan_or_with_padding_are_malformed(bend: Any) -> None:
    walk = walked()
    say, _ = walk.opened()
    with pytest.raises(MalformedMessage):
        walk.parties["node-a"].receive(opens(bend(say)))


def test_a_participant_who_is_shown_the_inputs_gets_the_same_output() -> None:
    walk = walked()
    say, state = walk.opened()
    bodies = walk.values(say)
    one, two = (REFEREE.advance(CASES[0], state, "values", 0, dict(order)) for order in (
        list(bodies.items()), list(bodies.items())[::-1]))  # fmt: skip
    assert one == two


def test_acts_and_messages_keep_their_content_out_of_their_repr() -> None:
    walk = walked()
    say, _ = walk.opened()
    send, _ = walk.parties["node-a"].receive(opens(say))
    assert "body" not in repr(send)
    assert "part" not in repr(send)
    assert repr(opens(say)) == "Incoming(round='open', sequence=0)"
