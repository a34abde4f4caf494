"""The authority's status list at the hub: no fresh list, no run; what it stops ends at once; numbers never go back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import Envelope, Permit, StatusEntry, StatusList, digest
from tests.support.signed import key


def stop(world: Any, kind: str, subject: str) -> StatusEntry:
    return StatusEntry.model_validate(
        {"kind": kind, "subject": subject, "state": "suspended", "since": world.clock(), "reason": "complaint 12"}
    )


def test_without_a_fresh_list_a_job_waits_and_runs_when_one_is_published(world: Any) -> None:
    world.register_all()
    world.clock.now += timedelta(days=8)
    job = world.submit()["id"]
    for owner in ("ewr", "jfk", "lga"):
        world.grant(owner, job)
    assert world.state(job) == "needs_approval"
    shown = world.call("GET", f"/jobs/{job}", "acme")
    assert [reason["code"] for reason in shown["reasons"]] == ["no-status-list"]
    world.publish_status(2)  # the control: the list was all that was missing
    assert world.state(job) == "running"


def test_a_running_job_ends_when_the_list_stops_who_takes_part(world: Any) -> None:
    world.register_all()
    running = []
    for kind, subject in (("owner", "jfk"), ("operator", "acme"), ("node", "node-lga")):
        job = world.submit(key=kind)["id"]
        for owner in ("ewr", "jfk", "lga"):
            world.grant(owner, job, id=f"g-{owner}-{kind}")
        assert world.state(job) == "running"
        running.append((job, kind, subject))
    last = running.pop()
    world.publish_status(2, stopped=(stop(world, last[1], last[2]),))
    assert world.state(last[0]) == "failed"
    shown = world.call("GET", f"/jobs/{last[0]}", "acme")
    assert shown["failure"]["code"] == "node-suspended"
    assert "complaint 12" in shown["failure"]["detail"]
    inbox = world.call("GET", "/nodes/node-ewr/inbox?after=0", "node-ewr")["items"]
    assert inbox[-1]["kind"] == "abort"


def test_every_node_hears_of_a_list_at_once_and_of_the_roster_that_it_is_about(world: Any) -> None:
    """So that a node judges what is under way by it, and not the hub alone."""
    world.register_all()
    world.publish_status(2, stopped=(stop(world, "operator", "acme"),))
    world.publish_status(2, stopped=(stop(world, "operator", "acme"),))  # the same again is told once
    for owner in ("ewr", "jfk", "lga"):
        items = world.call("GET", f"/nodes/node-{owner}/inbox?after=0", f"node-{owner}")["items"]
        told = [StatusList.open(Envelope.from_json(i["body"]["status"])) for i in items if i["kind"] == "status"]
        assert [(status.number, len(status.stopped)) for status in told] == [(1, 0), (2, 1)]
        assert digest_of(items[-1]["body"]["roster"]) == told[-1].roster


def digest_of(envelope: dict[str, Any]) -> str:
    return Envelope.from_json(envelope).digest


def test_a_stopped_operator_starts_nothing_and_a_lifted_stop_is_lifted(world: Any) -> None:
    world.register_all()
    world.publish_status(2, stopped=(stop(world, "operator", "acme"),))
    denied = world.submit()
    assert (denied["state"], denied["reasons"][0]["code"]) == ("denied", "operator-suspended")
    assert world.submit(operator="rival")["state"] == "needs_approval"
    world.publish_status(3)
    assert world.submit(key="again")["state"] == "needs_approval"


def test_a_job_is_bounded_by_the_life_of_its_list(world: Any) -> None:
    world.register_all()
    end = world.clock() + timedelta(seconds=90)
    world.publish_status(2, expires=end)
    job = world.submit()["id"]
    for owner in ("ewr", "jfk", "lga"):
        world.grant(owner, job)
    inbox = world.call("GET", "/nodes/node-ewr/inbox?after=0", "node-ewr")["items"]
    (item,) = [item for item in inbox if item["kind"] == "permit"]
    permit = Permit.open(Envelope.from_json(item["body"]["permit"]))
    status = Envelope.from_json(item["body"]["status"])
    assert permit.deadline == end.replace(microsecond=0)
    assert permit.status == status.digest
    assert StatusList.open(status).number == 2


@pytest.mark.parametrize(
    ("changed", "code", "status"),
    [
        ({"number": 1}, "conflicting", 409),
        ({"roster_version": 2}, "roster-rollback", 409),
        ({"roster": digest(b"another")}, "roster-rollback", 409),
        ({"expires": None}, "expired", 403),
    ],
)
def test_an_old_or_foreign_list_is_refused(world: Any, changed: dict[str, Any], code: str, status: int) -> None:
    if "expires" in changed:
        changed = {"issued": world.clock() - timedelta(days=2), "expires": world.clock()}
    stopped = (stop(world, "operator", "acme"),)
    assert world.publish_status(changed.pop("number", 2), status=status, stopped=stopped, **changed)["code"] == code


def test_only_the_status_key_signs_and_only_the_authority_publishes(world: Any) -> None:
    listed = Envelope.from_json(world.call("GET", "/status", None))  # anybody may read it
    newer = StatusList.open(listed).model_copy(update={"number": 2})
    for signer in ("hub", "root", "ewr"):
        forged = newer.sign(key(signer)).to_json()
        assert world.call("POST", "/status", "authority", json=forged, status=403)["code"] == "bad-signature"
    good = newer.sign(key("status")).to_json()
    assert world.call("POST", "/status", "acme", json=good, status=403)["code"] == "not-permitted"
    first = world.call("POST", "/status", "authority", json=good, status=201)
    assert world.call("POST", "/status", "authority", json=good, status=201) == first  # the same again is no change
    events = world.call("GET", "/log/entries?kind=status-list.published", "auditor")["items"]
    assert len(events) == 2
    assert first["digest"] in events[-1]["entry"]["digests"]


def test_a_new_roster_needs_no_new_list_but_a_list_needs_the_newest_roster(world: Any) -> None:
    newer = world.roster(2).sign(key("root"))
    old = world.hub.roster()
    world.call("POST", "/roster", "authority", json=newer.to_json(), status=201)
    world.register_all()
    assert world.submit()["state"] == "needs_approval"
    shown = world.call("GET", "/requests", "ewr")["items"]
    assert len(shown) == 1
    refused = world.publish_status(2, status=409, roster=old.digest, roster_version=1)
    assert refused["code"] == "roster-rollback"
    world.publish_status(2)
