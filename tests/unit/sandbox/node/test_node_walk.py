"""The whole three-round walk of three nodes over a hub that adds vectors, honest and not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jobs.kinds.statistics.run import run_local
from sandbox.node.tables import outbox

NODE = "node-ewr"


def plaintext(federation, documents) -> list[list[int]]:
    """Each channel's sum over all parts, computed without any protocol."""
    table = pa.concat_tables([runner.table for runner in federation.runners.values()])
    result = run_local(documents.plan, {"year": 2013}, {"flights": lambda names: table.select(list(names)).to_reader()})
    return [list(values) for values in result.values]


def test_totals_are_those_of_the_plaintext_and_everyone_ends(federation, orders):
    documents = orders.Documents()
    federation.hub.order(documents)
    federation.drive(lambda: all(federation.states(n) == [("finished", None)] for n in federation.names))
    federation.settle()
    hub, expected = federation.hub, plaintext(federation, documents)
    carriers = documents.plan.dimensions[0].domain
    aa, b6, ua, zz = (carriers.index(name) for name in ("AA", "B6", "UA", "ZZ"))
    assert hub.passed[:, [aa, ua]].all()
    assert not hub.passed[:, [b6, zz]].any()  # four aircraft at one node; nobody anywhere
    for channel, totals in enumerate(hub.totals):
        assert [totals[aa], totals[ua]] == [expected[channel][aa], expected[channel][ua]]
        assert totals[b6] is None
        assert totals[zz] is None
    for name in federation.names:
        assert hub.rounds(name) == ["key", "flags", "values", "sent", "destroyed"]
        assert all(row.posted and row.proven for row in federation.rows(name, outbox))


def test_the_ledger_charges_what_was_opened(federation, orders):
    federation.hub.order(orders.Documents())
    federation.settle()
    federation.drive(lambda: bool(federation.states(NODE)))
    federation.settle()
    for name in federation.names:
        assert federation.ledger(name) == {
            "grant": (1, "committed"),
            "cells": (int(federation.hub.passed.sum()), "committed"),
        }


def test_what_the_hub_sees_of_one_node_is_masked(federation, orders):
    documents = orders.Documents()
    federation.hub.order(documents)
    federation.settle()
    federation.drive(lambda: federation.hub.totals is not None)
    local = run_local(documents.plan, {"year": 2013}, {"flights": federation.runners[NODE]._read})
    plain = {value for values in local.values for value in values if value}
    [values] = federation.hub.messages(NODE, "values")
    assert plain
    assert not plain & set(values.vector.reshape(-1).astype(np.int64).tolist())
    [flags] = federation.hub.messages(NODE, "flags")
    assert np.count_nonzero(flags.vector) == flags.vector.size  # zeros would show which pairs are not flagged
    [again] = federation.hub.messages("node-jfk", "flags")
    assert not np.array_equal(flags.vector, again.vector)


def test_the_owners_record_names_the_cells_and_no_value(federation, orders):
    federation.hub.order(orders.Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    context = federation[NODE].context
    with context.state.read() as connection:
        entries = list(context.record.read(connection))
    assert [entry["round"] for entry in entries] == ["flags", "values"]
    assert entries[0]["failed"]["min_group"] == len(federation.hub.plan.aggregates)  # B6, in every aggregate
    assert entries[1]["count"] == int(federation.hub.passed.sum())


def test_a_hub_that_opens_a_flagged_cell_gets_nothing(federation, orders):
    federation.hub.bend_passed = np.ones_like
    federation.hub.order(orders.Documents())
    federation.drive(lambda: bool(federation.states(NODE)) and federation.states(NODE)[0][0] == "failed")
    federation.settle()
    assert federation.states(NODE) == [("failed", "integrity-failure")]
    assert federation.outbox(NODE) == ["key", "flags", "abort", "destroyed"]
    assert federation.ledger(NODE)["cells"][1] == "committed"  # flags have left: never given back


def test_pass_bits_of_another_plan_end_the_job(federation, orders):
    federation.hub.hold.add("flags")
    federation.hub.order(orders.Documents())
    federation.drive(lambda: "flags" in federation.hub.rounds(NODE))
    federation.hub.put(NODE, "open", "job-1", {"passed": "AAAAAAAAAAAA"})
    federation.drive(lambda: federation.states(NODE) == [("failed", "integrity-failure")])
    assert "values" not in federation.outbox(NODE)


def foreign_key(federation, orders, envelopes):
    """The first key once more, signed by a stranger."""
    from jobs.documents import Envelope, SigningKey

    bad = Envelope(envelopes[0].payload_type, envelopes[0].payload, ()).signed_by(SigningKey.from_seed(bytes(32)))
    return [bad, *envelopes[1:]]


def test_keys_that_are_wrong_foreign_or_missing_end_the_job(federation, orders):
    bends = {
        "foreign": lambda keys: foreign_key(federation, orders, keys),
        "missing": lambda keys: keys[:-1],
        "twice": lambda keys: [keys[0], keys[0], keys[1]],
        "more": lambda keys: [*keys, keys[0]],
    }
    for number, (name, bend) in enumerate(bends.items()):
        federation.hub.bend_keys = bend
        federation.hub.by_round.clear()
        federation.hub.order(orders.Documents(nonce=f"{number:02x}" * 32, job=f"job-{name}"))
        federation.drive(lambda n=number: [s for s, _ in federation.states(NODE)] == ["failed"] * (n + 1))
        federation.settle()
        assert federation.states(NODE)[-1][0] == "failed"
        assert "flags" not in federation.outbox(NODE), name
        assert all(row[1] == "refunded" for row in federation.ledger(NODE).values()), name


def test_a_key_of_another_job_is_refused(federation, orders):
    federation.hub.order(orders.Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    old = list(federation.hub.by_round["key"].values())
    federation.hub.by_round.clear()
    federation.hub.bend_keys = lambda keys: [old[0], *keys[1:]]
    federation.hub.order(orders.Documents(nonce="cd" * 32, job="job-2"))
    federation.drive(lambda: len(federation.states(NODE)) == 2 and federation.states(NODE)[1][0] == "failed")
    assert federation.outbox(NODE).count("flags") == 1


def test_a_second_open_with_other_bits_changes_nothing(federation, orders):
    hub = federation.hub
    hub.hold.add("sent")
    hub.order(orders.Documents())
    federation.drive(lambda: all("sent" in hub.rounds(name) for name in federation.names))
    hub.put(NODE, "open", "job-1", {"passed": "/w=="})
    hub.put(NODE, "keys", "job-1", {"messages": []})
    for _ in range(20):
        federation.tick()
    assert hub.rounds(NODE) == ["key", "flags", "values", "sent"]
    assert federation.states(NODE) == [("sent", None)]


def test_inbox_items_that_are_shown_twice_are_answered_once(federation, orders):
    hub = federation.hub
    hub.order(orders.Documents())
    federation.drive(lambda: hub.totals is not None)
    federation.settle()
    before = list(hub.posted)
    node = federation[NODE]
    with node.context.state.write() as connection:  # the cursor as a crash before its transaction leaves it
        node.context.state.set_setting(connection, "inbox_cursor", b"0")
    for _ in range(5):
        federation.tick()
    assert hub.posted == before
    assert federation.states(NODE) == [("finished", None)]


def test_a_hub_that_ignores_the_cursor_is_passed_over(federation, orders):
    hub = federation.hub
    hub.order(orders.Documents())
    federation.drive(lambda: hub.totals is not None)
    federation.settle()
    before = list(hub.posted)
    port = federation[NODE].context.hub
    federation[NODE].context.hub = Everything(port)
    assert federation[NODE].tick(0) == 0
    assert hub.posted == before


class Everything:
    """A port whose inbox always starts at the beginning."""

    def __init__(self, port) -> None:
        self._port = port

    def __getattr__(self, name):
        return getattr(self._port, name)

    def inbox(self, after, wait):
        return self._port.inbox(0, wait)
