"""Every way in which an order can be wrong: a typed refusal, and nothing changes at the node but the Stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    Commitment,
    DataScope,
    ExactVersion,
    Grant,
    OutputRule,
    ParameterRule,
    Period,
    Permit,
    Revocation,
    SigningKey,
    VersionSeries,
    digest,
    verify_revocation,
)
from jobs.schema import Digest
from sandbox.node.tables import jobs, ledger, outbox, record
from tests.support import orders
from tests.support.joint_nodes import Federation
from tests.support.orders import NOW, ORIGIN, ROOT, RULE, Documents
from tests.support.signed import key

NODE = "node-ewr"
OTHER = digest(b"something else")
STRANGER = SigningKey.from_seed(bytes(range(32)))


def change(**fields: Any) -> Callable[..., Any]:
    return lambda document: document.model_copy(update=fields)


def scope(**fields: Any) -> Callable[..., Any]:
    return lambda grant: grant.model_copy(update={"data": (grant.data[0].model_copy(update=fields),)})


def use(**fields: Any) -> Callable[..., Any]:
    def bend(permit: Permit) -> Permit:
        data = tuple(item.model_copy(update=fields) if item.node == NODE else item for item in permit.data)
        return permit.model_copy(update={"data": data})

    return bend


def everywhere(name: str, bend: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {f"{name}:{owner}": bend for owner in ("ewr", "jfk", "lga")}


OTHER_RULE = OutputRule(form="aggregate", profile="standard", version=2, digest=OTHER)
UNKNOWN_RULE = OutputRule(form="aggregate", profile="lenient", version=1, digest=OTHER)

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    # the permit itself
    "issued more than five minutes ahead": ("expired", {"bend": {"permit": lambda p: ahead(p, 301)}}),
    "issued more than five minutes ago": ("expired", {"bend": {"permit": lambda p: ahead(p, -301)}}),
    "expired": ("expired", {"bend": {"permit": lambda p: p.model_copy(update={"expires_at": p.issued_at, **past(p)})}}),
    "signed by a stranger": ("bad-signature", {"signer": {"permit": (STRANGER,)}}),
    "signed by a node": ("bad-signature", {"signer": {"permit": "node-jfk"}}),
    "under another roster": ("bad-document", {"bend": {"permit": change(roster=OTHER)}}),
    "for other participants": ("out-of-scope", {"owners": ("jfk", "lga")}),
    "participants in another order": ("out-of-scope", {"bend": {"permit": lambda p: reverse(p)}}),
    "an unknown participant": ("unknown-signer", {"bend": {"permit": lambda p: unknown(p)}}),
    "another protocol version": ("out-of-scope", {"bend": {"permit": change(protocol=1)}}),
    "another algorithm": ("out-of-scope", {"bend": {"permit": change(algorithm=OTHER)}}),
    "another operator": ("out-of-scope", {"bend": {"permit": change(operator="op-token")}}),
    "another scenario": ("out-of-scope", {"bend": {"permit": change(scenario="other")}}),
    "another commitment": ("out-of-scope", {"bend": {"permit": change(commitment=OTHER)}}),
    "a plan that is none": (
        "out-of-scope",
        {"bend": {"permit": change(plan={"a": 1}, plan_digest=digest(b'{"a":1}'))}},
    ),
    "a value that is not granted": ("out-of-scope", {"bend": {"permit": change(parameters={"year": 2012})}}),
    "a value of another type": ("out-of-scope", {"bend": {"permit": change(parameters={"year": "2013"})}}),
    "a parameter more": ("out-of-scope", {"bend": {"permit": change(parameters={"year": 2013, "month": 1})}}),
    "a parameter less": ("out-of-scope", {"bend": {"permit": change(parameters={})}}),
    "another data version": ("out-of-scope", {"bend": {"permit": use(version=OTHER)}}),
    "a column more than the plan reads": (
        "out-of-scope",
        {
            "bend": {
                "permit": use(columns=("carrier", "crew", "delay", "tailnum", "year")),
                **everywhere("grant", scope(columns=("carrier", "crew", "delay", "tailnum", "year"))),
            }
        },
    ),
    "a column less than the plan reads": ("out-of-scope", {"bend": {"permit": use(columns=("carrier", "tailnum"))}}),
    "another output rule": ("out-of-scope", {"bend": {"permit": change(output=OTHER_RULE)}}),
    # the grants
    "a grant for another plan": ("out-of-scope", {"bend": {"grant:ewr": change(plan_digest=OTHER)}}),
    "a grant of other columns": ("out-of-scope", {"bend": {"grant:ewr": scope(columns=("carrier", "tailnum"))}}),
    "a grant of another version": (
        "out-of-scope",
        {"bend": {"grant:ewr": scope(version=ExactVersion(lineage=OTHER))}},
    ),
    "a grant of another series": ("out-of-scope", {"bend": {"grant:ewr": lambda g: series(g)}}),
    "a grant of another dataset": ("out-of-scope", {"bend": {"grant:ewr": scope(dataset="trains")}}),
    "a grant to other participants": (
        "out-of-scope",
        {"bend": {"grant:jfk": lambda g: change(participants=g.participants[1::-1])(g)}},
    ),
    "a grant with other values": (
        "out-of-scope",
        {"bend": {"grant:lga": change(parameters=(ParameterRule(name="year", allowed=(2012,)),))}},
    ),
    "a grant to another operator": ("out-of-scope", {"bend": {"grant:ewr": change(operator="op-token")}}),
    "a grant for another commitment": ("out-of-scope", {"bend": {"grant:ewr": change(commitment=OTHER)}}),
    "a grant that is over": ("expired", {"bend": {"grant:jfk": lambda g: over(g)}}),
    "a grant with one of two signatures": ("bad-signature", {"signer": {"grant:ewr": "ewr-1"}}),
    "a grant by the operator": ("bad-signature", {"signer": {"grant:ewr": "operator"}}),
    "a grant by another owner": ("bad-signature", {"signer": {"grant:ewr": "jfk"}}),
    # commitment, records, profile, plan
    "a commitment by a stranger": ("bad-signature", {"signer": {"commitment": (STRANGER,)}}),
    "a commitment without the dataset": ("out-of-scope", {"bend": {"commitment": change(datasets=("trains",))}}),
    "a commitment that is over": ("expired", {"bend": {"commitment": lambda c: over(c)}}),
    "a record by a stranger": ("bad-signature", {"signer": {"record:jfk": (STRANGER,)}}),
    "a record of another version": ("out-of-scope", {"bend": {"record:jfk": change(version=OTHER, lineage=OTHER)}}),
    "more rows than the range proof covers": ("invalid-plan", {"rows": 500}),
    "a profile that is another here": (
        "not-granted",
        {"bend": {"permit": change(output=OTHER_RULE), **everywhere("grant", change(output=OTHER_RULE))}},
    ),
    "a profile that is unknown here": (
        "request-refused",
        {"bend": {"permit": change(output=UNKNOWN_RULE), **everywhere("grant", change(output=UNKNOWN_RULE))}},
    ),
}


def ahead(permit: Permit, seconds: int) -> Permit:
    shift = timedelta(seconds=seconds)
    times = {name: getattr(permit, name) + shift for name in ("issued_at", "deadline")}
    return permit.model_copy(update={**times, "expires_at": permit.expires_at + abs(shift)})


def past(permit: Permit) -> dict[str, datetime]:
    shift = timedelta(seconds=250)
    return {"issued_at": permit.issued_at - shift, "expires_at": permit.issued_at - timedelta(seconds=1)}


def reverse(permit: Permit) -> Permit:
    return permit.model_copy(update={"participants": permit.participants[::-1]})


def unknown(permit: Permit) -> Permit:
    own = tuple(item for item in permit.data if item.node == NODE)
    return permit.model_copy(update={"participants": (NODE, "node-x"), "data": own})


def over(document: Commitment | Grant) -> Commitment | Grant:
    period = Period(start=document.issued, end=document.issued + timedelta(hours=1))
    return document.model_copy(update={"period": period})


def series(grant: Grant) -> Grant:
    version = VersionSeries(schema_digest=OTHER, frequency="other", until=grant.period.end)
    return grant.model_copy(update={"data": (DataScope(**{**dict(grant.data[0]), "version": version}),)})


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One node for all refusals: none of them may change it."""
    made = Federation(tmp_path_factory.mktemp("node"), owners=("ewr",))
    yield made
    made.close()


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_order_is_refused_and_changes_nothing(node: Federation, name: str) -> None:
    code, wrong = CASES[name]
    signer = {k: (key(v),) if isinstance(v, str) else v for k, v in wrong.get("signer", {}).items()}
    documents = Documents(nonce=digest(name.encode())[7:], job=f"job-{len(name)}", **{**wrong, "signer": signer})
    before = len(node.hub.posted)
    assert node.refusal(NODE, documents.body) == code
    assert len(node.hub.posted) == before + 1
    check_untouched(node)


def check_untouched(federation: Federation) -> None:
    assert federation.rows(NODE, jobs) == []
    assert federation.rows(NODE, ledger) == []
    assert federation.rows(NODE, record) == []
    assert {row.round for row in federation.rows(NODE, outbox)} <= {"stop"}
    assert federation.runners[NODE].scans == 0


@pytest.mark.parametrize("bend", ["no grant", "no permit", "grants as text", "a foreign grant more"])
def test_an_order_that_is_put_together_wrongly_is_refused(node: Federation, bend: str) -> None:
    documents = Documents(nonce=digest(bend.encode())[7:])
    body, before = documents.body, len(node.hub.posted)
    match bend:
        case "no grant":
            body["grants"] = body["grants"][1:]
        case "no permit":
            del body["permit"]
        case "grants as text":
            body["grants"] = "all"
        case _:
            body["grants"].append(body["grants"][0])
    node.hub.put(NODE, "permit", "job-x", body)
    node.answer(NODE)
    answered = bend in ("no grant", "a foreign grant more")  # without a readable order there is nobody to answer
    assert len(node.hub.posted) == before + answered
    check_untouched(node)


def test_a_roster_below_the_pinned_version_is_refused(tmp_path: Path) -> None:
    from jobs.errors import RosterRollback
    from sandbox.keys import Trust
    from sandbox.node.state import NodeState

    state = NodeState(tmp_path / "state", Trust(root=ROOT, origin=ORIGIN, oldest_roster=2))
    state.trust_roster(Documents().roster)
    with pytest.raises(RosterRollback, match="before version 2"):
        state.roster(NOW)
    state.close()


def test_a_right_order_is_accepted_at_the_edge_of_the_clock_skew(federation: Federation) -> None:
    federation.clock.pass_(minutes=-5)
    federation.hub.order(Documents())
    federation.answer(NODE)
    assert federation.states(NODE) == [("open", None)]
    assert federation.ledger(NODE) == {"grant": (1, "reserved"), "cells": (8, "reserved")}


def test_a_used_nonce_is_refused_under_another_permit(federation: Federation) -> None:
    federation.runners[NODE].gate.clear()  # nothing but the key leaves, and the log shows it
    federation.hub.order(Documents())
    federation.drive(lambda: [row.proven for row in federation.rows(NODE, outbox)][:1] == [True])
    assert federation.refusal(NODE, Documents(job="job-2").body) == "invalid-transition"
    federation.runners[NODE].gate.set()
    assert len(federation.rows(NODE, jobs)) == 1


def test_the_same_permit_again_is_not_answered_a_second_time(federation: Federation) -> None:
    documents = Documents()
    federation.hub.order(documents)
    federation.answer(NODE)
    federation.hub.order(documents)
    federation.answer(NODE)
    assert "stop" not in federation.outbox(NODE)
    assert len(federation.rows(NODE, jobs)) == 1


def test_a_permit_that_was_refused_stays_refused(federation: Federation) -> None:
    documents = Documents()
    federation[NODE].context.config = federation[NODE].context.config.model_copy(
        update={"denied_columns": ("flights.delay",)}
    )
    assert federation.refusal(NODE, documents.body) == "negative-listed"
    federation[NODE].context.config = federation[NODE].context.config.model_copy(update={"denied_columns": ()})
    federation.hub.put(NODE, "permit", "job-1", documents.body)
    federation[NODE].tick(0)  # it would be accepted now, but the hub has been told that it was not
    assert federation.rows(NODE, jobs) == []
    assert federation.outbox(NODE) == ["stop"]


def test_a_grant_runs_as_often_as_it_says(federation: Federation) -> None:
    once: dict[str, Any] = {"bend": {"grant:ewr": change(runs=1)}}
    federation.hub.order(Documents(**once))
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    more = Documents(nonce="cd" * 32, job="job-2", **once)
    assert federation.refusal(NODE, more.body) == "budget-exceeded"
    assert len(federation.rows(NODE, jobs)) == 1


def test_a_run_that_gave_nothing_away_does_not_count(federation: Federation) -> None:
    once: dict[str, Any] = {"bend": {"grant:ewr": change(runs=1)}}
    federation.hub.order(Documents(**once))
    federation.answer(NODE)
    for name in federation.names:
        federation.hub.abort(name, "job-1")
    federation.drive(lambda: federation.states(NODE) == [("failed", "cancelled")])
    assert federation.ledger(NODE) == {"grant": (1, "refunded"), "cells": (8, "refunded")}
    federation.settle()
    federation.hub.order(Documents(nonce="cd" * 32, job="job-2", **once))
    federation.drive(lambda: len(federation.states(NODE)) == 2)


def test_a_revoked_grant_runs_no_more(federation: Federation) -> None:
    documents = Documents()
    revoke(federation, documents.grants[0].digest)
    assert federation.refusal(NODE, documents.body) == "not-granted"
    check_untouched(federation)


def revoke(federation: Federation, grant: str) -> None:
    document = Revocation(id="r", owner="ewr", issued=NOW, grant=Digest(grant), reason="no longer")
    envelope = document.sign(key("ewr-3"))
    node = federation[NODE]
    node.revoke(verify_revocation(envelope, node.context.state.trusted.last))


def test_data_that_was_registered_anew_voids_the_grant(federation: Federation) -> None:
    from dataclasses import replace

    state = federation[NODE].context.state
    with state.write() as connection:
        held = state.held(connection)["flights"]
        state.add_dataset(connection, replace(held, version=orders.version("ewr", 2), sequence=2), bytes(32))
    assert federation.refusal(NODE, Documents().body) == "not-granted"
    check_untouched(federation)


def test_an_order_without_a_place_waits_and_has_the_next_one(tmp_path: Path) -> None:
    made = Federation(tmp_path, jobs_at_once=1)
    context = made[NODE].context
    context.config = context.config.model_copy(update={"log_patience_s": 10.0})
    try:
        made.runners[NODE].gate.clear()
        made.hub.put(NODE, "permit", "job-1", Documents().body)
        made.answer(NODE)
        made.drive(lambda: [row.proven for row in made.rows(NODE, outbox)] == [True])
        made.hub.put(NODE, "permit", "job-2", Documents(nonce="cd" * 32, job="job-2").body)
        made.hub.put(NODE, "permit", "job-3", Documents(nonce="ef" * 32, job="job-3").body)
        made.answer(NODE)
        assert [row.job for row in made.rows(NODE, jobs)] == ["job-1"]
        assert len(made.rows(NODE, ledger)) == 2
        made.hub.abort(NODE, "job-2")
        made.hub.abort(NODE, "job-1")
        made.runners[NODE].gate.set()
        made.drive(lambda: [row.job for row in made.rows(NODE, jobs)] == ["job-1", "job-3"])
    finally:
        made.close()


def test_an_order_that_waits_is_taken_up_after_a_restart(tmp_path: Path) -> None:
    made = Federation(tmp_path, jobs_at_once=1)
    try:
        made.runners[NODE].gate.clear()
        made.hub.put(NODE, "permit", "job-1", Documents().body)
        made.answer(NODE)
        made.drive(lambda: [row.proven for row in made.rows(NODE, outbox)] == [True])
        made.hub.put(NODE, "permit", "job-2", Documents(nonce="cd" * 32, job="job-2").body)
        made.hub.abort(NODE, "job-0")
        made.answer(NODE)
        assert [row.job for row in made.rows(NODE, jobs)] == ["job-1"]
        node = made.restart(NODE)
        node.context.outbox.post()
        node.follower.step(0)  # what the restart said is in the log before the order is looked at
        made.drive(lambda: [row.job for row in made.rows(NODE, jobs)] == ["job-1", "job-2"])
    finally:
        made.close()


def test_no_new_job_until_earlier_messages_are_in_the_log(federation: Federation) -> None:
    federation.hub.log = False
    federation.hub.order(Documents())
    federation.drive(lambda: "key" in federation.hub.rounds(NODE))
    federation[NODE].context.outbox.post()  # waits for the thread that posted, until it has noted that the hub took it
    assert federation.refusal(NODE, Documents(nonce="cd" * 32, job="job-2").body) == "unavailable"
    assert len(federation.rows(NODE, jobs)) == 1


def broken(size: int) -> bytes:
    raise ZeroDivisionError


def test_an_order_that_breaks_the_node_is_refused_like_any_other(federation: Federation) -> None:
    federation[NODE].context.rng = broken
    assert federation.refusal(NODE, Documents().body) == "unavailable"
    check_untouched(federation)


def test_the_profile_of_the_orders_is_the_shipped_one() -> None:
    assert (
        load_profile(f"{RULE.profile}@{RULE.version}").digest == RULE.digest
    )  # else every refusal above could be about it


def test_nonces_are_kept_when_the_job_is_over(federation: Federation) -> None:
    federation.hub.order(Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    assert federation.refusal(NODE, Documents(job="job-2").body) == "invalid-transition"
    with federation[NODE].context.state.read() as connection:
        assert connection.execute(select(jobs.c.nonce)).scalars().all() == ["ab" * 32]
