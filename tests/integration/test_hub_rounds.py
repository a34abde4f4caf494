"""What nodes may post while a job runs: a bad message is refused, noted in the log, and ends the job by its sender."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.documents import Commitment, Envelope, SentRecord, digest
from jobs.documents.ed25519 import encode_base64
from jobs.kinds.statistics.messages import FLAGS, VALUES, decode_key, decode_words, encode_key, encode_words
from mpc.ring import Z64
from sandbox.hub.running.held import whole_round
from sandbox.messages import Message
from tests.integration.running_job import (
    entries,
    failure,
    log_size,
    noisy_totals,
    said,
    to_flags,
    to_values,
    waiting_job,
)
from tests.support import signed

OWNERS = ("ewr", "jfk", "lga")


@pytest.fixture
def running(world: Any) -> str:
    """A job whose permit is in every inbox."""
    return waiting_job(world)


def refused(
    world: Any, job: str, node: Any, post: list[Any], status: int, code: str, ended: str = "bad-message"
) -> None:
    """Refused with this problem; the log names every message of the post; the job ends, and its sender is named."""
    assert node.post(post, status=status)["code"] == code
    noted = [named for entry in entries(world, job, "message.refused") for named in entry["digests"]]
    assert noted == [digest(item.payload if isinstance(item, Envelope) else item.envelope.payload) for item in post]
    assert failure(world, job) == (ended, [node.name])
    others = [other for other in world.nodes.values() if other is not node]
    assert all("abort" in [item["kind"] for item in other.inbox()] for other in others)
    used = world.call("GET", "/grants", "auditor")["items"]
    told = [row["round"] for row in world.call("GET", f"/jobs/{job}/messages", "auditor")["messages"]]
    assert all(grant["used"] == ("flags" in told) for grant in used)


def test_the_same_message_twice_is_one_message(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    key = said(node)
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


def test_the_same_message_at_once_from_many_threads_is_one_message(world: Any, running: str) -> None:
    """A node that heard no answer sends again while the first post is still being taken."""
    node = world.nodes["ewr"]
    body = node.posted(said(node))
    headers = {"Authorization": f"Bearer {world.tokens[node.name]}"}
    url = f"/v1/nodes/{node.name}/messages"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.client.post(url, json=body, headers=headers), range(16)))
    assert {answer.status_code for answer in answers} <= {202, 503}  # taken, or to be sent again: never refused
    assert 202 in {answer.status_code for answer in answers}
    assert len(entries(world, running, "message.received")) == 1
    world.run_nodes()
    assert world.state(running) == "released"


def test_another_message_for_the_same_round_ends_the_job_and_is_kept(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    (first,) = said(node)
    node.post([first])
    other = encode_key(node.runs[running].case, b"\x07" + bytes(31))
    second = node.resigned(first, other)
    assert node.post([second], status=409)["code"] == "integrity-failure"
    assert failure(world, running) == ("integrity-failure", ["node-ewr"])
    (entry,) = entries(world, running, "message.conflicting")
    assert entry["digests"] == [second.digest]
    assert "abort" in [item["kind"] for item in world.nodes["jfk"].inbox()]
    assert node.post([second], status=409)["code"] == "integrity-failure"  # the evidence is kept once
    node.post([first])  # what is stored stays one message


def other_place(node: Any, key: Message, round: str, receiver: str, body: bytes) -> Message:
    made: Message = node.resigned(key, body, round=round, receiver=receiver)
    return made


def early_flags(node: Any, key: Message, case: Any) -> Message:
    """Flags that were masked before all keys were relayed: the sender cannot have heard what the others heard."""
    return other_place(node, key, "flags", "hub-1", encode_words(case, FLAGS, np.zeros((12, 1), np.uint64)))


def early_values(node: Any, key: Message, case: Any) -> Message:
    return other_place(node, key, "values", "hub-1", encode_words(case, VALUES, np.zeros((4, 1), np.uint64)))


REFUSED: dict[str, tuple[Callable[[Any, Message, Any], Message], int, str]] = {
    "other node's name": (lambda node, key, case: node.resigned(key, sender="node-jfk"), 400, "unknown-party"),
    "the hub's name": (lambda node, key, case: node.resigned(key, sender="hub-1"), 400, "unknown-party"),
    "not for the hub": (lambda node, key, case: node.resigned(key, receiver="hub-1"), 400, "unknown-party"),
    "not for one node": (lambda node, key, case: node.resigned(key, receiver="node-jfk"), 400, "unknown-party"),
    "a round of the hub": (lambda node, key, case: node.resigned(key, round="open"), 400, "unknown-party"),
    "a round that is none": (lambda node, key, case: node.resigned(key, round="seance"), 400, "wrong-round"),
    "a second of one": (lambda node, key, case: node.resigned(key, sequence=1), 400, "wrong-round"),
    "key of low order": (lambda node, key, case: node.resigned(key, encode_key(case, b"\xff" * 32)), 409, "integrity-error"),
    "no key at all": (lambda node, key, case: node.resigned(key, b"nothing"), 400, "malformed-message"),
    "foreign session": (
        lambda node, key, case: node.resigned(
            key, encode_key(replace(case, nonce="00" * 32), decode_key(case, key.body))
        ),
        400,
        "wrong-session",
    ),
    "a body that is not the header's": (
        lambda node, key, case: Message(key.envelope, key.header, key.body[:-1] + b"\x00"), 400, "malformed-message",
    ),
    "values before the flags": (early_values, 400, "wrong-round"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_signed_message_that_has_no_place_ends_the_job_by_its_sender(world: Any, running: str, name: str) -> None:
    change, status, code = REFUSED[name]
    node = world.nodes["ewr"]
    (key,) = said(node)
    refused(world, running, node, [change(node, key, node.runs[running].case)], status, code)


def test_a_message_under_no_permit_of_this_hub_changes_nothing(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    (key,) = said(node)
    size = log_size(world)
    assert node.post([node.resigned(key, permit=digest(b"another"))], status=404)["code"] == "not-found"
    assert (log_size(world), world.state(running)) == (size, "running")


def test_a_forged_signature_and_a_foreign_token_are_refused_and_change_nothing(world: Any, running: str) -> None:
    """Nobody but the node itself can end a job in its name."""
    node = world.nodes["ewr"]
    (key,) = said(node)
    size = log_size(world)
    forged = Message(key.header.sign(signed.key("node-jfk")), key.header, key.body)
    assert node.post([forged], status=403)["code"] == "bad-signature"
    body = node.posted([key])
    assert world.call("POST", "/nodes/node-ewr/messages", "node-jfk", json=body, status=403)["code"] == "not-permitted"
    assert world.call("POST", "/nodes/node-ewr/messages", "acme", json=body, status=403)["code"] == "not-permitted"
    assert world.call("GET", "/nodes/node-ewr/inbox", "node-jfk", status=403)["code"] == "not-permitted"
    stolen = world.nodes["jfk"]
    assert stolen.post([key], status=403)["code"] == "bad-signature"  # under jfk's own token
    assert (log_size(world), world.state(running)) == (size, "running")


@pytest.mark.parametrize(("elements", "width"), [(5, 1), (6, 2), (7, 1)])
def test_flags_of_another_shape_end_the_job(world: Any, running: str, elements: int, width: int) -> None:
    flags = to_flags(world)
    node = world.nodes["ewr"]
    case = node.runs[running].case
    assert decode_words(case, FLAGS, flags.body, 6, 1).shape == (6, 1)  # the control: as the plan has them
    body = encode_words(case, FLAGS, np.zeros((elements, width), np.uint64))
    refused(world, running, node, [node.resigned(flags, body)], 400, "malformed-message")


def test_parts_written_after_different_relays_end_the_job_typed(world: Any, running: str) -> None:
    """Each message is fine in itself: only together they show that one node heard something else."""
    flags = to_flags(world)
    node = world.nodes["ewr"]
    node.post([node.resigned(flags, transcript=digest(b"another story"))])
    assert world.state(running) == "running"
    for owner in ("jfk", "lga"):
        world.nodes[owner].work()
    code, nodes = failure(world, running)
    assert (code, nodes) == ("protocol-failed", [])
    assert "told different things" in world.call("GET", f"/jobs/{running}", "acme")["failure"]["detail"]
    assert entries(world, running, "job.released") == []


def with_body(node: Any, post: list[Any], body: bytes) -> list[Any]:
    """Other values, and the list of what was sent made to fit them."""
    values = node.resigned(post[0], body)
    record = SentRecord.open(post[1])
    last = record.messages[-1].model_copy(update={"digest": values.digest, "size": len(body)})
    return [values, record.model_copy(update={"messages": (*record.messages[:-1], last)}).sign(node.key)]


def test_values_of_another_count_of_cells_end_the_job_and_no_run_comes_back(world: Any, running: str) -> None:
    post = to_values(world)["ewr"]
    node = world.nodes["ewr"]
    body = encode_words(node.runs[running].case, VALUES, np.zeros((5, 1), np.uint64))
    refused(world, running, node, with_body(node, post, body), 400, "malformed-message")


def test_a_total_outside_the_proven_range_ends_the_job_unreleased(world: Any, running: str) -> None:
    """A node that masks under other inputs, or lies, makes noise of a total: nothing near it is ever shown."""
    posts = to_values(world)
    node = world.nodes["ewr"]
    case = node.runs[running].case
    words = decode_words(case, VALUES, posts["ewr"][0].body, 6, 1).copy()
    words[0, 0] ^= np.uint64(1 << 62)
    node.post(with_body(node, posts["ewr"], encode_words(case, VALUES, words)))
    for owner in ("jfk", "lga"):
        world.nodes[owner].post(posts[owner])
    code, nodes = failure(world, running)
    assert (code, nodes) == ("disclosure-blocked", [])
    assert "range that the plan proves" in world.call("GET", f"/jobs/{running}", "acme")["failure"]["detail"]
    world.call("GET", f"/jobs/{running}/release", "acme", status=409)
    assert world.call("GET", "/usage", "auditor")["items"] == []


def test_a_sent_record_that_leaves_a_message_out_is_refused_with_its_values(world: Any, running: str) -> None:
    """A post is taken whole or not at all: the values beside the record are not stored either."""
    values, sent = to_values(world)["ewr"]
    node = world.nodes["ewr"]
    record = SentRecord.open(sent)
    short = record.model_copy(update={"messages": record.messages[1:]}).sign(node.key)
    refused(world, running, node, [values, short], 409, "integrity-failure", "integrity-failure")
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert "values" not in {item["round"] for item in found}


def test_a_sent_record_after_other_relays_than_the_hubs_ends_the_job(world: Any, running: str) -> None:
    values, sent = to_values(world)["ewr"]
    node = world.nodes["ewr"]
    other = SentRecord.open(sent).model_copy(update={"transcript": digest(b"another story")}).sign(node.key)
    refused(world, running, node, [values, other], 409, "integrity-failure", "integrity-failure")


def test_the_same_message_twice_in_one_post_is_refused_whole(world: Any, running: str) -> None:
    values, _ = to_values(world)["ewr"]
    node = world.nodes["ewr"]
    refused(world, running, node, [values, values], 400, "wrong-round")


def test_a_post_holds_messages_of_one_job(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    (key,) = said(node)
    size = log_size(world)
    other = node.resigned(key, permit=digest(b"another"))
    assert node.post([key, other], status=400)["code"] == "bad-document"
    stranger = Commitment.open(world.commitment()).sign(node.key)
    assert node.post([stranger], status=400)["code"] == "bad-document"
    assert (log_size(world), world.state(running)) == (size, "running")


def test_bodies_of_a_running_job_are_shown_to_no_auditor(world: Any) -> None:
    """Not even when all have sent, and only the signatures are missing. The control: the hub holds them, and whoever
    has them all obtains the totals, which carry every part's noise."""
    running = waiting_job(world)
    posts = to_values(world)
    for owner in OWNERS:
        world.nodes[owner].post(posts[owner])
    assert world.state(running) == "running"
    with world.store.read() as connection:
        stored = whole_round(connection, running, "values", 0)
    case = world.nodes["ewr"].runs[running].case
    opened = [number for channel in noisy_totals(case) for number in channel]
    total = Z64.zeros(len(opened))
    for message in stored:
        vector = decode_words(case, VALUES, message.body, len(total), 1).reshape(-1)
        assert Z64.decode_signed(vector) != opened
        Z64.add_into(total, vector)
    assert Z64.decode_signed(total) == opened
    assert opened[:2] != [60, 60]
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert {item["digest"] for item in found} >= {message.digest for message in stored}
    shown = {"sender", "round", "sequence", "receiver", "size", "digest", "entry", "at"}
    assert {name for item in found for name in item} == shown
    world.call("GET", f"/jobs/{running}/messages", "acme", status=403)
    document = world.client.get("/v1/openapi.json").json()
    reads = [path for path, calls in document["paths"].items() if "get" in calls and not path.endswith("/events")]
    assert len(reads) > 15
    place = {"round": "values", "sequence": 0, "sender": "node-ewr", "receiver": "hub-1", "number": 0}
    for path in reads:
        url = path.replace("{job}", running).replace("{name}", "flights").replace("{node}", "node-ewr")
        url = url.replace("{place}", "0")
        headers = {"Authorization": f"Bearer {world.tokens['auditor']}"}
        answer = world.client.get(url, headers=headers, params={"limit": 1000, **place}).content
        for message in stored:
            assert message.body not in answer
            assert encode_base64(message.body)[:64].encode() not in answer, path
