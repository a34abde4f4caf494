"""The scan that says which records are in which base, against the scan of an exact profile, which need not.

Run: ``python -m benchmarks.gate.scan [--rows 10000000] [--rounds 5]``. One owner's snapshot of flights, the main job's
statement under ``standard@2`` and under ``open@1``, whole parts in one process, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.statistics._engine import inputs, snapshot
from benchmarks.statistics._stage import flights
from benchmarks.statistics._trial import JOB, load_note
from jobs.kinds.base import Limits
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.scan import scan
from jobs.kinds.statistics.way import decide_way
from jobs.schema import CatalogueView, Holding, NodeId, OwnerId

ROWS: Final = 10_000_000
ROUNDS: Final = 5
AT_MOST: Final = 1.3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        read, limits = inputs(snapshot(Path(name) / "flights", options.rows)), Limits()
        plans = {profile: plan_under(profile, options.rows) for profile in ("standard@2", "open@1")}
        works: dict[str, Callable[[], object]] = {
            profile: lambda plan=plan: scan(plan, {"least": 0}, read, limits, 0, 1)  # type: ignore[misc]
            for profile, plan in plans.items()
        }
        found = {profile: scan(plan, {"least": 0}, read, limits, 0, 1) for profile, plan in plans.items()}
        if found["standard@2"].values != found["open@1"].values:
            raise SystemExit("the two scans count differently")
        if not found["standard@2"].records[0].count or found["open@1"].records[0].count:
            raise SystemExit("one scan is to tell the records of bases, the other not")
        times = report.alternate(works, options.rounds)
    with_bases, without = times["standard@2"], times["open@1"]
    row = report.row(
        f"scan of {options.rows / 1e6:g}M flights by carrier and month, with bases", statistics.median(with_bases), "s",
        "the same scan without (open@1)", statistics.median(without), report.median_ratio(with_bases, without),
        at_most=AT_MOST,
    )  # fmt: skip
    report.write("gate_scan", [row], [load_note(), "A ratio above 1: the scan with bases takes longer."])


def plan_under(profile: str, rows: int) -> Plan:
    dataset = flights().model_copy(update={"profile": profile})
    held = Holding(
        dataset="flights", owner=OwnerId("o"), node=NodeId("n"), provider="b", version_commitment="", max_rows=rows
    )
    plan = compile_sql(JOB["sql"], CatalogueView(datasets=(dataset,), holdings=(held,)))
    if decide_way(plan, dataset.unit).name != "ordered":
        raise SystemExit("the statement is not scanned in the order of units")
    return plan


if __name__ == "__main__":
    main()
