"""How writing and scanning a snapshot grow with the rows: seconds, and the peak of a process's memory, which must not.

Run: ``python -m benchmarks.statistics.growth [--rows 1000000 10000000 100000000]``. One process for each size and
work; the four columns of the main job. 100 million rows take about 2 GB of disk while they are written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from adapters.snapshot.ref import SnapshotRef
from benchmarks import report
from benchmarks.statistics._engine import inputs, snapshot, step
from benchmarks.statistics._trial import forget_peak, load_note, peak_mib, resident_mib
from jobs.kinds.base import Limits
from jobs.kinds.statistics.warm import warm

T = TypeVar("T")
R = TypeVar("R")
WRITE_MIB, SCAN_MIB = 1536, 300
"""What docs/cluster.md states: two buffers of 512 MiB and what passes through; a worker beyond its own size."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    found = []
    for rows in parser.parse_args(arguments).rows:
        with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
            folder = Path(name) / "snapshot"
            wrote, write_mib, ref = measured(write, folder, rows)
            scanned, scan_mib, _ = measured(scan, ref, rows)
        million = f"{rows / 1e6:g}M rows"
        found += [
            report.row(f"writing {million}, 4 columns", wrote, "s"),
            report.row(f"memory while writing {million}", write_mib, "MiB", at_most=WRITE_MIB),
            report.row(f"one core scans {million} with all evidence", scanned, "s"),
            report.row(f"memory of the scan of {million}, mapped files included", scan_mib, "MiB", at_most=SCAN_MIB),
        ]
    report.write("statistics_growth", found, [load_note(), *NOTES])


def write(folder: Path, rows: int) -> tuple[float, SnapshotRef]:
    start = time.perf_counter()
    ref = snapshot(folder, rows)
    return time.perf_counter() - start, ref


def scan(ref: SnapshotRef, rows: int) -> tuple[float, None]:
    """The second scan: the first one digests the files."""
    work, limits, seconds = step(rows), Limits(threads=1), 0.0
    parts = work.parts(inputs(ref))
    for _ in range(2):
        start = time.perf_counter()
        work.merge([work.run(part, inputs(ref), limits) for part in range(parts)])
        seconds = time.perf_counter() - start
    return seconds, None


def measured(work: Callable[[T, int], tuple[float, R]], subject: T, rows: int) -> tuple[float, float, R]:
    """Seconds, and MiB beyond a process that has loaded the engine, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, subject, rows, send))
    process.start()
    seconds, mib, result = receive.recv()
    process.join()
    return seconds, mib, result


def _child(work: Callable[[T, int], tuple[float, R]], subject: T, rows: int, send: Connection) -> None:
    warm()
    idle = resident_mib(os.getpid())
    forget_peak(os.getpid())
    seconds, result = work(subject, rows)
    send.send((seconds, peak_mib(os.getpid()) - idle, result))


NOTES = (
    "The flights repeated with other aircraft: units grow with the rows. Memory is the peak beyond a process at rest.",
    "Pages of mapped snapshot files count as the process's own while they are mapped.",
)


if __name__ == "__main__":
    main()
