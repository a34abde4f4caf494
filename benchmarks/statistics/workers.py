"""One owner's 100 million rows on two Ray workers against one: parts are spread, results merged, nothing is shuffled.

Run: ``python -m benchmarks.statistics.workers [--rows 100000000] [--rounds 5]``. Each number of workers has a Ray
runtime in a process of its own; they scan the same snapshot (0.6 GB on disk, 2 GB while it is written), in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from adapters.snapshot.ref import SnapshotRef
from benchmarks import report
from benchmarks.statistics._engine import inputs, snapshot, step
from benchmarks.statistics._trial import load_note, peak_mib
from jobs.kinds.base import Limits
from jobs.runner.ray_runner import RayRunner
from jobs.runner.ray_runtime import RayRuntime, RuntimeOptions

WARM = 3
"""Scans before any is measured: a worker digests each file when it first reads it."""
WORKER_MIB = 1024
"""A worker's own size, a block of rows and mapped parts of a snapshot."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        ref = snapshot(Path(name) / "snapshot", options.rows)
        with runtime(1, ref, options.rows) as one, runtime(2, ref, options.rows) as two:
            for scanner in (one, two) * WARM:
                scanner.scan()
            times: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(options.rounds):
                times[1].append(one.scan())
                times[2].append(two.scan())
            peak = two.peak()
    ratio = report.median_ratio(times[1], times[2])
    work = f"one owner, {options.rows / 1e6:g}M rows by carrier and month, two workers"
    found = [
        report.row(
            work, statistics.median(times[2]), "s", "one worker", statistics.median(times[1]), ratio, at_least=1.7
        ),
        report.row("peak memory of a worker, mapped files included", peak, "MiB", at_most=WORKER_MIB),
    ]
    report.write("statistics_workers", found, [load_note(), *NOTES])


class Remote:
    """A process with its own Ray runtime; one question, one answer."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def scan(self) -> float:
        return float(self._ask("scan"))

    def peak(self) -> float:
        return float(self._ask("peak"))

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


@contextmanager
def runtime(workers: int, ref: SnapshotRef, rows: int) -> Iterator[Remote]:
    """Started, warm, and ended again."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(workers, ref, rows, theirs))
    process.start()
    try:
        yield Remote(ours)
    finally:
        ours.send("end")
        process.join()


def _serve(workers: int, ref: SnapshotRef, rows: int, pipe: Connection) -> None:
    started = RayRuntime(RuntimeOptions("benchmark", cpus=workers, object_store_bytes=80_000_000))
    started.start()
    runner = RayRunner(started, Limits(), prepare=("jobs.kinds.statistics.warm:warm",))
    runner.warm()
    permit: Any = None  # the runner carries it and does not look at it
    while (what := pipe.recv()) != "end":
        if what == "scan":
            start = time.perf_counter()
            runner.submit(permit, step(rows), inputs(ref)).result()
            pipe.send(time.perf_counter() - start)
        else:
            pipe.send(max(peak_mib(process.pid) for process in scan_workers()))
    runner.close()


def scan_workers() -> list[psutil.Process]:
    """The worker processes below this one."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if (process.cmdline() or [""])[0].startswith("ray::Worker")]


NOTES = ("The ratio says how much faster two workers are than one; both scan the same snapshot, in turn, once warm.",)


if __name__ == "__main__":
    main()
