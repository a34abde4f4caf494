"""A node is put back to an older copy of its state, by accident or to forget charges and what was asked. It runs nothing
until its owner has looked: the hub's log names messages that it does not know, and its noise key is part of its memory.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from examples import insider
from jobs.documents import parse_json
from jobs.kinds import registry
from sandbox.client import Job
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub
from sandbox.hub.running.relay import put_named
from sandbox.store.event import Event
from tests.support.ground import Ground, open_ground, until

pytestmark = [pytest.mark.e2e]
PACKAGE: Final = "tests.contracts.toy_kind"
VICTIM: Final = "B"


@pytest.fixture
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    registry.add(PACKAGE)
    with open_ground(tmp_path_factory.mktemp("restored"), kinds=(PACKAGE,)) as made:
        yield made


_labels = (f"run {number}" for number in itertools.count())


def run(ground: Ground) -> Job:
    job = ground.ask_for("toy-sum", {"dataset": "trips", "column": "serial", "label": next(_labels)})
    ground.federation.approve_all(job.id, budget={"sums": 1})
    ended = ground.ended(job.id)
    ground.settled(job.id)
    return ended


def state(ground: Ground) -> Path:
    return Path(ground.places.node(VICTIM)) / "state"


def copy(ground: Ground, to: Path) -> None:
    """Of the database alone: keys and snapshots are as they were."""
    ground.processes.stop(f"node-{VICTIM}")
    to.mkdir()
    for file in state(ground).glob("node.sqlite*"):
        shutil.copy2(file, to / file.name)
    ground.processes.start_node(VICTIM)


def put_back(ground: Ground, kept: Path) -> None:
    ground.processes.stop(f"node-{VICTIM}")
    for file in state(ground).glob("node.sqlite*"):
        file.unlink()
    for file in kept.iterdir():
        shutil.copy2(file, state(ground) / file.name)
    ground.processes.start_node(VICTIM)


def alarms(ground: Ground) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ground.federation.ask_node(VICTIM, {"do": "alarms"})["alarms"]
    return [item for item in found if item["acknowledged"] is None]


def charged(ground: Ground) -> set[str]:
    query = "select j.job from ledger l join jobs j on j.permit = l.permit where l.state = 'committed'"
    return {job for (job,) in ground.node_rows(VICTIM, query)}


def test_an_older_copy_runs_nothing_until_its_owner_has_looked(ground: Ground, tmp_path: Path) -> None:
    first = run(ground)
    copy(ground, tmp_path / "kept")
    second = run(ground)
    assert (first.state, second.state) == ("released", "released")
    assert charged(ground) == {first.id, second.id}
    put_back(ground, tmp_path / "kept")
    (alarm,) = until(lambda: alarms(ground), "the alarm")
    assert (alarm["code"], alarm["job"]) == ("restored-state", second.id)
    assert "put the newest copy of its state folder back" in alarm["advice"]
    refused = run(ground)
    assert refused.failure is not None
    assert (refused.state, refused.failure["code"]) == ("failed", "integrity-failure")
    # the control: with the alarm out of the way it runs, and has forgotten what the second job cost
    ground.federation.ask_node(VICTIM, {"do": "acknowledge", "alarm": alarm["id"]})
    third = run(ground)
    assert third.state == "released", third.failure
    assert charged(ground) == {first.id, third.id}
    (row,) = ground.node_rows(VICTIM, "select acknowledged from alarms where code = 'restored-state'")
    assert row[0] is not None  # and that he did is kept


def test_an_old_order_again_runs_at_no_restored_node(ground: Ground, tmp_path: Path) -> None:
    """The hub gives the restored node the very order whose run it has forgotten, while the permit is still good.

    The control is the second run itself: the same order, at a node that remembers the first, was answered.
    """
    first = run(ground)
    copy(ground, tmp_path / "kept")
    second = run(ground)
    assert (first.state, second.state) == ("released", "released")
    query = "select node, body from inbox where job = ? and kind = 'permit' and node = ?"
    ((node, body),) = ground.hub_rows(query, second.id, f"node-{VICTIM}")
    ground.processes.stop(f"node-{VICTIM}")
    ground.processes.stop("hub")
    hub = Hub.open(HubConfig.load(ground.places.hub / "hub.yaml"))
    try:
        with hub.store.change(Event("permit.repeated", insider.INSIDER, job=second.id)) as change:
            put_named(change, [node], "permit", second.id, parse_json(body.encode()))
    finally:
        hub.store.close()
    ground.processes.start_hub()
    ground.processes.start_node(VICTIM)
    put_back(ground, tmp_path / "kept")
    until(lambda: alarms(ground), "the alarm")
    last = ground.hub_rows("select max(seq) from inbox where node = ?", node)[0][0]
    cursor = "select value from settings where name = 'inbox_cursor'"
    until(lambda: int(ground.node_rows(VICTIM, cursor)[0][0]) >= last, "the node to read the replay")
    sent = "select o.round from outbox o where o.permit = ?"
    ((permit,),) = ground.hub_rows("select permit from jobs where id = ?", second.id)
    assert {name for (name,) in ground.node_rows(VICTIM, sent, permit)} <= {"stop"}
    assert second.id not in charged(ground)


def test_the_newest_copy_runs_on(ground: Ground, tmp_path: Path) -> None:
    """The control of the detection: stopped, copied, put back, and nothing was sent in between."""
    assert run(ground).state == "released"
    copy(ground, tmp_path / "kept")
    put_back(ground, tmp_path / "kept")
    assert run(ground).state == "released"
    assert alarms(ground) == []


def test_a_memory_that_its_last_message_does_not_name_is_an_older_one(ground: Ground) -> None:
    """Only the gate's own rows are set back, or its noise key: the outbox still says what was remembered."""
    assert run(ground).state == "released"
    ground.processes.stop(f"node-{VICTIM}")
    with closing(sqlite3.connect(state(ground) / "node.sqlite")) as connection, connection:
        connection.execute("delete from settings where name = ?", (NOISE_KEY,))
    ground.processes.start_node(VICTIM)
    (alarm,) = until(lambda: alarms(ground), "the alarm")
    assert alarm["code"] == "restored-state"
    refused = run(ground)
    assert refused.failure is not None
    assert refused.failure["code"] == "integrity-failure"


NOISE_KEY: Final = "noise_key"
