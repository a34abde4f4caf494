"""A hub that returns another plan than the operator's request compiles to: the operator's machine does not sign it.

Over the command that the operator types. Whatever the operator signs a hub could run in its name, and owners would
grant it; only the operator knows what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.documents import Commitment, Envelope, json_digest
from jobs.schema import Dataset
from sandbox.keys import create_key
from tests.support import asked
from tests.support.cli import Person
from tests.support.served import served
from tests.support.signed import OWNERS, seed

SQL = "SELECT carrier, COUNT(*) AS n FROM flights WHERE delay > 15 GROUP BY carrier"
Shown = dict[str, Any]


def honest(name: str) -> Shown:
    """As ``GET /datasets/{name}`` shows it."""
    records = [asked.record(owner, name).to_json() for owner in OWNERS]
    dataset = asked.declared(name)
    holdings = [
        {
            "dataset": name, "owner": owner, "node": f"node-{owner}", "provider": owner, "version_commitment": "v",
            "version_label": "", "max_rows": 200_000, "state": "active", "storage_form": "", "cell_budget": 1,
        }
        for owner in OWNERS
    ]  # fmt: skip
    return {"dataset": dataset, "digest": json_digest(dataset), "holdings": holdings, "records": records}


def planned(sql: str) -> dict[str, Any]:
    return asked.plan_of(sql).model_dump(mode="json")


@dataclass
class Hub:
    """``plan`` and ``show`` are what it says; ``signed`` the commitments that it was given."""

    plan: dict[str, Any] = field(default_factory=lambda: planned(SQL))
    show: Callable[[str], Shown] = honest
    signed: list[Commitment] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        path = path.split("?")[0].removeprefix("/v1")
        if path == "/rosters":
            return 200, {"rosters": [asked.PARTIES.roster_envelope.to_json()]}
        if path.startswith("/datasets/"):
            return 200, self.show(path.removeprefix("/datasets/"))
        if path == "/plans":
            return 200, {
                "kind": "statistics", "plan": self.plan, "words": {"text": "as you asked"},
                "decision": "needs_approval", "reasons": [],
            }  # fmt: skip
        if path == "/jobs":
            self.signed.append(Commitment.open(Envelope.from_json(body["commitment"])))
            return 201, {"id": "job-1", "state": "needs_approval", "kind": "statistics", "plan": self.plan, "words": {}}
        return 404, {"code": "not-found", "detail": "nothing here", "advice": ""}


@pytest.fixture
def hub() -> Iterator[Hub]:
    said = Hub()
    with served(lambda path, body: said.answer(path, body)) as said.address:  # a test may put another answer there
        yield said


@dataclass(frozen=True)
class Operator:
    person: Person
    file: Path

    def submit(self, code: int = 0) -> str:
        ran = self.person("job", "submit", self.file, code=code)
        return ran.out + ran.err


@pytest.fixture
def acme(hub: Hub, tmp_path: Path) -> Operator:
    """The operator at its own terminal, with its own key and the pinned root."""
    trust, token, file = tmp_path / "trust.json", tmp_path / "token", tmp_path / "job.yaml"
    trust.write_bytes(asked.PARTIES.trust.encode())
    create_key(tmp_path / "operator.key", lambda size: seed("acme")[:size])
    token.touch(mode=0o600)
    token.write_text("secret")
    file.write_text(yaml.safe_dump({"sql": SQL, "scenario": "s", "purpose": "p", "datasets": ["flights"]}))
    settings = {
        "UNSEEN_HUB": hub.address, "UNSEEN_TRUST": str(trust), "UNSEEN_TOKEN_FILE": str(token),
        "UNSEEN_OPERATOR": "acme", "UNSEEN_KEY": str(tmp_path / "operator.key"),
    }  # fmt: skip
    return Operator(Person(settings), file)


def test_the_plan_of_the_own_request_is_signed(hub: Hub, acme: Operator) -> None:
    """The control of this page."""
    acme.submit()
    (commitment,) = hub.signed
    assert commitment.plans == (json_digest(planned(SQL)),)


PLANS: dict[str, str] = {
    "without the filter": "SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier",
    "another threshold": SQL.replace("15", "60"),
    "another aggregate": SQL.replace("COUNT(*)", "SUM(delay)"),
    "one aggregate more": SQL.replace("AS n", "AS n, AVG(delay) AS mean"),
    "another dataset": "SELECT engines, COUNT(*) AS n FROM planes GROUP BY engines",
    "a parameter instead of the value": SQL.replace("15", ":least"),
}


@pytest.mark.parametrize("name", PLANS)
def test_another_plan_than_the_own_requests_is_not_signed(hub: Hub, acme: Operator, name: str) -> None:
    hub.plan = planned(PLANS[name])
    assert "sign nothing" in acme.submit(code=1)
    assert hub.signed == []


def narrowed(name: str) -> Shown:
    """Declarations that would make another plan of the same SQL: the hub leaves a carrier out of the domain."""
    shown = honest(name)
    domain = next(c for c in shown["dataset"]["columns"] if c["name"] == "carrier")["domain"]
    domain.pop()
    Dataset.model_validate(shown["dataset"])
    return shown


def test_declarations_that_the_owners_did_not_sign_are_not_compiled_with(hub: Hub, acme: Operator) -> None:
    hub.show = narrowed
    assert "other declarations" in acme.submit(code=1)
    assert hub.signed == []


def test_a_part_that_no_owner_announced_is_not_counted(hub: Hub, acme: Operator) -> None:
    """The hub's own record of a third holder, signed by nobody whom the roster knows as its owner."""

    def show(name: str) -> Shown:
        shown = honest(name)
        shown["records"][0] = asked.record(OWNERS[0], name, signer="hub", rows_at_most=7).to_json()
        return shown

    hub.show = show
    assert "signature" in acme.submit(code=1)
    assert hub.signed == []
