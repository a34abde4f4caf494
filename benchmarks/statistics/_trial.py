"""One measured run of the joint job, as the operator's client sees it, and what processes cost meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.statistics._stage import Stage, granted
from jobs.documents import Envelope
from sandbox.client import Client

JOB: Final[dict[str, Any]] = {
    "scenario": "delay research",
    "purpose": "Monthly arrival delay of each carrier: the job that the benchmarks repeat.",
    "datasets": ["flights"],
    "parameters": {"least": 0},
    "sql": (
        "SELECT carrier, month, COUNT(*) AS flights, AVG(arr_delay) AS mean_delay, STDDEV(arr_delay) AS deviation "
        "FROM flights GROUP BY carrier, month HAVING COUNT(*) >= :least"
    ),
}
"""``least`` is another value in every run, so that no run is answered by the release of an earlier one. It is applied
to the released table, so every run scans the same."""
ROUNDS: Final = ("key", "flags", "values")
_AT_START: Final = os.getloadavg()[0]


@dataclass(frozen=True)
class Marks:
    """Seconds since the submission: answered, all keys, all flags, released, table read."""

    posted: float
    keys: float
    flags: float
    released: float
    read: float


class Series:
    """Runs of ``JOB`` under one grant, one after the other, each when the one before has its receipt."""

    def __init__(self, stage: Stage, client: Client, runs: int, operator: str = "acme") -> None:
        self._client = client
        first = granted(stage, JOB, {"least": list(range(runs + 1))}, operator)
        self._commitment: Envelope = stage.federation.commitments[-1]
        self._least = 0
        self.last = first.id
        self.job = client.wait(first, 120).job
        self._check(self.job.state)

    def run(self) -> Marks:
        """Submit, follow to the release, read the table, then wait for the receipt (not counted)."""
        self._least += 1
        start = time.perf_counter()
        job = self._client.submit(JOB["sql"], {"least": self._least}, commitment=self._commitment)
        posted = keys = flags = 0.0
        posted = time.perf_counter() - start
        state = ""
        for event in self._client.events(job.id):
            now, state, progress = time.perf_counter() - start, str(event["state"]), str(event["progress"])
            keys = keys or (now if _done(progress, state, "key") else 0.0)
            flags = flags or (now if _done(progress, state, "flags") else 0.0)
        released = time.perf_counter() - start
        self._check(state)
        self._client.table(job.id)
        read = time.perf_counter() - start
        self._client.receipt(job.id, 30)
        self.last = job.id
        return Marks(posted, keys, flags, released, read)

    def _check(self, state: str) -> None:
        if state != "released":
            job = self._client.job(self.last)
            raise SystemExit(f"the job ended as {state}, not in a release: {job.failure or job.reasons}")


def _done(progress: str, state: str, round: str) -> bool:
    """Whether this round, or a later one, is over. The hub says ``key: 2 of 3 nodes``; events may be skipped."""
    if state == "released":
        return True
    name, _, text = progress.partition(": ")
    if name not in ROUNDS:
        return False
    number, _, total = text.removesuffix(" nodes").partition(" of ")
    place, wanted = ROUNDS.index(name), ROUNDS.index(round)
    return place > wanted or (place == wanted and number == total)


def processes(stage: Stage) -> dict[str, list[psutil.Process]]:
    """The federation's processes by kind."""
    workers = [p for p in stage.ray_process().children(recursive=True) if _is_worker(p)]
    nodes = [psutil.Process(stage.processes.pid(f"node-{owner}")) for owner in stage.places.owners]
    kinds = {name: [psutil.Process(stage.processes.pid(name))] for name in ("hub", "witness")}
    return {**kinds, "nodes": nodes, "scan workers": workers}


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.cmdline()) and process.cmdline()[0].startswith("ray::Worker")
    return False


def processor_seconds(of: Iterable[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in of))


def forget_peak(process: int) -> None:
    """Let the kernel count the peak of resident memory from now on (proc(5), clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_mib(process: int) -> float:
    return _status(process, "VmHWM")


def resident_mib(process: int) -> float:
    return _status(process, "VmRSS")


def _status(process: int, name: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"this system does not tell {name}: the benchmark needs Linux")


def load_note(when: str = "at its end") -> str:
    """How busy the machine is with other work: shared machines are, and then times say little.

    As the process began, and now: a figure counts if the first is small, for the rise is its own.
    """
    now = os.getloadavg()[0]
    return f"1-minute load average {_AT_START:.1f} on {os.cpu_count()} cores before this run, {now:.1f} {when}."
