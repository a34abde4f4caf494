"""What one release of 20 cells costs the audit after many others, for 10,000 units up to 10 million.

Run: ``python -m benchmarks.gate.audit [--units 1000000] [--releases 20 200 500] [--large 10000000]``. Judging, storing
in the node's database and adopting, in one process, each time another release that has nothing to do with the others:
every unit in a cell of every release, the worst case. About 4 GB of memory while the state is made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import report
from benchmarks.gate._audit import Desk, check_states, random_labels, states
from benchmarks.statistics._trial import forget_peak, load_note, peak_mib
from sandbox.node.gate.domain import Limits

CELLS: Final = 20
UNITS: Final = 1_000_000
RELEASES: Final = (20, 200, 500)
SMALL: Final = 10_000
LARGE: Final = 10_000_000
ROUNDS: Final = 3
SECONDS_AT_MOST: Final = {20: None, 200: 2.0, 500: 5.0}
MIB_AT_MOST: Final = round(2000 / 1.048576)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--releases", type=int, nargs="+", default=list(RELEASES))
    parser.add_argument("--large", type=int, default=LARGE)
    options = parser.parse_args(arguments)
    check_states(CELLS)
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        folder = Path(name)
        rows = [small(folder), *many(folder, options.units, tuple(options.releases)), *large(folder, options.large)]
    report.write("gate_audit", rows, [load_note(), *NOTES])


def small(folder: Path) -> dict[str, Any]:
    """The twenty releases before are asked too."""
    rng, desk = np.random.default_rng(2), Desk(folder, SMALL)
    for _ in range(20):
        desk.ask(random_labels(rng, SMALL, CELLS), CELLS)
    seconds = statistics.median(asked(desk, rng, SMALL) for _ in range(5))
    return report.row(f"{SMALL:,} units, after 20 releases of {CELLS} cells", 1000 * seconds, "ms", at_most=120)


def many(folder: Path, units: int, releases: tuple[int, ...]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    made = states(rng, units, CELLS, releases)
    rows = []
    for count in releases:
        work = f"{units:,} units, after {count} releases of {CELLS} cells"
        desk = Desk(folder, units, made.pop(count))
        forget_peak(os.getpid())
        seconds = statistics.median(asked(desk, rng, units) for _ in range(ROUNDS))
        most = SECONDS_AT_MOST.get(count)
        rows.append(report.row(work, seconds, "s", at_most=most))
        if not made:  # else the states that wait are in memory, too
            rows.append(report.row(f"{work}: peak of the process", peak_mib(os.getpid()), "MiB", at_most=MIB_AT_MOST))
    return rows


def large(folder: Path, units: int) -> list[dict[str, Any]]:
    rng, desk = np.random.default_rng(4), Desk(folder, units)
    forget_peak(os.getpid())
    seconds = asked(desk, rng, units)
    work = f"{units:,} units, the first question of {CELLS} cells"
    return [report.row(work, seconds, "s"), report.row(f"{work}: peak of the process", peak_mib(os.getpid()), "MiB")]


def asked(desk: Desk, rng: np.random.Generator, units: int) -> float:
    labels = random_labels(rng, units, CELLS)
    start = time.perf_counter()
    verdict = desk.ask(labels, CELLS)
    seconds = time.perf_counter() - start
    if not verdict.all():
        raise SystemExit("the audit refuses a release that tells nobody's value: its time is that of another work")
    return seconds


NOTES: Final = (
    "Judging, storing and adopting one release; leverages are exact, none is projected. The state before is made at "
    "once, as it is expected of independent releases (benchmarks/gate/_audit.py); on a small one it is compared with "
    "asking one by one.",
    f"Limits of a node as it is set up: {Limits().rows:,} answers on one column and {Limits().records:,} records of "
    "one kind of individual; beyond them a job is refused, and the text names the limit.",
)


if __name__ == "__main__":
    main()
