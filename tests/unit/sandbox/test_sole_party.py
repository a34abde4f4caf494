"""A job with one owner: what leaves the node equals what the hub would have released of the same totals, and is final."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.hub.running.coordinator import Joint, add_flags, check_message
from sandbox.node.joint import JointParty
from sandbox.node.sole import SoleParty

from jobs.disclosure.part import PartVerdict
from jobs.disclosure.profile import load_profile
from jobs.documents import DataUse, OutputRule, Permit, SigningKey, Verified, digest
from jobs.errors import DisclosureBlocked
from jobs.kinds.statistics.gated import gate_own, read_gated
from jobs.kinds.statistics.opening import ALGORITHM, pass_digest
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.cost import estimate
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.kinds.statistics.release import assemble, round_all
from jobs.schema import CatalogueView, Dataset, Holding
from mpc.errors import MalformedMessage, TooFewParties, WrongRound
from sandbox.errors import IntegrityFailure
from sandbox.messages import Gated, Values, decode, encode

NODE = "node-a"
START = datetime(2026, 11, 21, 8, tzinfo=UTC)
PROFILE = load_profile("standard@1")
COLUMNS = [
    {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
    {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y", "z"], "nullable": False},
    {
        "name": "value",
        "type": "decimal",
        "decimals": 2,
        "role": "measure",
        "bounds": {"low": "-900000", "high": "900000"},
    },
]
DATASET = Dataset.model_validate({"name": "data", "columns": COLUMNS, "unit": "unit", "legal_basis": "law"})
SQL = (
    "SELECT kind, COUNT(*) AS n, COUNT(DISTINCT unit) AS units, SUM(value) AS s, AVG(value) AS m, "
    "VAR_POP(value) AS v, STDDEV_SAMP(value) AS d, 100 * COUNT(value) / COUNT(*) AS known "
    "FROM data GROUP BY kind HAVING COUNT(*) > 0 ORDER BY m DESC"
)


def plan_of(sql: str, *nodes: str) -> Plan:
    held = tuple(
        Holding(dataset="data", owner=n, node=n, provider=n, version_commitment="v", max_rows=10**6) for n in nodes
    )
    return compile_sql(sql, CatalogueView(datasets=(DATASET,), holdings=held))


PLAN = plan_of(SQL, NODE)
PAIRS = (len(PLAN.aggregates), PLAN.cells)


def permit_for(plan: Plan, *nodes: str) -> Verified[Permit]:
    key = SigningKey.from_seed(bytes(31) + b"\x01")
    touched = plan.columns_touched()["data"]
    permit = Permit(
        id="permit-1", nonce="ab" * 32, job="job-1", protocol=1, operator="acme", scenario="test",
        commitment=digest(b"c"), algorithm=ALGORITHM, plan_digest=plan.digest(),
        plan=plan.model_dump(mode="json"), parameters={}, grants=(digest(b"g"),), participants=nodes,
        data=tuple(DataUse(node=n, dataset="data", columns=touched, version=digest(b"v")) for n in nodes),
        roster=digest(b"r"), status=digest(b"s"), output=OutputRule(form="aggregate", profile="standard", version=1, digest=digest(b"p")),
        issued_at=START, expires_at=START + timedelta(minutes=5), deadline=START + timedelta(minutes=10),
    )  # fmt: skip
    return Verified(permit, permit.sign(key), frozenset((key.public,)))


PERMIT = permit_for(PLAN, NODE)


def draw(size: int) -> bytes:
    return hashlib.shake_256(b"one owner").digest(size)


def party() -> SoleParty:
    return SoleParty(NODE, PERMIT.digest, PERMIT.document.nonce, PLAN, PROFILE, draw)


def verdict(passed: np.ndarray[Any, Any], small: np.ndarray[Any, Any] | None = None) -> PartVerdict:
    fail = np.zeros(PAIRS, np.bool_) if small is None else small & ~passed
    return PartVerdict(fail, passed & ~fail, {})


bits = st.lists(st.booleans(), min_size=PAIRS[0] * PAIRS[1], max_size=PAIRS[0] * PAIRS[1]).map(
    lambda flat: np.array(flat).reshape(PAIRS)
)
cells = st.lists(st.lists(st.integers(-90_000_000, 90_000_000), min_size=10, max_size=300), min_size=3, max_size=3)


def totals(values: list[list[int]]) -> list[list[int]]:
    """What a scan finds in cells that hold these scaled values; every second row has a unit of its own."""
    of = {"rows": len, "distinct": lambda v: len(v) // 2, "sum": sum, "sumsq": lambda v: sum(x * x for x in v)}
    return [[of[channel.kind](cell) for cell in values] for channel in PLAN.channels]


@settings(max_examples=60, deadline=None)
@given(passed=bits, small=bits, values=cells)
def test_the_release_equals_that_of_the_joint_gate(passed: Any, small: Any, values: list[list[int]]) -> None:
    """Through the wire and the hub's checks: the same numbers, the same table, to the last digit."""
    joint, sole, exact = Joint(PERMIT, PLAN, None), party(), totals(values)
    key = sole.key()
    publics = {NODE: key.public}
    check_message(joint, NODE, key, {})
    flags = decode(encode(sole.flags(publics, verdict(passed, small))))
    check_message(joint, NODE, flags, publics)
    opened = add_flags(joint, [flags])
    assert np.array_equal(opened, passed)
    gated = decode(encode(sole.values(opened, exact)))
    check_message(replace(joint, passed=opened), NODE, gated, publics)
    here = read_gated(PLAN, PROFILE, opened, gated.numbers)
    there = round_all(PLAN, PROFILE, opened, exact)
    assert here == there
    assert assemble(PLAN, {}, PROFILE, opened, here) == assemble(PLAN, {}, PROFILE, opened, there)


@settings(max_examples=30, deadline=None)
@given(passed=bits, one=bits, other=bits)
def test_flags_depend_on_the_pass_bits_alone(passed: Any, one: Any, other: Any) -> None:
    found = []
    for small in (one, other):
        sole = party()
        found.append(encode(sole.flags({NODE: sole.key().public}, verdict(passed, small))))
    assert found[0] == found[1]


def opened_all() -> tuple[Joint, SoleParty, Any]:
    sole, every = party(), np.ones(PAIRS, np.bool_)
    sole.flags({NODE: sole.key().public}, verdict(every))
    return Joint(PERMIT, PLAN, every), sole, every


EXACT = totals([list(range(1, 100)), list(range(7, 200)), list(range(-30, 11))])


def test_exact_totals_are_refused_of_one_owner_and_rounded_parts_of_several() -> None:
    joint, sole, every = opened_all()
    gated = sole.values(every, EXACT)
    vector = np.zeros((len(PLAN.channels) * PLAN.cells, PLAN.ring_bits // 64), np.uint64)
    exact = Values(gated.session, NODE, gated.permit, pass_digest(every), vector)
    with pytest.raises(MalformedMessage, match="rounds before"):
        check_message(joint, NODE, exact, {})
    plan = plan_of("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind", NODE, "node-b")
    permit = permit_for(plan, NODE, "node-b")
    three = np.ones((1, 3), np.bool_)
    part = replace(gated, permit=bytes.fromhex(permit.digest[7:]), passed=pass_digest(three), numbers=gated.numbers[:3])
    with pytest.raises(MalformedMessage, match="masked, not rounded"):
        check_message(Joint(permit, plan, three), NODE, part, {})


def test_numbers_come_after_the_flags_for_the_opened_pairs_and_no_others() -> None:
    joint, sole, every = opened_all()
    gated = sole.values(every, EXACT)
    with pytest.raises(WrongRound):
        check_message(replace(joint, passed=None), NODE, gated, {})
    with pytest.raises(IntegrityFailure):
        check_message(joint, NODE, replace(gated, passed=bytes(32)), {})
    for numbers in (gated.numbers[1:], (*gated.numbers, None)):
        with pytest.raises(MalformedMessage):
            check_message(joint, NODE, replace(gated, numbers=numbers), {})
    with pytest.raises(IntegrityFailure):
        party().values(every, EXACT)
    fewer = every.copy()
    fewer[0, 0] = False
    with pytest.raises(IntegrityFailure):
        sole.values(fewer, EXACT)
    sole.destroy()
    with pytest.raises(IntegrityFailure):
        sole.values(every, EXACT)


def test_the_digests_that_log_and_receipt_show_cannot_be_guessed_from_the_numbers() -> None:
    """Two runs that differ in randomness alone: flags and numbers are equal, what is hashed of them is not."""
    found = []
    for seed in (b"one", b"two"):
        draws = iter(hashlib.shake_256(seed + bytes([n])).digest(32) for n in range(9))
        sole = SoleParty(NODE, PERMIT.digest, PERMIT.document.nonce, PLAN, PROFILE, lambda _, draws=draws: next(draws))
        every = np.ones(PAIRS, np.bool_)
        found.append((sole.flags({NODE: sole.key().public}, verdict(every)), sole.values(every, EXACT)))
    (flags, gated), (flags_again, gated_again) = found
    assert np.array_equal(flags.vector, flags_again.vector)
    assert gated.numbers == gated_again.numbers
    assert encode(flags) != encode(flags_again)
    assert encode(gated) != encode(gated_again)


def test_a_second_participant_s_key_is_refused() -> None:
    sole = party()
    own = sole.key().public
    for publics in ({}, {NODE: bytes(32)}, {"node-b": own}, {NODE: own, "node-b": b"\x09" + bytes(31)}):
        with pytest.raises(IntegrityFailure):
            sole.flags(publics, verdict(np.ones(PAIRS, np.bool_)))


def test_a_joint_party_alone_masks_nothing_and_so_sends_nothing() -> None:
    alone = JointParty(NODE, PERMIT.digest, PERMIT.document.nonce, PLAN, (NODE,), draw)
    with pytest.raises(TooFewParties):
        alone.flags({NODE: alone.key().public}, verdict(np.ones(PAIRS, np.bool_)))


@pytest.mark.parametrize("number", [None, Decimal(-5), Decimal(12), Decimal("10.5"), Decimal("1E-7")])
def test_a_count_that_is_not_rounded_is_not_released(number: Decimal | None) -> None:
    every = np.ones(PAIRS, np.bool_)
    numbers = list(gate_own(PLAN, PROFILE, every, EXACT))
    counts = next(place for place, a in enumerate(PLAN.aggregates) if a.function == "count_rows")
    read_gated(PLAN, PROFILE, every, numbers)
    numbers[counts * PLAN.cells] = number
    with pytest.raises(DisclosureBlocked):
        read_gated(PLAN, PROFILE, every, numbers)


@pytest.mark.parametrize("number", [Decimal("1E+99"), Decimal("-1E+99"), Decimal("5E+39")])
@pytest.mark.parametrize("place", range(PAIRS[0]), ids=[aggregate.function for aggregate in PLAN.aggregates])
def test_a_number_that_the_plan_cannot_give_is_not_released(place: int, number: Decimal) -> None:
    every = np.ones(PAIRS, np.bool_)
    numbers = list(gate_own(PLAN, PROFILE, every, EXACT))
    numbers[place * PLAN.cells] = number
    with pytest.raises(DisclosureBlocked, match="beyond"):
        read_gated(PLAN, PROFILE, every, numbers)


def test_the_largest_totals_that_the_plan_proves_are_released() -> None:
    every = np.ones(PAIRS, np.bool_)
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
        assert read_gated(PLAN, PROFILE, every, gate_own(PLAN, PROFILE, every, exact)) == round_all(
            PLAN, PROFILE, every, exact
        )


def message(*numbers: Decimal | None) -> Gated:
    return Gated(bytes(16), NODE, bytes(32), bytes(32), bytes(32), numbers)


FINITE = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**38), max_value=10**38, places=3)


@given(st.lists(st.none() | FINITE.filter(lambda n: not (n.is_zero() and n.is_signed())), max_size=20))
def test_numbers_come_back_as_they_were(numbers: list[Decimal | None]) -> None:
    found = decode(encode(message(*numbers)))
    assert isinstance(found, Gated)
    assert list(map(repr, found.numbers)) == list(map(repr, numbers))


@pytest.mark.parametrize(
    "text",
    [
        "01",
        "+1",
        "-0",
        "1e5",
        " 1",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "1E+999",
        "1_0",
        "\u0661",
        "--1",
        "1" * 49,
        "10E+1x",
    ],
)
def test_a_number_in_another_spelling_is_refused(text: str) -> None:
    good = encode(message(Decimal(1)))
    size = len(text.encode()).to_bytes(4, "little")
    with pytest.raises(MalformedMessage):
        decode(good[:-5] + size + text.encode())


def test_a_count_beyond_what_is_there_allocates_nothing() -> None:
    good = encode(message(Decimal(1)))
    for count in (2, 1 << 22, (1 << 32) - 1):
        with pytest.raises(MalformedMessage):
            decode(good[:-9] + count.to_bytes(4, "little") + good[-5:])
    with pytest.raises(MalformedMessage):
        decode(good + b"\0")


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_changed_byte_is_another_message_or_malformed(place: int, byte: int) -> None:
    good = bytearray(encode(message(Decimal("12.50"), None, Decimal(-5))))
    good[place % len(good)] = byte
    try:
        found = decode(bytes(good))
    except MalformedMessage:
        return
    assert encode(found) == bytes(good)


def test_a_message_keeps_its_numbers_out_of_its_repr() -> None:
    assert "1234" not in repr(message(Decimal(1234)))


def test_the_owner_reads_that_its_own_node_rounds() -> None:
    words = explain(PLAN, (DATASET,))
    assert "Its own node applies all rules and rounds" in words.text()
    every = np.ones(PAIRS, np.bool_)
    rules = assemble(PLAN, {}, PROFILE, every, round_all(PLAN, PROFILE, every, EXACT)).verdict["rules"]
    assert "rounding" in rules["at_every_part"]
    assert rules["joint"] == ["output_limits"]


def test_the_announced_bytes_bound_the_message() -> None:
    _, sole, every = opened_all()
    empty = len(encode(message()))
    assert len(encode(sole.values(every, EXACT))) - empty <= estimate(PLAN).value_bytes_per_node
