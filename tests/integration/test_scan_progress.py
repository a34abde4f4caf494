"""From a node's runner to the person who waits: the node's report and link, a served hub, the stream, SDK and CLI."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from jobs.documents import digest, moment_text
from jobs.runner.port import Progress
from sandbox.cli.render import progress_text
from sandbox.client import Client, Job
from sandbox.hub.people.tokens import Role
from sandbox.hub.running.jobstate import topic
from sandbox.node.hub_link import HubLink
from sandbox.node.hub_port import HubRefused
from sandbox.node.scanning import ScanReport
from sandbox.store.event import Event
from sandbox.store.tables import job_nodes, jobs
from tests.support.live_hub import CLI, LiveHub, live_hub

JOB = "job-1"
WORDS = '{"parameters":{},"request":{},"words":{"text":"a page","cost":{"rows_at_most":30000000}}}'


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    with live_hub(tmp_path / "hub") as made:
        made.issue(Role.NODE, "node-b")
        _run_a_job(made)
        yield made


def _run_a_job(hub: LiveHub) -> None:
    """As the store holds a job of two nodes after its permit was laid into their inboxes."""
    at, some = moment_text(hub.hub.store.now()), digest(b"")
    row: dict[str, Any] = {
        "id": JOB, "state": "running", "progress": "the nodes scan", "operator": "acme", "kind": "statistics",
        "request": WORDS, "plan": "{}", "commitment_envelope": b"", "reasons": "[]", "created": at, "changed": at,
        "serial": 1, **dict.fromkeys(("spec", "plan_digest", "commitment", "roster", "replay_key"), some),
    }  # fmt: skip
    with hub.hub.store.change(Event("job.submitted", CLI, job=JOB)) as change:
        change.execute(insert(jobs).values(row))
        for place, node in enumerate(("node-a", "node-b")):
            values = {"job": JOB, "node": node, "owner": node[-1], "place": place, "serial": 1}
            change.execute(insert(job_nodes).values(values))


def _end(hub: LiveHub) -> None:
    with hub.hub.store.change(Event("job.failed", CLI, job=JOB)) as change:
        change.execute(update(jobs).values(state="cancelled", progress="cancelled"))
        change.wake(topic(JOB))


def _link(hub: LiveHub, node: str) -> HubLink:
    return HubLink(hub.url, node, hub.tokens[node].secret)


@pytest.fixture
def watched(hub: LiveHub) -> Iterator[queue.Queue[Job]]:
    """What ``Client.watch`` says, as it comes, until the job is over."""
    seen: queue.Queue[Job] = queue.Queue()

    def watch() -> None:
        with Client(hub.url, hub.tokens["acme"].secret) as client:
            for job in client.watch(JOB, timeout=30):
                seen.put(job)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    assert seen.get(timeout=20).scans == ()
    yield seen
    _end(hub)
    thread.join(20)
    assert not thread.is_alive()


def test_a_runners_parts_reach_who_waits_as_a_fraction_and_a_time(hub: LiveHub, watched: queue.Queue[Job]) -> None:
    report = ScanReport(_link(hub, "node-a"), JOB, every=0.05)
    report(Progress(parts_done=2, parts=8, rows_done=2_500_000, rows=10_000_000, seconds_left=600.0))
    job = watched.get(timeout=20)
    [scan] = job.scans
    assert (scan.node, scan.percent, job.state) == ("node-a", 25, "running")
    assert 590 <= scan.seconds_left <= 600
    assert job.seconds_left == scan.seconds_left
    report.stop()
    _link(hub, "node-b").scan(JOB, 50, 700)
    job = watched.get(timeout=20)
    while len(job.scans) < 2:  # another word of the first node may have been under way
        job = watched.get(timeout=20)
    assert [scan.node for scan in job.scans] == ["node-a", "node-b"]
    assert job.seconds_left == 700
    said = progress_text(job)
    for wanted in ("running: the nodes scan", "at most 30,000,000 rows", "node-a 25%", "node-b 50%", "about 700 s"):
        assert wanted in said
    assert "2,500,000" not in str(job.raw)
    assert "10000000" not in str(job.raw)


def test_waiting_calls_back_with_every_change(hub: LiveHub) -> None:
    seen: list[Job] = []

    def look(job: Job) -> None:
        seen.append(job)
        if len(seen) == 1:
            _link(hub, "node-b").scan(JOB, 10, 5)
        elif job.scans:
            _end(hub)

    with Client(hub.url, hub.tokens["acme"].secret) as client:
        done = client.wait(JOB, timeout=30, on_change=look)
    assert [[scan.percent for scan in job.scans] for job in seen] == [[], [10], []]
    assert (done.job.state, done.table) == ("cancelled", None)


def test_a_node_hears_that_a_job_is_over_and_says_no_more(hub: LiveHub) -> None:
    _end(hub)
    with pytest.raises(HubRefused, match="no job"):
        _link(hub, "node-a").scan(JOB, 10, 5)
    report = ScanReport(_link(hub, "node-a"), JOB, every=0.02)
    report(Progress(1, 2, 0, 0, 60.0))
    end = time.monotonic() + 20
    while any(thread.name == f"scan of {JOB}" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.02)
