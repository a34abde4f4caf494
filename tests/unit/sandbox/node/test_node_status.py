"""No fresh status list, no run: what a node refuses, whatever the hub says, and that its memory of lists survives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import ForbiddenUse, StatusEntry, digest
from sandbox.node.tables import jobs, ledger, outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import NOW, Bend, Documents, change
from tests.support.signed import DAY, key

NODE = "node-ewr"


def stopped(kind: Any, subject: str) -> Bend:
    entry = StatusEntry(kind=kind, subject=subject, state="suspended", since=NOW, reason="complaint")
    return change(stopped=(entry,))


def bends() -> dict[str, tuple[Bend, str]]:
    now, listed = NOW, ForbiddenUse(id="N", dataset="flights", column="delay", ground="dispute", reason="court")
    return {
        "expired": (change(issued=now - 2 * DAY, expires=now), "expired"),
        "not yet valid": (change(issued=now + timedelta(minutes=6)), "expired"),
        "ends before the run may": (change(expires=now + timedelta(minutes=20)), "out-of-scope"),
        "about a newer roster": (change(roster_version=2), "roster-rollback"),
        "about another roster": (change(roster=digest(b"other")), "roster-rollback"),
        "stops the operator": (stopped("operator", "acme"), "out-of-scope"),
        "stops an owner": (stopped("owner", "lga"), "out-of-scope"),
        "stops another node": (stopped("node", "node-jfk"), "out-of-scope"),
        "forbids a column": (change(forbidden=(listed,)), "out-of-scope"),
    }


@pytest.mark.parametrize("name", [
    "expired", "not yet valid", "ends before the run may", "about a newer roster", "about another roster",
    "stops the operator", "stops an owner", "stops another node", "forbids a column",
])  # fmt: skip
def test_an_order_under_a_list_that_does_not_allow_it_is_refused(federation: Federation, name: str) -> None:
    bend, code = bends()[name]
    assert federation.refusal(NODE, Documents(bend={"status": bend}).body) == code
    assert federation.rows(NODE, jobs) == []
    assert federation.rows(NODE, ledger) == []
    assert {row.round for row in federation.rows(NODE, outbox)} == {"stop"}


def test_a_stop_of_something_else_stops_nothing(federation: Federation) -> None:
    """The control of the test above: the same order under a list that names others runs."""
    federation.hub.order(Documents(bend={"status": stopped("operator", "op-token")}))
    federation.answer(NODE)
    assert federation.states(NODE) == [("open", None)]


def test_a_list_by_another_key_or_another_than_the_permits_is_refused(federation: Federation) -> None:
    forged = Documents(signer={"status": (key("hub"),)})
    assert federation.refusal(NODE, forged.body) == "bad-signature"
    honest = Documents(nonce="cd" * 32, job="job-2")
    newer = Documents(bend={"status": change(number=8)}).status
    swapped = {**honest.body, "status": newer.to_json()}
    assert federation.refusal(NODE, swapped) == "out-of-scope"


def test_an_order_without_a_list_is_no_order(federation: Federation) -> None:
    body = Documents().body
    del body["status"]
    federation.hub.put(NODE, "permit", "job-x", body)
    federation.answer(NODE)
    assert federation.rows(NODE, jobs) == []
    assert federation.rows(NODE, outbox) == []


def test_numbers_never_go_back_also_after_a_restart(federation: Federation) -> None:
    """A hub that shows an old, still fresh list hides what a newer one says."""
    newer = Documents(bend={"status": change(number=8)})
    federation.hub.order(newer)
    federation.answer(NODE)
    older = Documents(nonce="cd" * 32, job="job-2", bend={"status": change(number=7)})
    assert federation.refusal(NODE, older.body) == "roster-rollback"
    federation.restart(NODE)
    again = Documents(nonce="ef" * 32, job="job-3", bend={"status": change(number=7)})
    assert federation.refusal(NODE, again.body) == "roster-rollback"
    other = Documents(
        nonce="0f" * 32, job="job-4", bend={"status": lambda s: change(number=8, expires=s.expires + timedelta(1))(s)}
    )
    assert federation.refusal(NODE, other.body) == "roster-rollback"


def published(federation: Federation, bend: Bend) -> None:
    """The hub lays a newer list into the node's inbox, as it does when the authority publishes one."""
    made = Documents(bend={"status": lambda document: bend(document).model_copy(update={"number": 8})})
    federation.hub.put(NODE, "status", "", {"status": made.status.to_json(), "roster": made.roster.to_json()})


LATER = {
    "the operator": stopped("operator", "acme"),
    "another owner": stopped("owner", "lga"),
    "another node": stopped("node", "node-jfk"),
    "a column": change(
        forbidden=(ForbiddenUse(id="N", dataset="flights", column="delay", ground="dispute", reason="c"),)
    ),
}


@pytest.mark.parametrize("name", [*LATER, "nothing of it"])
def test_what_the_authority_stops_after_the_permit_does_not_leave(federation: Federation, name: str) -> None:
    """Between flags and values a newer list comes: values leave only if it has nothing against the job (the control)."""
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(node) for node in federation.names))
    published(federation, LATER.get(name, stopped("operator", "op-token")))
    federation.tick()
    hub.open()
    if name in LATER:
        federation.drive(lambda: federation.states(NODE) == [("failed", "out-of-scope")])
        federation.settle()
        assert "values" not in federation.outbox(NODE)
        assert "status list 8" in hub.messages(NODE, "stop")[0].advice
    else:
        federation.drive(lambda: "values" in federation.outbox(NODE))


def test_a_list_that_another_order_brought_counts_too(federation: Federation) -> None:
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(node) for node in federation.names))
    newer = Documents(
        nonce="cd" * 32, job="job-2", bend={"status": lambda s: stopped("operator", "acme")(change(number=8)(s))}
    )
    assert federation.refusal(NODE, newer.body) == "out-of-scope"
    hub.open()
    federation.drive(lambda: federation.states(NODE)[0] == ("failed", "out-of-scope"))
    assert "values" not in federation.outbox(NODE)


def test_a_published_list_that_is_old_or_forged_changes_nothing(federation: Federation) -> None:
    """Else a hub could stop jobs in the authority's name, or take a stop back."""
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(node) for node in federation.names))
    honest = Documents(bend={"status": stopped("operator", "acme")})
    stop = StatusEntry(kind="operator", subject="acme", state="suspended", since=NOW, reason="complaint")
    old = Documents(bend={"status": change(number=6, stopped=(stop,))})
    forged = Documents(bend={"status": change(number=8, stopped=(stop,))}, signer={"status": (key("hub"),)})
    for bad in (old, forged):
        hub.put(NODE, "status", "", {"status": bad.status.to_json(), "roster": honest.roster.to_json()})
    hub.put(NODE, "status", "", {"status": "?"})
    federation.tick()
    hub.open()
    federation.drive(lambda: "values" in federation.outbox(NODE))
