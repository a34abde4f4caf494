"""The whole walk of three nodes over a hub that relays and adds vectors, honest and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from jobs.documents import Envelope, Release, SigningKey, Vouch
from jobs.documents.ed25519 import encode_base64
from jobs.kinds.base import Output
from jobs.kinds.statistics.messages import encode_open
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.run import run_local
from jobs.kinds.statistics.tableform import table_of
from sandbox.node.alarms import ALTERED, MISLED, UNCONFIRMED
from sandbox.node.asking import rows_digest
from sandbox.node.hub_port import Item
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import PROFILE, Documents
from tests.support.signed import key
from tests.support.toyhub import INVENTED, Json, Port, carried

NODE = "node-ewr"


def parts(federation: Federation, documents: Documents) -> list[tuple[list[int], ...]]:
    """Each node's numbers per channel and cell, without any protocol: its own rows, and its own gate's noise."""
    found = []
    for name, runner in federation.runners.items():
        context = federation[name].context
        local = run_local(documents.plan, {"year": 2013}, {"flights": runner._read})
        with context.state.read() as connection:
            rows = rows_digest(connection, context.state.held(connection))
        gate = context.gate.seeds(rows)
        found.append(add_noise(documents.plan, {"year": 2013}, PROFILE, gate, local).values)
    return found


def totals(federation: Federation, documents: Documents) -> list[list[int]]:
    """Each channel's noisy total over all parts."""
    per_node = parts(federation, documents)
    return [[sum(cell) for cell in zip(*rows, strict=True)] for rows in zip(*per_node, strict=True)]


def finish(federation: Federation) -> None:
    federation.drive(lambda: all(federation.states(n) == [("finished", None)] for n in federation.names))
    federation.settle()


def test_totals_are_those_of_the_noisy_parts_and_everyone_confirms_the_table_and_ends(federation: Federation) -> None:
    documents = Documents()
    federation.hub.order(documents)
    finish(federation)
    hub, expected = federation.hub, totals(federation, documents)
    carriers = documents.plan.dimensions[0].domain
    b6, zz = (carriers.index(name) for name in ("B6", "ZZ"))
    assert hub.totals is not None
    assert hub.totals == [[None if cell == b6 else total for cell, total in enumerate(row)] for row in expected]
    assert [carriers[cell] for cell in np.flatnonzero(~hub.passed.all(axis=0))] == ["B6"]  # four aircraft at one node
    for name in federation.names:
        assert hub.rounds(name) == ["key", "flags", "values", "sent", "vouch", "destroyed"]
        assert all(row.posted and row.proven for row in federation.rows(name, outbox))
        assert federation.alarms(name) == []
    draft = hub.now.draft
    assert draft is not None
    assert {Vouch.open(word).release for word in hub.now.vouches.values()} == {draft.digest}
    shown = table_of(hub.output().content)
    assert [row[0] for row in shown.rows] == ["AA", "B6", "UA", "ZZ"]
    assert [any(row) for row in shown.suppressed] == [False, True, False, True]  # nobody of ZZ: its noise is not shown
    assert abs(expected[0][zz]) <= 3 * 9


def test_a_hub_that_gives_one_node_a_message_of_its_own_adds_noise_and_alarms_everybody(federation: Federation) -> None:
    """The very same pass bits in another signed message: transcripts part ways, and so do the masks."""
    federation.hub.apart.add(NODE)
    federation.hub.hold.add("sent")  # it shows nobody what it would release
    documents = Documents()
    federation.hub.order(documents)
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    federation.hub.add_values()
    federation.hub.finish()
    finish(federation)
    expected = totals(federation, documents)
    assert federation.hub.totals is not None
    for channel, found_totals in enumerate(federation.hub.totals):
        opened = [(found, expected[channel][cell]) for cell, found in enumerate(found_totals) if found is not None]
        assert opened
        assert all(found != true for found, true in opened)
    assert all(federation.alarms(name) == [MISLED, ALTERED] for name in federation.names)


# --- the output -----------------------------------------------------------------------------------------------------


def reworded(output: Output) -> Output:
    """One digit of one number is another."""
    content = output.content.replace(b"1", b"2", 1)
    assert content != output.content
    return replace(output, content=content)


def rebodied(
    body: Json,
    place: int,
) -> Json:
    """One message of another node is shown with another body."""
    messages = list(body["messages"])
    messages[place] = {**messages[place], "body": messages[place - 1]["body"]}
    return {**body, "messages": messages}


OUTPUTS: dict[str, Callable[[Output], Output]] = {
    "another number": reworded,
    "more released than is": lambda output: replace(output, released=output.released + 1),
    "less withheld than is": lambda output: replace(output, withheld=output.withheld - 1),
    "something else": lambda output: INVENTED,
}
SHOWN: dict[str, Callable[[Json], Json]] = {
    "another content than is released": lambda body: {**body, "content": ""},
    "another salt": lambda body: {**body, "salt": encode_base64(bytes(32))},
    "a message less": lambda body: {**body, "messages": body["messages"][:-1]},
    "a message twice": lambda body: {**body, "messages": [body["messages"][0], *body["messages"]]},
    "a message with another's body": lambda body: rebodied(body, 1),
    "flags after values": lambda body: {**body, "messages": body["messages"][::-1]},
    "no base64": lambda body: {**body, "content": "?"},
    "a release by a node": lambda body: {
        **body, "release": Release.open(Envelope.from_json(body["release"])).sign(key("node-jfk")).to_json()
    },
}  # fmt: skip


def unconfirmed(federation: Federation) -> None:
    federation.drive(lambda: all(federation.states(n) == [("failed", UNCONFIRMED)] for n in federation.names))
    federation.settle()


@pytest.mark.parametrize("name", [*OUTPUTS, *SHOWN])
def test_a_node_signs_no_output_that_the_messages_do_not_give(federation: Federation, name: str) -> None:
    federation.hub.bend_output = OUTPUTS.get(name, lambda output: output)
    federation.hub.bend_shown = SHOWN.get(name, lambda body: body)
    federation.hub.order(Documents())
    unconfirmed(federation)
    assert federation.hub.now.vouches == {}
    for node in federation.names:
        assert "vouch" not in federation.outbox(node)
        assert federation.alarms(node) == [UNCONFIRMED]
        assert federation.ledger(node)["cells"][1] == "committed"


def test_a_hub_that_misleads_one_node_and_shows_the_messages_is_confirmed_by_nobody(federation: Federation) -> None:
    federation.hub.apart.add(NODE)
    federation.hub.order(Documents())
    unconfirmed(federation)
    assert all(federation.alarms(name) == [UNCONFIRMED] for name in federation.names)


def test_a_release_without_this_node_s_signature_is_an_alarm(federation: Federation) -> None:
    federation.hub.hold.add("sent")
    federation.hub.order(Documents())
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    federation.hub.finish()
    finish(federation)
    assert all(federation.alarms(name) == [ALTERED] for name in federation.names)


def test_the_ledger_charges_what_was_opened(federation: Federation) -> None:
    federation.hub.order(Documents())
    finish(federation)
    for name in federation.names:
        assert federation.ledger(name) == {
            "grant": (1, "committed"),
            "cells": (int(federation.hub.passed.sum()), "committed"),
        }


def test_what_the_hub_sees_of_one_node_is_masked(federation: Federation) -> None:
    documents = Documents()
    federation.hub.order(documents)
    finish(federation)
    local = run_local(documents.plan, {"year": 2013}, {"flights": federation.runners[NODE]._read})
    noisy = {value for part in parts(federation, documents) for values in part for value in values}
    plain = {value for values in local.values for value in values if value} | noisy
    [values] = federation.hub.messages(NODE, "values")
    assert plain
    assert not plain & set(values.reshape(-1).astype(np.int64).tolist())
    [flags] = federation.hub.messages(NODE, "flags")
    assert np.count_nonzero(flags) == flags.size  # zeros would show which pairs are not flagged
    [again] = federation.hub.messages("node-jfk", "flags")
    assert not np.array_equal(flags, again)


def test_the_owners_record_names_the_cells_and_no_value(federation: Federation) -> None:
    federation.hub.order(Documents())
    finish(federation)
    context = federation[NODE].context
    with context.state.read() as connection:
        entries = list(context.record.read(connection))
    assert [entry["round"] for entry in entries] == ["flags", "values", "sent"]
    assert entries[0]["failed"]["base"] == len(federation.hub.now.case.plan.aggregates)  # B6, in every aggregate
    assert entries[1]["count"] == int(federation.hub.passed.sum())
    assert sorted(entries[2]["salts"]) == ["environment", "part"]


def test_a_hub_that_opens_a_flagged_cell_gets_nothing(federation: Federation) -> None:
    federation.hub.bend_passed = np.ones_like
    federation.hub.order(Documents())
    federation.drive(lambda: federation.states(NODE)[:1] == [("failed", "protocol-violation")])
    federation.settle()
    assert federation.outbox(NODE) == ["key", "flags", "stop", "destroyed"]
    assert federation.ledger(NODE)["cells"][1] == "committed"  # flags have left: never given back
    assert federation.hub.messages(NODE, "stop")[0].bound is False
    assert federation.alarms(NODE) == []


def test_pass_bits_of_another_plan_end_the_job(federation: Federation) -> None:
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(name) for name in federation.names))
    good = encode_open(hub.now.case, np.zeros((2, 4), np.bool_))
    hub.say(good[:-1] + b"\xff\xff", [NODE])
    federation.drive(lambda: federation.states(NODE) == [("failed", "protocol-failed")])
    assert "values" not in federation.outbox(NODE)


def by_stranger(
    item: Json,
) -> Json:
    """The same header under a stranger's signature."""
    envelope = Envelope.from_json(item["header"])
    forged = Envelope(envelope.payload_type, envelope.payload, ()).signed_by(SigningKey.from_seed(bytes(32)))
    return {**item, "header": forged.to_json()}


KEYS = {
    "foreign": lambda keys: [by_stranger(keys[0]), *keys[1:]],
    "missing": lambda keys: keys[:-1],
    "twice": lambda keys: [keys[0], keys[0], keys[1]],
    "more": lambda keys: [*keys, keys[0]],
    "another body": lambda keys: [{**keys[0], "body": keys[1]["body"]}, *keys[1:]],
    "no base64": lambda keys: [{**keys[0], "body": "?"}, *keys[1:]],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_that_are_wrong_foreign_or_missing_end_the_job(federation: Federation, name: str) -> None:
    federation.hub.bend_keys = KEYS[name]
    federation.hub.order(Documents())
    federation.drive(lambda: [s for s, _ in federation.states(NODE)] == ["failed"])
    federation.settle()
    assert "flags" not in federation.outbox(NODE)
    assert all(row[1] == "refunded" for row in federation.ledger(NODE).values())


def test_a_key_of_another_job_is_refused(federation: Federation) -> None:
    federation.hub.order(Documents())
    finish(federation)
    old = [carried(message) for message in federation.hub.now.rounds["key"].values()]
    federation.hub.bend_keys = lambda keys: [old[0], *keys[1:]]
    federation.hub.order(Documents(nonce="cd" * 32, job="job-2"))
    federation.drive(lambda: len(federation.states(NODE)) == 2 and federation.states(NODE)[1][0] == "failed")
    assert federation.outbox(NODE).count("flags") == 1


def test_a_second_open_with_other_bits_opens_nothing(federation: Federation) -> None:
    """It was told already: a message with its number is passed over, whatever it says."""
    hub = federation.hub
    hub.hold.add("sent")
    hub.order(Documents())
    federation.drive(lambda: all("sent" in hub.rounds(name) for name in federation.names))
    hub.say(encode_open(hub.now.case, ~hub.passed), [NODE])
    [keys] = [item for item in hub.inboxes[NODE] if item.kind == "messages"][:1]
    hub.put(NODE, "messages", "job-1", keys.body)
    for _ in range(20):
        federation.tick()
    assert hub.rounds(NODE) == ["key", "flags", "values", "sent"]
    assert federation.states(NODE) == [("open", None)]


def test_a_job_goes_on_only_with_its_own_walk(federation: Federation) -> None:
    """Pass bits before all flags are there: the hub has no place for them, so the node ends the job."""
    hub = federation.hub
    hub.hold.add("key")
    hub.order(Documents())
    federation.drive(lambda: all("key" in hub.rounds(name) for name in federation.names))
    hub.say(encode_open(hub.now.case, np.ones((2, 4), np.bool_)), [NODE])
    federation.drive(lambda: federation.states(NODE) == [("failed", "protocol-violation")])
    assert federation.outbox(NODE) == ["key", "stop", "destroyed"]


def test_inbox_items_that_are_shown_twice_are_answered_once(federation: Federation) -> None:
    hub = federation.hub
    hub.order(Documents())
    finish(federation)
    before = list(hub.posted)
    node = federation[NODE]
    with node.context.state.write() as connection:  # the cursor as a crash before its transaction leaves it
        node.context.state.set_setting(connection, "inbox_cursor", b"0")
    node._read_to = node._kept = 0
    for _ in range(5):
        federation.tick()
    assert hub.posted == before
    assert federation.states(NODE) == [("finished", None)]


def test_a_hub_that_ignores_the_cursor_is_passed_over(federation: Federation) -> None:
    hub = federation.hub
    hub.order(Documents())
    finish(federation)
    before = list(hub.posted)
    federation[NODE].context.hub = Everything(hub, NODE)
    assert federation[NODE].tick(0) == 0
    assert hub.posted == before


class Everything(Port):
    """Its inbox always starts at the beginning."""

    def inbox(self, after: int, read: int, wait: float) -> list[Item]:
        return super().inbox(0, 0, wait)
