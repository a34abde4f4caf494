"""A dataset that one owner holds: asked, approved, gated at its node, released, and proven like any other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from jobs.documents import SentRecord
from jobs.documents.ed25519 import decode_base64
from jobs.kinds.statistics.messages import VALUES, decode_numbers, encode_numbers, encode_words
from sandbox.verify.receipt import verify_receipt
from tests.support.signed import key

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
    assert "your own node applies all rules and rounds" in job["words"]["text"]
    world.grant("jfk", job["id"])
    assert world.state(job["id"]) == "running"
    return str(job["id"])


def values_of(world: Any) -> tuple[Any, Any]:
    """Run the node up to its numbers, which are made but not posted."""
    node = world.nodes["jfk"]
    node.work()
    node.work()
    ((message, sent),) = node.answer(node.inbox()[0])
    return message, SentRecord.open(sent)


def numbers_in(world: Any, job: str, message: Any) -> list[Decimal | None]:
    """AA and DL in four columns; B6 did not pass."""
    found: list[Decimal | None] = decode_numbers(world.nodes["jfk"].runs[job].case, message.body, 8)
    return found


def post(world: Any, message: Any, sent: SentRecord, body: bytes, status: int) -> Any:
    """The numbers, and the list of what was sent made to fit them."""
    node = world.nodes["jfk"]
    changed = node.resigned(message, body)
    last = sent.messages[-1].model_copy(update={"digest": changed.digest, "size": len(body)})
    record = sent.model_copy(update={"messages": (*sent.messages[:-1], last)})
    return node.post([changed, record.sign(node.key)], status=status)


def test_one_owner_s_answer_is_rounded_at_its_node_and_its_receipt_verifies(world: Any, running: str) -> None:
    message, sent = values_of(world)
    left = numbers_in(world, running, message)
    assert Decimal(400) in left
    assert Decimal(390) not in left  # the exact total never leaves the node
    world.nodes["jfk"].post([message, sent.sign(world.nodes["jfk"].key)])
    world.run_nodes()
    assert world.state(running) == "released"
    release = world.call("GET", f"/jobs/{running}/release", "acme")
    rows = {row[0]: row[1:] for row in release["rows"]}
    assert rows["AA"] == [20, 20, "20", 400]  # delays 10..29: mean 19.5, total 390, in steps of a quarter
    assert rows["B6"] == [None] * 4
    assert "JFK airport" in release["source_line"]
    assert release["verdict"]["rules"]["joint"] == ["output_limits"]
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found] == ["key", "flags", "open", "values", "sent", "destroyed"]
    world.nodes["jfk"].cosign()
    world.witness_seen = world.cosign("witness-1", key("witness-1"), world.witness_seen)
    receipt = world.client.get(
        f"/v1/jobs/{running}/receipt", headers={"Authorization": f"Bearer {world.tokens['auditor']}"}
    )
    csv = world.call("GET", f"/jobs/{running}/files/csv", "acme")
    salt = decode_base64(release["salt"])
    verified = verify_receipt(receipt.content, world.trust, world.clock(), csv, salt)
    assert verified.permit.document.participants == ("node-jfk",)
    assert verified.output is not None


def test_a_node_that_sends_exact_totals_is_refused_before_they_are_stored(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    exact = encode_words(case, VALUES, np.array([[20], [390]], np.uint64))
    assert post(world, message, sent, exact, 400)["code"] == "malformed-message"
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found] == ["key", "flags", "open"]
    assert world.call("GET", f"/jobs/{running}", "acme")["failure"]["nodes"] == ["node-jfk"]


def test_numbers_for_another_count_of_cells_end_the_job(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    short = encode_numbers(case, numbers_in(world, running, message)[:-1])
    assert post(world, message, sent, short, 400)["code"] == "malformed-message"
    assert world.state(running) == "failed"


def test_a_count_that_is_not_rounded_ends_the_job_unreleased(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    bent = encode_numbers(case, [Decimal(21) for _ in numbers_in(world, running, message)])
    post(world, message, sent, bent, 202)
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert failure["code"] == "disclosure-blocked"
    world.call("GET", f"/jobs/{running}/release", "acme", status=409)


def test_a_rounded_part_is_refused_where_three_owners_contribute(world: Any) -> None:
    world.register_all()
    job = str(world.submit()["id"])
    world.grant_all(job)
    for _ in range(2):
        for node in world.nodes.values():
            node.work()
    node = world.nodes["jfk"]
    ((masked, _),) = node.answer(node.inbox()[0])
    part = encode_numbers(node.runs[job].case, [Decimal(20)] * 4)
    assert node.post([node.resigned(masked, part)], status=400)["code"] == "malformed-message"
    assert world.call("GET", f"/jobs/{job}", "acme")["failure"]["nodes"] == ["node-jfk"]


def test_when_a_second_owner_joins_the_earlier_grant_covers_nothing(world: Any, running: str) -> None:
    """The plan of two owners is another plan, and so is what each of them would sign."""
    world.run_nodes()
    world.register("ewr")
    again = world.submit(sql=SQL, status=422)
    assert "COUNT(DISTINCT tail) over 2 owners" in again["detail"]
    job = world.submit(sql="SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier")
    assert {reason["owner"] for reason in job["reasons"]} == {"ewr", "jfk"}
