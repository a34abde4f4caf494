"""The walk of a job with one owner: the same as with several, nothing is masked, and every number has its noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.documents import Vouch
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.opening import opening
from jobs.kinds.statistics.run import run_local
from jobs.kinds.statistics.tableform import table_of
from mpc.ring import Ring
from sandbox.node.alarms import UNCONFIRMED
from sandbox.node.asking import rows_digest
from sandbox.node.tables import outbox
from tests.support import orders
from tests.support.joint_nodes import Federation
from tests.support.orders import PROFILE, Documents

NODE = "node-ewr"
SQL = (
    "SELECT carrier, COUNT(*) AS n, COUNT(DISTINCT tailnum) AS aircraft, SUM(delay) AS total, STDDEV(delay) AS spread "
    "FROM flights WHERE year = :year AND delay IS NOT NULL GROUP BY carrier"
)
ROUNDS = ["key", "flags", "values", "sent", "vouch", "destroyed"]


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


def sent_numbers(federation: Federation, documents: Documents) -> dict[tuple[int, int], int]:
    """What the hub reads, by (channel, cell)."""
    [values] = federation.hub.messages(NODE, "values")
    pairs = opening(documents.plan, federation.hub.passed)
    numbers = Ring(documents.plan.ring_bits).decode_signed(values)
    return dict(zip(zip(pairs.channel.tolist(), pairs.cell.tolist(), strict=True), numbers, strict=True))


def test_noisy_numbers_of_passing_cells_leave_and_nothing_else(alone: Federation) -> None:
    documents = documents_of()
    alone.hub.order(documents)
    finished(alone)
    plan, hub = documents.plan, alone.hub
    assert hub.rounds(NODE) == ROUNDS
    assert all(row.posted and row.proven for row in alone.rows(NODE, outbox))
    carriers = plan.dimensions[0].domain
    small = np.array([carrier == "B6" for carrier in carriers])  # four aircraft; of ZZ there is nobody
    assert np.array_equal(hub.passed, np.broadcast_to(~small, hub.passed.shape))
    context = alone[NODE].context
    local = run_local(plan, {"year": 2013}, {"flights": alone.runners[NODE]._read})
    with context.state.read() as connection:
        rows = rows_digest(connection, context.state.held(connection))
    noisy = add_noise(plan, {"year": 2013}, PROFILE, context.gate.seeds(rows), local).values
    found = sent_numbers(alone, documents)
    assert found == {(channel, cell): noisy[channel][cell] for channel, cell in found}
    assert {cell for _, cell in found} == set(np.flatnonzero(~small).tolist())
    off = [number - local.values[channel][cell] for (channel, cell), number in found.items()]
    noise = [plan.channels[channel].noise for channel, _ in found]
    assert all(abs(x) <= 3 * sd for x, sd in zip(off, noise, strict=True))
    assert np.count_nonzero(off) > len(off) // 2


def test_the_only_owner_recomputes_and_signs_the_table_too(alone: Federation) -> None:
    alone.hub.order(documents_of())
    finished(alone)
    hub = alone.hub
    assert hub.now.draft is not None
    assert [Vouch.open(word).release for word in hub.now.vouches.values()] == [hub.now.draft.digest]
    shown = table_of(hub.output().content)
    withheld = {row[0]: marks[1] for row, marks in zip(shown.rows, shown.suppressed, strict=True)}
    assert withheld == {"AA": False, "B6": True, "UA": False, "ZZ": True}  # small and empty look alike
    assert alone.alarms(NODE) == []


def test_an_output_of_other_numbers_is_not_signed(alone: Federation) -> None:
    alone.hub.bend_output = lambda output: replace(output, content=output.content + b" ")
    alone.hub.order(documents_of())
    alone.drive(lambda: alone.states(NODE) == [("failed", UNCONFIRMED)])
    assert alone.outbox(NODE) == ["key", "flags", "values", "sent", "stop", "destroyed"]
    assert alone.alarms(NODE) == [UNCONFIRMED]


def test_the_flags_do_not_tell_which_rule_closed_a_cell_nor_an_empty_one_from_a_full_one(alone: Federation) -> None:
    documents = documents_of()
    alone.hub.order(documents)
    finished(alone)
    [flags] = alone.hub.messages(NODE, "flags")
    pairs = flags.reshape(len(documents.plan.aggregates), documents.plan.cells)
    assert np.array_equal(pairs == 0, alone.hub.passed)
    closed = pairs[pairs != 0].tolist()
    assert len(set(closed)) == len(closed) == len(documents.plan.aggregates)
    assert min(closed) > 1 << 32  # fresh numbers, no codes: one in 2^32 is smaller


def test_charge_and_record_are_those_of_any_job(alone: Federation) -> None:
    alone.hub.order(documents_of())
    finished(alone)
    opened = int(alone.hub.passed.sum())
    assert alone.ledger(NODE) == {"grant": (1, "committed"), "cells": (opened, "committed")}
    context = alone[NODE].context
    with context.state.read() as connection:
        entries = list(context.record.read(connection))
    assert [(entry["round"], entry.get("count")) for entry in entries] == [
        ("flags", opened), ("values", opened), ("sent", None),
    ]  # fmt: skip


def test_a_hub_that_opens_a_flagged_cell_gets_nothing(alone: Federation) -> None:
    alone.hub.bend_passed = np.ones_like
    alone.hub.order(documents_of())
    alone.drive(lambda: alone.states(NODE) == [("failed", "protocol-violation")])
    assert alone.outbox(NODE) == ["key", "flags", "stop", "destroyed"]


def test_a_hub_that_opens_fewer_cells_gets_those_and_no_signature(alone: Federation) -> None:
    """They may all be opened; but it said something else than the flags give, so nobody confirms what it makes of it."""
    documents = documents_of()

    def first_alone(passed: np.ndarray) -> np.ndarray:
        fewer = np.zeros_like(passed)
        fewer[:, 0] = passed[:, 0]
        return fewer

    alone.hub.bend_passed = first_alone
    alone.hub.order(documents)
    alone.drive(lambda: alone.states(NODE) == [("failed", UNCONFIRMED)])
    assert {cell for _, cell in sent_numbers(alone, documents)} == {0}
    assert alone.ledger(NODE)["cells"] == (len(documents.plan.aggregates), "committed")
    assert "vouch" not in alone.outbox(NODE)


def test_a_hub_that_brings_in_a_second_key_ends_the_job(alone: Federation) -> None:
    alone.hub.bend_keys = lambda keys: [*keys, keys[0]]
    alone.hub.order(documents_of())
    alone.drive(lambda: alone.states(NODE) == [("failed", "protocol-violation")])
    assert alone.outbox(NODE) == ["key", "stop", "destroyed"]


def test_after_a_crash_the_same_numbers_are_sent_again(alone: Federation) -> None:
    hub = alone.hub
    hub.hold.add("sent")
    hub.order(documents_of())
    alone.drive(lambda: "sent" in hub.rounds(NODE))
    stored = {row.round: row.envelope for row in alone.rows(NODE, outbox)}
    with alone[NODE]._lock:
        alone[NODE]._runs.clear()
    with alone[NODE].context.state.write() as connection:  # as a crash before the hub's answer leaves it
        connection.execute(outbox.update().values(posted=False))
    hub.posted.clear()
    alone.restart(NODE)
    alone.drive(lambda: "sent" in hub.rounds(NODE))
    assert stored["values"] in [data for _, data in hub.posted]
    assert alone.states(NODE) == [("open", None)]


def test_asked_again_the_only_owner_s_numbers_are_the_same(alone: Federation) -> None:
    """Otherwise whoever asks often enough takes the mean of the noise."""
    sent: list[list[list[int | None]] | None] = []
    for number in (1, 2):
        ended = [("finished", None)] * number
        documents = documents_of(nonce=f"{number:064x}", job=f"job-{number}")
        alone.hub.totals = None
        alone.hub.order(documents)
        alone.drive(partial(lambda expected: alone.states(NODE) == expected, ended))
        alone.settle()
        sent.append(alone.hub.totals)
    assert sent[0] == sent[1] is not None


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
