"""Names, seeds and noise of the numbers of one job: 5,000 cells with three numbers each.

Run: ``python -m benchmarks.gate.noise [--cells 5000] [--rounds 7]``. In one process, without a scan: what a node does
between scan and judgement that grows with the number of cells.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import report
from benchmarks.statistics._trial import load_note
from jobs.disclosure.noise import BOUND, noises
from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, NodeId, OwnerId, Role
from sandbox.node.gate.seeds import Seeds

CELLS: Final = 5_000
ROUNDS: Final = 7
GATE: Final = Seeds(bytes(32), bytes(32))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    plan = plan_of(options.cells)
    questions = cell_questions(plan, {})
    drawn = noise_of(plan, questions)
    if [channel.kind for channel in plan.channels] != ["rows", "sum", "sumsq"] or drawn != noise_of(plan, questions):
        raise SystemExit("one question has one noise, for three numbers of each cell")
    if any(abs(n) > BOUND * c.noise for row, c in zip(drawn, plan.channels, strict=True) for n in row):
        raise SystemExit("noise is beyond its bound")
    works: dict[str, Callable[[], object]] = {
        "names": lambda: cell_questions(plan, {}),
        "noise": lambda: noise_of(plan, questions),
    }
    times = report.alternate(works, options.rounds)
    work = f"{options.cells:,} cells x {len(plan.channels)} numbers"
    rows = [
        report.row(f"{work}: canonical names of the questions", 1000 * statistics.median(times["names"]), "ms"),
        report.row(f"{work}: seeds and noise", 1000 * statistics.median(times["noise"]), "ms"),
    ]
    report.write("gate_noise", rows, [load_note()])


def noise_of(plan: Plan, questions: list[list[bytes]]) -> list[list[int]]:
    return [noises(GATE.seeds(row), c.noise) for row, c in zip(questions, plan.channels, strict=True)]


def plan_of(cells: int) -> Plan:
    columns = (
        Column(name="who", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person", nullable=False),
        Column(name="place", type=ColumnType.INT, role=Role.KNOWN, nullable=False, domain=tuple(range(cells))),
        Column(
            name="income", type=ColumnType.INT, role=Role.MEASURE, nullable=False, bounds=Bounds(low="0", high="5000")
        ),
    )
    dataset = Dataset(name="people", columns=columns, unit="who", legal_basis="benchmark")
    held = Holding(
        dataset="people", owner=OwnerId("o"), node=NodeId("n"), provider="b", version_commitment="", max_rows=1 << 20
    )
    sql = "SELECT place, COUNT(*) AS n, AVG(income) AS mean, STDDEV(income) AS spread FROM people GROUP BY place"
    return compile_sql(sql, CatalogueView(datasets=(dataset,), holdings=(held,)))


if __name__ == "__main__":
    main()
