"""Who may say yes, to what exactly, and for how long: grants, denials, revocations over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from jobs.documents import (
    Denial,
    Envelope,
    Grant,
    OwnerEntry,
    ParameterRule,
    Revocation,
    SealingPublic,
    SigningKey,
    digest,
)
from jobs.schema import Digest
from sandbox.hub.requests import permits
from sandbox.keys import certify_node
from sandbox.policy.decide import Use
from sandbox.store.event import Actor, Event
from sandbox.store.tables import grants
from tests.integration.conftest import dataset_json
from tests.support.signed import OWNERS, key


def reasons(world: Any, job: str) -> dict[str, str]:
    found = world.call("GET", f"/jobs/{job}", "acme")["reasons"]
    return {reason.get("owner", ""): reason["code"] for reason in found}


def deny(world: Any, owner: str, job: dict[str, Any], status: int = 201) -> Any:
    denial = Denial(
        id=f"denial-{owner}", owner=owner, issued=world.clock(), operator="acme", request=job["id"],
        plan=job["plan_digest"], reasons=("purpose too wide",),
    )  # fmt: skip
    return world.call("POST", "/denials", owner, json=denial.sign(key(owner)).to_json(), status=status)


def revoke(world: Any, owner: str, grant: str) -> Any:
    revocation = Revocation(
        id=f"revocation-{owner}", owner=owner, issued=world.clock(), grant=Digest(grant), reason="changed our mind"
    )
    return world.call("POST", "/revocations", owner, json=revocation.sign(key(owner)).to_json(), status=201)


def test_an_owner_sees_what_waits_for_it_and_nothing_once_it_has_granted(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    request = world.requests("ewr")[0]
    assert request["id"] == job
    assert request["participants"] == ["node-ewr", "node-jfk", "node-lga"]
    assert [use["node"] for use in request["data"]] == ["node-ewr"]
    assert "words" not in request  # the owner renders the plan itself
    world.grant("ewr", job)
    assert world.requests("ewr") == []
    assert len(world.requests("jfk")) == 1
    assert reasons(world, job) == {"jfk": "no-grant", "lga": "no-grant"}


def test_the_same_grant_twice_is_one_grant(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    envelope = world.grant_for("ewr", world.requests("ewr")[0]).sign(key("ewr")).to_json()
    first = world.call("POST", "/grants", "ewr", json=envelope, status=201)
    size = world.call("GET", "/health", None)["log_size"]
    assert world.call("POST", "/grants", "ewr", json=envelope, status=201)["grant"] == first["grant"]
    assert world.call("GET", "/health", None)["log_size"] == size
    assert world.state(job) == "needs_approval"


def test_a_grant_by_another_key_or_token_is_refused_and_changes_nothing(world: Any) -> None:
    world.register_all()
    world.submit()
    grant = world.grant_for("ewr", world.requests("ewr")[0])
    forged = world.call("POST", "/grants", "ewr", json=grant.sign(key("jfk")).to_json(), status=403)
    assert forged["code"] == "bad-signature"
    other = world.call("POST", "/grants", "jfk", json=grant.sign(key("ewr")).to_json(), status=403)
    assert other["code"] == "not-permitted"
    operator = world.call("POST", "/grants", "acme", json=grant.sign(key("ewr")).to_json(), status=403)
    assert operator["code"] == "not-permitted"
    assert world.call("GET", "/grants", "auditor")["items"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scenario": "another"}, "grant-differs-scenario"),
        ({"algorithm": digest(b"another")}, "grant-differs-algorithm"),
        ({"commitment": digest(b"another")}, "grant-differs-commitment"),
        ({"participants": lambda bound: bound[::-1]}, "grant-differs-participants"),
        ({"parameters": (ParameterRule(name="month", allowed=(1,)),)}, "grant-differs-parameters"),
    ],
)
def test_a_grant_that_binds_another_thing_does_not_count(world: Any, change: dict[str, Any], code: str) -> None:
    world.register_all()
    job = world.submit()["id"]
    for owner in ("jfk", "lga"):
        world.grant(owner, job)
    grant = world.grant_for("ewr", world.requests("ewr")[0])
    bent = {name: value(getattr(grant, name)) if callable(value) else value for name, value in change.items()}
    world.grant("ewr", job, **bent)
    assert world.state(job) == "needs_approval"
    assert reasons(world, job) == {"ewr": code}


def test_a_grant_used_up_does_not_run_a_second_time_and_says_so(world: Any) -> None:
    world.released_job()
    again = world.submit(sql=world_sql_with(" LIMIT 2"))
    assert again["state"] == "needs_approval"  # another plan needs another grant
    other = world.submit()  # the same question: replayed without a run
    assert other["state"] == "released"
    assert all(grant["used"] == 1 for grant in world.call("GET", "/grants", "auditor")["items"])


def test_a_run_beyond_the_granted_number_waits_for_approval(world: Any) -> None:
    world.released_job()
    for owner in ("ewr", "jfk", "lga"):
        world.register(owner, sequence=2)  # new data: the cached release does not answer any more
    second = world.submit()
    assert second["state"] == "needs_approval"
    assert {reason["code"] for reason in second["reasons"]} == {"grant-differs-data"}


def test_new_data_voids_a_grant_over_the_exact_version(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    for owner in ("ewr", "jfk"):
        world.grant(owner, job)
    world.register("ewr", sequence=2)
    world.grant("lga", job)
    assert world.state(job) == "needs_approval"
    assert reasons(world, job) == {"ewr": "grant-differs-data"}
    world.grant("ewr", job, id="grant-ewr-2")
    assert world.state(job) == "running"


def test_an_expired_grant_does_not_count(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    world.grant("ewr", job)
    world.clock.now += timedelta(days=31)
    world.publish_status(2)
    later = world.submit(key="later")
    assert {r["owner"]: r["code"] for r in later["reasons"]}["ewr"] == "grant-expired"


def test_nobody_approves_its_own_request(world: Any) -> None:
    """The operator's key, smuggled among the owner's keys, does not pass the roster; same ids do not pass the hub."""
    world.register_all()
    world.submit()
    grant: Grant = world.grant_for("ewr", world.requests("ewr")[0], operator="acme")
    signed = grant.sign(key("ewr"), key("acme"))
    # The operator's signature on the grant is ignored: it is no key of the owner.
    assert world.call("POST", "/grants", "ewr", json=signed.to_json(), status=201)["grant"]
    only = grant.model_copy(update={"id": "g-2"}).sign(key("acme"))
    assert world.call("POST", "/grants", "ewr", json=only.to_json(), status=403)["code"] == "bad-signature"


def test_a_denial_ends_the_request_with_its_reasons(world: Any) -> None:
    world.register_all()
    job = world.submit()
    deny(world, "jfk", job)
    shown = world.call("GET", f"/jobs/{job['id']}", "acme")
    assert shown["state"] == "denied"
    assert "purpose too wide" in shown["failure"]["detail"]
    assert deny(world, "lga", job, status=409)["code"] == "invalid-transition"
    assert world.requests("ewr") == []


def test_only_an_owner_that_was_asked_denies(world: Any) -> None:
    world.register("ewr")
    world.register("jfk")
    job = world.submit()
    assert deny(world, "lga", job, status=404)["code"] == "not-found"
    assert world.state(job["id"]) == "needs_approval"


def test_a_revocation_stops_a_running_job_and_tells_the_nodes(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    grants = {owner: world.grant(owner, job)["grant"] for owner in ("ewr", "jfk", "lga")}
    for node in world.nodes.values():
        node.work()  # keys
    assert revoke(world, "jfk", grants["jfk"]) == {"stopped": [job]}
    assert world.call("GET", f"/jobs/{job}", "acme")["failure"]["code"] == "revoked"
    assert "abort" in [item["kind"] for item in world.nodes["ewr"].inbox()]
    assert "revoked" in [item["kind"] for item in world.nodes["jfk"].inbox()]
    assert revoke(world, "jfk", grants["jfk"]) == {"stopped": []}
    used = {grant["owner"]: grant["used"] for grant in world.call("GET", "/grants", "auditor")["items"]}
    assert used == {"ewr": 0, "jfk": 0, "lga": 0}  # nothing left the nodes: the run goes back


def test_only_its_own_owner_revokes_a_grant(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    grants = {owner: world.grant(owner, job)["grant"] for owner in OWNERS}

    def tries(owner: str, signer: str, token: str, status: int) -> str:
        document = Revocation(id="r-1", owner=owner, issued=world.clock(), grant=grants["ewr"], reason="not mine")
        body = document.sign(key(signer)).to_json()
        return str(world.call("POST", "/revocations", token, json=body, status=status).get("code"))

    assert tries("jfk", "jfk", "jfk", 404) == "not-found"
    assert tries("ewr", "jfk", "jfk", 403) == "bad-signature"
    assert tries("ewr", "ewr", "jfk", 403) == "not-permitted"
    assert all(item["kind"] != "revoked" for node in world.nodes.values() for item in node.inbox())
    assert world.state(job) == "running"
    assert revoke(world, "ewr", grants["ewr"]) == {"stopped": [job]}  # the control


def test_a_revoked_grant_does_not_count(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    grant = world.grant("ewr", job)["grant"]
    revoke(world, "ewr", grant)
    world.grant("jfk", job)
    world.grant("lga", job)
    assert reasons(world, job) == {"ewr": "grant-revoked"}


def test_an_owner_with_a_threshold_needs_all_its_signers(world: Any) -> None:
    """m of n: a second key and a threshold of two in a newer roster make one signature too few."""
    roster = world.roster(version=2)
    second: SigningKey = key("ewr-2")
    entries = []
    for entry in roster.owners:
        if entry.id != "ewr":
            entries.append(entry)
            continue
        keys = (*entry.keys, second.public.text)
        seal = SealingPublic.parse(entry.nodes[0].sealing)
        node = certify_node(
            "ewr",
            "node-ewr",
            key("node-ewr").public,
            seal,
            roster.issued,
            roster.expires,
            [key("ewr"), second],
        )
        entries.append(OwnerEntry(id="ewr", name=entry.name, keys=keys, threshold=2, nodes=(node,)))
    changed = roster.model_copy(update={"owners": tuple(entries)}).sign(key("root"))
    world.call("POST", "/roster", "authority", json=changed.to_json(), status=201)
    for owner in ("jfk", "lga"):
        world.register(owner)
    record = world.record("ewr").sign(key("ewr"), second)
    body = {"dataset": dataset_json(), "record": record.to_json()}
    world.call("POST", "/datasets", "ewr", json=body, status=201)
    job = world.submit()["id"]
    grant = world.grant_for("ewr", world.requests("ewr")[0])
    one: Envelope = grant.sign(key("ewr"))
    assert world.call("POST", "/grants", "ewr", json=one.to_json(), status=403)["code"] == "bad-signature"
    world.call("POST", "/grants", "ewr", json=one.signed_by(second).to_json(), status=201)
    assert reasons(world, job) == {"jfk": "no-grant", "lga": "no-grant"}


def world_sql_with(tail: str) -> str:
    return "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights GROUP BY carrier" + tail


def test_a_decision_looks_at_a_bounded_number_of_grants(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that stand and have runs left come first, however many others there are by now."""
    world.register_all()
    world.submit()
    (request,) = world.requests("ewr")
    for number in range(6):
        signed = world.grant_for("ewr", request, id=f"grant-{number}").sign(key("ewr"))
        world.call("POST", "/grants", "ewr", json=signed.to_json(), status=201)
    looked: list[Use] = []

    def use(*fields: Any) -> Use:
        looked.append(Use(*fields))
        return looked[-1]

    monkeypatch.setattr(permits, "Use", use)
    question = {"request": {"sql": world.call("GET", "/jobs/" + request["id"], "acme")["request"]["sql"]}}
    world.call("POST", "/plans", "acme", json=question)
    assert len(looked) == 6  # the control
    monkeypatch.setattr(permits, "HELD", 2)
    looked.clear()
    world.call("POST", "/plans", "acme", json=question)
    assert [found.grant.document.id for found in looked] == ["grant-4", "grant-5"]
    with world.store.change(Event("test.used", Actor("hub", "hub"))) as change:  # all but the oldest are used up
        used = update(grants).where(grants.c.id != "grant-0").values(used=grants.c.runs)
        change.execute(used)
    looked.clear()
    world.call("POST", "/plans", "acme", json=question)
    assert "grant-0" in [found.grant.document.id for found in looked]
