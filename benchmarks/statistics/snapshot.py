"""Writing the snapshot of 10 million rows, against DuckDB sorting the same rows by unit and writing Parquet.

Run: ``python -m benchmarks.statistics.snapshot [--rows 10000000] [--rounds 3]``. Both get the same Arrow batches of all
19 columns from memory, have two threads, and write to the same disk, in turn. About 6 GB of memory, 2 GB of disk.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from adapters.snapshot.build import build
from benchmarks import report
from benchmarks.statistics._engine import in_memory, layout
from benchmarks.statistics._trial import load_note

THREADS = 2
SEAL = bytes(range(1, 33))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    table = in_memory(options.rows)
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        folder = Path(name)
        works: dict[str, Callable[[], object]] = {
            "ours": lambda: write(folder / "plain", table, None),
            "encrypted": lambda: write(folder / "sealed", table, SEAL),
            "peer": lambda: peer(folder / "sorted.parquet", table),
        }
        times = report.alternate(works, options.rounds)
        sizes = {name: size(folder / place) for name, place in SIZES.items()}
    report.write("statistics_snapshot", rows(options.rows, times, sizes), [load_note(), *NOTES])


SIZES = {"ours": "plain", "encrypted": "sealed", "peer": "sorted.parquet"}


def write(folder: Path, table: pa.Table, seal_key: bytes | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    build(folder, layout(seal_key=seal_key), "benchmark", iter(table.to_batches()), len(table))


def peer(file: Path, table: pa.Table) -> None:
    file.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        connection.register("flights", table)
        connection.execute(f"COPY (SELECT * FROM flights ORDER BY tailnum) TO '{file}' (FORMAT parquet)")


def size(place: Path) -> float:
    """MiB."""
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / (1 << 20)


def rows(count: int, times: dict[str, list[float]], sizes: dict[str, float]) -> list[dict[str, object]]:
    found = []
    for name, work in (("ours", "writing a snapshot"), ("encrypted", "the same, encrypted")):
        ratio = report.median_ratio(times[name], times["peer"])
        line = report.row(
            f"{work} of {count / 1e6:g}M rows, 19 columns", statistics.median(times[name]), "s",
            "DuckDB, sort and write Parquet", statistics.median(times["peer"]), ratio,
            at_most=2 if name == "ours" else None,
        )  # fmt: skip
        found.append(line)
    found.append(
        report.row("its size", sizes["ours"], "MiB", "the Parquet file", sizes["peer"], sizes["ours"] / sizes["peer"])
    )
    return found


NOTES = (
    f"Ratios above 1: ours takes longer. {THREADS} threads each.",
    "Ours also checks every value against its declaration, hashes units and digests every file.",
)


if __name__ == "__main__":
    main()
