"""What a node says of its scan: everything to its owner, to the hub a fraction on a clock; and no job depends on it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.runner.port import Progress
from sandbox.node.control import Control, ask
from sandbox.node.hub_port import HubAway, HubRefused
from sandbox.node.scanning import ScanReport
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents
from tests.support.toyhub import Port

NODE = "node-ewr"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Deaf:
    """A hub to whom nothing is to be said."""

    def scan(self, job: str, percent: int, seconds_left: int) -> None:
        raise AssertionError("too early")


def words(parts: int, seconds: int = 100) -> list[tuple[int, int]]:
    """Each second's word of a scan of ``parts`` even parts that takes ``seconds``, from its first part on."""
    clock = Clock()
    hub: Any = Deaf()
    report = ScanReport(hub, "job-1", every=1e6, clock=clock)
    said = []
    for second in range(1, seconds):
        clock.now += 1
        if second * parts % seconds < parts:
            done = second * parts // seconds
            report(Progress(done, parts, done, parts, seconds - second))
        if report.latest is not None:
            said.append(report.said())
    report.stop()
    return said


@pytest.mark.parametrize("parts", [2, 4, 10, 20, 50, 100])
def test_the_words_of_one_scan_are_the_same_however_many_parts_it_has(parts: int) -> None:
    """The hub cannot count parts, from which rows could be told."""
    said = words(parts)
    finest = words(100)[-len(said) :]
    assert len(said) >= 50
    assert all(abs(a - b) <= 1 and left == exact for (a, left), (b, exact) in zip(said, finest, strict=True))


def test_a_scan_that_stands_still_does_not_pretend() -> None:
    clock = Clock()
    hub: Any = Deaf()
    report = ScanReport(hub, "job-1", every=1e6, clock=clock)
    report(Progress(1, 4, 10, 40, 30.0))
    clock.now += 1000
    assert report.said() == (50, 0)  # where the second part would end, and no further
    report(Progress(4, 4, 40, 40, 0.0))
    assert report.said() == (99, 0)
    report.stop()
    assert report.latest is None


def test_a_running_job_shows_parts_to_its_owner_and_a_fraction_to_the_hub(federation: Federation) -> None:
    runner = federation.runners[NODE]
    runner.gate.clear()
    federation.hub.order(Documents())
    federation.drive(lambda: runner.progress is not None)
    control = Control(federation[NODE])
    control.start()
    try:
        folder = federation[NODE].context.config.state_dir
        [run] = ask(folder, {"do": "status"})["running"]
        assert (run["job"], run["scan"]) == ("job-1", None)
        assert runner.progress is not None
        runner.progress(Progress(2, 8, 2_500_000, 10_000_000, 600.0))
        [run] = ask(folder, {"do": "status"})["running"]
        assert (run["scan"]["parts_done"], run["scan"]["parts"], run["scan"]["rows"]) == (2, 8, 10_000_000)
        federation.drive(lambda: federation.hub.scans != [])
        assert federation.hub.scans[0][:3] == (NODE, "job-1", 25)
    finally:
        control.stop()
    runner.gate.set()
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    assert federation[NODE].states() == []


@pytest.mark.parametrize("trouble", [HubAway("away"), HubRefused("not-found", "no")])
def test_a_hub_that_does_not_hear_it_changes_nothing(federation: Federation, trouble: Any) -> None:
    runner = federation.runners[NODE]
    tried: list[str] = []

    class Refusing(Port):
        def scan(self, job: str, percent: int, seconds_left: int) -> None:
            tried.append(job)
            raise trouble

    federation[NODE].context.hub = Refusing(federation.hub, NODE)
    runner.gate.clear()
    federation.hub.order(Documents())
    federation.drive(lambda: runner.progress is not None)
    assert runner.progress is not None
    runner.progress(Progress(1, 8, 1, 8, 600.0))
    federation.drive(lambda: tried != [])
    runner.gate.set()
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    assert federation.alarms(NODE) == []
