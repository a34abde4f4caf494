"""What a hub with its real key and database could try: nodes, witness and verifier each catch their part of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from examples import insider
from jobs.disclosure.profile import load_profile
from jobs.documents import Envelope, Permit, Release, canonical, digest, parse_json, salted_commitment
from jobs.documents.message import Header
from jobs.kinds.base import Case
from jobs.kinds.statistics.messages import decode_open, encode_open
from jobs.kinds.statistics.plan.types import Plan
from sandbox.errors import LogForked, ReceiptRefused, SandboxError
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub
from sandbox.hub.running.relay import put_named
from sandbox.keys import load_key
from sandbox.store.event import Event
from sandbox.verify import verify_receipt
from tests.support import toy
from tests.support.ground import Ground, until
from tests.support.proxy import told

pytestmark = [pytest.mark.e2e]


def rounds(ground: Ground, owner: str, job: str) -> set[str]:
    query = "select o.round from outbox o join jobs j on j.permit = o.permit where j.job = ?"
    return {name for (name,) in ground.node_rows(owner, query, job)}


def reopened(ground: Ground, job: Any, item: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The opening that the hub relays, with other pass bits, under its own real key."""
    if told(item) != "told open":
        return item
    (carried,) = item["body"]["messages"]
    header, body = Header.open(Envelope.from_json(carried["header"])), base64.b64decode(carried["body"])
    order = Permit.open(
        Envelope.parse(*ground.hub_rows("select permit_envelope from jobs where permit = ?", header.permit)[0])
    )
    plan = Plan.model_validate(job.plan)
    case = Case(header.permit, order.nonce, plan, {}, order.participants, load_profile(plan.profile))
    bits = decode_open(case, body)
    lie = encode_open(case, change(bits))
    assert lie != body  # else there is no lie to catch
    key = load_key(ground.places.hub / "state" / "hub.key")
    signed = header.model_copy(update={"body": digest(lie), "size": len(lie)}).sign(key)
    forged = {"header": signed.to_json(), "body": base64.b64encode(lie).decode()}
    return {**item, "body": {"messages": [forged]}}


@pytest.fixture(scope="module")
def honest(ground: Ground) -> Any:
    """The positive control of this page: the same question, without a lie, is released."""
    job = ground.ended(ground.run().id)
    assert job.state == "released"
    ground.settled(job.id)
    return job


def test_a_hub_that_opens_flagged_cells_gets_no_values_of_them(ground: Ground, honest: Any) -> None:
    """All pass bits set, though B flagged east (three vehicles). B refuses; without its mask the others' parts are noise."""

    def open_all(_node: str, item: dict[str, Any]) -> dict[str, Any]:
        return reopened(ground, honest, item, lambda bits: bits | True)

    ground.proxy.edit = open_all
    try:
        job = ground.run()
        ended = ground.ended(job.id)
        ground.settled(job.id)
    finally:
        ground.proxy.edit = None
    assert ended.state == "failed"
    assert ended.failure is not None
    # whoever is first: the owner that refuses, or another, whose numbers are for more cells than the hub expects
    assert ended.failure["code"] in ("protocol-violation", "bad-message")
    acknowledge_all(ground)
    assert "values" in rounds(ground, "B", honest.id)
    assert "values" not in rounds(ground, "B", job.id)
    assert ground.hub_rows("select 1 from messages where job = ? and round = 'values'", job.id) == []
    ground.check(ended)


def only(line: int) -> Callable[[Any], Any]:
    """All bits closed but those of one cell."""

    def change(bits: Any) -> Any:
        closed = np.zeros_like(bits)
        closed[:, line] = bits[:, line]
        return closed

    return change


def test_a_misaligned_opening_adds_up_to_noise_and_alarms_the_owners(ground: Ground, honest: Any) -> None:
    """One owner is told that another cell is open than the rest: once that cancelled the masks of its exact part.

    The masks are bound to all that each node was told, so the parts no longer belong together; the hub that adds them
    finds out, nothing is released, and every owner whose numbers left is alarmed before its next job.
    """

    def misalign(node: str, item: dict[str, Any]) -> dict[str, Any]:
        return reopened(ground, honest, item, only(0 if node == "node-A" else 1))

    ground.proxy.edit = misalign
    try:
        job = ground.run()
        ended = ground.ended(job.id)
        ground.settled(job.id)
    finally:
        ground.proxy.edit = None
    assert ended.state == "failed"
    bound = [owner for owner in toy.OWNERS if "values" in rounds(ground, owner, job.id)]
    assert bound
    refused = ground.run()
    assert ground.ended(refused.id).state == "failed"  # the owners look first
    for owner in bound:
        assert [alarm["code"] for alarm in alarms(ground, owner) if alarm["job"] == job.id]
    acknowledge_all(ground)
    ground.settled(refused.id)
    assert ground.ended(ground.run().id).state == "released"  # and then the federation goes on


def raised(number: Any) -> Any:
    """Another number where there is one."""
    return number + 1000 if isinstance(number, int) and not isinstance(number, bool) else number


def altered(ground: Ground, item: dict[str, Any]) -> dict[str, Any]:
    """The output that the hub would release with other numbers; its commitment fits, signed by its own real key."""
    if item["kind"] != "output":
        return item
    content = parse_json(base64.b64decode(item["body"]["content"]))
    lie = canonical({**content, "rows": [[raised(cell) for cell in row] for row in content["rows"]]})
    assert lie != base64.b64decode(item["body"]["content"])  # else there is no lie to catch
    release = Release.open(Envelope.from_json(item["body"]["release"]))
    commitment = salted_commitment(base64.b64decode(item["body"]["salt"]), digest(lie))
    signed = release.model_copy(update={"content": commitment}).sign(load_key(ground.places.hub / "state" / "hub.key"))
    body = {**item["body"], "release": signed.to_json(), "content": base64.b64encode(lie).decode()}
    return {**item, "body": body}


def without_some_messages(_ground: Ground, item: dict[str, Any]) -> dict[str, Any]:
    """It shows a node no part of another owner: nobody could compute the output from these."""
    if item["kind"] != "output":
        return item
    return {**item, "body": {**item["body"], "messages": item["body"]["messages"][:-1]}}


LIES = {"another number": altered, "fewer messages": without_some_messages}


@pytest.mark.parametrize("name", LIES)
def test_a_hub_that_would_release_another_number_releases_nothing(ground: Ground, honest: Any, name: str) -> None:
    """Every owner computes the output from all messages and signs none but that. The control is ``honest``."""
    ground.proxy.edit = lambda _node, item: LIES[name](ground, item)
    try:
        ended = ground.ended(ground.run().id)
        ground.settled(ended.id)
    finally:
        ground.proxy.edit = None
    assert ended.failure is not None
    assert (ended.state, ended.failure["code"]) == ("failed", "output-unconfirmed")
    assert ground.hub_rows("select 1 from releases where job = ?", ended.id) == []
    for owner in toy.OWNERS:
        assert "vouch" in rounds(ground, owner, honest.id)
        assert "vouch" not in rounds(ground, owner, ended.id)
        assert "output-unconfirmed" in [alarm["code"] for alarm in alarms(ground, owner) if alarm["job"] == ended.id]
    refused = ground.ended(ground.run().id)
    assert refused.failure is not None
    assert refused.failure["code"] == "integrity-failure"  # nothing more until the owners have looked
    ground.settled(refused.id)
    acknowledge_all(ground)
    ground.check(ended)  # numbers left, so the charge stays


def smaller_circle(ground: Ground, item: dict[str, Any]) -> dict[str, Any]:
    """The order without owner C: its participants, grants and records are those of two, signed by the real hub."""
    if item["kind"] != "permit":
        return item
    permit = Permit.open(Envelope.from_json(item["body"]["permit"]))
    fewer = tuple(node for node in permit.participants if node != "node-C")
    assert fewer != permit.participants
    data = tuple(use for use in permit.data if use.node in fewer)
    bent = permit.model_copy(update={"participants": fewer, "grants": permit.grants[:2], "data": data})
    signed = bent.sign(load_key(ground.places.hub / "state" / "hub.key"))
    body = {**item["body"], "permit": signed.to_json(), "grants": item["body"]["grants"][:2]}
    return {**item, "body": body}


def without_a_key(_ground: Ground, item: dict[str, Any]) -> dict[str, Any]:
    """It relays the mask keys of two, as if the third took no part."""
    if told(item) != "told key":
        return item
    return {**item, "body": {"messages": item["body"]["messages"][:2]}}


CIRCLES = {"in the order": smaller_circle, "among the keys": without_a_key}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_hub_that_tells_a_node_other_participants_gets_nothing(ground: Ground, honest: Any, name: str) -> None:
    """Among fewer participants a part hides among fewer, and a plan's minimum would mean another group."""
    before = refusals(ground, "A")
    ground.proxy.edit = lambda node, item: CIRCLES[name](ground, item) if node == "node-A" else item
    try:
        job = ground.run()
        if name == "in the order":
            until(lambda: refusals(ground, "A")[len(before) :], "A's refusal")
            with ground.federation.operator() as client:
                client.cancel(job.id)
            assert "participants" in refusals(ground, "A")[-1]
        ended = ground.ended(job.id)
        ground.settled(job.id)
    finally:
        ground.proxy.edit = None
    assert ended.state != "released"
    assert not rounds(ground, "A", job.id) & {"flags", "values"}
    for owner in toy.OWNERS:
        assert "values" not in rounds(ground, owner, job.id)
    assert {"flags", "values"} <= rounds(ground, "A", honest.id)
    ground.check(ended)


def refusals(ground: Ground, owner: str) -> list[str]:
    log = (ground.places.root / "logs" / f"node-{owner}.log").read_text()
    return [line for line in log.splitlines() if "refused an order" in line]


def acknowledge_all(ground: Ground) -> None:
    """Every owner has looked: its node takes jobs again."""
    for owner in toy.OWNERS:
        for alarm in alarms(ground, owner):
            ground.federation.ask_node(owner, {"do": "acknowledge", "alarm": alarm["id"]})


def alarms(ground: Ground, owner: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ground.federation.ask_node(owner, {"do": "alarms"})["alarms"]
    return found


def test_a_hub_that_swaps_mask_keys_is_found_out(ground: Ground, honest: Any) -> None:
    """It gives node A two keys of node B: A sees at once that these are not the participants' keys."""

    def swap(node: str, item: dict[str, Any]) -> dict[str, Any]:
        if told(item) != "told key" or node != "node-A":
            return item
        first, second, _ = item["body"]["messages"]
        return {**item, "body": {"messages": [first, second, second]}}

    ground.proxy.edit = swap
    try:
        ended = ground.ended(ground.run().id)
        ground.settled(ended.id)
    finally:
        ground.proxy.edit = None
    assert ended.failure is not None
    assert ended.failure["code"] == "protocol-violation"
    assert not rounds(ground, "A", ended.id) & {"flags", "values"}
    ground.check(ended)


def test_a_forged_permit_runs_nowhere(ground: Ground, honest: Any) -> None:
    """Real hub key, real grants, another plan."""
    before = {owner: ground.node_rows(owner, "select * from ledger order by id") for owner in toy.OWNERS}
    permit = insider.forge_permit(ground.places, ground.processes, honest.id)
    for owner in toy.OWNERS:
        until(partial(was_refused, ground, owner, "out-of-scope"), f"{owner}'s refusal")
        assert ground.node_rows(owner, "select * from ledger order by id") == before[owner]
    assert permit.startswith("permit-")
    ended = ground.ended(ground.run().id)
    assert ended.state == "released"  # and the federation goes on
    ground.check(ended)


def was_refused(ground: Ground, owner: str, code: str) -> bool:
    return any(code in line for line in refusals(ground, owner))


def test_an_old_order_again_is_answered_by_nothing(ground: Ground, honest: Any) -> None:
    """The hub replays a used permit to everybody: no new run, no new charge, no new message."""
    tables = ("select * from jobs order by permit", "select permit, round, digest from outbox order by number",
              "select * from ledger order by id")  # fmt: skip
    before = {owner: [ground.node_rows(owner, query) for query in tables] for owner in toy.OWNERS}
    ground.processes.stop("hub")
    hub = Hub.open(HubConfig.load(ground.places.hub / "hub.yaml"))
    bodies = ground.hub_rows("select node, body from inbox where job = ? and kind = 'permit'", honest.id)
    try:
        with hub.store.change(Event("permit.repeated", insider.INSIDER, job=honest.id)) as change:
            for node, body in bodies:
                put_named(change, [node], "permit", honest.id, parse_json(body.encode()))
    finally:
        hub.store.close()
    ground.processes.start_hub()
    for owner in toy.OWNERS:
        last = ground.hub_rows("select max(seq) from inbox where node = ?", f"node-{owner}")[0][0]
        until(partial(has_read, ground, owner, last), f"{owner} to read the replay")
        assert [ground.node_rows(owner, query) for query in tables] == before[owner]


def has_read(ground: Ground, owner: str, number: int) -> bool:
    """Has this node read its inbox as far as that?"""
    return int(ground.node_rows(owner, "select value from settings where name = 'inbox_cursor'")[0][0]) >= number


def test_a_permit_for_another_nonce_needs_another_signature(ground: Ground, honest: Any) -> None:
    """Not even one byte of a signed permit can be changed on the way to a node."""

    def fresh(_node: str, item: dict[str, Any]) -> dict[str, Any]:
        if item["kind"] != "permit":
            return item
        envelope = Envelope.from_json(item["body"]["permit"])
        changed = Permit.open(envelope).model_copy(update={"nonce": "ab" * 32})
        forged = {**item["body"]["permit"], "payload": base64.b64encode(changed.payload()).decode()}
        return {**item, "body": {**item["body"], "permit": forged}}

    ground.proxy.edit = fresh
    try:
        job = ground.run()
        for owner in toy.OWNERS:
            assert until(partial(was_refused, ground, owner, "signature"), f"{owner}'s refusal")
    finally:
        ground.proxy.edit = None
    with ground.federation.operator() as client:
        client.cancel(job.id)
    for owner in toy.OWNERS:
        assert rounds(ground, owner, job.id) == set()


def test_two_histories_are_two_too_many_for_the_witness(ground: Ground, honest: Any) -> None:
    def go_on() -> None:
        job = ground.ask()
        with ground.federation.operator() as client:
            client.cancel(job.id)

    failure = insider.show_two_histories(ground.places, ground.processes, go_on)
    assert isinstance(failure, LogForked)
    assert len(failure.evidence) == 2
    ground.check_receipt(ground.ended(ground.run().id).id)  # the real log goes on and is cosigned


def test_an_edited_log_is_not_the_log(ground: Ground, honest: Any) -> None:
    with ground.federation.auditor() as client:
        _, said = insider.edit_one_entry(client, ground.federation.trust)
    assert "changed" in said
    assert ground.entries()


def test_receipts_cannot_be_mixed(ground: Ground, honest: Any) -> None:
    """Every part of one true receipt in the place of another's: all signatures hold, and yet it is refused."""
    other = ground.ended(ground.run().id)
    with ground.federation.operator() as client:
        first, second = (json.loads(client.receipt(job, wait=60)) for job in (honest.id, other.id))
    trust = ground.federation.trust
    verify_receipt(json.dumps(first).encode(), trust)
    verify_receipt(json.dumps(second).encode(), trust)
    different = [name for name in first if first[name] != second[name]]
    assert {"permit", "release", "grants", "sent", "entry"} <= set(different)
    for name in different:
        with pytest.raises(SandboxError) as refused:
            verify_receipt(json.dumps({**first, name: second[name]}).encode(), trust)
        assert isinstance(refused.value, ReceiptRefused), name


def test_a_receipt_without_its_cosignatures_is_refused(ground: Ground, honest: Any) -> None:
    with ground.federation.operator() as client:
        receipt = json.loads(client.receipt(honest.id, wait=60))
    lines = receipt["checkpoint"].split("\n")
    signed = [place for place, line in enumerate(lines) if line.startswith("— ")]
    assert len(signed) >= 5  # hub, three nodes, witness
    for place in signed:
        fewer = "\n".join(line for number, line in enumerate(lines) if number != place)
        with pytest.raises(ReceiptRefused):
            verify_receipt(json.dumps({**receipt, "checkpoint": fewer}).encode(), ground.federation.trust)
