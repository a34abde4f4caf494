"""One owner's engine without a federation: the flights' snapshot, the plan of the main job, and one scan of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from adapters.snapshot.build import Layout, build
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Input, Manifest, SourceSpec
from benchmarks.statistics._flights import batches
from benchmarks.statistics._stage import flights
from benchmarks.statistics._trial import JOB
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.step import ScanStep
from jobs.schema import CatalogueView, Holding
from jobs.stored import stored_columns

USED: Final = ("arr_delay", "carrier", "month", "tailnum")


def layout(columns: tuple[str, ...] = (), seal_key: bytes | None = None) -> Layout:
    """How the flights are stored; of all columns, or of these."""
    dataset = flights()
    stored = tuple(column for column in stored_columns(dataset) if not columns or column.name in columns)
    return Layout("flights", "benchmark", dataset.unit, "aircraft", stored, bytes(range(32)), seal_key)


def snapshot(folder: Path, rows: int, columns: tuple[str, ...] = USED) -> SnapshotRef:
    """Write ``rows`` flights; they are made on the way and never lie in memory or on disk as a whole."""
    return build(folder, layout(columns), "benchmark", batches(rows, columns), rows)


def step(rows: int) -> ScanStep:
    return ScanStep(plan(rows), {"least": 0})


def plan(rows: int) -> Plan:
    dataset = flights()
    holding = Holding(
        dataset="flights", owner="o", node="n", provider="benchmark", version_commitment="sha256:0", max_rows=rows
    )
    return compile_sql(JOB["sql"], CatalogueView(datasets=(dataset,), holdings=(holding,)))


def inputs(ref: SnapshotRef) -> dict[str, Input]:
    return {"flights": Input(SourceSpec(kind="parquet", path="none"), Manifest(files=()), ref)}


def in_memory(rows: int) -> pa.Table:
    """All columns of ``rows`` flights: what is written, by whoever writes it."""
    return pa.Table.from_batches(list(batches(rows)))
