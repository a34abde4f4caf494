"""Before anything is signed: the operator's dry run from the plan alone, the owner's over its own data, at real nodes."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import EXAMPLES, Airports

pytestmark = pytest.mark.e2e

FILE = EXAMPLES / "jobs" / "delay-by-carrier.yaml"
OWNER = "EWR"


def test_an_operator_is_told_errors_and_minimum_from_the_plan_alone(airports: Airports) -> None:
    sent = [airports.federation.ask_node(name, {"do": "sent"}) for name in airports.flights]
    told = airports.operator.json("job", "dry-run", FILE)
    assert (told["profile"], told["owners"]) == ("standard@2", 3)
    assert {item["shown_from"] for item in told["statistics"]} == {21}
    assert set(told["reasons"]) >= {"too-few", "asked-too-much", "owner-rule"}
    shown = airports.operator("job", "dry-run", FILE).out
    assert "no owner's data was looked at" in shown
    with airports.federation.operator() as client:
        spec = airports.example("delay-by-carrier")
        assert client.dry_run(spec["sql"], spec.get("parameters")).to_json() == told
    assert [airports.federation.ask_node(name, {"do": "sent"}) for name in airports.flights] == sent


def test_an_owner_is_told_what_its_node_would_withhold(airports: Airports) -> None:
    job = airports.submit(airports.example("delay-by-carrier"))
    owner, node = airports.owner(OWNER), airports.node(OWNER)
    before = owner.json("node", "audit", "--config", node)
    told = owner.json("node", "dry-run", job.id, "--config", node)
    assert told["closed"]["base"] > 0
    assert all(item["base"] < 10 for item in told["withheld"] if item["rule"] == "base")
    assert all(item["before"] <= item["after"] <= item["cap"] for item in told["audit"])
    assert owner.json("node", "dry-run", FILE, "--owners", "3", "--config", node) == told  # compiled at the node
    text = owner("node", "dry-run", job.id, "--config", node).out
    assert "1 to 9 individuals" in text
    assert "nothing was stored, charged or sent" in text
    assert owner.json("node", "audit", "--config", node) == before
    airports.federation.approve_all(job.id)
    assert airports.finish(job).job.state == "released"
    [flags] = [
        entry
        for entry in airports.federation.ask_node(OWNER, {"do": "sent"})["entries"]
        if (entry["job"], entry["round"]) == (job.id, "flags")
    ]
    assert flags["failed"] == told["closed"]


def test_a_request_that_nobody_made_has_no_dry_run(airports: Airports) -> None:
    ran = airports.owner(OWNER)("node", "dry-run", "job-0", "--config", airports.node(OWNER), code=1)
    assert "no request job-0 waits for you" in ran.err
