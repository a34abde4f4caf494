"""A hub that lies to an owner about a request: each lie is refused by name, and the honest request is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import Envelope, json_digest
from jobs.errors import BadDocument, BadSignature, JobError, OutOfScope, UnknownSigner
from jobs.kinds.statistics.plan.errors import InvalidParameter, InvalidPlan
from jobs.schema import Dataset
from sandbox.client.review import Review, Unreadable, examine
from sandbox.errors import IntegrityFailure
from tests.support import asked
from tests.support.signed import OWNERS, key

Show = Callable[[str], dict[str, Any]]


def refused(kind: type[JobError], value: dict[str, Any], show: Show = asked.declared) -> str:
    with pytest.raises(kind) as caught:
        asked.review(value, show)
    return caught.value.field if isinstance(caught.value, OutOfScope) else str(caught.value)


def showing(name: str, change: Callable[[dict[str, Any]], None]) -> Show:
    """A hub that shows one dataset with a change, valid as a declaration."""

    def show(asked_for: str) -> dict[str, Any]:
        value = asked.declared(asked_for)
        if asked_for == name:
            change(value)
            Dataset.model_validate(value)
        return value

    return show


def column(value: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in value["columns"] if item["name"] == name)
    return found


def test_an_honest_request_is_read() -> None:
    """The positive control of this page, for joins and for a single owner too."""
    review = asked.review()
    assert [record.document.node for record in review.records[:2]] == ["node-ewr", "node-ewr"]
    assert review.parameters == {"few": 10, "least": 5}
    alone = asked.review(asked.item(owners=("ewr",), sql="SELECT COUNT(*) AS n FROM flights"))
    assert alone.participants == ("node-ewr",)


LIES: dict[str, Show] = {
    "sensitive shown as known": showing("flights", lambda d: column(d, "cause").update(role="known")),
    "important shown as general": showing("flights", lambda d: column(d, "cause").update(grade="general")),
    "a wider domain": showing("flights", lambda d: column(d, "carrier")["domain"].append("UA")),
    "another title": showing("flights", lambda d: column(d, "note").update(title="public remark")),
    "another profile": showing("planes", lambda d: d.update(profile="loose@1")),
    "a key that is none": showing("planes", lambda d: d.update(unique_keys=[["tail"], ["engines"]])),
}


@pytest.mark.parametrize("name", LIES)
def test_declarations_are_those_that_the_owners_signed(name: str) -> None:
    assert refused(OutOfScope, asked.item(), LIES[name]) == "dataset_digest"


def test_even_where_the_hub_compiles_the_plan_from_its_own_declarations() -> None:
    """Plan and shown declarations fit each other, and the operator signed the plan: the owners' records do not."""
    lying = LIES["sensitive shown as known"]
    declarations = Dataset.model_validate(lying("flights"))
    plan = asked.plan_of().model_dump(mode="json")
    plan["schema_digests"]["flights"] = json_digest(declarations.model_dump(mode="json"))
    plan["where"] = {"known": sorted([*plan["where"]["known"], *plan["where"]["sensitive"]], key=str), "sensitive": []}
    assert refused(OutOfScope, asked.item(plan), lying) == "dataset_digest"
    others = [asked.record(o, n, declarations=declarations if n == "flights" and o != "ewr" else asked.DATASETS[n]) for o in OWNERS for n in asked.DATASETS]  # fmt: skip
    assert refused(OutOfScope, asked.item(plan, records=[r.to_json() for r in others]), lying) == "dataset_digest"


def test_a_record_counts_under_its_owners_signature_only() -> None:
    declarations = Dataset.model_validate(LIES["sensitive shown as known"]("flights"))
    for signer in ("hub", "acme", "jfk"):
        forged = asked.record("ewr", "flights", signer, declarations=declarations).to_json()
        records = [forged, *asked.item()["records"][1:]]
        refused(BadSignature, asked.item(records=records), LIES["sensitive shown as known"])


def test_a_swapped_plan_is_not_what_the_operator_committed_to() -> None:
    other = asked.plan_of("SELECT cause, COUNT(*) AS n FROM flights GROUP BY cause").model_dump(mode="json")
    assert refused(OutOfScope, asked.item() | {"plan": other}) == "plan"


def test_a_hidden_join_is_not_in_the_operators_commitment() -> None:
    """The operator committed to flights alone, in a plan over both: a hub that says so cannot have it signed."""
    plan = asked.plan_of().model_dump(mode="json")
    value = asked.item() | {"commitment": asked.commitment(plan, datasets=("flights",)).to_json()}
    assert refused(OutOfScope, value) == "data"
    fewer = [record for record in asked.item()["records"] if b"planes" not in Envelope.from_json(record).payload]
    assert refused(OutOfScope, asked.item(records=fewer)) == "records"


FORGERIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a sensitive condition passed off as known": lambda p: p["where"].update(
        known=[*p["where"]["known"], *p["where"]["sensitive"]], sensitive=[]
    ),
    "a unit that is not counted": lambda p: p["unit_columns"].pop(),
    "an identifier's column unlisted": lambda p: p["columns"].pop(0),
    "a narrower proof": lambda p: p.update(rows_bound=1024),
    "fewer rows than all owners declare": lambda p: p.update(rows_bound=p["rows_bound"] // 2),
    "another profile": lambda p: p.update(profile="loose@1"),
    "cells of its own": lambda p: p["dimensions"][0]["domain"].pop(),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_plan_is_not_shown_though_the_operator_signed_it(name: str) -> None:
    plan = asked.plan_of().model_dump(mode="json")
    FORGERIES[name](plan)
    refused(JobError, asked.item(plan))
    asked.review(asked.item(asked.plan_of().model_dump(mode="json")))  # the same way in, unforged


def test_the_rows_of_all_owners_are_covered() -> None:
    records = asked.item()["records"]
    records[0] = asked.record("ewr", "flights", rows_at_most=2**30).to_json()
    refused(InvalidPlan, asked.item(records=records))


def test_participants_are_who_signed_for_the_data() -> None:
    value = asked.item()
    assert refused(OutOfScope, value | {"participants": ["node-ewr", "node-jfk"]}) == "records"
    assert refused(OutOfScope, value | {"participants": ["node-ewr", "node-ewr", "node-lga"]}) == "participants"
    refused(UnknownSigner, value | {"participants": ["node-ewr", "node-jfk", "node-sfo"]})
    two = asked.item(owners=("ewr", "jfk"))
    assert refused(OutOfScope, two | {"participants": ["node-ewr", "node-lga"]}) == "records"  # lga holds none of it
    assert refused(OutOfScope, value | {"records": value["records"] * 2}) == "records"
    mixed = [*value["records"][:-1], asked.record("ewr", "planes", node="node-lga").to_json()]
    refused(BadDocument, value | {"records": mixed})  # a record of one owner for another owner's node


def test_values_and_output_rule_are_checked() -> None:
    refused(InvalidParameter, asked.item(parameters={"least": 5}))
    refused(InvalidParameter, asked.item(parameters={"least": 5, "few": 10, "more": 1}))
    refused(InvalidParameter, asked.item(parameters={"least": 99999, "few": 10}))
    output = asked.item()["output"]
    assert refused(OutOfScope, asked.item(output=output | {"form": "model"})) == "output"
    assert refused(OutOfScope, asked.item(output=output | {"digest": json_digest("looser")})) == "output"


def test_the_commitment_is_the_operators() -> None:
    plan = asked.plan_of().model_dump(mode="json")
    forged = asked.commitment(plan)
    signed_by_hub = Envelope(forged.payload_type, forged.payload, ()).signed_by(key("hub"))
    refused(BadSignature, asked.item(commitment=signed_by_hub.to_json()))


JUNK: tuple[Any, ...] = (None, 7, "x", [], {}, {"a": 1})


def test_a_request_that_is_none_is_a_typed_refusal() -> None:
    for name in ("plan", "commitment", "participants", "records", "output"):
        for junk in JUNK:
            refused(JobError, asked.item() | {name: junk})
        refused(JobError, {key: value for key, value in asked.item().items() if key != name})


def test_a_bad_request_hides_no_other() -> None:
    other = asked.plan_of("SELECT COUNT(*) AS n FROM flights").model_dump(mode="json")
    bad = asked.item() | {"plan": other, "id": "job-bad"}
    found = examine([bad, asked.item()], asked.ROSTER, asked.STATUS, asked.NOW + timedelta(minutes=1), asked.declared)
    assert isinstance(found[0], Unreadable)
    assert found[0].job == "job-bad"
    assert isinstance(found[1], Review)


@pytest.mark.parametrize("name", ["job-1; rm -rf ~", "job 1", "$(x)", "a\nb", "", 7, None, "-rf", "ｊob"])
def test_an_id_that_is_no_id_is_not_shown(name: Any) -> None:
    with pytest.raises(IntegrityFailure):
        examine([asked.item(id=name)], asked.ROSTER, asked.STATUS, asked.NOW, asked.declared)
