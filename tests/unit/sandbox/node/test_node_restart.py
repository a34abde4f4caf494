"""The node dies after each transaction and a new one starts on the same folder: budget right, one mask one message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.documents import Envelope, digest
from jobs.kinds.statistics.messages import encode_open
from sandbox.node.alarms import ALTERED, UNCONFIRMED, UNRELEASED
from sandbox.node.loop import Node
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents

NODE = "node-ewr"


def check_one_message_per_round(federation: Federation) -> None:
    """Whatever was posted for a round is the same bytes each time, and what the outbox holds."""
    stored = {(r.permit, r.round, r.sequence, r.receiver): r.envelope for r in federation.rows(NODE, outbox)}
    posted: dict[str, set[bytes]] = {}
    for name, data in federation.hub.posted:
        if name == NODE:
            posted.setdefault(digest(Envelope.parse(data).payload), set()).add(data)
    assert all(len(versions) == 1 for versions in posted.values())
    assert {next(iter(versions)) for versions in posted.values()} <= set(stored.values())


def crash(federation: Federation) -> Node:
    """Leave the old node's threads behind, unheard, and start a new node on its folder."""
    old = federation[NODE]
    with old._lock:
        old._runs.clear()
    return federation.restart(NODE)


def test_after_the_key_was_stored_nothing_is_spent(federation: Federation) -> None:
    federation.hub.away.add(NODE)
    federation.runners[NODE].gate.clear()
    order_without_polling(federation)
    wait_for(federation, lambda: federation.outbox(NODE) == ["key"])
    key = federation.rows(NODE, outbox)[0].envelope
    crash(federation)
    federation.hub.away.clear()
    federation[NODE].tick(0)
    assert federation.states(NODE) == [("failed", "node-lost")]
    assert federation.ledger(NODE) == {"grant": (1, "refunded"), "cells": (8, "refunded")}
    assert federation.hub.rounds(NODE) == ["key", "stop", "destroyed"]
    assert federation.hub.posted[0][1] == key
    check_one_message_per_round(federation)


def order_without_polling(federation: Federation, node: str = NODE, **kwargs: Any) -> Documents:
    """Hand the order to the node while the hub is away for it."""
    from sandbox.node.hub_port import Item

    documents = Documents(**kwargs)
    federation.hub.expect(documents)
    federation[node]._dispatch(Item(1, "permit", documents.job, documents.body))
    return documents


def test_after_the_flags_were_stored_the_charge_is_kept(federation: Federation) -> None:
    federation.hub.hold.add("flags")
    federation.hub.order(Documents())
    federation.drive(lambda: "flags" in federation.hub.rounds(NODE))
    crash(federation)
    for _ in range(3):
        federation.tick()
    assert federation.states(NODE) == [("failed", "node-lost")]
    assert federation.ledger(NODE) == {"grant": (1, "committed"), "cells": (8, "committed")}
    assert federation.hub.rounds(NODE) == ["key", "flags", "stop", "destroyed"]
    check_one_message_per_round(federation)


def test_flags_that_were_stored_and_not_sent_are_sent_unchanged(federation: Federation) -> None:
    federation.hub.order(Documents())
    federation.drive(lambda: all("key" in federation.hub.rounds(name) for name in federation.names))
    federation.runners[NODE].gate.clear()
    federation.hub.away.add(NODE)
    federation.runners[NODE].gate.set()
    [keys] = [item for item in federation.hub.inboxes[NODE] if item.kind == "messages"]
    federation[NODE]._dispatch(keys)
    wait_for(federation, lambda: "flags" in federation.outbox(NODE))
    stored = federation.rows(NODE, outbox)[1].envelope
    crash(federation)
    federation.hub.away.clear()
    federation[NODE].tick(0)
    assert [data for name, data in federation.hub.posted if name == NODE][1] == stored
    assert federation.ledger(NODE)["cells"] == (8, "committed")
    check_one_message_per_round(federation)


def wait_for(federation: Federation, condition: Callable[..., Any]) -> None:
    """Drive on: threads of jobs need a moment."""
    federation.drive(condition)


def test_after_the_values_the_restarted_node_waits_for_the_hub_and_ends_well(federation: Federation) -> None:
    federation.hub.hold.add("sent")
    federation.hub.order(Documents())
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    charge = federation.ledger(NODE)
    crash(federation)
    federation.tick()
    assert federation.states(NODE) == [("open", None)]
    federation.hub.show()  # the restarted node recomputes the output from what it was told before
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    assert federation.alarms(NODE) == []
    assert federation.ledger(NODE) == charge
    assert charge["grant"] == (1, "committed")
    assert federation.hub.rounds(NODE) == ["key", "flags", "values", "sent", "vouch", "destroyed"]
    check_one_message_per_round(federation)


def test_a_node_that_restarts_once_it_has_confirmed_signs_no_second_time(federation: Federation) -> None:
    hub = federation.hub
    hub.hold.add("vouch")
    hub.order(Documents())
    federation.drive(lambda: all("vouch" in hub.rounds(name) for name in federation.names))
    crash(federation)
    [output] = [item for item in hub.inboxes[NODE] if item.kind == "output"]
    hub.put(NODE, "output", "job-1", output.body)  # shown again, with a number of its own
    for _ in range(20):
        federation.tick()
    assert federation.states(NODE) == [("open", None)]
    hub.finish()
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    assert federation.alarms(NODE) == []
    assert federation.hub.rounds(NODE) == ["key", "flags", "values", "sent", "vouch", "destroyed"]
    check_one_message_per_round(federation)


def test_what_a_restarted_node_was_told_before_decides_what_it_confirms(federation: Federation) -> None:
    """Its memory of the pass bits is its own, not the hub's: an output of other bits is not signed after a restart."""
    hub = federation.hub
    hub.hold.add("sent")
    hub.order(Documents())
    federation.drive(lambda: all("sent" in hub.rounds(name) for name in federation.names))
    crash(federation)
    walk = federation[NODE]._runs[hub.now.case.permit]._walk
    assert walk.heard == {"open 0": digest(encode_open(hub.now.case, hub.passed))}
    hub.bend_output = lambda output: replace(output, content=output.content + b" ")
    hub.show()
    federation.drive(lambda: federation.states(NODE) == [("failed", UNCONFIRMED)])
    assert federation.alarms(NODE) == [UNCONFIRMED]


def test_values_that_were_stored_and_not_sent_are_sent_unchanged(federation: Federation) -> None:
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(name) for name in federation.names))
    hub.open()
    [opened] = [item for item in hub.inboxes[NODE] if item.kind == "messages"][1:]
    hub.away.add(NODE)
    federation[NODE]._dispatch(opened)
    wait_for(federation, lambda: "sent" in federation.outbox(NODE))
    stored = {row.round: row.envelope for row in federation.rows(NODE, outbox)}
    crash(federation)
    hub.away.clear()
    federation.drive(lambda: hub.totals is not None)
    federation.settle()
    posted = [data for name, data in hub.posted if name == NODE]
    assert stored["values"] in posted
    assert stored["sent"] in posted
    assert hub.rounds(NODE).count("values") == 1
    assert federation.states(NODE) == [("finished", None)]
    check_one_message_per_round(federation)


def test_a_hub_that_took_a_message_and_lost_the_answer_gets_the_same_bytes(federation: Federation) -> None:
    hub = federation.hub
    hub.order(Documents())
    federation.drive(lambda: hub.totals is not None)
    federation.settle()
    with federation[NODE].context.state.write() as connection:
        connection.execute(outbox.update().values(posted=False))
    federation[NODE].context.outbox.post()
    posted = [data for name, data in hub.posted if name == NODE]
    assert len(posted) == 12
    assert posted[:6] == posted[6:]


@pytest.mark.parametrize("sent", [False, True])
def test_a_node_that_is_told_to_stop(federation: Federation, sent: bool) -> None:
    """Before the values it says that the job is lost; after them the job stays open for the next start."""
    federation.hub.hold |= {"sent"} if sent else {"flags"}
    federation.hub.order(Documents())
    last = "sent" if sent else "flags"
    federation.drive(lambda: all(last in federation.hub.rounds(name) for name in federation.names))
    federation[NODE].end_runs()
    assert federation[NODE].states() == []
    expected = [("open", None)] if sent else [("failed", "node-lost")]
    assert federation.states(NODE) == expected
    assert ("stop" in federation.hub.rounds(NODE)) is not sent
    federation.restart(NODE)
    assert federation.states(NODE) == expected
    check_one_message_per_round(federation)


def test_a_sent_job_that_the_hub_forgot_is_closed_after_its_deadline(federation: Federation) -> None:
    federation.hub.hold.add("sent")
    federation.hub.order(Documents())
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    charge = federation.ledger(NODE)
    federation.hub.away |= {"node-jfk", "node-lga"}  # theirs would come first
    crash(federation)
    federation.clock.pass_(minutes=30, seconds=59)
    federation.tick()
    assert federation.states(NODE) == [("open", None)]  # the hub has a little longer
    federation.clock.pass_(seconds=6)  # it looks every second, in its own thread: there may be an output to recompute
    federation.drive(lambda: federation.states(NODE) == [("failed", "timeout")])
    assert federation.ledger(NODE) == charge
    assert federation.outbox(NODE) == ["key", "flags", "values", "sent", "stop", "destroyed"]
    assert federation.alarms(NODE) == [UNRELEASED]


@pytest.mark.parametrize(("held", "state"), [("key", "refunded"), ("flags", "committed")])
def test_a_hub_that_goes_silent_costs_the_job_at_its_deadline(federation: Federation, held: str, state: str) -> None:
    federation.hub.hold.add(held)
    federation.hub.order(Documents())
    federation.drive(lambda: all(held in federation.hub.rounds(name) for name in federation.names))
    federation.hub.away |= {"node-jfk", "node-lga"}  # theirs would come first
    federation.clock.pass_(minutes=31)
    federation.drive(lambda: federation.states(NODE) == [("failed", "timeout")])
    assert federation.ledger(NODE)["grant"] == (1, state)


def test_pass_bits_after_the_deadline_open_nothing(federation: Federation) -> None:
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(name) for name in federation.names))
    hub.away |= {"node-jfk", "node-lga"}  # theirs would come first
    federation.clock.pass_(minutes=31)
    hub.open()
    federation.drive(lambda: federation.states(NODE) == [("failed", "timeout")])
    assert "values" not in federation.outbox(NODE)


@pytest.mark.parametrize("kind", ["stop", "finished"])
def test_a_job_that_the_hub_ends_during_the_scan(federation: Federation, kind: str) -> None:
    federation.runners[NODE].gate.clear()
    federation.hub.order(Documents())
    federation.drive(lambda: federation.told(NODE) == ["key"])
    [keys] = [item for item in federation.hub.inboxes[NODE] if item.kind == "messages"]
    federation.hub.put(NODE, "messages", "job-1", keys.body)  # a repetition before it must not hide it
    if kind == "abort":
        federation.hub.abort(NODE, "job-1")
    else:
        federation.hub.finish()
    expected = "cancelled" if kind == "abort" else "released-without-this-node"
    federation.drive(lambda: federation.states(NODE) == [("failed", expected)])
    assert federation.alarms(NODE) == ([] if kind == "abort" else [ALTERED])
    assert federation.ledger(NODE)["grant"] == (1, "refunded")
    assert "flags" not in federation.outbox(NODE)


def test_the_deadline_passes_during_the_scan(federation: Federation) -> None:
    federation.runners[NODE].gate.clear()
    federation.hub.order(Documents())
    federation.drive(lambda: federation.told(NODE) == ["key"])
    federation.tick()
    federation.hub.away |= {"node-jfk", "node-lga"}  # theirs would come first
    federation.clock.pass_(minutes=31)
    federation.drive(lambda: federation.states(NODE) == [("failed", "timeout")])
    assert federation.ledger(NODE)["grant"] == (1, "refunded")


def test_a_scan_that_fails_tells_the_hub_no_value_and_no_file_name(federation: Federation) -> None:
    from adapters.errors import BadSource

    federation.runners[NODE].fault = BadSource("secret-file.parquet cannot be read as parquet")
    federation.hub.order(Documents())
    federation.drive(lambda: "stop" in federation.hub.rounds(NODE))
    [abort] = federation.hub.messages(NODE, "stop")
    assert abort.code == "data-unreadable"
    assert "secret" not in abort.advice


def test_an_error_that_nobody_foresaw_ends_the_job_by_its_type_alone(federation: Federation) -> None:
    federation.runners[NODE].fault = ZeroDivisionError("canary-4711")
    federation.hub.order(Documents())
    federation.drive(lambda: "stop" in federation.hub.rounds(NODE))
    [abort] = federation.hub.messages(NODE, "stop")
    assert (abort.code, "canary" in abort.advice) == ("node-fault", False)
    assert "ZeroDivisionError" in abort.advice


def test_a_message_that_the_hub_refuses_is_not_sent_again_and_not_proven(federation: Federation) -> None:
    federation.hub.refuse = "invalid-transition"
    federation.hub.order(Documents())
    federation.answer(NODE)
    wait_for(federation, lambda: [row.refused for row in federation.rows(NODE, outbox)] == ["invalid-transition"])
    for _ in range(3):
        federation.tick()
    [row] = federation.rows(NODE, outbox)
    assert (row.posted, row.proven) == (True, False)  # the hub's word is no proof: its log must name the message
    federation.hub.refuse = None
    assert federation.refusal(NODE, Documents(nonce="cd" * 32, job="job-2").body) == "unavailable"


@pytest.mark.parametrize("code", ["not-authenticated", "not-permitted"])
def test_a_refused_token_keeps_every_message(federation: Federation, code: str) -> None:
    federation.hub.refuse = code
    federation.hub.order(Documents())
    federation[NODE].tick(0)
    wait_for(federation, lambda: federation.outbox(NODE) == ["key"])
    assert [row.posted for row in federation.rows(NODE, outbox)] == [False]
    federation.hub.refuse = None
    federation.drive(lambda: federation.hub.totals is not None)


def test_the_signed_record_lists_what_was_sent(federation: Federation) -> None:
    from jobs.documents import SentRecord

    federation.hub.order(Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    told = federation.hub.now
    sent = SentRecord.open(told.sent[NODE])
    expected = [told.rounds[name][NODE].digest for name in ("key", "flags", "values")]
    assert [message.digest for message in sent.messages] == expected
    assert sent.transcript == told.transcript
    assert sent.metered == {"cells": int(federation.hub.passed.sum())}


def test_mask_keys_are_fresh_for_every_job(federation: Federation) -> None:
    federation.hub.order(Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    federation.hub.totals = None
    federation.hub.order(Documents(nonce="cd" * 32, job="job-2"))
    federation.drive(lambda: federation.hub.totals is not None)
    first, second = federation.hub.messages(NODE, "key")
    assert first != second
    one, two = federation.hub.messages(NODE, "values")
    assert not np.array_equal(one, two)
