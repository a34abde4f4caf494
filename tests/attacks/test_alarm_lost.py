"""A hub that opens everything and releases nothing, and looks for a way that no owner hears an alarm.

An alarm is explained away by another participant's signed word that it stopped before its numbers left. So the hub
tries to get that word from a node that goes on, and to use the alarm's absence elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.documents import Envelope, digest
from jobs.documents.message import Stop
from sandbox.audit import LogEntry
from sandbox.node.alarms import UNRELEASED
from sandbox.node.tables import outbox
from tests.support.joint_nodes import PATIENCE_S, Federation
from tests.support.orders import Documents
from tests.support.toyhub import round_of

EWR, JFK = "node-ewr", "node-jfk"


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = Federation(tmp_path, log_patience_s=30.0)
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def first_job_without_log(federation: Federation) -> None:
    """An honest job whose messages the hub does not log yet: the next order of each node waits for that."""
    federation.hub.log = False
    federation.hub.order(Documents())
    federation.drive(lambda: all(federation.states(name) == [("finished", None)] for name in federation.names))
    federation.settle()


def log_what_came(federation: Federation) -> None:
    hub = federation.hub
    hub.log = True
    for node, data in list(hub.posted):
        envelope = Envelope.parse(data)
        hub.add(
            LogEntry(
                salt="00" * 32, event="message.received", at=hub.clock(), actor=f"node:{node}",
                subject=f"{node}:{round_of(envelope)}", digests=(digest(envelope.payload), envelope.digest),
            )
        )  # fmt: skip


def stops(federation: Federation, documents: Documents) -> dict[str, Envelope]:
    """Each node's signed word that it stopped under this permit, and was not bound."""
    found = {}
    for node, data in federation.hub.posted:
        envelope = Envelope.parse(data)
        if round_of(envelope) == "stop" and Stop.open(envelope).permit == documents.permit.digest:
            assert not Stop.open(envelope).bound
            found[node] = envelope
    return found


def ordered_twice(federation: Federation, broken: Callable[[dict[str, Any]], dict[str, Any]]) -> Documents:
    """One permit in two orders: a good one, which waits for the log, and a broken one, which a node answers at once."""
    documents = Documents(nonce="cd" * 32, job="job-2")
    for name in federation.names:
        federation.hub.put(name, "permit", documents.job, documents.body)
        federation[name].tick(0)
    until(lambda: all(federation[name]._starting for name in federation.names))
    for name in (EWR, JFK):
        federation.hub.put(name, "permit", documents.job, broken(documents.body))
        federation[name].tick(0)
    return documents


def test_a_node_does_not_sign_that_it_stopped_and_go_on(federation: Federation) -> None:
    """Two nodes' words under one permit would excuse the hub at everybody, though all numbers have left."""
    first_job_without_log(federation)
    documents = ordered_twice(federation, lambda body: {**body, "commitment": body["permit"]})
    until(lambda: set(stops(federation, documents)) == {EWR, JFK})
    federation.hub.expect(documents)
    federation.hub.hold.add("sent")
    log_what_came(federation)
    federation.drive(lambda: not any(federation[name]._starting for name in federation.names))
    for _ in range(50):
        federation.tick()
        time.sleep(0.01)
    for name in (EWR, JFK):
        said = federation.hub.messages(name, "stop")
        assert [stop.permit for stop in said] == [documents.permit.digest]
        # what is signed is true: nothing of this job left
        assert [row.round for row in federation.rows(name, outbox) if row.permit == documents.permit.digest] == ["stop"]
        assert federation.ledger(name)["grant"] == (1, "committed")  # of the first job only


def test_control_ordered_once_the_numbers_leave_and_silence_alarms(federation: Federation) -> None:
    first_job_without_log(federation)
    documents = Documents(nonce="cd" * 32, job="job-2")
    federation.hub.hold.add("sent")
    federation.hub.order(documents)
    log_what_came(federation)
    federation.drive(lambda: all("sent" in federation.hub.rounds(name)[5:] for name in federation.names))
    for name in federation.names:
        federation.hub.abort(name, documents.job)
    federation.drive(lambda: all(federation.alarms(name) == [UNRELEASED] for name in federation.names))


def test_the_same_order_twice_at_once_is_one_job_that_goes_on(federation: Federation) -> None:
    """The second must not take the first one's place: its job would hear nothing more, and no owner's revocation."""
    first_job_without_log(federation)
    ordered_twice(federation, lambda body: body)
    federation.hub.expect(Documents(nonce="cd" * 32, job="job-2"))
    log_what_came(federation)
    federation.drive(lambda: all(federation.states(name)[1:] == [("finished", None)] for name in federation.names))


@pytest.mark.parametrize("misused", [True, False])
def test_an_alarm_stops_what_is_under_way_too(federation: Federation, misused: bool) -> None:
    """A hub opens one job, releases nothing, and has more of them running: their numbers stay.

    ``misused`` False is the control: without the alarm the second job's numbers leave.
    """
    hub = federation.hub
    hub.hold.add("sent")
    hub.order(Documents())
    federation.drive(lambda: all("sent" in hub.rounds(name) for name in federation.names))
    hub.hold.add("flags")
    hub.order(Documents(nonce="cd" * 32, job="job-2"))
    federation.drive(lambda: all(hub.rounds(name).count("flags") == 2 for name in federation.names))
    if misused:
        hub.abort(EWR, "job-1")
        federation.drive(lambda: federation.alarms(EWR) == [UNRELEASED])
    hub.open()
    if not misused:
        federation.drive(lambda: hub.rounds(EWR).count("values") == 2)
        return
    federation.drive(lambda: ("failed", "integrity-failure") in federation.states(EWR))
    federation.drive(lambda: bool(hub.messages(EWR, "stop")))
    assert hub.rounds(EWR).count("values") == 1
    (stop,) = hub.messages(EWR, "stop")
    assert (stop.bound, stop.code) == (False, "integrity-failure")


def all_sent(federation: Federation, restarted: bool) -> None:
    """Every node has signed the output and waits for the hub's last word; one of them perhaps after a restart."""
    federation.hub.hold.add("vouch")
    federation.hub.order(Documents())
    federation.drive(lambda: all("vouch" in federation.hub.rounds(node) for node in federation.names))
    if restarted:
        with federation[EWR]._lock:
            federation[EWR]._runs.clear()
        federation.restart(EWR)


GARBAGE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no records": {"release": {}, "sent": []},
    "of other types": {"release": 7, "sent": "all"},
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", GARBAGE)
def test_a_release_that_cannot_be_read_is_no_release(federation: Federation, name: str, restarted: bool) -> None:
    """After a restart nobody waits for the job's last word any more; whatever it is, it must say what was released."""
    all_sent(federation, restarted)
    federation.hub.put(EWR, "finished", "job-1", GARBAGE[name])
    federation.drive(lambda: [state for state, _ in federation.states(EWR)] != ["open"])
    assert federation.alarms(EWR) != []


@pytest.mark.parametrize("restarted", [False, True])
def test_control_a_release_that_all_signed_alarms_nobody(federation: Federation, restarted: bool) -> None:
    all_sent(federation, restarted)
    federation.hub.finish()
    federation.drive(lambda: federation.states(EWR) == [("finished", None)])
    assert federation.alarms(EWR) == []
