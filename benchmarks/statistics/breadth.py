"""How a small joint job grows with its participants and with its cells, from submission to release.

Run: ``python -m benchmarks.statistics.breadth [--runs 5] [--nodes 2 3 8 16]``. Every node has one airport's flights
of 2013; all processes share this machine's cores, so time per node is what one machine pays for all of them together.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any, Final

from benchmarks import report
from benchmarks.statistics._flights import small
from benchmarks.statistics._stage import Stage, federation, granted
from benchmarks.statistics._trial import JOB, load_note, processes, processor_seconds
from sandbox.client import Client

CELLS: Final = {
    "12 cells": "month",
    "1,680 cells": "carrier, dest",
    "90,720 cells": "origin, dest, month, hour",
}
WARM: Final = 2
AT_MOST: Final = 200_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 3, 8, 16])
    options = parser.parse_args(arguments)
    found: list[dict[str, Any]] = []
    for number in options.nodes:
        with stage_of(number) as stage, stage.operator() as client:
            found += rows(f"{number} nodes, 192 cells", stage, client, JOB["sql"], options.runs)
            if number == 3:
                for label, groups in CELLS.items():
                    found += rows(f"3 nodes, {label}", stage, client, sql(groups), options.runs)
    report.write("statistics_breadth", found, [load_note(), *NOTES])


def stage_of(number: int) -> Any:
    airports = cycle(small().values())
    sources = {f"N{place:02d}": next(airports) for place in range(number)}
    return federation(sources, rows_at_most=AT_MOST)


def sql(groups: str) -> str:
    return (
        f"SELECT {groups}, COUNT(*) AS flights, AVG(arr_delay) AS mean_delay FROM flights GROUP BY {groups} "
        "HAVING COUNT(*) >= :least ORDER BY flights DESC LIMIT 5000"
    )


def rows(label: str, stage: Stage, client: Client, text: str, runs: int) -> list[dict[str, Any]]:
    """Submit to release, and processor time of all processes, of one statement under one grant."""
    job = {**JOB, "sql": text}
    first = granted(stage, job, {"least": list(range(runs + WARM + 1))})
    commitment = stage.federation.commitments[-1]
    ended = client.wait(first, 120).job
    if ended.state != "released":
        raise SystemExit(f"{label}: {ended.failure}")
    kinds = [process for of in processes(stage).values() for process in of]
    seconds: list[float] = []
    used = 0.0
    for least in range(1, runs + WARM + 1):
        if least == WARM + 1:
            used = processor_seconds(kinds)
        start = time.perf_counter()
        found = client.submit(text, {"least": least}, commitment=commitment)
        if client.wait(found, 120).job.state != "released":
            raise SystemExit(f"{label}: {client.job(found.id).failure}")
        seconds.append(time.perf_counter() - start)
    used = processor_seconds(kinds) - used
    return [
        report.row(f"{label}: submit to table, median of {runs}", statistics.median(seconds[WARM:]), "s"),
        report.row(f"{label}: processor time of all processes", used / runs, "s"),
    ]


NOTES = (
    "LIMIT 5000 where there are more cells: no profile releases more rows. All cells are scanned, judged and masked.",
    "Hub, witness, nodes and scan workers share the cores of one machine; a federation has a machine for each.",
)


if __name__ == "__main__":
    main()
