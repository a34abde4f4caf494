"""The fault table: SIGKILL the hub or a node at every step of a job; after the restart everything must be right.

A row: stop the job at the step (the proxy holds what is sent or answered just then), kill, start again, let go. A node
that was killed before its values were stored has lost its mask key: the job fails, typed. After them, and whenever
only the hub was killed, the stored bytes are sent again and the job is released.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, get_args

import pytest

from tests.support import toy
from tests.support.expected import count_noise, is_noisy
from tests.support.ground import Ground
from tests.support.proxy import When

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
STEPS: Final[tuple[tuple[str, When], ...]] = (
    ("permit", "after"),
    ("key", "before"),
    ("key", "after"),
    ("told key", "after"),
    ("flags", "before"),
    ("flags", "after"),
    ("told open", "after"),
    ("values", "before"),
    ("values", "after"),
    ("finished", "after"),
    ("destroyed", "before"),
    ("destroyed", "after"),
)
LOST_WITH_THE_KEY: Final = ("key", "told key", "flags", "told open")
VICTIM: Final = "B"
assert set(get_args(When)) == {"before", "after"}


@pytest.fixture(autouse=True)
def everybody_lives(ground: Ground) -> Iterator[None]:
    """A row that fails must not break the rows after it."""
    yield
    if not ground.processes.is_alive("hub"):
        ground.processes.start_hub()
    for owner in toy.OWNERS:
        if not ground.processes.is_alive(f"node-{owner}"):
            ground.processes.start_node(owner)


@pytest.mark.parametrize(("what", "when"), STEPS, ids=[f"{what}-{when}" for what, when in STEPS])
def test_a_node_is_killed(ground: Ground, what: str, when: When) -> None:
    with ground.proxy.gate(f"node-{VICTIM}", what, when) as gate:
        job = ground.run()
        gate.wait()
        ground.processes.kill(f"node-{VICTIM}")
        gate.open(drop=True)
    ground.processes.start_node(VICTIM)
    ended = ground.ended(job.id)
    if what in LOST_WITH_THE_KEY:
        assert ended.state == "failed"
        assert ended.failure is not None
        assert (ended.failure["code"], ended.failure["nodes"]) == ("node-lost", [f"node-{VICTIM}"])
    else:
        assert ended.state == "released"
    ground.check(ended)


@pytest.mark.parametrize(("what", "when"), STEPS, ids=[f"{what}-{when}" for what, when in STEPS])
def test_the_hub_is_killed(ground: Ground, what: str, when: When) -> None:
    with ground.proxy.gate(f"node-{VICTIM}", what, when) as gate:
        job = ground.run()
        gate.wait()
        ground.processes.kill("hub")
        gate.open(drop=when == "after")  # before: what was held meets a hub that is gone
    ground.processes.start_hub()
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


def test_hub_and_node_are_killed_together_after_the_values(ground: Ground) -> None:
    with ground.proxy.gate(f"node-{VICTIM}", "values", "before") as gate:
        job = ground.run()
        gate.wait()
        ground.processes.kill("hub")
        ground.processes.kill(f"node-{VICTIM}")
        gate.open(drop=True)
    ground.processes.start_hub()
    ground.processes.start_node(VICTIM)
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


def test_the_hub_is_killed_between_requests_and_approvals(ground: Ground) -> None:
    job = ground.ask()
    ground.federation.approve("A", job.id)
    ground.processes.kill("hub")
    ground.processes.start_hub()
    for owner in ("B", "C"):
        ground.federation.approve(owner, job.id)
    ended = ground.ended(job.id)
    assert ended.state == "released"
    ground.check(ended)


def test_after_all_of_this_the_accounts_agree(ground: Ground) -> None:
    """Also when this row runs alone: one clean job, its receipt, and every node's record against the log."""
    job = ground.ended(ground.run().id)
    assert job.state == "released"
    ground.check(job)
    ground.check_records()
    ground.check_receipt(job.id)
    trips = Counter(row["line"] for owner in toy.OWNERS for row in toy.rows(owner))
    owners = len(toy.OWNERS)
    for answered in (job, ground.ended(ground.run().id)):  # another question about the same rows: another noise
        table = ground.answer(answered.id)
        shown = {row[0]: (row[1], errors[1]) for row, errors in zip(table.rows, table.errors, strict=True)}
        assert set(shown) == set(toy.LINES)
        assert shown.pop("east") == (None, None)
        for line, (count, error) in shown.items():
            assert error is not None
            assert is_noisy(count, error, trips[line], count_noise(owners))
