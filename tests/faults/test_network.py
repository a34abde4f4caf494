"""Faults between node and hub: lost answers, doubled, old, foreign, cut and swollen posts. Nothing changes by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobs.documents import Envelope
from sandbox.keys import read_private
from tests.support import toy
from tests.support.ground import Ground, until
from tests.support.proxy import Post

pytestmark = [pytest.mark.e2e]


@pytest.mark.parametrize("what", ["key", "flags", "values", "destroyed"])
def test_an_answer_is_lost_after_the_hub_took_the_post(ground: Ground, what: str) -> None:
    """The node sends the same bytes again, and they are one message."""
    with ground.proxy.gate("node-A", what, "after") as gate:
        job = ground.run()
        gate.wait()
        gate.open(drop=True)
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)
    bodies = [post.body for post in posts(ground, job.id, "node-A") if what in post.rounds]
    assert len(bodies) == 2
    assert envelopes(bodies[0])[what] == envelopes(bodies[1])[what]


@pytest.mark.parametrize("what", ["key", "flags", "values"])
def test_a_request_is_lost_before_the_hub_saw_it(ground: Ground, what: str) -> None:
    with ground.proxy.gate("node-C", what, "before") as gate:
        job = ground.run()
        gate.wait()
        gate.open(drop=True)
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


@pytest.mark.parametrize("what", ["told key", "told open", "finished"])
def test_inbox_items_are_lost_on_the_way(ground: Ground, what: str) -> None:
    with ground.proxy.gate("node-B", what, "after") as gate:
        job = ground.run()
        gate.wait()
        gate.open(drop=True)
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


def test_every_post_arrives_twice(ground: Ground) -> None:
    ground.proxy.repeat |= {"key", "flags", "values", "sent", "destroyed"}
    try:
        job = ground.run()
        ended = ground.ended(job.id)
        assert ended.state == "released"
        ground.check(ended)
    finally:
        ground.proxy.repeat.clear()


def test_a_node_that_is_slower_than_all_others_changes_nothing(ground: Ground) -> None:
    """The others' flags wait; then this node's key, flags and values come one after the other."""
    with ground.proxy.gate("node-C", "key", "before") as key, ground.proxy.gate("node-C", "flags", "before") as flags:
        job = ground.run()
        key.wait()
        assert ground.job(job.id).state == "running"
        key.open()
        flags.wait()
        until(lambda: len(stored(ground, job.id, "flags")) == 2, "the other nodes' flags")
        flags.open()
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


def changed_payload(body: bytes) -> bytes:
    value = json.loads(body)
    payload = value["messages"][0]["envelope"]["payload"]
    value["messages"][0]["envelope"]["payload"] = payload[:8] + ("A" if payload[8] != "A" else "B") + payload[9:]
    return json.dumps(value).encode()


def without_signatures(body: bytes) -> bytes:
    value = json.loads(body)
    value["messages"][0]["envelope"]["signatures"] = []
    return json.dumps(value).encode()


def with_strangers_signature(body: bytes) -> bytes:
    from jobs.documents import SigningKey

    value = json.loads(body)
    envelope = Envelope.from_json(value["messages"][0]["envelope"])
    forged = Envelope(envelope.payload_type, envelope.payload, ()).signed_by(SigningKey.from_seed(bytes(32)))
    return json.dumps({"messages": [{**value["messages"][0], "envelope": forged.to_json()}]}).encode()


BAD: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda body: body[: len(body) // 2],
    "empty": lambda _: b"",
    "not JSON": lambda _: b"\xff\xfe{",
    "deeply nested": lambda _: b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no messages": lambda _: b'{"messages":[]}',
    "too many": lambda body: json.dumps({"messages": json.loads(body)["messages"] * 9}).encode(),
    "swollen": lambda _: b'{"messages":["' + b"A" * (33 << 20) + b'"]}',
    "one changed byte": changed_payload,
    "no signature": without_signatures,
    "another key's signature": with_strangers_signature,
    "unknown field": lambda body: json.dumps({**json.loads(body), "more": 1}).encode(),
}


@pytest.fixture(scope="module")
def halted(ground: Ground) -> Any:
    """A running job that stands still, because one node's key is held back; yields another node's accepted post.

    A job has ended before it, whichever of these tests come first in their process.
    """
    assert ground.ended(ground.run().id).state == "released"
    with ground.proxy.gate("node-C", "key", "before") as gate:
        job = ground.run()
        gate.wait()
        until(lambda: len(stored(ground, job.id, "key")) == 2, "the other nodes' keys")
        yield job, next(post for post in posts(ground, job.id, "node-A") if "key" in post.rounds)
    ended = ground.ended(job.id)
    assert ended.state == "released"  # after all that was thrown at it
    ground.check(ended)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_post_is_refused_and_changes_nothing(ground: Ground, halted: tuple[Any, Post], name: str) -> None:
    job, post = halted
    before = snapshot(ground, job.id)
    answer = post_as(ground, "A", BAD[name](post.body))
    if answer is None:  # refused by its announced size and closed unread: the answer may be lost with the connection
        assert name == "swollen"
    else:
        status, problem = answer
        assert 400 <= status < 500
        assert problem["code"]
    assert snapshot(ground, job.id) == before


def test_a_message_of_another_node_is_refused(ground: Ground, halted: tuple[Any, Post]) -> None:
    job, post = halted
    before = snapshot(ground, job.id)
    status, problem = send(ground, "C", post.body)
    assert (status, problem["code"]) in {(400, "unknown-party"), (403, "unknown-signer"), (403, "bad-signature")}
    assert send(ground, "C", post.body, path="node-A")[0] == 403
    assert snapshot(ground, job.id) == before


def test_messages_of_an_earlier_job_are_refused(ground: Ground, halted: tuple[Any, Post]) -> None:
    """Stale: signed by the right node, under a permit that is over. Bytes that the hub has are one message."""
    job, _ = halted
    before = snapshot(ground, job.id)
    old = next(post for post in ground.proxy.posts if post.node == "node-A" and "flags" in post.rounds)
    fresh = next(value for value in json.loads(old.body)["messages"])
    assert send(ground, "A", json.dumps({"messages": [fresh]}).encode())[0] == 202  # the same bytes again
    assert snapshot(ground, job.id) == before


def test_a_repeated_key_is_one_message(ground: Ground, halted: tuple[Any, Post]) -> None:
    job, post = halted
    before = snapshot(ground, job.id)
    assert send(ground, "A", post.body)[0] == 202
    assert snapshot(ground, job.id) == before


# pieces ------------------------------------------------------------------------------------------------------------


def posts(ground: Ground, job: str, node: str) -> list[Post]:
    """This node's posts of this job, as they passed the proxy."""
    sent = {bytes(envelope) for (envelope,) in ground.node_rows(node[-1], OUTBOX, job)}
    passed = [post for post in ground.proxy.posts if post.node == node]
    return [post for post in passed if sent & set(envelopes(post.body).values())]


OUTBOX = "select o.envelope from outbox o join jobs j on j.permit = o.permit where j.job = ?"


def envelopes(body: bytes) -> dict[str, bytes]:
    from tests.support.proxy import round_of

    found = [Envelope.from_json(value["envelope"]) for value in json.loads(body)["messages"]]
    return {round_of(envelope): envelope.encode() for envelope in found}


def stored(ground: Ground, job: str, round_name: str) -> list[Any]:
    return ground.hub_rows("select sender from messages where job = ? and round = ?", job, round_name)


def snapshot(ground: Ground, job: str) -> tuple[Any, ...]:
    """What the hub holds of the job, and how long its log is."""
    return (
        ground.hub_rows("select sender, round, digest from messages where job = ? order by 1, 2", job),
        ground.hub_rows("select state, failure from jobs where id = ?", job),
        ground.hub_rows("select count(*) from log_entries where kind <> 'node.seen'"),
        ground.hub_rows("select count(*) from conflicts"),
    )


def send(ground: Ground, owner: str, body: bytes, path: str | None = None) -> tuple[int, dict[str, Any]]:
    """Post as this node, straight to the hub, which answers."""
    answer = post_as(ground, owner, body, path)
    assert answer is not None
    return answer


def post_as(ground: Ground, owner: str, body: bytes, path: str | None = None) -> tuple[int, dict[str, Any]] | None:
    """``None`` if the hub closed the connection without an answer."""
    token = read_private(ground.places.node(owner) / "node.token").decode().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = ground.proxy.forward("POST", f"/v1/nodes/{path or f'node-{owner}'}/messages", body, headers)
    return None if answer is None else (answer[0], json.loads(answer[2]))


assert set(toy.OWNERS) == {"A", "B", "C"}
