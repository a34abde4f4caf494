"""The hub's pure part: masked vectors of real joint parties add up to the plain sums, whatever they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.hub.running.coordinator import Joint, add_flags, add_values, check_message, check_sent
from sandbox.node.joint import JointParty

from jobs.disclosure.part import PartVerdict
from jobs.documents import Commits, DataUse, OutputRule, Permit, SentMessage, SentRecord, SigningKey, Verified, digest
from jobs.kinds.statistics.opening import ALGORITHM
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding
from mpc.errors import MalformedMessage, UnknownParty, WrongRound, WrongSession
from sandbox.errors import IntegrityFailure

NODES = ("node-a", "node-b", "node-c")
START = datetime(2026, 11, 21, 8, tzinfo=UTC)


def make_plan(aggregate: str, high: str) -> Plan:
    columns = [
        {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y", "z"], "nullable": False},
        {"name": "value", "type": "int", "role": "measure", "bounds": {"low": "-" + high, "high": high}},
    ]
    dataset = Dataset.model_validate({"name": "data", "columns": columns, "unit": "unit", "legal_basis": "law"})
    held = tuple(
        Holding(dataset="data", owner=n, node=n, provider=n, version_commitment="v", max_rows=1000) for n in NODES
    )
    sql = f"SELECT kind, COUNT(*) AS n, {aggregate}(value) AS s FROM data GROUP BY kind"
    return compile_sql(sql, CatalogueView(datasets=(dataset,), holdings=held))


PLANS = (make_plan("SUM", "1000"), make_plan("VAR_SAMP", "100000000000"))
assert [plan.ring_bits for plan in PLANS] == [64, 128]


def permit_for(plan: Plan) -> Verified[Permit]:
    key = SigningKey.from_seed(bytes(31) + b"\x01")
    touched = plan.columns_touched()["data"]
    permit = Permit(
        id="permit-1", nonce="ab" * 32, job="job-1", protocol=1, operator="acme", scenario="test",
        commitment=digest(b"c"), algorithm=ALGORITHM, plan_digest=plan.digest(),
        plan=plan.model_dump(mode="json"), parameters={}, grants=(digest(b"g"),), participants=NODES,
        data=tuple(DataUse(node=n, dataset="data", columns=touched, version=digest(b"v")) for n in NODES),
        roster=digest(b"r"), status=digest(b"s"), output=OutputRule(form="aggregate", profile="standard", version=1, digest=digest(b"p")),
        issued_at=START, expires_at=START + timedelta(minutes=5), deadline=START + timedelta(minutes=10),
    )  # fmt: skip
    return Verified(permit, permit.sign(key), frozenset((key.public,)))


def draws(name: str) -> Callable[[int], bytes]:
    count = iter(range(10**6))
    return lambda size: hashlib.shake_256(f"{name}/{next(count)}".encode()).digest(size)


class Round:
    """Three real parties and what they send."""

    def __init__(self, plan: Plan, fails: Any, presents: Any) -> None:
        self.permit = permit_for(plan)
        self.joint = Joint(self.permit, plan, None)
        order = self.permit.document
        self.parties = {n: JointParty(n, self.permit.digest, order.nonce, plan, NODES, draws(n)) for n in NODES}
        self.keys = {n: party.key() for n, party in self.parties.items()}
        self.publics = {n: key.public for n, key in self.keys.items()}
        verdicts = {n: PartVerdict(f, p & ~f, {}) for n, f, p in zip(NODES, fails, presents, strict=True)}
        self.flags = {n: party.flags(self.publics, verdicts[n]) for n, party in self.parties.items()}


SHAPE = (2, 3)
bits = st.lists(st.booleans(), min_size=18, max_size=18).map(lambda b: np.array(b).reshape(3, *SHAPE))
numbers = st.lists(st.integers(-(10**14), 10**14), min_size=36, max_size=36)


@settings(max_examples=40, deadline=None)
@given(fails=bits, presents=bits, which=st.sampled_from((0, 1)), values=numbers)
def test_only_what_nobody_flags_and_somebody_has_is_opened_and_sums_are_exact(
    fails: Any, presents: Any, which: int, values: list[int]
) -> None:
    plan = PLANS[which]
    scenario = Round(plan, fails, presents)
    for node, message in scenario.flags.items():
        check_message(scenario.joint, node, message, scenario.publics)
    passed = add_flags(scenario.joint, list(scenario.flags.values()))
    assert (passed == (~fails.any(axis=0) & (presents & ~fails).any(axis=0))).all()
    joint = replace(scenario.joint, passed=passed)
    channels = len(plan.channels)
    parts = [[[values[(n * channels + c) * 3 % 36 + i] for i in range(3)] for c in range(channels)] for n in range(3)]
    sent = [party.values(passed, part) for party, part in zip(scenario.parties.values(), parts, strict=True)]
    for node, message in zip(NODES, sent, strict=True):
        check_message(joint, node, message, scenario.publics)
    totals = add_values(joint, passed, sent).rows
    for channel in range(channels):
        opened = [channel in a.channels for a in plan.aggregates]
        for cell in range(3):
            shown = any(passed[row, cell] for row, needs in enumerate(opened) if needs)
            expected = sum(part[channel][cell] for part in parts) if shown else None
            assert totals[channel][cell] == expected


@pytest.fixture(scope="module")
def scenario() -> Round:
    none, every = np.zeros((3, *SHAPE), np.bool_), np.ones((3, *SHAPE), np.bool_)
    return Round(PLANS[0], none, every)


def test_a_message_of_another_node_session_permit_or_round_is_refused(scenario: Round) -> None:
    joint, flags = scenario.joint, scenario.flags["node-a"]
    cases = [
        ("node-b", flags, UnknownParty),
        ("node-x", replace(flags, node="node-x"), UnknownParty),
        ("node-a", replace(flags, session=bytes(16)), WrongSession),
        ("node-a", replace(flags, permit=bytes(32)), WrongSession),
        ("node-a", replace(flags, keys=bytes(32)), IntegrityFailure),
        ("node-a", replace(flags, vector=flags.vector[1:]), MalformedMessage),
    ]
    for node, message, error in cases:
        with pytest.raises(error):
            check_message(joint, node, message, scenario.publics)
    missing = {node: key for node, key in scenario.publics.items() if node != "node-c"}
    with pytest.raises(WrongRound):
        check_message(joint, "node-a", flags, missing)


def test_a_sent_record_lists_exactly_what_was_received(scenario: Round) -> None:
    payloads = {name: digest(name.encode()) for name in ("key", "flags", "values")}
    messages = tuple(
        SentMessage(sequence=0, round=name, receiver="hub", size=1, digest=named, sent_at=START)
        for name, named in payloads.items()
    )
    permit = scenario.permit
    commits = Commits(part=digest(b"part"), seed=None, environment=digest(b"environment"))
    record = SentRecord(
        node="node-a",
        permit=permit.digest,
        nonce=permit.document.nonce,
        messages=messages,
        transcript=digest(b"told"),
        metered={},
        commits=commits,
    )
    check_sent(scenario.joint, "node-a", record, payloads)
    for broken, error in (
        (record.model_copy(update={"messages": messages[:2]}), IntegrityFailure),
        (record.model_copy(update={"messages": messages[::-1]}), IntegrityFailure),
        (record.model_copy(update={"nonce": "cd" * 32}), WrongSession),
        (record.model_copy(update={"node": "node-b"}), UnknownParty),
    ):
        with pytest.raises(error):
            check_sent(scenario.joint, "node-a", broken, payloads)
    with pytest.raises(IntegrityFailure):
        check_sent(scenario.joint, "node-a", record, {**payloads, "flags": digest(b"other")})
