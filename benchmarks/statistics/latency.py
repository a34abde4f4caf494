"""A small job on warm nodes, from submission to release: median, p95, and where the time goes.

Run: ``python -m benchmarks.statistics.latency [--runs 30]``. Hub, three nodes, witness and Ray workers are processes of
their own; the data are the 336,776 flights of 2013. Runs follow each other, each after the receipt of the one before.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks import report
from benchmarks.statistics._flights import small
from benchmarks.statistics._stage import Stage, federation
from benchmarks.statistics._trial import Marks, Series, load_note, processes, processor_seconds

MEDIAN_MS: Final = 120.0
P95_MS: Final = 200.0
PROCESSOR_MS: Final = 250.0
WARM: Final = 5
MOST_S: Final = 180.0
"""No run begins later: on a slow machine there are fewer of them, and the rows say how many."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args(arguments).runs
    with federation(small(), rows_at_most=200_000) as stage, stage.operator() as client:
        series = Series(stage, client, runs + WARM)
        for _ in range(WARM):
            series.run()
        before = load_note("before the runs")
        marks, seconds = measured(stage, series, runs)
        after = load_note("after them")
    report.write("statistics_latency", rows(marks, seconds), [before, after, *NOTES])


def measured(stage: Stage, series: Series, runs: int) -> tuple[list[Marks], dict[str, float]]:
    """The marks of every run, and processor seconds per run by kind of process (receipt included)."""
    kinds = processes(stage)
    before = {name: processor_seconds(of) for name, of in kinds.items()}
    marks: list[Marks] = []
    end = time.monotonic() + MOST_S
    while len(marks) < runs and time.monotonic() < end:
        marks.append(series.run())
    return marks, {name: (processor_seconds(of) - before[name]) / len(marks) for name, of in kinds.items()}


def rows(marks: Sequence[Marks], seconds: dict[str, float]) -> list[dict[str, Any]]:
    work = f"flights by carrier and month, 3 nodes, {len(marks)} runs"
    released = sorted(mark.released for mark in marks)
    p95 = released[min(len(released) - 1, int(0.95 * len(released)))]
    found = [
        report.row(f"{work}: submit to release, median", _ms(released), "ms", at_most=MEDIAN_MS),
        report.row(f"{work}: submit to release, p95", 1000 * p95, "ms", at_most=P95_MS),
    ]
    parts = {
        "submission compiled, decided, stored, permit issued": [m.posted for m in marks],
        "orders checked at the nodes, keys exchanged": [m.keys - m.posted for m in marks],
        "scans, rules, flags added": [m.flags - m.keys for m in marks],
        "values added, released": [m.released - m.flags for m in marks],
        "then: table read by the client": [m.read - m.released for m in marks],
    }
    found += [report.row(f"part: {name}", _ms(values), "ms") for name, values in parts.items()]
    found += [report.row(f"processor time of a run: {name}", 1000 * value, "ms") for name, value in seconds.items()]
    found.append(
        report.row("processor time of a run: all of these", 1000 * sum(seconds.values()), "ms", at_most=PROCESSOR_MS)
    )
    return found


NOTES = (
    "Parts are medians of the moments at which the client hears of a step; they need not add up exactly.",
    "Processor time is all that the processes used per run, receipt and cosignatures included. It grows on a busy",
    "machine too, by up to twice at load 16 on two cores. On two idle cores no run is faster than its longest chain.",
)


def _ms(values: Sequence[float]) -> float:
    return 1000 * statistics.median(values)


if __name__ == "__main__":
    main()
