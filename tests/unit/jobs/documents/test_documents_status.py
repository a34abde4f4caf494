"""The status list: short-lived, numbered, about the latest roster; what it stops and forbids, entry by entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.documents import (
    ForbiddenUse,
    Permit,
    StatusEntry,
    StatusList,
    check_fresh,
    check_numbers,
    digest,
    objections,
    verify_permit,
    verify_status,
)
from jobs.documents.status import check_status, ordered
from jobs.errors import BadDocument, BadSignature, Expired, OutOfScope, RosterRollback
from tests.support import orders
from tests.support.orders import NOW
from tests.support.signed import DAY, key
from tests.support.world import World

NAMES = st.sampled_from(["a", "b", "c"])


def forbidden(**changed: Any) -> ForbiddenUse:
    return ForbiddenUse(**{"id": "N-1", "dataset": "a", "ground": "listed", "reason": "stop", **changed})


@given(
    dataset=NAMES, column=st.none() | NAMES, scenario=st.none() | NAMES, operator=st.none() | NAMES,
    touched=st.dictionaries(NAMES, st.sets(NAMES, min_size=1), max_size=3), asked=NAMES, by=NAMES,
)  # fmt: skip
def test_a_forbidden_use_matches_when_all_that_it_names_is_there(
    dataset: str,
    column: str | None,
    scenario: str | None,
    operator: str | None,
    touched: dict[Any, Any],
    asked: str,
    by: str,
) -> None:
    listed = forbidden(dataset=dataset, column=column, scenario=scenario, operator=operator)
    expected = (
        dataset in touched
        and (column is None or column in touched[dataset])
        and scenario in (None, asked)
        and operator in (None, by)
    )
    assert listed.matches(touched, asked, by) is expected


def test_only_an_entry_without_conditions_bars_the_whole_dataset() -> None:
    assert forbidden().whole_dataset
    assert not any(forbidden(**{name: "x"}).whole_dataset for name in ("column", "scenario", "operator"))


def test_citations_name_number_entry_ground_and_reason() -> None:
    assert forbidden(ground="harms_privacy").cite(4) == "status list 4, entry N-1 (harms privacy): stop"
    stop = StatusEntry(kind="operator", subject="acme", state="suspended", since=NOW, reason="audit")
    assert stop.cite(4) == "status list 4: operator acme is suspended since 2026-11-21 08:00 UTC: audit"


def status_of(world: World, **changed: Any) -> StatusList:
    return StatusList.open(world.status).model_copy(update=changed)


@pytest.mark.parametrize(
    ("kind", "subject"), [("operator", "acme"), ("owner", "jfk"), ("node", "node-lga"), ("grant", None)]
)
@pytest.mark.parametrize("state", ["suspended", "revoked"])
def test_whoever_is_stopped_stops_the_run(kind: Any, subject: str | None, state: Any) -> None:
    world = World()
    stop = StatusEntry(kind=kind, subject=subject or world.grants[1].digest, state=state, since=NOW, reason="complaint")
    order, roster = Permit.open(world.permit), orders.roster()
    (found,) = objections(status_of(world, stopped=(stop,)), ordered(order), roster)
    assert (found.code, found.entry) == (f"{kind}-{state}", stop.subject)
    assert "complaint" in found.text
    other = stop.model_copy(update={"subject": digest(b"another") if kind == "grant" else "another"})
    assert list(objections(status_of(world, stopped=(other,)), ordered(order), roster)) == []


def test_a_forbidden_column_that_the_order_reads_is_an_objection() -> None:
    world = World()
    order, roster = Permit.open(world.permit), orders.roster()
    for column, count in (("carrier", 1), ("crew", 0)):
        status = status_of(world, forbidden=(forbidden(dataset="flights", column=column),))
        assert len(list(objections(status, ordered(order), roster))) == count


def judge(**bend: Any) -> None:
    world = World(bend=bend)
    roster = world.trust.rosters().update(world.roster)
    check_status(verify_status(world.status, roster), verify_permit(world.permit, roster).document, roster)


def test_the_list_is_the_orders_fresh_for_the_whole_run_and_about_this_roster() -> None:
    judge()
    change, now = orders.change, NOW
    for bend, error, words in (
        ({"permit": change(status=digest(b"other"))}, OutOfScope, "another status list"),
        ({"status": change(issued=now - 2 * DAY, expires=now)}, Expired, "expired"),
        ({"status": change(issued=now + timedelta(minutes=6))}, Expired, "not valid yet"),
        ({"status": change(expires=now + timedelta(minutes=29))}, OutOfScope, "runs longer"),
        ({"status": change(roster_version=2)}, RosterRollback, "not the latest"),
        ({"status": change(roster=digest(b"other"))}, RosterRollback, "two different rosters"),
    ):
        with pytest.raises(error, match=words):
            judge(**bend)


def test_a_newer_roster_than_the_list_names_is_no_rollback() -> None:
    judge(roster=orders.change(version=2), status=orders.change(roster_version=1, roster=digest(b"first")))


def test_only_the_status_key_signs() -> None:
    for signer in ("hub", "root-1", "ewr-1", "acme"):
        world = World(signer={"status": (key(signer),)})
        with pytest.raises(BadSignature):
            verify_status(world.status, world.trust.rosters().update(world.roster))


def test_a_life_is_days_and_entries_are_distinct() -> None:
    plain = StatusList.open(World().status)
    stop = StatusEntry(kind="owner", subject="jfk", state="revoked", since=NOW, reason="")
    for changed in (
        {"expires": plain.issued},
        {"expires": plain.issued + 8 * DAY},
        {"stopped": (stop, stop.model_copy(update={"state": "suspended"}))},
        {"forbidden": (forbidden(), forbidden(dataset="b"))},
    ):
        bent = plain.model_copy(update=changed)
        with pytest.raises(BadDocument):
            StatusList.parse(bent.payload())
    check_fresh(plain, NOW)


def test_numbers_never_go_back() -> None:
    world = World()
    roster = world.trust.rosters().update(world.roster)
    status = verify_status(world.status, roster, NOW)
    check_numbers(status, 6, digest(b"earlier"))
    check_numbers(status, 7, status.digest)
    for number, name in ((8, digest(b"later")), (7, digest(b"another"))):
        with pytest.raises(RosterRollback):
            check_numbers(status, number, name)
