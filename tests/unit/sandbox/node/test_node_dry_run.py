"""The owner's dry run: what a job would be told, and nothing of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.errors import SourceChanged
from jobs.kinds.base import Reading
from jobs.kinds.registry import kind_of, make_dry_run
from jobs.kinds.statistics.run import run_local
from sandbox.node.control import Control, ask
from sandbox.node.tables import audit, ledger, outbox
from tests.support.gates import OpenGate
from tests.support.joint_nodes import Federation, flights
from tests.support.orders import PROFILE, ROWS, SQL, Documents, plan

NODE = "node-ewr"
TABLES = (audit, ledger, outbox)


@pytest.fixture
def command(federation: Federation) -> Iterator[Callable[..., Any]]:
    made = Control(federation[NODE])
    made.start()
    folder = federation[NODE].context.config.state_dir
    yield lambda **fields: ask(folder, {"do": "dry-run", "kind": "statistics", **fields})
    made.stop()


def file(sql: str = SQL, **parameters: Any) -> dict[str, Any]:
    return {"request": {"sql": sql, "parameters": parameters or {"year": 2013}}, "owners": 3}


def request(sql: str = SQL) -> dict[str, Any]:
    """As the owner's command sends a verified request."""
    asked = plan(sql)
    readings = [Reading(n, "flights", asked.columns_touched()["flights"], ROWS) for n in Documents().nodes]
    told = [asdict(reading) for reading in readings]
    return {"plan": asked.model_dump(mode="json"), "parameters": {"year": 2013}, "readings": told}


def test_a_dry_run_tells_which_rule_closes_which_cell(command: Callable[..., Any]) -> None:
    answer = command(**request())
    assert (answer["profile"], answer["decided_by"]) == ("standard@2", ["flights"])
    closed = {name: count for name, count in answer["closed"].items() if count}
    assert closed == {"base": 2}  # B6 has four aircraft here: its number of flights and its mean
    assert [(item["cell"], item["rule"], item["base"]) for item in answer["withheld"]] == 2 * [
        ({"carrier": "B6"}, "base", 4)
    ]
    assert answer["rules"] == {"base": "1 to 9 individuals satisfy the known conditions; none, or at least 10, may"}
    assert (answer["numbers"], answer["empty"], answer["not_listed"]) == (8, 2, 0)  # nobody flies for ZZ
    assert set(answer["shown_from"].values()) == {21}


def test_a_file_is_compiled_at_the_node_and_judged_alike(command: Callable[..., Any]) -> None:
    assert command(**file()) == command(**request())


def test_a_job_is_told_the_same_and_only_the_job_is_remembered(
    federation: Federation, command: Callable[..., Any]
) -> None:
    before = [federation.rows(NODE, table) for table in TABLES]
    first = command(**request())
    assert all(item["before"] == 0.0 and item["after"] > 0.0 and item["rows"] > 0 for item in first["audit"])
    assert [(item["unit_domain"], item["subject"]) for item in first["audit"]] == [("aircraft", ["flights", "delay"])]
    assert command(**request()) == first  # asked again: nothing was remembered of it
    assert [federation.rows(NODE, table) for table in TABLES] == before
    federation.hub.order(Documents())
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    federation.settle()
    context = federation[NODE].context
    with context.state.read() as connection:
        flags = next(entry for entry in context.record.read(connection) if entry["round"] == "flags")
        standing = {item["subject"]: item["highest"] for item in context.gate.standing(connection, "aircraft")}
    assert flags["failed"] == first["closed"]
    assert {tuple(item["subject"]) if item["subject"] else None: item["after"] for item in first["audit"]} == standing
    again = command(**request())  # the same numbers tell nothing new
    assert all((item["after"], item["rows"]) == (item["before"], 0) for item in again["audit"])


def test_what_the_audit_would_close_is_named() -> None:
    asked = plan()
    result = run_local(asked, {"year": 2013}, {"flights": lambda columns: flights(NODE).select(columns).to_reader()})
    run = make_dry_run(kind_of("statistics"))(asked, {"year": 2013}, PROFILE, OpenGate(NODE))
    (question,) = run.asked(result).questions
    refused = [np.array([True, True, False, False]) for _ in question.inquiries]  # UA, and a cell that has no base
    told = run.told([refused])
    assert told["closed"]["audit"] == 4
    assert {(item["cell"]["carrier"], item["rule"], item["base"]) for item in told["withheld"]} == {
        ("B6", "base", 4),
        ("UA", "audit", 25),
        ("ZZ", "audit", 0),
    }
    assert "more than 25% of somebody" in told["rules"]["audit"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "invalid-spec"),
        ({"request": {"sql": "SELECT delay FROM flights"}}, "invalid-sql"),
        ({"request": {"sql": "SELECT COUNT(*) AS n FROM trains"}}, "unknown-name"),
        ({**file(), "owners": 0}, "invalid-spec"),
        ({**file(), "owners": "all"}, "invalid-spec"),
        ({"plan": {}, "readings": [], "parameters": {}}, "bad-document"),
        ({**request(), "readings": []}, "out-of-scope"),
        ({**request(), "readings": 7}, "invalid-spec"),
    ],
)
def test_what_cannot_be_a_job_is_refused(command: Callable[..., Any], fields: dict[str, Any], code: str) -> None:
    assert command(**fields)["code"] == code


def test_a_forged_plan_is_not_run(federation: Federation, command: Callable[..., Any]) -> None:
    asked = request()
    asked["plan"]["channels"][0]["noise"] = "0"
    assert "differs" in command(**asked)["error"]
    assert federation.runners[NODE].scans == 0


def test_a_column_that_the_owner_denies_is_refused(tmp_path: Path) -> None:
    made = Federation(tmp_path, denied_columns=("flights.delay",))
    control = Control(made[NODE])
    control.start()
    try:
        told = ask(made[NODE].context.config.state_dir, {"do": "dry-run", "kind": "statistics", **request()})
        assert told["code"] == "negative-listed"
    finally:
        control.stop()
        made.close()


def test_a_scan_that_fails_says_so(federation: Federation, command: Callable[..., Any]) -> None:
    federation.runners[NODE].fault = SourceChanged("the files are others")
    assert command(**request()) == {"error": "the files are others", "code": "data-changed"}
    federation.runners[NODE].fault = None
    assert "closed" in command(**request())  # and holds nothing up


def test_one_dry_run_at_a_time(federation: Federation, command: Callable[..., Any]) -> None:
    runner = federation.runners[NODE]
    runner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(command, **request())
        federation.drive(lambda: runner.scans == 1)
        assert command(**request())["code"] == "unavailable"
        runner.gate.set()
        assert "closed" in first.result()
