"""One operator, owner or node that wants all others' nodes to stop: false alarms, and releases that verify nowhere.

A node whose numbers left and that hears of no release is alarmed and runs nothing more until its owner has looked. So
whoever can end a job between its opening and its release would stop everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.documents import Revocation, SentRecord
from sandbox.messages import Message
from sandbox.verify import verify_receipt
from tests.integration.conftest import World
from tests.integration.participant import Node, Said
from tests.support.signed import OWNERS, key


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path).start()
    made.register_all()
    yield made
    made.stop()


def asked(world: World) -> str:
    job = str(world.submit()["id"])
    world.grant_all(job)
    return job


def name_of(said: Said) -> str:
    return said.header.round if isinstance(said, Message) else said.payload_type


def walk(world: World, held: str = "", bend: Callable[[Node, list[Said]], list[Said]] = lambda _, post: post) -> None:
    """Let all nodes answer until nobody has news. What holds a message of round ``held`` stays with its node."""
    news = True
    while news:
        news = False
        for node in world.nodes.values():
            for item in node.inbox():
                news = True
                for post in node.answer(item):
                    if held not in map(name_of, post):
                        world.client.post(
                            f"/v1/nodes/{node.name}/messages",
                            headers={"Authorization": f"Bearer {world.tokens[node.name]}"},
                            json=node.posted(bend(node, post)),
                        )


def aborted(world: World) -> list[str]:
    """Who was told that the job ended without a release, and by nobody's signed word."""
    found = []
    for owner in OWNERS:
        items = world.call("GET", f"/nodes/node-{owner}/inbox?after=0&wait=0", f"node-{owner}")["items"]
        found += [owner for item in items if item["kind"] == "abort" and item["body"]["stop"] is None]
    return found


def told_to_open(world: World, job: str) -> bool:
    rows = world.call("GET", f"/jobs/{job}/messages", "auditor")["messages"]
    return "open" in [row["round"] for row in rows]


def revoke(world: World, job: str, owner: str) -> Any:
    (grant,) = [g for g in world.call("GET", "/grants", "auditor")["items"] if g["owner"] == owner]
    word = Revocation(
        id="revocation-1", owner=owner, grant=grant["digest"], issued=world.clock(), reason="changed my mind"
    )
    return world.call("POST", "/revocations", owner, json=word.sign(key(owner)).to_json(), status=201)


def test_an_operator_that_gives_up_after_the_opening_stops_nobodys_node(world: World) -> None:
    job = asked(world)
    walk(world, held="values")  # open, and no numbers at the hub yet: at their nodes they may be stored
    assert told_to_open(world, job)
    refused = world.call("POST", f"/jobs/{job}/cancel", "acme", status=409)
    assert refused["code"] == "invalid-transition"
    assert "point of no return" in refused["detail"]
    assert (world.state(job), aborted(world)) == ("running", [])


def test_control_before_the_opening_it_may(world: World) -> None:
    job = asked(world)
    walk(world, held="flags")
    world.call("POST", f"/jobs/{job}/cancel", "acme")
    assert (world.state(job), aborted(world)) == ("cancelled", list(OWNERS))  # nothing left: nobody is alarmed


def test_an_owner_that_revokes_after_the_opening_stops_nobody_elses_node(world: World) -> None:
    """Its own node hears of it, and signs that it stopped, or has sent what it had; both are heard of by all others."""
    job = asked(world)
    walk(world, held="values")
    assert revoke(world, job, "lga")["stopped"] == []
    assert (world.state(job), aborted(world)) == ("running", [])
    items = world.call("GET", "/nodes/node-lga/inbox?after=0&wait=0", "node-lga")["items"]
    assert "revoked" in [item["kind"] for item in items]


def test_control_a_revocation_before_the_opening_ends_the_job(world: World) -> None:
    job = asked(world)
    walk(world, held="flags")
    assert revoke(world, job, "lga")["stopped"] == [job]
    assert world.state(job) == "failed"


def early(node: Node, post: list[Said]) -> list[Said]:
    """It lists what it has sent so far, right after its flags: of numbers it says nothing."""
    names = list(map(name_of, post))
    run = next(iter(node.runs.values()))
    if "flags" in names:
        return [*post, run.sent_record().sign(node.key)]
    return [said for said in post if isinstance(said, Message)]


def backdated(_node: Node, post: list[Said]) -> list[Said]:
    """What it sent, it says, it sent a day before it was asked."""

    def bent(said: Said) -> Said:
        if isinstance(said, Message) or said.payload_type != SentRecord.payload_type():
            return said
        record = SentRecord.open(said)
        sent = tuple(m.model_copy(update={"sent_at": m.sent_at - timedelta(days=1)}) for m in record.messages)
        return record.model_copy(update={"messages": sent}).sign(key(record.node))

    return [bent(said) for said in post]


LISTS = {"early": early, "backdated": backdated}


@pytest.mark.parametrize("name", LISTS)
def test_one_nodes_false_list_is_refused_and_no_release_rests_on_it(world: World, name: str) -> None:
    """Else the operator's receipt verifies nowhere, and the others accuse the hub of telling nodes different things."""
    job = asked(world)
    walk(world, bend=lambda node, post: LISTS[name](node, post) if node.owner == "ewr" else post)
    assert world.state(job) == "failed"
    assert world.call("GET", f"/jobs/{job}", "acme")["failure"]["nodes"] == ["node-ewr"]
    refused = world.call("GET", f"/log/entries?job={job}&kind=message.refused&limit=1000", "auditor")["items"]
    assert refused


def test_control_true_lists_make_a_receipt_that_verifies(world: World) -> None:
    job = asked(world)
    walk(world)
    assert world.state(job) == "released"
    world.cosign_all()
    receipt = world.call("GET", f"/jobs/{job}/receipt", "acme")
    body = world.client.get(f"/v1/jobs/{job}/receipt", headers={"Authorization": f"Bearer {world.tokens['acme']}"})
    assert receipt["release"]
    assert verify_receipt(body.content, world.trust).release.document.job == job
