"""What nodes may post while a job runs: a bad message is refused, noted in the log, and ends the job by its sender."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from jobs.documents import Commitment, Envelope, SentRecord, digest
from jobs.documents.ed25519 import decode_base64, encode_base64
from jobs.documents.message import ALL, Header
from jobs.kinds.statistics.messages import FLAGS, VALUES, decode_key, decode_words, encode_key, encode_words
from mpc.ring import Z64
from sandbox.errors import ContentDestroyed
from sandbox.hub.core.hub import HUB
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.deadlines import tick
from sandbox.hub.running.held import whole_round
from sandbox.hub.running.jobstate import job_row
from sandbox.hub.running.running_job import walk_scope
from sandbox.messages import Message
from sandbox.policy.states import Cause
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.tables import content_keys, messages
from tests.support import signed

OWNERS = ("ewr", "jfk", "lga")


@pytest.fixture
def running(world: Any) -> str:
    """A job whose permit is in every inbox."""
    return waiting_job(world)


def waiting_job(world: Any) -> str:
    world.register_all()
    job = str(world.submit()["id"])
    world.grant_all(job)
    return job


def said(node: Any) -> Any:
    """What the node would post next; not posted."""
    (post,) = node.answer(node.inbox()[0])
    return post


def log_size(world: Any) -> int:
    return int(world.call("GET", "/health", None)["log_size"])


def entries(world: Any, job: str, kind: str) -> list[dict[str, Any]]:
    found = world.call("GET", f"/log/entries?job={job}&kind={kind}&limit=1000", "auditor")["items"]
    return [item["entry"] for item in found]


def failure(world: Any, job: str) -> tuple[str, list[str]]:
    found = world.call("GET", f"/jobs/{job}", "acme")["failure"]
    return found["code"], found["nodes"]


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


def to_flags(world: Any) -> Any:
    """All keys posted; the flags of one node are made but not posted."""
    for node in world.nodes.values():
        node.work()
    (flags,) = said(world.nodes["ewr"])
    return flags


@pytest.mark.parametrize(("elements", "width"), [(11, 1), (12, 2), (13, 1)])
def test_flags_of_another_shape_end_the_job(world: Any, running: str, elements: int, width: int) -> None:
    flags = to_flags(world)
    node = world.nodes["ewr"]
    case = node.runs[running].case
    assert decode_words(case, FLAGS, flags.body, 12, 1).shape == (12, 1)  # the control: as the plan has them
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


def to_values(world: Any) -> dict[str, list[Any]]:
    """Run all nodes up to the values, which are made but not posted."""
    for _ in range(2):
        for node in world.nodes.values():
            node.work()
    return {owner: said(node) for owner, node in world.nodes.items()}


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


def test_an_auditor_cannot_add_up_what_only_the_hub_opens(world: Any) -> None:
    """The control: whoever has the bodies obtains exact totals. The attack: an auditor looks for them everywhere."""
    running = waiting_job(world)
    posts = to_values(world)
    for owner in OWNERS[:-1]:
        world.nodes[owner].post(posts[owner])
    with world.store.read() as connection:  # while the job runs the hub holds the bodies
        held = whole_round(connection, running, "values", 0)
    world.nodes[OWNERS[-1]].post(posts[OWNERS[-1]])
    stored = [*held, posts[OWNERS[-1]][0]]
    plan = world.call("GET", f"/jobs/{running}", "auditor")["plan"]
    case = world.nodes["ewr"].runs[running].case
    total = Z64.zeros(2 * len(plan["channels"]))  # AA and DL passed, B6 did not
    for message in stored:
        vector = decode_words(case, VALUES, message.body, len(total), 1).reshape(-1)
        assert Z64.decode_signed(vector) != expected(plan)
        Z64.add_into(total, vector)
    assert Z64.decode_signed(total) == expected(plan)

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
        headers = {"Authorization": f"Bearer {world.tokens['auditor']}"}
        answer = world.client.get(url, headers=headers, params={"limit": 1000, **place}).content
        for message in stored:
            assert message.body not in answer
            assert encode_base64(message.body)[:64].encode() not in answer, path


def expected(plan: dict[str, Any]) -> list[int]:
    """Totals per channel for AA, then DL: 20 flights at each of three owners, delays 10 * shift + 0..19."""
    delays = sum(10 * shift * 20 + sum(range(20)) for shift in range(3))
    return [{"rows": 60, "sum": delays}[channel["kind"]] for channel in plan["channels"] for _ in ("AA", "DL")]


def test_bodies_are_destroyed_when_the_job_ends_and_headers_stay(world: Any, running: str) -> None:
    """Masked vectors of one job add up to exact totals: after the end nobody holds them, the hub included."""
    posts = to_values(world)
    with world.store.read() as connection:
        assert len(whole_round(connection, running, "flags", 0)) == 3  # the control
        query = select(content_keys.c.key).where(content_keys.c.scope == walk_scope(running))
        key = bytes(connection.execute(query).scalar_one())
    for owner in OWNERS:
        world.nodes[owner].post(posts[owner])
    assert world.state(running) == "released"
    with world.store.read() as connection:
        for round in ("key", "flags", "open", "values"):
            with pytest.raises(ContentDestroyed):
                whole_round(connection, running, round, 0)
        kept = connection.execute(select(messages.c.envelope).where(messages.c.round == "values")).scalars().all()
    assert sorted(Header.open(Envelope.parse(bytes(one))).sender for one in kept) == [f"node-{o}" for o in OWNERS]
    assert [entry["facts"]["scope"] for entry in entries(world, running, "content.destroyed")] == [walk_scope(running)]
    assert files_with(world, key)  # the control: no query finds the key, but its bytes are still on the disk
    world.clock.now += timedelta(hours=1)
    tick(world.hub)
    assert files_with(world, key) == []


def files_with(world: Any, needle: bytes) -> list[str]:
    return [file.name for file in world.folder.glob("hub.sqlite*") if needle in file.read_bytes()]


def test_bodies_of_a_job_that_failed_are_destroyed_too(world: Any, running: str) -> None:
    to_values(world)
    world.clock.now += timedelta(hours=1)
    tick(world.hub)
    with world.store.read() as connection, pytest.raises(ContentDestroyed):
        whole_round(connection, running, "flags", 0)


def test_inbox_items_of_an_ended_job_are_harmless(world: Any, running: str) -> None:
    """A node that comes back late reads its whole inbox again: what ended has no bodies, and asks for nothing."""
    late = world.nodes["lga"]
    for node in world.nodes.values():
        node.work()
    world.nodes["ewr"].work()
    world.call("POST", f"/jobs/{running}/cancel", "acme")
    late.after = 0
    items = late.inbox()
    assert [item["kind"] for item in items] == ["permit", "messages", "abort"]
    assert items[1]["body"] == {"messages": []}
    size = log_size(world)
    ((destroyed,),) = [post for item in items[1:] for post in late.answer(item)]
    late.post([destroyed])
    assert log_size(world) == size + 1
    assert late.work() == []
    assert world.state(running) == "cancelled"
    assert entries(world, running, "message.refused") == []


def test_a_node_that_stops_ends_the_job_and_its_run_is_given_back(world: Any, running: str) -> None:
    node = world.nodes["jfk"]
    said(node)
    stop = node.runs[running].stop("budget-exceeded", "no budget")
    node.post([stop])
    assert failure(world, running) == ("budget-exceeded", ["node-jfk"])
    assert all(grant["used"] == 0 for grant in world.call("GET", "/grants", "auditor")["items"])
    (abort,) = [item for item in world.nodes["lga"].inbox() if item["kind"] == "abort"]
    assert Envelope.from_json(abort["body"]["stop"]) == stop  # whoever was bound already reads that one was not
    late = world.nodes["ewr"]
    (key,) = said(late)
    assert late.post([key], status=409)["code"] == "invalid-transition"
    assert failure(world, running) == ("budget-exceeded", ["node-jfk"])


def test_a_node_speaks_for_itself_only(world: Any, running: str) -> None:
    node, other = world.nodes["jfk"], world.nodes["ewr"]
    said(other)
    said(node)
    forged = other.runs[running].stop("budget-exceeded", "no budget")
    assert node.post([forged], status=403)["code"] == "bad-signature"
    assert world.state(running) == "running"
    for word in (
        other.runs[running].stop("x", "y"),
        other.runs[running].destroyed(),
    ):
        named = type(word)(word.payload_type, word.payload.replace(b"node-ewr", b"node-jfk"), ()).signed_by(other.key)
        assert other.post([named], status=400)["code"] == "unknown-party"
    assert failure(world, running) == ("bad-message", ["node-ewr"])


def test_a_nodes_last_words_cannot_paint_a_terminal(world: Any, running: str) -> None:
    node = world.nodes["jfk"]
    said(node)
    node.post([node.runs[running].stop("Not A Slug", "all good")])
    found = world.call("GET", f"/jobs/{running}", "acme")["failure"]
    assert found["code"] == "node-aborted"
    assert found["detail"] == "node node-jfk ended the job: all good"


@pytest.mark.parametrize("escape", ["\x1b[31mgood", "\u202edoog", "\x9b31m"])
def test_a_word_with_control_characters_is_no_document(world: Any, running: str, escape: str) -> None:
    node = world.nodes["jfk"]
    said(node)
    stop = node.runs[running].stop("failed", "PLAIN")
    bent = Envelope(stop.payload_type, stop.payload.replace(b"PLAIN", escape.encode()), ()).signed_by(node.key)
    assert node.post([bent], status=400)["code"] == "bad-document"
    assert world.state(running) == "running"


def test_a_silent_node_fails_the_job_at_its_deadline_by_name(world: Any, running: str) -> None:
    for owner in ("ewr", "jfk"):
        world.nodes[owner].work()
    world.clock.now += timedelta(seconds=world.config.job_seconds - 1)
    assert tick(world.hub) == 0
    world.clock.now += timedelta(seconds=2)
    tick(world.hub)
    assert failure(world, running) == ("node-lost", ["node-lga"])
    assert tick(world.hub) == 0
    assert "abort" in [item["kind"] for item in world.nodes["ewr"].inbox()]


def test_a_request_that_nobody_answers_expires(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    world.clock.now += timedelta(days=world.config.request_days, seconds=1)
    assert tick(world.hub) in (0, 1)  # the application's own clock may have been faster
    assert world.state(job) == "expired"


def test_the_log_names_every_message_by_its_digest(world: Any, running: str) -> None:
    world.run_nodes()
    found = world.call("GET", f"/jobs/{running}/messages", "auditor")["messages"]
    assert {(item["round"], item["receiver"]) for item in found} == {
        ("key", ALL),
        ("flags", "hub-1"),
        ("open", ALL),
        ("values", "hub-1"),
        ("sent", "hub-1"),
        ("destroyed", "hub-1"),
    }
    assert [item["sender"] for item in found if item["round"] == "open"] == ["hub-1"]
    size = log_size(world)
    for item in found:
        proof = world.call("GET", f"/log/inclusion?digest={item['digest']}&size={size}", "node-ewr")
        assert proof["index"] == item["entry"]
        assert item["digest"] in decode_base64(proof["entry"]).decode()


@pytest.mark.parametrize("steps", [0, 2, 5, 8, 11, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 6, 7))])
def test_killed_and_restarted_after_any_message_the_job_still_ends_released_once(make_world: Any, steps: int) -> None:
    """The hub is dropped without a goodbye after the n-th message and opened again from its files."""
    world = make_world()
    job = waiting_job(world)
    left = steps
    pending = True
    while pending:
        pending = False
        for node in world.nodes.values():
            for item in node.inbox():
                pending = True
                for post in node.answer(item):
                    node.post(post)
                    if left == 0:
                        world.restart()
                        node.post(post)  # a node that heard no answer sends the same bytes again
                    left -= 1
    assert world.state(job) == "released"
    assert len(entries(world, job, "job.released")) == 1
    usage = world.call("GET", "/usage", "auditor")["items"]
    assert [(row["unit"], row["amount"]) for row in usage] == [("cells", 4), ("runs", 1)] * 3
    world.cosign_all()
    world.call("GET", f"/jobs/{job}/receipt", "acme")


def test_a_message_that_comes_while_its_job_ends_is_refused_and_noted(world: Any, running: str) -> None:
    """The job ends between the hub's look at it and its lock: a message that no log shows would stop its node for good."""
    node = world.nodes["ewr"]
    (key,) = said(node)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(node.post([key], status=409)["code"]))
    with world.store.change(Event("test.ending", HUB, job=running)) as change:
        thread.start()
        time.sleep(0.5)  # it has looked, and waits for the lock
        row = job_row(change.connection, running)
        end_in(change, row, Step.CANCEL, Cause.OPERATOR, HUB, "cancelled", "the operator cancelled the job")
    thread.join(20)
    assert answers == ["invalid-transition"]
    (entry,) = entries(world, running, "message.refused")
    assert (entry["digests"], entry["facts"]["state"]) == ([key.digest], "cancelled")
    assert world.state(running) == "cancelled"


def test_a_late_message_is_refused_and_the_log_says_that_it_came(world: Any, running: str) -> None:
    node = world.nodes["ewr"]
    (key,) = said(node)
    world.call("POST", f"/jobs/{running}/cancel", "acme")
    assert node.post([key], status=409)["code"] == "invalid-transition"
    (entry,) = entries(world, running, "message.refused")
    assert entry["digests"] == [key.digest]
    assert world.state(running) == "cancelled"
