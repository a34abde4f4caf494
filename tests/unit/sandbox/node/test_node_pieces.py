"""Bodies that travel beside their messages: fetched in pieces, again after a restart of the hub, and not for ever."""

from __future__ import annotations

import pytest

from sandbox.node.hub_port import HubAway, HubRefused
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents
from tests.support.toyhub import Json

NODE = "node-ewr"


def apart(
    shown: list[Json],
) -> list[Json]:
    """The same messages, their bodies to be fetched."""
    return [{**item, "body": None} for item in shown]


def test_bodies_in_pieces_are_bodies(federation: Federation) -> None:
    federation.hub.bend_keys = apart
    federation.hub.order(Documents())
    federation.drive(lambda: all(federation.states(n) == [("finished", None)] for n in federation.names))


def test_a_hub_that_is_away_for_a_moment_ends_no_job(federation: Federation) -> None:
    federation.hub.bend_keys = apart
    federation.hub.faults = [HubAway("restarting")] * 4
    federation.hub.order(Documents())
    federation.drive(lambda: all(federation.states(n) == [("finished", None)] for n in federation.names))
    assert federation.hub.faults == []


def test_a_hub_that_stays_away_ends_the_job_at_its_deadline(federation: Federation) -> None:
    federation.hub.bend_keys = apart
    federation.hub.faults = [HubAway("gone")] * 1000
    documents = Documents()
    federation.hub.order(documents)
    federation.drive(lambda: len(federation.hub.faults) < 1000)
    federation.clock.pass_(days=1)
    federation.drive(lambda: all(federation.states(n)[0][0] == "failed" for n in federation.names))
    codes = {federation.states(n)[0][1] for n in federation.names}
    assert "timeout" in codes <= {"timeout", "node-stopped"}  # or it heard of the first one's stop
    assert federation.ledger(NODE)["grant"] == (1, "refunded")


def test_a_hub_that_relays_nothing_is_a_silent_hub(federation: Federation) -> None:
    federation.hub.bend_keys = lambda shown: []
    federation.hub.order(Documents())
    federation.drive(lambda: all(item == "messages" for item in last_items(federation)))
    federation.clock.pass_(days=1)
    federation.drive(lambda: all(federation.states(n)[0][0] == "failed" for n in federation.names))
    codes = {federation.states(n)[0][1] for n in federation.names}
    assert "timeout" in codes <= {"timeout", "node-stopped"}  # or it heard of the first one's stop
    assert federation.ledger(NODE)["grant"] == (1, "refunded")


def last_items(federation: Federation) -> list[str]:
    return [federation.hub.inboxes[name][-1].kind for name in federation.names]


@pytest.mark.parametrize("gone", ["empty", "destroyed"])
def test_what_is_gone_with_its_job_is_no_fault_of_the_hub(federation: Federation, gone: str) -> None:
    """The hub ended the job while this node was slow: it hears of the end next, and says nothing but that it is over."""
    documents = Documents()
    if gone == "empty":
        federation.hub.bend_keys = lambda shown: []
    else:
        federation.hub.bend_keys = apart
        federation.hub.faults = [HubRefused("content-destroyed", "the bodies are gone")] * 3
    federation.hub.order(documents)
    federation.drive(lambda: all(item == "messages" for item in last_items(federation)))
    for name in federation.names:
        federation.hub.abort(name, documents.job)
    federation.drive(lambda: all(federation.states(n) == [("failed", "cancelled")] for n in federation.names))
    federation.settle()
    assert all(federation.hub.rounds(n) == ["key", "destroyed"] for n in federation.names)
    assert all(federation.alarms(n) == [] for n in federation.names)


def test_another_refusal_of_a_body_ends_the_job_typed(federation: Federation) -> None:
    federation.hub.bend_keys = apart
    federation.hub.faults = [HubRefused("not-permitted", "no")] * 3
    federation.hub.order(Documents())
    federation.drive(lambda: all(s and s[0][0] == "failed" for s in map(federation.states, federation.names)))
    assert "node-fault" in {code for name in federation.names for _, code in federation.states(name)}
