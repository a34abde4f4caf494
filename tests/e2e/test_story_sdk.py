"""The same federation through the SDK: other shapes of questions, compared with plain SQL over the union."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from sandbox.client.table import Table
from tests.e2e.conftest import Airports
from tests.support import expected
from tests.support.ground import until

pytestmark = pytest.mark.e2e


def question(sql: str, **parameters: Any) -> dict[str, Any]:
    datasets = ["flights", "planes"] if "planes" in sql else ["flights"]
    return {
        "sql": sql,
        "parameters": parameters,
        "datasets": datasets,
        "scenario": "delay research",
        "purpose": "end to end",
    }


def cells(table: Table) -> dict[str, dict[str, Any]]:
    """Rows by their first column; a withheld number is absent."""
    found = {}
    for row, hidden in zip(table.rows, table.suppressed, strict=True):
        named = dict(zip(table.columns, row, strict=True))
        found[str(row[0])] = {name: value for name, value in named.items() if name not in hidden}
    return found


def test_having_order_and_limit_work_on_released_numbers(airports: Airports) -> None:
    sql = (
        "SELECT carrier, COUNT(*) AS flights, AVG(dep_delay) AS late FROM flights GROUP BY carrier "
        "HAVING COUNT(*) >= 1000 ORDER BY late DESC LIMIT 5"
    )
    table = airports.released(question(sql)).table
    assert table is not None
    assert len(table) == 5
    shown = [row[2] for row in table.rows]
    assert shown == sorted(shown, reverse=True)
    union = expected.ask(
        airports.parts(),
        "select carrier, count(*) as flights, count(dep_delay) as n, sum(dep_delay)::bigint as total "
        "from flights where tailnum is not null group by carrier",
    )
    truth = {row["carrier"]: row for row in union}
    for carrier, flights, late in table.rows:
        assert flights == expected.count(truth[carrier]["flights"]) >= 1000
        assert Fraction(late) == expected.mean(truth[carrier]["total"], truth[carrier]["n"])


def test_a_join_inside_each_owner_equals_the_join_of_the_union(airports: Airports) -> None:
    spec = airports.example("long-haul")
    table = airports.released(spec).table
    assert table is not None
    truth = expected.ask(
        airports.parts(),
        """
        select engine || (case when hour >= 17 then 'evening' else 'day' end) as cell, count(*) as flights,
               count(dep_delay) as n, sum(dep_delay)::bigint as total,
               count(*) filter (where arr_delay > 60) as very_late
        from flights join planes using (tailnum) where distance >= 1000 group by cell
        """,
    )
    union = {row["cell"]: row for row in truth}
    compared = 0
    for row, hidden in zip(table.rows, table.suppressed, strict=True):
        cell = dict(zip(table.columns, row, strict=True))
        if "late_out" in hidden or "flights" in hidden:
            continue
        same = union[cell["engine"] + cell["part"]]
        assert cell["flights"] == expected.count(same["flights"])
        assert Fraction(cell["late_out"]) == expected.mean(same["total"], same["n"])
        if "very_late" not in hidden:
            assert cell["very_late"] == expected.count(same["very_late"])
        compared += 1
    assert compared >= 2


def test_small_cells_are_withheld_exactly_where_an_owner_has_too_few(airports: Airports) -> None:
    """Counts by carrier and destination: one owner with one to nine aircraft is enough, and nobody learns which."""
    sql = "SELECT carrier, dest, COUNT(*) AS flights FROM flights WHERE month = 7 GROUP BY carrier, dest"
    table = airports.released(question(sql)).table
    assert table is not None
    by_owner = expected.ask(
        airports.parts(),
        "select carrier, dest, origin, count(distinct tailnum) as units, count(*) as flights from flights "
        "where tailnum is not null and month = 7 group by all",
    )
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in by_owner:
        groups.setdefault((row["carrier"], row["dest"]), []).append(row)
    withheld = 0
    for shown, hidden in zip(table.rows, table.suppressed, strict=True):
        parts = groups.get((shown[0], shown[1]), [])
        if not parts or any(part["units"] < 10 for part in parts):
            assert "flights" in hidden, shown
            withheld += bool(parts)
        elif "flights" not in hidden:  # dominance may still withhold
            assert shown[2] == expected.count(sum(part["flights"] for part in parts))
    assert withheld > 20


def test_a_grant_over_a_parameter_is_used_up_by_its_runs(airports: Airports) -> None:
    sql = "SELECT carrier, COUNT(*) AS flights FROM flights WHERE distance >= :miles GROUP BY carrier"
    job = airports.submit(question(sql, miles=300))
    commitment = airports.federation.commitments[-1]
    for name in airports.places.owners:
        airports.federation.approve(name, job.id, runs=1, allowed={"miles": [300, 400]})
    assert airports.finish(job).job.state == "released"
    again = airports.submit(question(sql, miles=400), commitment=commitment)
    assert again.state == "needs_approval"
    assert any("used" in str(reason) for reason in again.reasons)
    outside = airports.submit(question(sql, miles=500), commitment=commitment)
    assert outside.state == "needs_approval"
    replay = airports.submit(question(sql, miles=300), commitment=commitment)
    assert replay.state == "released"


def test_a_revocation_holds_at_the_node_before_the_hub_knows(airports: Airports) -> None:
    sql = "SELECT month, COUNT(*) AS flights FROM flights WHERE distance >= :miles GROUP BY month"
    job = airports.submit(question(sql, miles=200))
    commitment = airports.federation.commitments[-1]
    grants = {
        name: airports.federation.approve(name, job.id, runs=3, allowed={"miles": [200, 201, 202]})
        for name in airports.places.owners
    }
    assert airports.finish(job).job.state == "released"
    before = airports.federation.ask_node("JFK", {"do": "status"})["spent"]
    ewr, config = airports.owner("EWR"), airports.node("EWR")
    at_node = dict(ewr.settings)
    del at_node["UNSEEN_TOKEN_FILE"]
    type(ewr)(at_node)("node", "revoke", "--config", config, grants["EWR"].digest)
    refused = airports.finish(airports.submit(question(sql, miles=201), commitment=commitment)).job
    assert refused.state == "failed"
    assert refused.failure is not None
    assert (refused.failure["code"], refused.failure["nodes"]) == ("not-granted", ["node-EWR"])
    # what JFK had set aside is given back, since nothing had left
    until(lambda: airports.federation.ask_node("JFK", {"do": "status"})["spent"] == before, "the refund at JFK")
    told = ewr("node", "revoke", "--config", config, grants["EWR"].digest)
    assert "the hub has been told" in told.out
    asked = airports.submit(question(sql, miles=202), commitment=commitment)
    assert asked.state == "needs_approval"
    assert any("revoked" in str(reason) for reason in asked.reasons)


def test_a_new_data_version_voids_the_grants_for_the_one_before(airports: Airports) -> None:
    from tests.e2e.conftest import register

    sql = "SELECT carrier, COUNT(*) AS flights FROM flights WHERE hour >= 17 GROUP BY carrier"
    job = airports.submit(question(sql))
    commitment = airports.federation.commitments[-1]
    airports.federation.approve_all(job.id, runs=5)
    assert airports.finish(job).job.state == "released"
    register(airports, "LGA")
    again = airports.submit(question(sql), commitment=commitment)
    assert again.state == "needs_approval"
    assert {reason["owner"] for reason in again.reasons} == {"LGA"}
    airports.federation.approve("LGA", again.id)
    assert airports.finish(again).job.state == "released"


def test_progress_comes_as_events_until_the_end(airports: Airports) -> None:
    sql = "SELECT hour, COUNT(*) AS flights FROM flights WHERE month <= 6 GROUP BY hour"
    job = airports.submit(question(sql))
    with airports.federation.operator() as client:
        events = client.events(job.id)
        states = [next(events)["state"]]
        airports.federation.approve_all(job.id)
        states += [event["state"] for event in events]
    assert states[0] == "needs_approval"
    assert states[-1] == "released"
    assert "running" in states


def test_a_table_goes_to_pandas_and_arrow(airports: Airports) -> None:
    sql = "SELECT month, COUNT(*) AS flights, AVG(distance) AS far FROM flights GROUP BY month"
    table = airports.released(question(sql)).table
    assert table is not None
    frame = table.to_pandas()
    assert list(frame.columns) == ["month", "flights", "far"]
    assert frame["flights"].sum() > 300_000
    assert table.to_arrow().num_rows == len(frame) == 12


def test_a_preview_stores_nothing(airports: Airports) -> None:
    with airports.federation.operator() as client:
        before = len(list(client.jobs()))
        preview = client.preview("SELECT AVG(distance) AS mean FROM flights")
        assert preview.decision == "needs_approval"
        assert len(list(client.jobs())) == before
