"""The same federation through the SDK: other shapes of questions, compared with plain SQL over the union."""

from __future__ import annotations

from typing import Any

import pytest

from examples.prepare_flights import LONGEST
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


def test_a_table_goes_to_pandas_and_arrow(airports: Airports) -> None:
    """First of all: what others ask below counts against the aircraft too."""
    sql = "SELECT month, COUNT(*) AS flights, AVG(distance) AS far FROM flights GROUP BY month"
    table = airports.released(question(sql)).table
    assert table is not None
    frame = table.to_pandas()
    assert list(frame.columns) == ["month", "flights", "far"]
    assert frame["flights"].sum() > 300_000
    assert table.to_arrow().num_rows == len(frame) == 12
    with_errors = table.to_pandas(errors=True)
    assert list(with_errors.columns) == ["month", "flights", "flights (se)", "far", "far (se)"]
    assert set(with_errors["flights (se)"]) == {5.2}


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
        "select carrier, count(*) as flights, count(dep_delay) as n, avg(dep_delay) as late "
        "from flights where tailnum is not null group by carrier",
    )
    truth = {row["carrier"]: row for row in union}
    for place, (carrier, flights, late) in enumerate(table.rows):
        same, (_, of_flights, of_late) = truth[carrier], table.errors[place]
        assert flights >= 1000
        assert expected.is_noisy(flights, of_flights, same["flights"], expected.count_noise(3))
        assert expected.is_noisy(late, of_late, same["late"], expected.mean_noise(3, same["n"], same["late"], LONGEST))


def test_a_join_inside_each_owner_equals_the_join_of_the_union(airports: Airports) -> None:
    spec = airports.example("long-haul")
    table = airports.released(spec).table
    assert table is not None
    truth = expected.ask(
        airports.parts(),
        """
        select engine || (case when hour >= 17 then 'evening' else 'day' end) as cell, count(*) as flights,
               count(dep_delay) as n, avg(dep_delay) as late_out,
               count(*) filter (where arr_delay > 60) as very_late
        from flights join planes using (tailnum) where distance >= 1000 group by cell
        """,
    )
    union = {row["cell"]: row for row in truth}
    compared = 0
    for place, row in enumerate(table.rows):
        cell = dict(zip(table.columns, row, strict=True))
        same = union.get(cell["engine"] + cell["part"])
        for name in {"flights", "late_out", "very_late"} - table.suppressed[place]:
            assert same is not None
            noise = expected.count_noise(3)
            if name == "late_out":
                noise = expected.mean_noise(3, same["n"], same["late_out"], LONGEST)
            assert expected.is_noisy(cell[name], table.error(place, name), same[name], noise), (cell, name)
            compared += 1
    assert compared >= 6


def test_small_cells_are_withheld_where_an_owner_has_too_few_or_one_aircraft_too_many(airports: Airports) -> None:
    """Counts by carrier and destination: one owner with one to nine aircraft is enough, and nobody learns which.

    So is one aircraft that makes more of a part than the audit lets an answer tell. Empty cells are withheld by
    their noisy total; four standard errors let 3 in 100,000 of them through, as what they are: a noisy nothing.
    """
    sql = "SELECT carrier, dest, COUNT(*) AS flights FROM flights WHERE month = 7 GROUP BY carrier, dest"
    table = airports.released(question(sql)).table
    assert table is not None
    by_aircraft = expected.ask(
        airports.parts(),
        "select carrier, dest, origin, tailnum, count(*) as flights from flights "
        "where tailnum is not null and month = 7 group by all",
    )
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row in by_aircraft:
        groups.setdefault((row["carrier"], row["dest"]), {}).setdefault(row["origin"], []).append(row["flights"])
    withheld = shown = empty = 0
    for place, (carrier, dest, flights) in enumerate(table.rows):
        parts = groups.get((carrier, dest), {})
        may_show = all(len(part) >= 10 and told(part) <= CAP for part in parts.values())
        if "flights" in table.suppressed[place]:
            withheld += bool(parts)
            continue
        assert may_show, (carrier, dest)
        exact, error = sum(map(sum, parts.values())), table.error(place, "flights")
        assert expected.is_noisy(flights, error, exact, expected.count_noise(3)), (carrier, dest, flights, exact)
        shown, empty = shown + bool(parts), empty + (not parts)
    assert withheld > 20
    assert shown > 20
    assert empty <= 2


CAP = 0.25  # undivided: the flights' records are apart
"""Of one aircraft at one owner."""


def told(part: list[int]) -> float:
    """The leverage that one count over a part gives its busiest aircraft, if nothing else was ever asked."""
    return max(part) / (sum(part) + 36)


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


def test_a_preview_stores_nothing(airports: Airports) -> None:
    with airports.federation.operator() as client:
        before = len(list(client.jobs()))
        preview = client.preview("SELECT AVG(distance) AS mean FROM flights")
        assert preview.decision == "needs_approval"
        assert len(list(client.jobs())) == before
