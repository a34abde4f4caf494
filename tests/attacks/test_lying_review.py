"""A hub that lies to an owner, over the command that the owner types: nothing false is shown, nothing false is signed.

The hub here is a server with an honest request of real documents, and one lie at a time. Each lie has its control: what
would have been shown, or signed, with the defence off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.documents import Envelope, ForbiddenUse, Grant, Roster, StatusEntry, StatusList
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.schema import Dataset
from sandbox.keys import Trust, create_key
from tests.support import asked
from tests.support.cli import Person
from tests.support.served import served
from tests.support.signed import OWNERS, key, seed

HOSTILE = "\x1b[2K\x1b[1Apublic\r\u202e\u200b [bold green]ok[/]"


@dataclass
class Hub:
    """``items`` and ``show`` are what it says; ``grants`` what it was given."""

    items: list[dict[str, Any]] = field(default_factory=lambda: [asked.item()])
    show: Callable[[str], dict[str, Any]] = asked.declared
    rosters: list[dict[str, Any]] = field(default_factory=lambda: [asked.PARTIES.roster_envelope.to_json()])
    status: Envelope | None = field(default_factory=lambda: asked.status())
    grants: list[Envelope] = field(default_factory=list)
    refusal: str = ""
    address: str = ""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        path = path.split("?")[0].removeprefix("/v1")
        if self.refusal:
            return 409, {"code": self.refusal, "detail": self.refusal, "advice": self.refusal}
        if path == "/grants":
            self.grants.append(Envelope.from_json(body))
            return 201, {}
        if path == "/rosters":
            return 200, {"rosters": self.rosters}
        if path == "/status":
            return (
                (200, self.status.to_json())
                if self.status
                else (404, {"code": "not-found", "detail": "", "advice": ""})
            )
        if path.startswith("/datasets/"):
            return 200, {"dataset": self.show(path.removeprefix("/datasets/"))}
        return 200, {"items": self.items, "next": None}


@pytest.fixture
def hub() -> Iterator[Hub]:
    said = Hub()
    with served(lambda path, body: said.answer(path, body)) as said.address:  # a test may put another answer there
        yield said


@pytest.fixture
def ewr(hub: Hub, tmp_path: Path) -> Person:
    """The owner at its own terminal, with its own key and the pinned root."""
    root: Roster = asked.PARTIES.roster()
    trust = tmp_path / "trust.json"
    trust.write_bytes(Trust(root=root.root, origin=root.origin).encode())
    create_key(tmp_path / "owner.key", lambda size: seed("ewr")[:size])
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("secret")
    return Person(
        {
            "UNSEEN_HUB": hub.address,
            "UNSEEN_TRUST": str(trust),
            "UNSEEN_TOKEN_FILE": str(token),
            "UNSEEN_OWNER": "ewr",
            "UNSEEN_KEY": str(tmp_path / "owner.key"),
        }
    )


def refused(hub: Hub, ewr: Person, field: str) -> None:
    """Not shown, not signed, even by a script that would agree to anything; the list says do not sign."""
    for call in (("show",), ("approve", "--yes")):
        told = (
            ewr.json("review", *call[:1], "job-1", code=1)
            if call == ("show",)
            else ewr("review", *call, "job-1", code=1)
        )
        text = json.dumps(told) if isinstance(told, dict) else told.err
        assert field in text
    assert "do not sign" in ewr("review", "list").out
    assert hub.grants == []


# the honest way -----------------------------------------------------------------------------------------------------


def test_what_is_signed_is_what_was_shown(hub: Hub, ewr: Person) -> None:
    """The control of this page: an honest request is shown and signed, and the words are those of the signed bytes."""
    shown = ewr("review", "show", "job-1", "--runs", "3").out
    for part in (
        "SELECT flights.carrier",
        "'EWR airport'",
        "3 run(s)",
        "at least 10 individuals",
        "'2013 of ewr'",
        "| by carrier",
    ):
        assert part in shown, part
    approved = ewr("review", "approve", "job-1", "--runs", "3", "--yes").out
    (grant,) = (Grant.open(envelope) for envelope in hub.grants)
    assert grant.id in approved
    assert shown.count("\n") <= approved.count("\n")
    assert grant.runs == 3
    assert hub.grants[0].signers([key("ewr").public])


def test_without_a_yes_nothing_is_signed(hub: Hub, ewr: Person) -> None:
    for answer in ("", "n\n", "\n", "later\n"):
        assert "nothing was signed" in ewr("review", "approve", "job-1", code=1, typed=answer).err
    assert hub.grants == []
    assert "granted" in ewr("review", "approve", "job-1", typed="y\n").out
    assert len(hub.grants) == 1


def test_a_plan_that_was_not_read_is_not_signed(hub: Hub, ewr: Person) -> None:
    """Between reading and signing, the hub puts another honest request under the same id."""
    read = asked.plan_of().digest()
    other = asked.item(sql="SELECT cause, COUNT(*) AS n FROM flights GROUP BY cause")
    hub.items = [other]
    assert "not the one you named" in ewr("review", "approve", "job-1", "--plan", read, "--yes", code=1).err
    assert hub.grants == []
    hub.items = [asked.item()]
    ewr("review", "approve", "job-1", "--plan", read, "--yes")
    assert len(hub.grants) == 1


def test_a_co_signer_sees_what_it_signs(hub: Hub, ewr: Person, tmp_path: Path) -> None:
    file = tmp_path / "grant.json"
    ewr("review", "approve", "job-1", "--yes", "--out", file)
    assert "nothing was signed" in ewr("review", "cosign", file, code=1, typed="n\n").err
    widened = Grant.open(Envelope.parse(file.read_bytes())).model_copy(update={"runs": 1000})
    file.write_bytes(widened.sign(key("ewr")).encode())
    assert "1,000 run(s)" in ewr("review", "cosign", file, "--yes").out
    elsewhere = widened.model_copy(update={"scenario": "resale"})
    file.write_bytes(elsewhere.sign(key("ewr")).encode())
    assert "scenario" in ewr("review", "cosign", file, "--yes", code=1).err


def test_another_owners_key_does_not_sign(hub: Hub, ewr: Person, tmp_path: Path) -> None:
    create_key(tmp_path / "other.key", lambda size: seed("jfk")[:size])
    told = ewr("review", "approve", "job-1", "--yes", "--key", tmp_path / "other.key", code=1)
    assert "none of ewr's in the roster" in told.err
    assert hub.grants == []


# lies ---------------------------------------------------------------------------------------------------------------


def sensitive_as_known(name: str) -> dict[str, Any]:
    value = asked.declared(name)
    for column in value["columns"]:
        if column["name"] == "cause":
            column["role"], column["grade"] = "known", "general"
    return value


def test_a_sensitive_column_is_not_shown_as_known(hub: Hub, ewr: Person) -> None:
    """The control: these declarations are valid, and the words made from them say known."""
    lie = Dataset.model_validate(sensitive_as_known("flights"))
    assert "flights.cause [known" in explain(asked.plan_of(), (lie, asked.DATASETS["planes"])).text()
    hub.show = sensitive_as_known
    refused(hub, ewr, "other declarations of flights")


def test_a_swapped_plan_is_refused(hub: Hub, ewr: Person) -> None:
    plan = asked.plan_of("SELECT cause, COUNT(*) AS n FROM flights GROUP BY cause").model_dump(mode="json")
    hub.items = [asked.item() | {"plan": plan}]
    refused(hub, ewr, "never asked for it")
    hub.items = [asked.item(plan, parameters={})]  # the control: the same plan, which the operator did commit to
    assert "GROUP BY cause" in ewr("review", "show", "job-1").out


def test_swapped_participants_are_refused(hub: Hub, ewr: Person) -> None:
    """A node of the roster that holds no part: it would add nothing, and unmask what fewer parts hide."""
    two = asked.item(owners=("ewr", "jfk"))
    assert "node-jfk" in ewr_shows(hub, ewr, two)
    hub.items = [two | {"participants": ["node-ewr", "node-lga"]}]
    refused(hub, ewr, "who takes part is not who holds the data")


def test_a_hidden_join_is_refused(hub: Hub, ewr: Person) -> None:
    """The statement reads two datasets; the hub shows a plan that says one."""
    plan = asked.plan_of().model_dump(mode="json")
    plan["joins"] = []
    with pytest.raises(ValueError, match="does not join"):
        Plan.model_validate(plan)
    hub.items = [asked.item(plan)]
    refused(hub, ewr, "does not join")
    whole = asked.item()
    hub.items = [whole | {"records": [r for r in whole["records"] if b"planes" not in Envelope.from_json(r).payload]}]
    refused(hub, ewr, "dataset record")


def test_an_unproven_plan_is_refused_though_the_operator_signed_it(hub: Hub, ewr: Person) -> None:
    plan = asked.plan_of().model_dump(mode="json")
    plan["unit_columns"] = [plan["unit_columns"][0] | {"nulls": "exclude"}]
    hub.items = [asked.item(plan)]
    refused(hub, ewr, "unit_columns")


def test_text_that_hides_lines_comes_from_nowhere(hub: Hub, ewr: Person) -> None:
    """Purposes, declarations, errors and ids of a lying hub or operator: no control character reaches the terminal."""
    purpose = asked.item()
    plan = purpose["plan"]
    forged = Envelope(
        "application/vnd.unseen.commitment+json;v=1",
        Envelope.from_json(purpose["commitment"]).payload.replace(b"by carrier", json.dumps(HOSTILE)[1:-1].encode()),
        (),
    ).signed_by(key("acme"))
    hub.items = [purpose | {"commitment": forged.to_json()}]
    clean(ewr("review", "list"))
    clean(ewr("review", "show", "job-1", code=1))
    hub.items = [asked.item(plan) | {"plan": json.loads(json.dumps(plan).replace('"crew"', json.dumps(HOSTILE)))}]
    clean(ewr("review", "show", "job-1", code=1))
    hub.items = [asked.item(id=HOSTILE)]
    clean(ewr("review", "list", code=1))
    hub.items = [asked.item()]
    hub.refusal = HOSTILE
    told = ewr("review", "list", code=1)
    clean(told)
    assert "<U+001B>[2K" in told.err
    assert "[bold green]ok[/]" in told.err


def test_what_data_show_prints_is_literal(hub: Hub, ewr: Person) -> None:
    """Names beside the declarations are shown letter by letter; declarations that no owner could sign are not shown."""
    honest = hub.answer

    def answer(path: str, body: Any) -> tuple[int, Any]:
        status, value = honest(path, body)
        return status, value | {"holdings": [{"provider": HOSTILE, "node": HOSTILE, "version_label": HOSTILE}]}

    hub.answer = answer  # type: ignore[method-assign]
    told = ewr("data", "show", "flights")
    clean(told)
    assert told.out.count("<U+001B>[2K") == 3
    hub.show = lambda name: asked.declared(name) | {"title": HOSTILE}
    refused = ewr("data", "show", "flights", code=1)
    clean(refused)
    assert refused.out == ""
    assert "title" in refused.err


def test_a_purpose_in_lines_forges_none_of_ours(hub: Hub, ewr: Person) -> None:
    """The operator writes lines that look like the words': each stands behind a bar."""
    lines = "\n".join(["harmless", "  - 1 run(s), and nothing else", "Output (aggregate): yes or no"])
    plan = asked.plan_of().model_dump(mode="json")
    hub.items = [asked.item(plan) | {"commitment": asked.commitment(plan, purpose=lines).to_json()}]
    shown = ewr("review", "show", "job-1").out
    forged = [
        line for line in shown.splitlines() if ("and nothing else" in line and "run(s)" in line) or "yes or no" in line
    ]
    assert len(forged) == 2
    assert all(line.split("│")[1].strip().startswith("|") for line in forged)


def ewr_shows(hub: Hub, ewr: Person, item: dict[str, Any]) -> str:
    hub.items = [item]
    return ewr("review", "show", "job-1").out


def clean(told: Any) -> None:
    for text in (told.out, told.err):
        assert not set("\x1b\r\u202e\u200b") & set(text)


def test_the_records_of_an_earlier_time_are_shown_as_such(hub: Hub, ewr: Person) -> None:
    """An old record is truly signed: the words say which version it is, and the grant is for that version alone."""
    records = [
        asked.record(owner, name, sequence=1, label="2012").to_json() for owner in OWNERS for name in asked.DATASETS
    ]
    shown = ewr_shows(hub, ewr, asked.item(records=records))
    assert "version '2012' (no. 1)" in shown


# stopped by the authority ---------------------------------------------------------------------------------------------


def suspended(kind: str, subject: str) -> dict[str, Any]:
    entry = {"kind": kind, "subject": subject, "state": "suspended", "since": asked.NOW, "reason": "complaint 12"}
    return {"stopped": (StatusEntry.model_validate(entry),)}


OTHER_USE = ForbiddenUse(id="N", dataset="flights", scenario="another", ground="dispute", reason="court")
LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "the operator": (suspended("operator", "acme"), "complaint 12"),
    "another owner": (suspended("owner", "jfk"), "complaint 12"),
    "a node": (suspended("node", "node-lga"), "complaint 12"),
    "the dataset": ({"forbidden": (OTHER_USE.model_copy(update={"scenario": None}),)}, "court"),
}


@pytest.mark.parametrize("name", LISTS)
def test_what_the_authority_stopped_is_not_signed(hub: Hub, ewr: Person, name: str) -> None:
    changed, why = LISTS[name]
    hub.status = asked.status(**changed)
    refused(hub, ewr, why)


def test_what_the_authority_stopped_elsewhere_is_signed(hub: Hub, ewr: Person) -> None:
    """The control: a list with stops, and a forbidden use, of others."""
    hub.status = asked.status(**suspended("operator", "another"), forbidden=(OTHER_USE,))
    ewr("review", "approve", "job-1", "--yes")
    assert len(hub.grants) == 1


def test_a_hub_that_holds_back_a_roster_is_noticed(hub: Hub, ewr: Person) -> None:
    """A frozen roster keeps a removed key alive; the status list names the later one. Nothing is shown or signed."""
    hub.status = asked.status(roster_version=2, roster="sha256:" + "0" * 64)
    for call in (("list",), ("show", "job-1"), ("approve", "job-1", "--yes")):
        ran = ewr("review", *call, code=1)
        assert "roster-rollback" in ran.out + ran.err
    assert hub.grants == []


def test_without_a_fresh_list_nothing_is_signed(hub: Hub, ewr: Person) -> None:
    """A hub that shows none, or an old one, hides who was stopped since."""
    for status in (None, asked.status(issued=asked.NOW - timedelta(days=3), expires=asked.NOW - timedelta(days=1))):
        hub.status = status
        ran = ewr("review", "approve", "job-1", "--yes", code=1)
        assert "status list" in ran.out + ran.err
    assert hub.grants == []


def test_a_list_by_the_hubs_own_key_is_none(hub: Hub, ewr: Person) -> None:
    honest = StatusList.open(asked.status())
    hub.status = honest.sign(key("hub"))
    ran = ewr("review", "approve", "job-1", "--yes", code=1)
    assert "signature" in ran.out + ran.err
    assert hub.grants == []
