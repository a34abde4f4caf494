"""A table that only one airport holds: it alone approves, its part is noisy as any other, and the receipt verifies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from examples.prepare_flights import LONGEST
from sandbox.local.federation import parquet, read_dataset
from sandbox.verify.receipt import verify_receipt
from tests.e2e.conftest import EXAMPLES, Airports
from tests.support import expected

pytestmark = pytest.mark.e2e

HOLDER = "EWR"
SQL = (
    "SELECT carrier, COUNT(*) AS departures, COUNT(DISTINCT tailnum) AS aircraft, AVG(dep_delay) AS late "
    "FROM departures GROUP BY carrier"
)
TRUTH = """
    select carrier, count(*) as departures, count(distinct tailnum) as aircraft,
           count(dep_delay) as n, avg(dep_delay) as late
    from departures where tailnum is not null group by carrier
"""


def test_one_owner_s_table_is_released_by_its_own_node(airports: Airports) -> None:
    federation, file = airports.federation, airports.flights[HOLDER]
    dataset = read_dataset(EXAMPLES / "datasets" / "flights.yaml").model_copy(update={"name": "departures"})
    federation.register(HOLDER, dataset, parquet(file), rows_at_most=200_000)
    asked = {"sql": SQL, "datasets": ["departures"], "scenario": "delay research", "purpose": "end to end"}
    job = airports.submit(asked)
    assert [reason["owner"] for reason in job.reasons] == [HOLDER]
    federation.approve(HOLDER, job.id)
    done = airports.finish(job)
    assert done.job.state == "released", done.job.failure
    assert done.table is not None
    truth = {row["carrier"]: row for row in expected.ask({"departures": [file]}, TRUTH)}
    compared = 0
    for row, (carrier, *numbers) in enumerate(done.table.rows):
        hidden = done.table.suppressed[row]
        shown = dict(zip(done.table.columns[1:], numbers, strict=True))
        same = truth.get(carrier)
        if same is None or same["aircraft"] < 10:
            assert set(hidden) == set(shown)
            continue
        for name in shown.keys() - hidden:
            noise = expected.count_noise(1)
            if name == "late":
                noise = expected.mean_noise(1, same["n"], same["late"], LONGEST)
            error = done.table.error(row, name)
            assert error is not None
            assert expected.is_noisy(shown[name], error, same[name], noise), (carrier, name, shown[name], error)
            compared += 1
    assert compared >= 18
    with federation.operator() as client:
        receipt = client.receipt(job.id)
    verified = verify_receipt(receipt, federation.trust, datetime.now(UTC))
    assert verified.permit.document.participants == (f"node-{HOLDER}",)
    sent = federation.ask_node(HOLDER, {"do": "sent"})["entries"]
    assert [entry["round"] for entry in sent if entry["job"] == job.id] == ["flags", "values", "sent"]
