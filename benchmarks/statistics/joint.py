"""The joint group-by over three nodes with 10 million rows each, against one DuckDB over the same Parquet.

Run: ``python -m benchmarks.statistics.joint [--rounds 3] [--rows 10000000]``. Ours is the whole job, from submission to
release, over real processes: permit checks, three scans, rules, masks, log. The peer computes the same evidence in one
query over all three parts, which no owner would allow; the plain query computes only the answer. They alternate.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from adapters.source import SourceSpec
from benchmarks import report
from benchmarks.statistics._flights import ROWS, large
from benchmarks.statistics._stage import Stage, federation
from benchmarks.statistics._trial import Series, forget_peak, load_note, peak_mib, processes, resident_mib
from benchmarks.statistics.evidence import PEER, PLAIN
from jobs.disclosure.noise import BOUND
from jobs.disclosure.profile import load_profile

THREADS = 2
LIMIT_MIB = 1500 / 1.048576
MEMORY = 1_000_000_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args(arguments)
    sources = large(options.rows)
    with (
        federation(sources, rows_at_most=options.rows, node_options={"memory_bytes": MEMORY}) as stage,
        stage.operator() as client,
    ):
        workers = [process.pid for process in processes(stage)["scan workers"]]
        idle = {worker: resident_mib(worker) for worker in workers}
        for worker in workers:
            forget_peak(worker)
        series = Series(stage, client, options.rounds + 2)
        beyond = max(peak_mib(worker) - idle[worker] for worker in workers)
        check_same(stage, series, sources)
        works: dict[str, Callable[[], object]] = {
            "ours": series.run,
            "evidence": lambda: query(PEER, sources),
            "plain": lambda: query(PLAIN, sources),
        }
        times = measured(works, series, options.rounds)
    report.write("statistics_joint", rows(options.rows, times, beyond), [load_note(), *NOTES])


def measured(works: Mapping[str, Callable[[], object]], series: Series, rounds: int) -> dict[str, list[float]]:
    """Seconds per round; ours counts to the release, not to the receipt."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        marks = series.run()
        times["ours"].append(marks.released)
        for name, mark in (("posted", marks.posted), ("keys", marks.keys), ("flags", marks.flags)):
            times.setdefault(name, []).append(mark)
        for name in ("evidence", "plain"):
            start = time.perf_counter()
            works[name]()
            times[name].append(time.perf_counter() - start)
    return times


def query(text: str, sources: Mapping[str, SourceSpec]) -> list[tuple[Any, ...]]:
    """One DuckDB with as many threads as a node has, over all owners' files."""
    folder = next(iter(sources.values())).path.rsplit("/", 1)[0]
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        return connection.execute(text.format(file=f"{folder}/*/*/flights.parquet")).fetchall()


def check_same(stage: Stage, series: Series, sources: Mapping[str, SourceSpec]) -> None:
    """The released counts must be those of the union, up to all owners' noise, or nothing was compared."""
    with stage.operator() as client:
        table = client.table(series.last).to_pandas()
    exact = {(row[0], row[1]): row[2] for row in query(PEER, sources)}
    shown = table.dropna(subset=["flights"])
    if shown.empty:
        raise SystemExit("nothing was released")
    for carrier, month, flights in zip(shown["carrier"], shown["month"], shown["flights"], strict=True):
        if abs(int(flights) - exact[str(carrier), int(month)]) > len(sources) * NOISE_AT_MOST + STEP:
            raise SystemExit(f"the release and the peer disagree for {carrier}, month {month}")


NOISE_AT_MOST = BOUND * load_profile("standard@2").noise_ratio
"""What an owner adds to a count, or takes from it."""
STEP = 5
"""Counts of three owners are shown in steps of this size."""


def rows(count: int, times: Mapping[str, list[float]], beyond: float) -> list[dict[str, Any]]:
    work = f"3 nodes with {count / 1e6:g}M rows each, by carrier and month, submit to release"
    ours = statistics.median(times["ours"])
    found = []
    for name, peer, most in (
        ("evidence", "one DuckDB, the same evidence", 0.3),
        ("plain", "one DuckDB, plain query without evidence", 1.5),
    ):
        ratio = report.median_ratio(times["ours"], times[name])
        found.append(report.row(work, ours, "s", peer, statistics.median(times[name]), ratio, at_most=most))
    found.append(report.row("peak memory of a scan worker beyond its rest", beyond, "MiB", at_most=round(LIMIT_MIB)))
    found += [report.row(f"of it, submission to {name}", seconds, "s") for name, seconds in stages(times)]
    return found


def stages(times: Mapping[str, list[float]]) -> list[tuple[str, float]]:
    """Where the time goes, if the target is missed: medians of the marks on the way to the release."""
    return [(name, statistics.median(times[name])) for name in ("posted", "keys", "flags")]


NOTES = (
    "Ratios above 1: ours takes longer. Ours is the whole job: permit checks, three scans, rules, masks, log.",
    "Ours reads the snapshots that registration wrote, the peer the registered Parquet files.",
    "The three nodes' workers share the cores that the one DuckDB has to itself, and one Ray runtime.",
    "Evidence: distinct units per aggregate, two largest and total contributions of every channel, sums.",
)


if __name__ == "__main__":
    main()
