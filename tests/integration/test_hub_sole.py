"""A dataset that one owner holds: asked, approved, gated at its node, released, and proven like any other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from jobs.documents import Envelope, SentRecord, digest
from jobs.documents.ed25519 import decode_base64
from sandbox.messages import PAYLOAD_TYPE, Gated, Values, decode, encode
from sandbox.store.tables import messages
from sandbox.verify.receipt import verify_receipt

SQL = (
    "SELECT carrier, COUNT(*) AS flights, COUNT(DISTINCT tail) AS aircraft, AVG(delay) AS mean, SUM(delay) AS total "
    "FROM flights GROUP BY carrier"
)


@pytest.fixture
def running(world: Any) -> str:
    """Only JFK holds flights; its permit is in its inbox."""
    world.register("jfk")
    job = world.submit(sql=SQL)
    assert job["state"] == "needs_approval"
    assert [reason["owner"] for reason in job["reasons"]] == ["jfk"]
    assert "Its own node applies all rules and rounds" in job["words"]["text"]
    world.grant("jfk", job["id"])
    assert world.state(job["id"]) == "running"
    return str(job["id"])


def test_one_owner_s_answer_is_rounded_at_its_node_and_its_receipt_verifies(world: Any, running: str, kit: Any) -> None:
    world.run_nodes()
    assert world.state(running) == "released"
    release = world.call("GET", f"/jobs/{running}/release", "acme")
    rows = {row[0]: row[1:] for row in release["rows"]}
    assert rows["AA"] == [20, 20, "20", "400"]  # delays 10..29: mean 19.5, total 390, in steps of a quarter
    assert rows["B6"] == [None] * 4
    assert "JFK airport" in release["source_line"]
    assert release["verdict"]["rules"]["joint"] == ["output_limits"]
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found] == ["key", "flags", "values", "sent", "destroyed"]
    with world.store.read() as connection:
        stored = connection.execute(select(messages.c.envelope).where(messages.c.round == "values")).scalar_one()
    left = decode(Envelope.parse(bytes(stored)).payload)
    assert isinstance(left, Gated)
    assert Decimal(390) not in left.numbers
    world.nodes["jfk"].cosign()
    world.witness_seen = world.cosign("witness-1", kit.key("witness-1"), world.witness_seen)
    receipt = world.client.get(
        f"/v1/jobs/{running}/receipt", headers={"Authorization": f"Bearer {world.tokens['auditor']}"}
    )
    csv = world.call("GET", f"/jobs/{running}/release.csv", "acme")
    salt = decode_base64(release["salt"])
    verified = verify_receipt(receipt.content, world.trust, world.clock(), csv, salt)
    assert verified.permit.document.participants == ("node-jfk",)
    assert verified.output is not None


def values_of(world: Any) -> tuple[Envelope, SentRecord]:
    """Run the node up to its numbers, which are made but not posted."""
    node = world.nodes["jfk"]
    node.work()
    node.work()
    message, sent = node.answer(node.inbox()[0])[0]
    return message, SentRecord.open(sent)


def post(world: Any, kit: Any, message: Any, sent: SentRecord, status: int) -> Any:
    """The numbers, and the list of what was sent made to fit them."""
    key = kit.key("node-jfk")
    envelope = Envelope(PAYLOAD_TYPE, encode(message), ()).signed_by(key)
    last = sent.messages[-1].model_copy(update={"digest": digest(envelope.payload)})
    record = sent.model_copy(update={"messages": (*sent.messages[:-1], last)})
    return world.nodes["jfk"].post([envelope, record.sign(key)], status=status)


def test_a_node_that_sends_exact_totals_is_refused_before_they_are_stored(world: Any, running: str, kit: Any) -> None:
    envelope, sent = values_of(world)
    good = decode(envelope.payload)
    exact = Values(good.session, good.node, good.permit, good.passed, np.array([[20], [390]], np.uint64))
    assert post(world, kit, exact, sent, 400)["code"] == "malformed-message"
    short = replace(good, numbers=good.numbers[:-1])
    assert post(world, kit, short, sent, 400)["code"] == "malformed-message"
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found] == ["key", "flags"]
    post(world, kit, good, sent, 202)
    assert world.state(running) == "released"


def test_a_count_that_is_not_rounded_ends_the_job_unreleased(world: Any, running: str, kit: Any) -> None:
    envelope, sent = values_of(world)
    good = decode(envelope.payload)
    post(world, kit, replace(good, numbers=tuple(Decimal(21) for _ in good.numbers)), sent, 202)
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert failure["code"] == "disclosure-blocked"
    world.call("GET", f"/jobs/{running}/release", "acme", status=409)


def test_a_rounded_part_is_refused_where_three_owners_contribute(world: Any, kit: Any) -> None:
    world.register_all()
    job = str(world.submit()["id"])
    world.grant_all(job)
    for _ in range(2):
        for node in world.nodes.values():
            node.work()
    node = world.nodes["jfk"]
    masked = decode(node.answer(node.inbox()[0])[0][0].payload)
    part = Gated(masked.session, masked.node, masked.permit, masked.passed, bytes(32), (Decimal(20), Decimal(20)))
    envelope = Envelope(PAYLOAD_TYPE, encode(part), ()).signed_by(kit.key("node-jfk"))
    assert node.post([envelope], status=400)["code"] == "malformed-message"
    assert world.state(job) == "running"


def test_when_a_second_owner_joins_the_earlier_grant_covers_nothing(world: Any, running: str) -> None:
    """The plan of two owners is another plan, and so is what each of them would sign."""
    world.run_nodes()
    world.register("ewr")
    again = world.submit(sql=SQL, status=422)
    assert "COUNT(DISTINCT tail) over 2 owners" in again["detail"]
    job = world.submit(sql="SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier")
    assert {reason["owner"] for reason in job["reasons"]} == {"ewr", "jfk"}
