"""The decision on a request, as a pure function: what forbids it, who still has to grant it, when it may run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.documents import (
    DatasetRecord,
    ForbiddenUse,
    Grant,
    OperatorEntry,
    OutputRule,
    Period,
    StatusEntry,
    StatusList,
    Verified,
    digest,
    is_own_review,
)
from jobs.kinds.statistics.kind import KIND
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.schema import CatalogueView, Dataset, Holding
from sandbox.policy.decide import Allowed, Case, Denied, NeedsApproval, Use, decide
from tests.support.signed import Parties, key, participants

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
PARTIES = Parties(NOW, owners=("a", "b"))
LATER, OWNERS, NODES = PARTIES.period.end, PARTIES.owners, PARTIES.nodes
OUTPUT = OutputRule(form="aggregate", profile="standard", version=1, digest=digest(b"profile"))


def verified(document: Any, *names: str) -> Verified[Any]:
    keys = [key(name) for name in names]
    return Verified(document, document.sign(*keys), frozenset(k.public for k in keys))


def dataset(**changed: Any) -> Dataset:
    columns = [
        {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y"], "nullable": False},
    ]
    return Dataset.model_validate({"name": "data", "columns": columns, "unit": "unit", "legal_basis": "law", **changed})


ROSTER = PARTIES.trusted


def status(**changed: Any) -> StatusList:
    return PARTIES.status(**changed)


NOTHING_LISTED = status()
PARTICIPANTS = participants(NODES)
HELD = tuple(
    Holding(dataset="data", owner=o, node=f"node-{o}", provider=o, version_commitment="v", max_rows=99) for o in OWNERS
)
PLAN = compile_sql(
    "SELECT kind, COUNT(*) AS n FROM data GROUP BY kind", CatalogueView(datasets=(dataset(),), holdings=HELD)
)
PLAN_JSON = PLAN.model_dump(mode="json")
USES = PARTIES.uses(PLAN.columns_touched()["data"], {owner: digest(owner.encode()) for owner in OWNERS}, "data")
COMMITMENT = verified(PARTIES.commitment(PLAN.digest(), ["data"]), "acme")


def record(owner: str) -> Verified[DatasetRecord]:
    return verified(PARTIES.record(owner, dataset(), version=digest(owner.encode())), owner)


def case(**changed: Any) -> Case:
    order = PARTIES.permit(COMMITMENT.envelope, [], PLAN_JSON, USES, OUTPUT, {}, grants=(digest(b"g"),))
    return Case(verified(order.model_copy(update=changed), "hub"), COMMITMENT, tuple(map(record, OWNERS)), ROSTER)


def grant(owner: str, *signers: str, **changed: Any) -> Verified[Grant]:
    made = PARTIES.grant(owner, COMMITMENT.envelope, PLAN.digest(), USES, OUTPUT, {})
    return verified(made.model_copy(update=changed), *(signers or (owner,)))


def ask(
    *uses: Use, listed: StatusList | None = NOTHING_LISTED, at: datetime = NOW, of: Case | None = None, **more: Any
) -> Any:
    return decide(KIND.touched(PLAN), of or case(), more.pop("datasets", (dataset(),)), uses, listed, at, **more)


def codes(decision: Any) -> list[tuple[str, str | None]]:
    return [(reason.code, reason.owner) for reason in decision.reasons]


def test_with_a_fitting_grant_of_every_owner_it_may_run_under_exactly_these() -> None:
    decision = ask(Use(grant("a"), 0), Use(grant("b"), 1))
    assert isinstance(decision, Allowed)
    assert [g.document.owner for g in decision.grants] == ["a", "b"]


def test_each_owner_that_has_not_granted_is_named() -> None:
    decision = ask(Use(grant("b"), 0))
    assert isinstance(decision, NeedsApproval)
    assert codes(decision) == [("no-grant", "a")]


@pytest.mark.parametrize(
    ("use", "code"),
    [
        (Use(grant("a"), 2), "grant-used-up"),
        (Use(grant("a"), 0, revoked=True), "grant-revoked"),
        (Use(grant("a", runs=1, period=Period(start=NOW - timedelta(days=2), end=NOW)), 0), "grant-expired"),
        (Use(grant("a", output=OUTPUT.model_copy(update={"version": 2})), 0), "grant-differs-output"),
        (Use(grant("a", scenario="other"), 0), "grant-differs-scenario"),
        (Use(grant("a", "a", "acme"), 0), "self-review"),
    ],
)
def test_a_grant_that_does_not_fit_says_why(use: Use, code: str) -> None:
    decision = ask(use, Use(grant("b"), 0))
    assert isinstance(decision, NeedsApproval)
    assert codes(decision) == [(code, "a")]


def test_a_later_fitting_grant_counts_though_an_earlier_one_does_not() -> None:
    decision = ask(Use(grant("a"), 2), Use(grant("a", id="g-2"), 0), Use(grant("b"), 0))
    assert isinstance(decision, Allowed)
    assert decision.grants[0].document.id == "g-2"


def test_a_replay_needs_no_free_run_but_a_valid_grant() -> None:
    used = (Use(grant("a"), 2), Use(grant("b"), 2))
    assert isinstance(ask(*used, replay=True), Allowed)
    assert isinstance(ask(*used), NeedsApproval)
    assert isinstance(ask(*used, replay=True, at=LATER + timedelta(days=1)), Denied)  # the commitment is over too


def test_what_is_forbidden_is_denied_whatever_owners_signed() -> None:
    everything = (Use(grant("a"), 0), Use(grant("b"), 0))
    entry = ForbiddenUse(id="N-1", dataset="data", column="kind", ground="dispute", reason="in court")
    decision = ask(*everything, listed=status(number=3, forbidden=(entry,)))
    assert isinstance(decision, Denied)
    assert decision.reasons[0].entry == "N-1"
    assert "status list 3, entry N-1" in decision.reasons[0].text
    for changed, code in (({"grade": "core"}, "core-data"), ({"open_attribute": "not_open"}, "not-open")):
        decision = ask(*everything, datasets=(dataset(**changed),))
        assert codes(decision) == [(code, None)]


def test_one_owner_is_asked_for_its_own_grant_and_no_others() -> None:
    data = case().order.document.data[:1]
    alone = case(participants=("node-a",), data=data)
    assert codes(ask(Use(grant("b"), 0), of=alone)) == [("no-grant", "a")]
    assert codes(ask(Use(grant("a"), 0), of=alone)) == [("grant-differs-participants", "a")]
    assert isinstance(ask(Use(grant("a", participants=PARTICIPANTS[:1]), 0), of=alone), Allowed)


def test_the_owner_that_asks_does_not_review_itself() -> None:
    assert is_own_review(grant("a", "a", "acme"), ROSTER.document, "acme")
    assert not is_own_review(grant("a"), ROSTER.document, "acme")
    same = ROSTER.document.model_copy(update={"operators": (OperatorEntry(id="a", name="a"),)})
    assert is_own_review(grant("a"), same, "a")


def test_without_a_fresh_list_nothing_runs_but_owners_are_asked() -> None:
    granted = (Use(grant("a"), 0), Use(grant("b"), 0))
    decision = ask(*granted, listed=None)
    assert isinstance(decision, NeedsApproval)
    assert codes(decision) == [("no-status-list", None)]
    assert codes(ask(granted[0], listed=None)) == [("no-grant", "b"), ("no-status-list", None)]


@pytest.mark.parametrize(("kind", "subject"), [("operator", "acme"), ("owner", "b"), ("node", "node-a")])
def test_who_is_stopped_is_denied(kind: Any, subject: str) -> None:
    stop = StatusEntry(kind=kind, subject=subject, state="suspended", since=NOW, reason="complaint 12")
    decision = ask(Use(grant("a"), 0), Use(grant("b"), 0), listed=status(stopped=(stop,)))
    assert isinstance(decision, Denied)
    assert codes(decision) == [(f"{kind}-suspended", None)]
    assert "complaint 12" in decision.reasons[0].text


def test_a_stopped_grant_does_not_count_and_its_owner_is_asked_again() -> None:
    stopped = grant("a")
    stop = StatusEntry(kind="grant", subject=stopped.digest, state="revoked", since=NOW, reason="appeal")
    listed = status(stopped=(stop,))
    assert codes(ask(Use(stopped, 0), Use(grant("b"), 0), listed=listed)) == [("grant-revoked", "a")]
    fresh = Use(grant("a", id="g-2"), 0)
    assert isinstance(ask(Use(stopped, 0), fresh, Use(grant("b"), 0), listed=listed), Allowed)
