"""Rows per processor second of each way that a scan can take: where the estimates of ``plan/cost.py`` come from.

Run: ``python -m benchmarks.statistics.ways [--rows 2000000]``. One owner's snapshot in one process, processor time of
all its threads, the best of three scans: other work on the machine changes it little. Prints; the estimates take about
half.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from adapters.open import open_source
from adapters.snapshot.build import Layout, build
from adapters.snapshot.read import Snapshot, SnapshotRows
from adapters.source import Input, SourceSpec, take_manifest
from benchmarks.statistics._engine import inputs, snapshot
from benchmarks.statistics._stage import EXAMPLES, flights
from benchmarks.statistics._trial import JOB
from examples.prepare_flights import prepare_planes
from jobs.kinds.base import Limits
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.kinds.statistics.scan import scan
from jobs.kinds.statistics.way import decide_way
from jobs.schema import CatalogueView, Holding
from jobs.stored import stored_columns
from sandbox.local.federation import parquet, read_dataset

BY_TABLES: Final = JOB["sql"]
BY_EXPRESSIONS: Final = (
    "SELECT carrier, CASE WHEN distance > 100 * hour THEN 'far' ELSE 'near' END AS way, COUNT(*) AS flights, "
    "AVG(arr_delay) AS mean FROM flights "
    "GROUP BY carrier, CASE WHEN distance > 100 * hour THEN 'far' ELSE 'near' END"
)
BY_JOIN: Final = (
    "SELECT engine, month, COUNT(*) AS flights, AVG(arr_delay) AS mean FROM flights "
    "JOIN planes ON flights.tailnum = planes.tailnum GROUP BY engine, month"
)
COLUMNS: Final = ("arr_delay", "carrier", "distance", "hour", "month", "tailnum")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows: int = parser.parse_args(arguments).rows
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        ref = snapshot(Path(name) / "flights", rows, COLUMNS)
        both = {**inputs(ref), "planes": _planes(Path(name))}
        limits, table = Limits(threads=1), SnapshotRows(Snapshot(ref)).read
        works: dict[str, Callable[[], object]] = {
            "ordered, by tables": lambda: scan(_plan(BY_TABLES, rows), {"least": 0}, both, limits, 0, 1),
            "ordered, expressions by DuckDB": lambda: scan(_plan(BY_EXPRESSIONS, rows), {}, both, limits, 0, 1),
            "ordered, joined by the unit": lambda: scan(_plan(BY_JOIN, rows), {}, both, limits, 0, 1),
            "rows, through hash tables": lambda: run_local(
                _plan(BY_TABLES, rows), {"least": 0}, {"flights": table}, limits
            ),
        }
        for work, run in works.items():
            print(f"{work:<34} {rows / min(_spent(run) for _ in range(3)):>14,.0f} rows a processor second")


def _spent(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _plan(sql: str, rows: int) -> Plan:
    known = (flights(), read_dataset(EXAMPLES / "datasets" / "planes.yaml"))
    holdings = tuple(
        Holding(dataset=d.name, owner="o", node="n", provider="b", version_commitment="sha256:0", max_rows=rows)
        for d in known
    )
    plan = compile_sql(sql, CatalogueView(datasets=known, holdings=holdings))
    if decide_way(plan, flights().unit).name != "ordered":
        raise SystemExit("the statement is not scanned in the order of units")
    return plan


def _planes(folder: Path) -> Input:
    """The register of aircraft, in parts of the same keyed hash."""
    dataset, file = read_dataset(EXAMPLES / "datasets" / "planes.yaml"), prepare_planes(folder / "data")
    layout = Layout("planes", "benchmark", dataset.unit, "aircraft", stored_columns(dataset), bytes(range(32)), None)
    spec: SourceSpec = parquet(file)
    source = open_source(spec)
    reader = source.read([column.name for column in dataset.columns])
    return Input(spec, take_manifest(source, None), build(folder / "planes", layout, "benchmark", reader, 5_000))


if __name__ == "__main__":
    main()
