"""What sensible analysts lose: the share of cells that the audit withholds, and how wrong the shown numbers are.

Run: ``python -m benchmarks.gate.utility [--units 10000] [--flights ROWS]``. Three fixed lists of 60 questions, one
after the other at one owner's node that forgets nothing: scan, noise, rules and audit as in a job. No times
are measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import report
from benchmarks.gate._lists import QUESTIONS, SECRET, UNITS, Catalogue, firms, flights, people
from benchmarks.gate._node import OneNode
from benchmarks.statistics._flights import scratch

WITHHELD_AT_MOST: Final = 1.0
COUNTS_AT_MOST: Final = 3.0
MEANS_AT_MOST: Final = 5.0
"""All in percent."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--flights", type=int, default=None)
    options = parser.parse_args(arguments)
    data = scratch() / "flights"
    lists = (flights(data, options.flights), people(data, options.units), firms(data, options.units))
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        rows = [row for catalogue in lists for row in measured(catalogue, Path(name))]
    report.write("gate_utility", rows, NOTES)


def measured(catalogue: Catalogue, folder: Path) -> list[dict[str, Any]]:
    node = OneNode(folder, catalogue.dataset, catalogue.table)
    judged = refused = 0
    counts: list[float] = []
    means: list[float] = []
    for sql in catalogue.questions:
        answered = node.answer(sql)
        judged += int(answered.judged.sum())
        refused += int((answered.refused & answered.judged).sum())
        for aggregate, numbers in zip(answered.plan.aggregates, answered.shown.numbers, strict=True):
            shown = [number for number in numbers if number is not None]
            wrong = [100 * float(number.error) / abs(float(number.value)) for number in shown if number.value]
            (means if aggregate.function == "avg" else counts).extend(wrong)
    work = f"{catalogue.name}, {len(catalogue.table):,} rows, {QUESTIONS} questions"
    withheld = 100 * refused / judged
    return [
        report.row(f"{work}: withheld by the audit, of {judged:,} cells", withheld, "%", at_most=WITHHELD_AT_MOST),
        report.row(
            f"{work}: median standard error of {len(counts):,} counts", statistics.median(counts), "%",
            at_most=COUNTS_AT_MOST,
        ),
        report.row(
            f"{work}: median standard error of {len(means):,} means", statistics.median(means), "%",
            at_most=MEANS_AT_MOST,
        ),
    ]  # fmt: skip


NOTES: Final = (
    f"One owner, standard@2. {SECRET} of the questions of each list are on secret columns. Errors are those that stand "
    "beside the shown numbers, relative to them.",
)


if __name__ == "__main__":
    main()
