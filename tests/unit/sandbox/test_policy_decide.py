"""The decision on a request, as a pure function: what forbids it, who still has to grant it, when it may run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.documents import (
    Commitment,
    DataScope,
    DatasetRecord,
    DataUse,
    ExactVersion,
    ForbiddenUse,
    Grant,
    HubEntry,
    OperatorEntry,
    OutputRule,
    OwnerEntry,
    Participant,
    Period,
    Permit,
    RootKeys,
    Roster,
    SealingKey,
    SealingPublic,
    SigningKey,
    StatusEntry,
    StatusList,
    Terms,
    Verified,
    WitnessEntry,
    digest,
    is_own_review,
)
from jobs.documents.execution import PROTOCOL_VERSION
from jobs.kinds.registry import algorithm_of
from jobs.kinds.statistics.kind import KIND
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.schema import CatalogueView, Dataset, Holding
from sandbox.keys.certify import certify_node
from sandbox.policy.decide import Allowed, Case, Denied, NeedsApproval, Use, decide

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
OWNERS = ("a", "b")
OUTPUT = OutputRule(form="aggregate", profile="standard", version=1, digest=digest(b"profile"))
TERMS = Terms(
    mode="", volume="", conditions="", prohibited_uses="", security_duties="", confidentiality="", revenue_share="",
    disposal="", feedback="", breach_and_exit="", signatories=(),
)  # fmt: skip


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(digest(name.encode()).encode()[7:39])


def seal(name: str) -> SealingPublic:
    return SealingKey.from_seed(digest(name.encode()).encode()[7:39]).public


def verified(document: Any, *names: str) -> Verified[Any]:
    keys = [key(name) for name in names]
    return Verified(document, document.sign(*keys), frozenset(k.public for k in keys))


def dataset(**changed: Any) -> Dataset:
    columns = [
        {"name": "unit", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "kind", "type": "string", "role": "known", "domain": ["x", "y"], "nullable": False},
    ]
    return Dataset.model_validate({"name": "data", "columns": columns, "unit": "unit", "legal_basis": "law", **changed})


def roster() -> Verified[Roster]:
    owners = []
    for owner in OWNERS:
        node = certify_node(owner, f"node-{owner}", key(f"node-{owner}").public, seal(owner), NOW, LATER, [key(owner)])
        owners.append(OwnerEntry(id=owner, name=owner, keys=(key(owner).public.text,), threshold=1, nodes=(node,)))
    made = Roster(
        version=1, issued=NOW, expires=LATER, origin="log", root=RootKeys(keys=(key("root").public.text,), threshold=1),
        hub=HubEntry(id="hub", key=key("hub").public.text), status_key=key("status").public.text, owners=tuple(owners),
        witnesses=(WitnessEntry(name="w", key=key("w").public.text),),
        operators=(OperatorEntry(id="acme", name="acme", keys=(key("acme").public.text,)),),
    )  # fmt: skip
    return verified(made, "root")


ROSTER = roster()


def status(**changed: Any) -> StatusList:
    plain: dict[str, Any] = {"number": 1, "issued": NOW, "expires": NOW + timedelta(days=1)}
    return StatusList(**(plain | {"roster": ROSTER.digest, "roster_version": 1} | changed))


NOTHING_LISTED = status()
NODES = ("node-a", "node-b")
PARTICIPANTS = tuple(Participant(node=f"node-{o}", owner=o, key=key(f"node-{o}").public.text) for o in OWNERS)
HELD = tuple(
    Holding(dataset="data", owner=o, node=f"node-{o}", provider=o, version_commitment="v", max_rows=99) for o in OWNERS
)
PLAN = compile_sql(
    "SELECT kind, COUNT(*) AS n FROM data GROUP BY kind", CatalogueView(datasets=(dataset(),), holdings=HELD)
)
COMMITMENT = verified(
    Commitment(
        id="c-1", operator="acme", issued=NOW, datasets=("data",), plans=(PLAN.digest(),), scenario="test", purpose="", security_measures="",
        period=Period(start=NOW, end=LATER), disposal="", feedback="",
    ),
    "acme",
)  # fmt: skip


def record(owner: str) -> Verified[DatasetRecord]:
    return verified(
        DatasetRecord(
            owner=owner, node=f"node-{owner}", dataset="data", dataset_digest=digest(b"d"), schema_digest=digest(b"s"),
            sequence=1, version=digest(owner.encode()), lineage=digest(owner.encode()), changed_below=None, label="v1", frequency="yearly", data_until=NOW, rows_at_most=99,
            legal_basis="law", issued=NOW,
        ),
        owner,
    )  # fmt: skip


def case(**changed: Any) -> Case:
    columns = PLAN.columns_touched()["data"]
    order = Permit(
        id="p", nonce="0" * 64, job="j", protocol=PROTOCOL_VERSION, operator="acme", scenario="test", commitment=COMMITMENT.digest,
        algorithm=algorithm_of(KIND), plan_digest=PLAN.digest(), plan=PLAN.model_dump(mode="json"),
        parameters={}, grants=(digest(b"g"),), participants=NODES, roster=ROSTER.digest, output=OUTPUT,
        status=digest(b"status"),
        data=tuple(
            DataUse(node=f"node-{o}", dataset="data", columns=columns, version=digest(o.encode())) for o in OWNERS
        ),
        issued_at=NOW, expires_at=NOW + timedelta(minutes=5), deadline=NOW + timedelta(minutes=9),
    )  # fmt: skip
    order = order.model_copy(update=changed)
    return Case(verified(order, "hub"), COMMITMENT, tuple(map(record, OWNERS)), ROSTER)


def grant(owner: str, *signers: str, **changed: Any) -> Verified[Grant]:
    made = Grant(
        id=f"g-{owner}", owner=owner, issued=NOW, operator="acme", commitment=COMMITMENT.digest, scenario="test",
        purpose="", algorithm=algorithm_of(KIND), plan_digest=PLAN.digest(), parameters=(), runs=2, output=OUTPUT,
        data=(DataScope(dataset="data", columns=PLAN.columns_touched()["data"],
                        version=ExactVersion(lineage=digest(owner.encode()))),),
        period=Period(start=NOW, end=LATER), participants=PARTICIPANTS, terms=TERMS,
    )  # fmt: skip
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
