"""A dataset that one owner holds: the same walk as with several; its vectors are not masked and carry their noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.documents import SentRecord
from jobs.documents.ed25519 import decode_base64
from jobs.kinds.statistics.messages import VALUES, decode_open, decode_vector, encode_vector
from jobs.kinds.statistics.opening import opening
from jobs.kinds.statistics.release import assemble, shown_numbers
from jobs.kinds.statistics.tableform import render_table
from mpc.ring import Ring
from sandbox.verify.receipt import verify_receipt
from tests.integration.participant import rows_of
from tests.support.signed import key
from tests.support.statistic import noise_of

SQL = (
    "SELECT carrier, COUNT(*) AS flights, COUNT(DISTINCT tail) AS aircraft, AVG(delay) AS mean, SUM(delay) AS total "
    "FROM flights GROUP BY carrier"
)
NODE = "node-jfk"


@pytest.fixture
def running(world: Any) -> str:
    """Only JFK holds flights; its permit is in its inbox."""
    world.register("jfk")
    job = world.submit(sql=SQL)
    assert job["state"] == "needs_approval"
    assert [reason["owner"] for reason in job["reasons"]] == ["jfk"]
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


def totals_in(world: Any, job: str, message: Any) -> list[list[int | None]]:
    """Per channel, per cell; AA and DL passed, the base of B6 is too small."""
    case = world.nodes["jfk"].runs[job].case
    ring, pairs = Ring(case.plan.ring_bits), opening(case.plan, passed(case))
    numbers = ring.decode_signed(decode_vector(case, VALUES, ring, message.body, len(pairs)))
    found: list[list[int | None]] = [[None] * case.plan.cells for _ in case.plan.channels]
    for channel, cell, number in zip(pairs.channel, pairs.cell, numbers, strict=True):
        found[channel][cell] = number
    return found


def passed(case: Any) -> Any:
    return np.tile([carrier != "B6" for carrier in case.plan.dimensions[0].domain], (len(case.plan.aggregates), 1))


def post(world: Any, message: Any, sent: SentRecord, body: bytes, status: int) -> Any:
    """The numbers, and the list of what was sent made to fit them."""
    node = world.nodes["jfk"]
    changed = node.resigned(message, body)
    last = sent.messages[-1].model_copy(update={"digest": changed.digest, "size": len(body)})
    record = sent.model_copy(update={"messages": (*sent.messages[:-1], last)})
    return node.post([changed, record.sign(node.key)], status=status)


def test_one_owner_s_answer_is_the_format_of_its_noisy_part_and_its_receipt_verifies(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    noisy = totals_in(world, running, message)
    held = {c: [row.delay for row in rows_of("jfk") if row.carrier == c] for c in ("AA", "DL")}
    for cell, carrier in enumerate(case.plan.dimensions[0].domain):
        for number, channel in enumerate(case.plan.channels):
            exact = None if carrier == "B6" else {"sum": sum(held[carrier])}.get(channel.kind, len(held[carrier]))
            assert noisy[number][cell] == (None if exact is None else exact + noise_of(case, NODE, number, cell))
    world.nodes["jfk"].post([message, sent.sign(world.nodes["jfk"].key)])
    world.run_nodes()
    assert world.state(running) == "released"
    release = world.call("GET", f"/jobs/{running}/release", "acme")
    shown = shown_numbers(case.plan, case.profile, passed(case), noisy)
    table = assemble(case.plan, {}, case.profile, shown).table
    expected = render_table(table, "", release["source_line"]).shown
    assert {name: release[name] for name in expected} == expected
    rows = {row[0]: (row[1:], errors[1:]) for row, errors in zip(release["rows"], release["errors"], strict=True)}
    assert rows["AA"][1][:2] == ["3", "3"]
    assert rows["B6"] == ([None] * 4, [None] * 4)
    assert "JFK airport" in release["source_line"]
    assert release["verdict"]["withheld"]["owner-rule"] == 4
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found][:5] == ["key", "flags", "open", "values", "sent"]
    world.nodes["jfk"].cosign()
    world.witness_seen = world.cosign("witness-1", key("witness-1"), world.witness_seen)
    receipt = world.client.get(
        f"/v1/jobs/{running}/receipt", headers={"Authorization": f"Bearer {world.tokens['auditor']}"}
    )
    csv = world.call("GET", f"/jobs/{running}/files/csv", "acme")
    verified = verify_receipt(receipt.content, world.trust, world.clock(), csv, decode_base64(release["salt"]))
    assert verified.permit.document.participants == (NODE,)
    assert verified.output is not None


def test_vectors_of_another_length_are_refused_before_they_are_stored(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    ring = Ring(case.plan.ring_bits)
    short = encode_vector(case, VALUES, ring, ring.zeros(len(opening(case.plan, passed(case))) - 1))
    assert post(world, message, sent, short, 400)["code"] == "malformed-message"
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert [item["round"] for item in found] == ["key", "flags", "open"]
    assert world.call("GET", f"/jobs/{running}", "acme")["failure"]["nodes"] == [NODE]


def test_a_number_that_no_data_within_the_plan_gives_ends_the_job_unreleased(world: Any, running: str) -> None:
    message, sent = values_of(world)
    case = world.nodes["jfk"].runs[running].case
    ring, count = Ring(case.plan.ring_bits), len(opening(case.plan, passed(case)))
    beyond = max(channel.high for channel in case.plan.channels) + 1
    bent = encode_vector(case, VALUES, ring, ring.encode([beyond] * count))
    post(world, message, sent, bent, 202)
    assert world.call("GET", f"/jobs/{running}", "acme")["failure"]["code"] == "disclosure-blocked"
    world.call("GET", f"/jobs/{running}/release", "acme", status=409)


def test_only_pairs_that_the_owner_did_not_flag_are_opened(world: Any, running: str) -> None:
    node = world.nodes["jfk"]
    node.work()
    node.work()
    [item] = node.inbox()
    case = node.runs[running].case
    [told] = item["body"]["messages"]
    opened = decode_open(case, node.runs[running]._message(told).body)
    assert np.array_equal(opened, passed(case))


def test_when_a_second_owner_joins_the_earlier_grant_covers_nothing(world: Any, running: str) -> None:
    """The plan of two owners is another plan, and so is what each of them would sign."""
    world.run_nodes()
    world.register("ewr")
    again = world.submit(sql=SQL, status=422)
    assert "COUNT(DISTINCT tail) over 2 owners" in again["detail"]
    job = world.submit(sql="SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier")
    assert {reason["owner"] for reason in job["reasons"]} == {"ewr", "jfk"}
