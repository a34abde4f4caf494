"""The walk of a job with one owner: nothing is masked, and nothing that is not rounded leaves the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.kinds.statistics.release import round_all
from jobs.kinds.statistics.run import run_local
from sandbox.node.tables import outbox
from tests.support import orders
from tests.support.joint_nodes import Federation
from tests.support.orders import PROFILE, Documents

NODE = "node-ewr"
SQL = (
    "SELECT carrier, COUNT(*) AS n, COUNT(DISTINCT tailnum) AS aircraft, SUM(delay) AS total, STDDEV(delay) AS spread "
    "FROM flights WHERE year = :year AND delay IS NOT NULL GROUP BY carrier"
)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Federation]:
    """One node and a hub: the other owners hold nothing."""
    made = Federation(tmp_path, ("ewr",))
    yield made
    made.close()


def documents_of(**changed: Any) -> Documents:
    return Documents(owners=("ewr",), sql=SQL, **changed)


def finished(federation: Federation) -> None:
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    federation.settle()


def test_rounded_numbers_of_passing_cells_leave_and_nothing_else(alone: Federation) -> None:
    documents = documents_of()
    alone.hub.order(documents)
    finished(alone)
    plan, hub = documents.plan, alone.hub
    assert hub.rounds(NODE) == ["key", "flags", "values", "sent", "destroyed"]
    assert all(row.posted and row.proven for row in alone.rows(NODE, outbox))
    carriers = plan.dimensions[0].domain
    expected = np.array([carrier in ("AA", "UA") for carrier in carriers])  # four aircraft of B6, none of ZZ
    assert (hub.passed == expected).all()
    exact = run_local(plan, {"year": 2013}, {"flights": alone.runners[NODE]._read}).values
    released = round_all(plan, PROFILE, hub.passed, exact)
    numbers = [released[a][c] for a, c in np.argwhere(hub.passed).tolist()]
    assert hub.numbers == [Decimal(number) for number in numbers if number is not None]
    aa = carriers.index("AA")
    place = {aggregate.function: number for number, aggregate in enumerate(plan.aggregates)}
    assert released[place["count_distinct_unit"]][aa] == 40  # one owner counts its own aircraft
    rows = exact[plan.aggregates[place["count_rows"]].channels[0]][aa]
    assert released[place["count_rows"]][aa] == 5 * round(rows / 5) != rows
    total = exact[plan.aggregates[place["sum"]].channels[1]][aa]
    assert released[place["sum"]][aa] != total
    assert Decimal(rows) not in hub.numbers
    assert Decimal(total) not in hub.numbers


def test_the_flags_do_not_tell_a_small_cell_from_an_empty_one(alone: Federation) -> None:
    documents = documents_of()
    alone.hub.order(documents)
    finished(alone)
    [flags] = alone.hub.messages(NODE, "flags")
    pairs = flags.reshape(len(documents.plan.aggregates), documents.plan.cells, 2)
    assert not pairs[:, :, 0].any()
    assert np.array_equal(pairs[:, :, 1] == 1, alone.hub.passed)


def test_charge_and_record_are_those_of_any_job(alone: Federation) -> None:
    alone.hub.order(documents_of())
    finished(alone)
    opened = int(alone.hub.passed.sum())
    assert alone.ledger(NODE) == {"grant": (1, "committed"), "cells": (opened, "committed")}
    context = alone[NODE].context
    with context.state.read() as connection:
        entries = list(context.record.read(connection))
    assert [(entry["round"], entry.get("count")) for entry in entries][1:] == [("values", opened), ("sent", None)]


@pytest.mark.parametrize("bend", [np.ones_like, np.zeros_like], ids=["more", "fewer"])
def test_a_hub_that_opens_other_cells_gets_nothing(alone: Federation, bend: Callable[[np.ndarray], np.ndarray]) -> None:
    alone.hub.bend_passed = bend
    alone.hub.order(documents_of())
    alone.drive(lambda: alone.states(NODE) == [("failed", "protocol-violation")])
    assert alone.outbox(NODE) == ["key", "flags", "stop", "destroyed"]


def test_a_hub_that_brings_in_a_second_key_ends_the_job(alone: Federation) -> None:
    alone.hub.bend_keys = lambda keys: [*keys, keys[0]]
    alone.hub.order(documents_of())
    alone.drive(lambda: alone.states(NODE) == [("failed", "protocol-violation")])
    assert alone.outbox(NODE) == ["key", "stop", "destroyed"]


def test_after_a_crash_the_same_rounded_numbers_are_sent_again(alone: Federation) -> None:
    hub = alone.hub
    hub.hold.add("sent")
    hub.order(documents_of())
    alone.drive(lambda: "sent" in hub.rounds(NODE))
    stored = {row.round: row.envelope for row in alone.rows(NODE, outbox)}
    with alone[NODE]._lock:
        alone[NODE]._runs.clear()
    node = alone.restart(NODE)
    with node.context.state.write() as connection:
        connection.execute(outbox.update().values(posted=False))
    hub.posted.clear()
    alone.drive(lambda: "sent" in hub.rounds(NODE))
    assert stored["values"] in [data for _, data in hub.posted]
    assert alone.states(NODE) == [("open", None)]


def test_the_plan_of_three_owners_is_not_run_for_one_of_them(alone: Federation) -> None:
    """All documents agree on one participant, but the plan's proofs and words are those of three."""
    sql = "SELECT carrier, COUNT(*) AS n FROM flights WHERE year = :year GROUP BY carrier"
    three = orders.plan(sql)
    named = {"plan_digest": three.digest()}
    documents = Documents(
        owners=("ewr",),
        sql=sql,
        bend={
            "commitment": lambda made: made.model_copy(update={"plans": (three.digest(),)}),
            "grant:ewr": lambda made: made.model_copy(update=named),
            "permit": lambda made: made.model_copy(
                update={**named, "plan_digest": three.digest(), "plan": three.model_dump(mode="json")}
            ),
        },
    )
    alone.hub.order(documents)
    alone.drive(lambda: bool(alone.hub.messages(NODE, "stop")))
    [stop] = alone.hub.messages(NODE, "stop")
    assert (stop.code, "number of parts" in stop.advice) == ("out-of-scope", True)
    assert alone.states(NODE) == []
