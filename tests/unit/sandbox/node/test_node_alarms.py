"""An unexplained silence after numbers left, or two stories about one job, is an alarm: nothing runs until it is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import Commitment, Envelope, Grant, Period, Release, SentRecord, SigningKey, digest
from jobs.documents.message import Stop
from sandbox.errors import IntegrityFailure, NotFound
from sandbox.node.alarms import ALTERED, MISLED, UNRELEASED, acknowledge, alarm_list, check_quiet, raise_alarm
from sandbox.node.control import Control, ask
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import NOW, Documents
from tests.support.signed import key
from tests.support.toyhub import Json

NODE, PEER = "node-ewr", "node-jfk"
STRANGER = SigningKey.from_seed(bytes(range(32)))


def until_sent(federation: Federation, **changed: Any) -> Documents:
    """Everybody's numbers have left; the hub says nothing of it."""
    federation.hub.hold.add("sent")
    documents = Documents(**changed)
    federation.hub.order(documents)
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    return documents


def until_confirmed(federation: Federation) -> None:
    """Everybody has signed what the hub would release; the hub says nothing of it."""
    federation.hub.hold.add("vouch")
    federation.hub.order(Documents())
    federation.drive(lambda: all("vouch" in federation.hub.rounds(name) for name in federation.names))


def stop_of(documents: Documents, node: str = PEER, signer: SigningKey | None = None, **changed: Any) -> Envelope:
    word = Stop(
        node=node, permit=documents.permit.digest, nonce=documents.nonce, bound=False, code="timeout", advice="late"
    )
    return word.model_copy(update=changed).sign(signer or key(node))


def ended(federation: Federation, code: str = "cancelled") -> None:
    federation.drive(lambda: federation.states(NODE) == [("failed", code)])


def proven(federation: Federation) -> None:
    """The log shows all that left, so nothing but an alarm is in the way of the next job."""
    federation.drive(lambda: all(row.proven for row in federation.rows(NODE, outbox)))


# --- sent, and no release -------------------------------------------------------------------------------------------


def test_numbers_that_left_without_a_release_stop_the_node_until_its_owner_has_looked(federation: Federation) -> None:
    until_sent(federation)
    federation.hub.abort(NODE, "job-1")
    ended(federation)
    assert federation.alarms(NODE) == [UNRELEASED]
    proven(federation)
    again = Documents(nonce="cd" * 32, job="job-2")
    assert federation.refusal(NODE, again.body) == "integrity-failure"
    control = Control(federation[NODE])
    control.start()
    try:
        folder = federation[NODE].context.config.state_dir
        [alarm] = ask(folder, {"do": "alarms"})["alarms"]
        assert (alarm["job"], alarm["code"], alarm["acknowledged"]) == ("job-1", UNRELEASED, None)
        assert ask(folder, {"do": "acknowledge", "alarm": alarm["id"] + 1})["code"] == "not-found"
        assert ask(folder, {"do": "acknowledge", "alarm": alarm["id"]}) == {"acknowledged": alarm["id"], "standing": []}
    finally:
        control.stop()
    proven(federation)
    more = Documents(nonce="ef" * 32, job="job-3")
    federation.hub.put(NODE, "permit", "job-3", more.body)
    federation.answer(NODE)
    assert federation.states(NODE)[-1] == ("open", None)


def test_an_alarm_outlives_the_process(federation: Federation) -> None:
    until_sent(federation)
    federation.hub.abort(NODE, "job-1")
    ended(federation)
    proven(federation)
    federation.restart(NODE)
    assert federation.refusal(NODE, Documents(nonce="cd" * 32, job="job-2").body) == "integrity-failure"


def test_before_its_numbers_left_a_node_is_not_alarmed(federation: Federation) -> None:
    """The control: flags have left, pass bits are out, and nothing was opened."""
    federation.hub.hold.add("flags")
    federation.hub.order(Documents())
    federation.drive(lambda: "flags" in federation.hub.rounds(NODE))
    federation.hub.abort(NODE, "job-1")
    ended(federation)
    assert federation.alarms(NODE) == []


def test_another_participant_that_stopped_in_time_explains_it(federation: Federation) -> None:
    documents = until_sent(federation)
    federation.hub.abort(NODE, "job-1", "node-stopped", stop_of(documents))
    ended(federation, "node-stopped")
    assert federation.alarms(NODE) == []


EXCUSES: dict[str, Callable[[Documents], Envelope]] = {
    "of one that was bound": lambda d: stop_of(d, bound=True),
    "of this node": lambda d: stop_of(d, NODE),
    "by a stranger": lambda d: stop_of(d, signer=STRANGER),
    "by the hub": lambda d: stop_of(d, signer=key("hub")),
    "of a node that takes no part": lambda d: stop_of(d, "node-x"),
    "of another job": lambda d: stop_of(d, permit=digest(b"other")),
    "that is another document": lambda d: d.permit,
}


@pytest.mark.parametrize("name", EXCUSES)
def test_an_excuse_that_does_not_hold_explains_nothing(federation: Federation, name: str) -> None:
    documents = until_sent(federation)
    federation.hub.abort(NODE, "job-1", "node-stopped", EXCUSES[name](documents))
    ended(federation, "node-stopped")
    assert federation.alarms(NODE) == [UNRELEASED]


def test_a_hub_that_is_silent_after_the_numbers_left_is_an_alarm_that_the_node_signs(federation: Federation) -> None:
    until_sent(federation)
    federation.hub.away |= {PEER, "node-lga"}  # theirs would come first
    federation.clock.pass_(minutes=31, seconds=1)
    ended(federation, "timeout")
    assert federation.alarms(NODE) == [UNRELEASED]
    federation.tick()
    [stop] = federation.hub.messages(NODE, "stop")
    assert (stop.code, stop.bound) == ("timeout", True)


@pytest.mark.parametrize("explained", [False, True])
def test_it_is_the_same_after_a_restart(federation: Federation, explained: bool) -> None:
    documents = until_sent(federation)
    with federation[NODE]._lock:
        federation[NODE]._runs.clear()
    federation.restart(NODE)
    federation.hub.abort(NODE, "job-1", "node-stopped", stop_of(documents) if explained else None)
    ended(federation, "node-stopped")
    assert federation.alarms(NODE) == ([] if explained else [UNRELEASED])


# --- released, and another story ------------------------------------------------------------------------------------


def resigned(item: Json, **changed: Any) -> Json:
    """A participant's record, changed and signed by that participant once more: it tells two stories."""
    record = SentRecord.open(Envelope.from_json(item)).model_copy(update=changed)
    return record.sign(key(record.node)).to_json()


def rereleased(
    body: Json,
    signer: str = "hub",
    **changed: Any,
) -> Json:
    release = Release.open(Envelope.from_json(body["release"])).model_copy(update=changed)
    return {**body, "release": release.sign(key(signer)).to_json()}


def with_sent(
    body: Json,
    sent: list[Json],
) -> Json:
    """Other records, and a release that rests on them."""
    digests = tuple(Envelope.from_json(item).digest for item in sent)
    return {**rereleased(body, sent=digests), "sent": sent}


def peer_changed(body: Json, **changed: Any) -> Json:
    sent = [item if place != 1 else resigned(item, **changed) for place, item in enumerate(body["sent"])]
    return with_sent(body, sent)


STORIES: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "another was told something else": (MISLED, lambda b: peer_changed(b, transcript=digest(b"else"))),
    "a record of another job": (ALTERED, lambda b: peer_changed(b, permit=digest(b"other"))),
    "this node's record is another": (
        ALTERED,
        lambda b: with_sent(b, [resigned(b["sent"][0], metered={"cells": 0}), *b["sent"][1:]]),
    ),
    "this node's record is missing": (ALTERED, lambda b: with_sent(b, b["sent"][1:])),
    "another's record is missing": (ALTERED, lambda b: with_sent(b, b["sent"][:-1])),
    "one record twice": (ALTERED, lambda b: with_sent(b, [*b["sent"][:2], b["sent"][1]])),
    "records in another order": (ALTERED, lambda b: with_sent(b, b["sent"][::-1])),
    "a release that rests on others": (ALTERED, lambda b: rereleased(b, sent=(digest(b"x"),) * 3)),
    "another content than was confirmed": (ALTERED, lambda b: rereleased(b, content=digest(b"other"))),
    "a release of another permit": (ALTERED, lambda b: rereleased(b, permit=digest(b"other"))),
    "a release by a node": (ALTERED, lambda b: rereleased(b, signer=PEER)),
    "a record by the hub": (
        ALTERED,
        lambda b: {**b, "sent": [SentRecord.open(Envelope.from_json(b["sent"][0])).sign(key("hub")).to_json()]},
    ),
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", STORIES)
def test_a_release_that_does_not_agree_with_what_was_signed_is_an_alarm(
    federation: Federation, name: str, restarted: bool
) -> None:
    code, bend = STORIES[name]
    codes = [code] if code == ALTERED else [code, ALTERED]  # it is another release than was confirmed, too
    until_confirmed(federation)
    if restarted:
        with federation[NODE]._lock:
            federation[NODE]._runs.clear()
        federation.restart(NODE)
    federation.hub.bend_finished = bend
    federation.hub.finish()
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    assert federation.alarms(NODE) == codes


@pytest.mark.parametrize("restarted", [False, True])
def test_a_release_that_agrees_is_none(federation: Federation, restarted: bool) -> None:
    """The control of the test above."""
    until_confirmed(federation)
    if restarted:
        with federation[NODE]._lock:
            federation[NODE]._runs.clear()
        federation.restart(NODE)
    federation.hub.finish()
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])
    assert federation.alarms(NODE) == []


# --- between flags and values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("what", ["grant:ewr", "commitment"])
def test_what_is_over_between_flags_and_values_lets_nothing_leave(
    federation: Federation, what: str, over: bool
) -> None:
    """``over`` False is the control: a minute before the end the numbers leave."""

    def ends(document: Commitment | Grant) -> Commitment | Grant:
        period = Period(start=document.period.start, end=NOW + timedelta(minutes=10))
        return document.model_copy(update={"period": period})

    hub = federation.hub
    hub.hold |= {"flags", "sent"}
    hub.order(Documents(bend={what: ends}))
    federation.drive(lambda: all("flags" in hub.rounds(name) for name in federation.names))
    if what == "commitment" and over:
        hub.away |= {PEER, "node-lga"}  # for them it is over as well, and theirs would come first
    federation.clock.pass_(minutes=11 if over else 9)
    hub.open()
    if over:
        ended(federation, "expired")
        assert federation.outbox(NODE) == ["key", "flags", "stop", "destroyed"]
        assert federation.alarms(NODE) == []
        assert federation.ledger(NODE)["grant"] == (1, "committed")  # flags have left
    else:
        federation.drive(lambda: "sent" in hub.rounds(NODE))
        assert "values" in hub.rounds(NODE)


# --- the table ------------------------------------------------------------------------------------------------------


def test_an_alarm_is_raised_once_for_each_code_of_a_job_and_stands_until_acknowledged(federation: Federation) -> None:
    state, at = federation[NODE].context.state, "2026-11-21T08:00:00Z"
    with state.write() as connection:
        check_quiet(connection)
        for code in (MISLED, MISLED, ALTERED):
            raise_alarm(connection, "job-1", "sha256:1", code, "text", at)
        raise_alarm(connection, "job-2", "sha256:2", MISLED, "text", at)
        numbers = [alarm["id"] for alarm in alarm_list(connection)]
        assert len(numbers) == 3
        for number in numbers:
            with pytest.raises(IntegrityFailure, match=f"alarm {number} of"):
                check_quiet(connection)
            acknowledge(connection, number, at)
        check_quiet(connection)
        raise_alarm(connection, "job-1", "sha256:1", MISLED, "text", at)  # what was seen does not come again
        check_quiet(connection)
        with pytest.raises(NotFound, match="no alarm 99"):
            acknowledge(connection, 99, at)
