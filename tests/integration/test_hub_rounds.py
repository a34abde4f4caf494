"""What nodes may post while a job runs: each bad message is a typed refusal that changes nothing, or ends the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from jobs.documents import Envelope, Permit, SentRecord, digest
from jobs.documents.ed25519 import decode_base64, encode_base64
from mpc.ring import Z64
from sandbox.messages import PAYLOAD_TYPE, Abort, Flags, Key, Values, decode, encode, permit_bytes, session_of
from sandbox.store.tables import messages

OWNERS = ("ewr", "jfk", "lga")


@pytest.fixture
def running(world: Any) -> str:
    """A job whose permit is in every inbox."""
    world.register_all()
    job = str(world.submit()["id"])
    world.grant_all(job)
    return job


def signed(kit: Any, node: str, message: Any) -> Envelope:
    return Envelope(PAYLOAD_TYPE, encode(message), ()).signed_by(kit.key(node))


def content(envelope: Envelope) -> Any:
    return decode(envelope.payload)


def log_size(world: Any) -> int:
    return int(world.call("GET", "/health", None)["log_size"])


def test_the_same_message_twice_is_one_message(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    key = node.answer(node.inbox()[0])[0]
    node.post(key)
    size = log_size(world)
    node.post(key)
    assert log_size(world) == size
    others = [node for owner, node in world.nodes.items() if owner != "ewr"]
    for other in others:
        other.work()
    world.run_nodes()
    assert world.state(running) == "released"
    node.post(key)  # even after the end


def test_another_message_for_the_same_round_ends_the_job_and_is_kept(world: Any, running: str, kit: Any) -> None:
    node = world.nodes["ewr"]
    first = node.answer(node.inbox()[0])[0][0]
    node.post([first])
    second = signed(kit, "node-ewr", replace(content(first), public=b"\x07" + bytes(31)))
    assert node.post([second], status=409)["code"] == "integrity-failure"
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert (failure["code"], failure["nodes"]) == ("integrity-failure", ["node-ewr"])
    kinds = [item["entry"]["event"] for item in world.call("GET", f"/log/entries?job={running}", "auditor")["items"]]
    assert "message.conflicting" in kinds
    assert "abort" in [item["kind"] for item in world.nodes["jfk"].inbox()]


REFUSED: dict[str, tuple[Callable[[Key], Any], int, str]] = {
    "foreign session": (lambda key: replace(key, session=bytes(16)), 400, "wrong-session"),
    "unknown permit": (lambda key: replace(key, permit=bytes(32)), 404, "not-found"),
    "other node's name": (lambda key: replace(key, node="node-jfk"), 400, "unknown-party"),
    "key of low order": (lambda key: replace(key, public=b"\xff" * 32), 409, "integrity-error"),
    "flags before the keys": (
        lambda key: Flags(key.session, key.node, key.permit, bytes(32), np.zeros((12, 1), np.uint64)),
        400,
        "wrong-round",
    ),
    "values before the flags": (
        lambda key: Values(key.session, key.node, key.permit, bytes(32), np.zeros((4, 1), np.uint64)),
        400,
        "wrong-round",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_that_does_not_belong_is_refused_and_changes_nothing(
    world: Any, running: str, kit: Any, name: str
) -> None:
    change, status, code = REFUSED[name]
    node = world.nodes["ewr"]
    key = content(node.answer(node.inbox()[0])[0][0])
    size = log_size(world)
    refusal = node.post([signed(kit, "node-ewr", change(key))], status=status)
    assert refusal["code"] == code
    assert log_size(world) == size
    assert world.state(running) == "running"


def test_a_forged_signature_and_a_foreign_token_are_refused(world: Any, running: str, kit: Any) -> None:
    node = world.nodes["ewr"]
    envelope = node.answer(node.inbox()[0])[0][0]
    forged = Envelope(envelope.payload_type, envelope.payload, ()).signed_by(kit.key("node-jfk"))
    assert node.post([forged], status=403)["code"] == "bad-signature"
    body = {"messages": [envelope.to_json()]}
    assert world.call("POST", "/nodes/node-ewr/messages", "node-jfk", json=body, status=403)["code"] == "not-permitted"
    assert world.call("POST", "/nodes/node-ewr/messages", "acme", json=body, status=403)["code"] == "not-permitted"
    assert world.call("GET", "/nodes/node-ewr/inbox", "node-jfk", status=403)["code"] == "not-permitted"
    assert world.state(running) == "running"


def test_flags_of_another_shape_or_under_other_keys_are_refused(world: Any, running: str, kit: Any) -> None:
    for node in world.nodes.values():
        node.work()
    node = world.nodes["ewr"]
    flags = content(node.answer(node.inbox()[0])[0][0])
    size = log_size(world)
    short = replace(flags, vector=flags.vector[:-1])
    assert node.post([signed(kit, "node-ewr", short)], status=400)["code"] == "malformed-message"
    wide = replace(flags, vector=np.zeros((len(flags.vector), 2), np.uint64))
    assert node.post([signed(kit, "node-ewr", wide)], status=400)["code"] == "malformed-message"
    other = replace(flags, keys=bytes(32))
    assert node.post([signed(kit, "node-ewr", other)], status=409)["code"] == "integrity-failure"
    assert log_size(world) == size
    assert world.state(running) == "running"


def test_two_nodes_may_not_share_a_mask_key(world: Any, running: str, kit: Any) -> None:
    ewr, jfk = world.nodes["ewr"], world.nodes["jfk"]
    first = ewr.answer(ewr.inbox()[0])[0][0]
    ewr.post([first])
    own = content(jfk.answer(jfk.inbox()[0])[0][0])
    copied = replace(own, public=content(first).public)
    assert jfk.post([signed(kit, "node-jfk", copied)], status=409)["code"] == "integrity-failure"
    assert world.state(running) == "running"


def to_values(world: Any) -> dict[str, list[Envelope]]:
    """Run all nodes up to the values, which are made but not posted."""
    for _ in range(2):
        for node in world.nodes.values():
            node.work()
    return {owner: node.answer(node.inbox()[0])[0] for owner, node in world.nodes.items()}


def test_values_for_other_cells_are_refused(world: Any, running: str, kit: Any) -> None:
    values = content(to_values(world)["ewr"][0])
    other = replace(values, passed=bytes(32))
    node = world.nodes["ewr"]
    assert node.post([signed(kit, "node-ewr", other)], status=409)["code"] == "integrity-failure"
    assert world.state(running) == "running"


def test_a_post_is_taken_whole_or_not_at_all(world: Any, running: str, kit: Any) -> None:
    """Values with a sent record that leaves one message out: neither is stored, the right pair is taken afterwards."""
    posts = to_values(world)
    values, sent = posts["ewr"]
    record = SentRecord.open(sent)
    short = record.model_copy(update={"messages": record.messages[1:]}).sign(kit.key("node-ewr"))
    node = world.nodes["ewr"]
    size = log_size(world)
    assert node.post([values, short], status=409)["code"] == "integrity-failure"
    assert log_size(world) == size
    assert node.post([values, values], status=400)["code"] == "bad-document"
    assert log_size(world) == size
    for owner, post in posts.items():
        world.nodes[owner].post(post)
    assert world.state(running) == "released"


def test_an_auditor_cannot_add_up_what_only_the_hub_opens(world: Any, running: str, kit: Any) -> None:
    """The control: whoever has the bodies obtains exact totals. The attack: an auditor looks for them everywhere."""
    world.run_nodes()
    plan = world.call("GET", f"/jobs/{running}", "auditor")["plan"]
    total = Z64.zeros(2 * len(plan["channels"]))  # AA and DL passed, B6 did not
    with world.store.read() as connection:
        stored = connection.execute(select(messages).where(messages.c.round == "values")).all()
    envelopes = [Envelope.parse(bytes(row.envelope)) for row in stored]
    for row, envelope in zip(stored, envelopes, strict=True):
        assert envelope.signers([kit.key(row.node).public])
        vector = decode(envelope.payload).vector.reshape(-1)
        assert Z64.decode_signed(vector) != expected(plan)
        Z64.add_into(total, vector)
    assert len(stored) == 3
    assert Z64.decode_signed(total) == expected(plan)

    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert {item["digest"] for item in found} >= {row.digest for row in stored}
    assert {name for item in found for name in item} == {"node", "round", "digest", "entry", "at"}
    world.call("GET", f"/jobs/{running}/messages", "acme", status=403)
    document = world.client.get("/v1/openapi.json").json()
    reads = [path for path, calls in document["paths"].items() if "get" in calls and not path.endswith("/events")]
    assert len(reads) > 15
    for path in reads:
        url = path.replace("{job}", running).replace("{name}", "flights").replace("{node}", "node-ewr")
        headers = {"Authorization": f"Bearer {world.tokens['auditor']}"}
        shown = world.client.get(url, headers=headers, params={"limit": 1000}).content
        for envelope in envelopes:
            assert envelope.payload not in shown
            assert encode_base64(envelope.payload)[:64].encode() not in shown, path


def expected(plan: dict[str, Any]) -> list[int]:
    """Totals per channel for AA, then DL: 20 flights at each of three owners, delays 10 * shift + 0..19."""
    delays = sum(10 * shift * 20 + sum(range(20)) for shift in range(3))
    return [{"rows": 60, "sum": delays}[channel["kind"]] for channel in plan["channels"] for _ in ("AA", "DL")]


def test_a_node_that_aborts_ends_the_job_and_its_run_is_given_back(world: Any, running: str, kit: Any) -> None:
    node = world.nodes["jfk"]
    run_permit = Envelope.from_json(node.inbox()[0]["body"]["permit"])
    permit = Permit.open(run_permit)
    abort = Abort(session_of(permit.nonce), "node-jfk", permit_bytes(run_permit.digest), "budget-exceeded", "no budget")
    node.post([signed(kit, "node-jfk", abort)])
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert (failure["code"], failure["nodes"]) == ("budget-exceeded", ["node-jfk"])
    assert all(grant["used"] == 0 for grant in world.call("GET", "/grants", "auditor")["items"])
    late = world.nodes["ewr"]
    assert late.post(late.answer(late.inbox()[0])[0], status=409)["code"] == "invalid-transition"


def test_a_nodes_last_words_cannot_paint_a_terminal(world: Any, running: str, kit: Any) -> None:
    node = world.nodes["jfk"]
    envelope = Envelope.from_json(node.inbox()[0]["body"]["permit"])
    session, permit = session_of(Permit.open(envelope).nonce), permit_bytes(envelope.digest)
    node.post([signed(kit, "node-jfk", Abort(session, "node-jfk", permit, "\x1b[2J", "all \x1b[31mgood\u202e"))])
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert failure["code"] == "node-aborted"
    assert failure["detail"].isprintable()


def test_a_silent_node_fails_the_job_at_its_deadline_by_name(world: Any, running: str, kit: Any) -> None:
    for owner in ("ewr", "jfk"):
        world.nodes[owner].work()
    world.clock.now += timedelta(seconds=world.config.job_seconds - 1)
    assert kit.tick(world.hub) == 0
    world.clock.now += timedelta(seconds=2)
    kit.tick(world.hub)
    failure = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert (failure["code"], failure["nodes"]) == ("node-lost", ["node-lga"])
    assert kit.tick(world.hub) == 0
    assert "abort" in [item["kind"] for item in world.nodes["ewr"].inbox()]


def test_a_request_that_nobody_answers_expires(world: Any, kit: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    world.clock.now += timedelta(days=world.config.request_days, seconds=1)
    assert kit.tick(world.hub) in (0, 1)  # the application's own clock may have been faster
    assert world.state(job) == "expired"


def test_the_log_names_every_message_by_its_digest(world: Any, running: str) -> None:
    world.run_nodes()
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert {item["round"] for item in found} == {"key", "flags", "values", "sent", "destroyed"}
    size = log_size(world)
    for item in found:
        proof = world.call("GET", f"/log/inclusion?digest={item['digest']}&size={size}", "node-ewr")
        assert proof["index"] == item["entry"]
        assert item["digest"] in decode_base64(proof["entry"]).decode()


@pytest.mark.parametrize("steps", [0, 2, 5, 8, 11, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 6, 7))])
def test_killed_and_restarted_after_any_message_the_job_still_ends_released_once(make_world: Any, steps: int) -> None:
    """The hub is dropped without a goodbye after the n-th message and opened again from its files."""
    world = make_world()
    world.register_all()
    job = world.submit()["id"]
    world.grant_all(job)
    left = steps
    pending = True
    while pending:
        pending = False
        for node in world.nodes.values():
            for item in node.inbox():
                pending = True
                for envelopes in node.answer(item):
                    node.post(envelopes)
                    if left == 0:
                        world.restart()
                        node.post(envelopes)  # a node that heard no answer sends the same bytes again
                    left -= 1
    assert world.state(job) == "released"
    entries = world.call("GET", f"/log/entries?job={job}&limit=1000", "auditor")["items"]
    assert [item["entry"]["event"] for item in entries].count("job.released") == 1
    usage = world.call("GET", "/usage", "auditor")["items"]
    assert [row["runs"] for row in usage] == [1, 1, 1]
    world.cosign_all()
    world.call("GET", f"/jobs/{job}/receipt", "acme")


def test_a_late_message_is_refused_and_the_log_says_that_it_came(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    ((envelope,),) = [node.answer(item) for item in node.inbox() if item["kind"] == "permit"]
    world.call("POST", f"/jobs/{running}/cancel", "acme")
    node.post(envelope, status=409)
    (entry,) = world.call("GET", "/log/entries?kind=message.refused", "auditor")["items"]
    assert entry["entry"]["digests"] == [digest(envelope[0].payload)]
