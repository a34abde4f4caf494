"""How jobs end: bodies destroyed, nodes that stop or fall silent, a hub that is killed, messages that come late."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs.documents import Envelope
from jobs.documents.ed25519 import decode_base64
from jobs.documents.message import ALL, Header
from sandbox.errors import ContentDestroyed
from sandbox.hub.core.hub import HUB
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.deadlines import tick
from sandbox.hub.running.held import whole_round
from sandbox.hub.running.jobstate import job_row
from sandbox.hub.running.running_job import walk_scope
from sandbox.policy.states import Cause
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.tables import content_keys, messages
from tests.integration.running_job import drive_with_a_restart, entries, failure, log_size, said, to_values, waiting_job

OWNERS = ("ewr", "jfk", "lga")


@pytest.fixture
def running(world: Any) -> str:
    """A job whose permit is in every inbox."""
    return waiting_job(world)


def test_bodies_are_destroyed_when_the_job_ends_and_headers_stay(world: Any, running: str) -> None:
    """What one part sent stays masked only while no mask is told: after the end nobody holds it, the hub included."""
    posts = to_values(world)
    with world.store.read() as connection:
        assert len(whole_round(connection, running, "flags", 0)) == 3  # the control
        query = select(content_keys.c.key).where(content_keys.c.scope == walk_scope(running))
        key = bytes(connection.execute(query).scalar_one())
    for owner in OWNERS:
        world.nodes[owner].post(posts[owner])
    with world.store.read() as connection:
        assert len(whole_round(connection, running, "values", 0)) == 3  # while participants compute the output again
    world.run_nodes()
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
        ("vouch", "hub-1"),
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
    drive_with_a_restart(world, steps)
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
