"""How far scans are, at the hub: a node's own line of a job that runs, once a second, and nothing that decides or stays.

The lines are unsigned, so the attacks are a node's: it lies, floods, speaks for others, for other jobs, after the end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from sandbox.hub.running.jobstate import topic
from sandbox.store.tables import scans


@pytest.fixture
def job(world: Any) -> str:
    """A job that runs: every node has its order, and none has answered."""
    world.register_all()
    made = str(world.submit()["id"])
    world.grant_all(made)
    assert world.state(made) == "running"
    return made


def say(world: Any, node: str, job: str, percent: int = 40, left: int = 12, who: str = "", status: int = 204) -> None:
    body = {"percent": percent, "seconds_left": left}
    world.call("PUT", f"/nodes/{node}/jobs/{job}/scan", who or node, json=body, status=status)


def shown(world: Any, job: str, who: str = "acme") -> list[tuple[str, int, int]]:
    found = world.call("GET", f"/jobs/{job}", who)["scans"]
    return [(item["node"], item["percent"], item["seconds_left"]) for item in found]


def test_what_nodes_say_is_shown_to_who_may_see_the_job_and_to_nobody_else(world: Any, job: str) -> None:
    assert shown(world, job) == []
    first, second, *_ = world.nodes
    say(world, f"node-{second}", job, 10, 30)
    say(world, f"node-{first}", job, 40, 12)
    wanted = [(f"node-{first}", 40, 12), (f"node-{second}", 10, 30)]
    for who in ("acme", first, "auditor"):
        assert shown(world, job, who) == wanted
    world.call("GET", f"/jobs/{job}", "rival", status=404)


def test_it_is_no_event_of_the_log_and_gone_when_the_job_ends(world: Any, job: str) -> None:
    first = f"node-{next(iter(world.nodes))}"
    size = world.call("GET", "/log/entries", "auditor", params={"limit": 1000})["items"][-1]["index"]
    say(world, first, job)
    assert world.call("GET", "/log/entries", "auditor", params={"limit": 1000})["items"][-1]["index"] == size
    world.run_nodes()
    assert (world.state(job), shown(world, job)) == ("released", [])
    with world.store.read() as connection:
        assert list(connection.execute(select(scans))) == []
    say(world, first, job, status=404)


def test_a_node_that_lies_spoils_its_own_line_and_the_job_is_released_as_ever(world: Any, job: str) -> None:
    liar, honest, *_ = (f"node-{owner}" for owner in world.nodes)
    say(world, honest, job, 10, 30)
    say(world, liar, job, 100, 0)
    assert shown(world, job) == [(liar, 100, 0), (honest, 10, 30)]
    world.clock.now += timedelta(seconds=1)
    say(world, liar, job, 0, 86_400)
    assert shown(world, job) == [(liar, 0, 86_400), (honest, 10, 30)]
    world.run_nodes()
    assert world.state(job) == "released"


def test_of_a_flood_one_word_a_second_counts(world: Any, job: str) -> None:
    node = f"node-{next(iter(world.nodes))}"
    told: list[frozenset[str]] = []  # of this job alone: the hub signs its lists and its log meanwhile
    world.store.follow(lambda topics: told.append(topics) if topic(job) in topics else None)
    for percent in range(30):
        say(world, node, job, percent)
    assert (shown(world, job), len(told)) == ([(node, 0, 12)], 1)  # nobody was woken for the other 29
    world.clock.now += timedelta(seconds=1)
    say(world, node, job, 31)  # the control: the next second's word counts
    assert (shown(world, job), len(told)) == ([(node, 31, 12)], 2)


def test_nobody_speaks_for_another_node_or_for_a_job_that_is_not_its(world: Any, job: str) -> None:
    first, second, *_ = (f"node-{owner}" for owner in world.nodes)
    say(world, first, job, who=second, status=403)
    say(world, first, job, who="acme", status=403)
    say(world, first, job + "x", status=404)
    waiting = str(world.submit(key="another")["id"])
    assert world.state(waiting) == "needs_approval"
    say(world, first, waiting, status=404)
    assert shown(world, job) == []
    say(world, first, job)  # the control: its own line of this job
    assert len(shown(world, job)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"percent": 101, "seconds_left": 1},
        {"percent": -1, "seconds_left": 1},
        {"percent": 50, "seconds_left": 86_401},
        {"percent": 50, "seconds_left": -1},
        {"percent": 1.5, "seconds_left": 1},
        {"percent": "50", "seconds_left": 1},
        {"percent": True, "seconds_left": 1},
        {"percent": 50},
        {"percent": 50, "seconds_left": 1, "rows": 1_234_567},
    ],
)
def test_anything_but_a_fraction_and_a_time_is_refused(world: Any, job: str, body: dict[str, Any]) -> None:
    """Rows among it: what an owner holds is no business of the hub's, even if a node would say it."""
    node = f"node-{next(iter(world.nodes))}"
    world.call("PUT", f"/nodes/{node}/jobs/{job}/scan", node, json=body, status=422)
    assert shown(world, job) == []
