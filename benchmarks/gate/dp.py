"""Differentially private counts of 100,000 cells: the noise, against OpenDP; query and noise, against SmartNoise SQL.

Run: ``python -m benchmarks.gate.dp [--cells 100000] [--places 10000] [--rows 200000] [--rounds 5]``. Peers: OpenDP is a
dependency of this project. SmartNoise SQL runs where there is an environment for it; it takes a minute and more for
100,000 places, so the two are compared on fewer::

    python3.11 -m venv .env-peers/smartnoise && .env-peers/smartnoise/bin/pip install smartnoise-sql==1.0.10

The same query over the same rows: a count for each of as many places, one row for each individual.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks import report
from benchmarks.gate._peer import Peer, peer
from benchmarks.statistics._trial import load_note
from jobs.disclosure.discrete_gaussian import noise, opendp_noise
from jobs.disclosure.zcdp import Event, question_events
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Column, ColumnType, Dataset, Holding, NodeId, OwnerId, Role

CELLS: Final = 100_000
PLACES: Final = 10_000
ROWS: Final = 200_000
ROUNDS: Final = 5
SECONDS_AT_MOST: Final = 0.5
TIMES_SMARTNOISE: Final = 5.0
SMALLEST_COUNT: Final = 10
PEER_ROUNDS: Final = 2
"""SmartNoise takes long."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--places", type=int, default=PLACES)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    check_same_distribution(max(options.cells, 20_000))
    rows = [*drawn(options.cells, options.rounds), *against_smartnoise(options.places, options.rows, options.rounds)]
    report.write("gate_dp", rows, [load_note(), *NOTES])


def event() -> Event:
    """One question of ``dp@1``: a count to which an individual contributes one row."""
    (found,) = question_events(Fraction(1, 60), [1], Fraction(1, 10**18))
    return found


def check_same_distribution(draws: int) -> None:
    """Two samples, ours and OpenDP's, that the test of Kolmogorov and Smirnov tells apart with a chance of 1 in 1,000
    at most if they are of one distribution: or nothing was compared."""
    one = event()
    ours, theirs = np.sort(noise(draws, one)), np.sort(opendp_noise(draws, one))
    values = np.union1d(ours, theirs)
    below = [np.searchsorted(sample, values, side="right") / draws for sample in (ours, theirs)]
    if np.abs(below[0] - below[1]).max() > 1.95 * np.sqrt(2 / draws):
        raise SystemExit("our noise and OpenDP's are not of one distribution")
    if abs(ours.std() / float(one.sigma) - 1) > 5 / np.sqrt(2 * draws):
        raise SystemExit("our noise has not the scale that the ledger books")


def drawn(cells: int, rounds: int) -> list[dict[str, Any]]:
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: noise(cells, event()),
        "OpenDP": lambda: opendp_noise(cells, event()),
    }
    times = report.alternate(works, rounds)
    own, theirs = statistics.median(times["ours"]), statistics.median(times["OpenDP"])
    work = f"discrete Gaussian noise of {cells:,} cells"
    ratio = report.median_ratio(times["OpenDP"], times["ours"])
    return [
        report.row(work, own, "s", at_most=SECONDS_AT_MOST),
        report.row(work, own, "s", "OpenDP, the same draws", theirs, ratio),
    ]


def against_smartnoise(cells: int, rows: int, rounds: int) -> list[dict[str, Any]]:
    work = f"counts of {cells:,} places over {rows:,} people, with noise"
    plan, table = plan_of(cells, rows), people(cells, rows)
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        file = Path(name) / "people.csv"
        pyarrow.csv.write_csv(table, file)
        with peer("smartnoise", "smartnoise_counts.py", str(file)) as theirs:
            released(plan, table)
            if theirs is not None:
                check_count(theirs, cells)
            for _ in range(rounds if theirs is None else PEER_ROUNDS):
                seconds["ours"].append(timed(lambda: released(plan, table)))
                if theirs is not None:
                    seconds["theirs"].append(timed(theirs.ask))
    own = statistics.median(seconds["ours"])
    if not seconds["theirs"]:
        return [report.row(work, own, "s")]
    ratio = report.median_ratio(seconds["theirs"], seconds["ours"])
    peers = statistics.median(seconds["theirs"])
    return [report.row(work, own, "s", "SmartNoise SQL 1.0.10, pandas", peers, ratio, at_least=TIMES_SMARTNOISE)]


def released(plan: Plan, table: pa.Table) -> dict[int, int]:
    """Count every place, add noise, keep what its noisy count allows."""
    (counts,) = run_local(plan, {}, {"people": lambda columns: table.select(list(columns)).to_reader()}).values
    noisy = np.array(counts, dtype=np.int64) + noise(plan.cells, event())
    return {place: count for place, count in enumerate(noisy.tolist()) if count >= SMALLEST_COUNT}


def check_count(theirs: Peer, cells: int) -> None:
    if not 0 < int(theirs.ask()) <= cells:
        raise SystemExit("the peer gives back another table")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def people(cells: int, rows: int) -> pa.Table:
    places = np.random.default_rng(5).integers(0, cells, rows)
    return pa.table({"who": np.arange(rows), "place": places})


def plan_of(cells: int, rows: int) -> Plan:
    """A question of ``dp@1``, whose noise is drawn here as its party draws it."""
    columns = (
        Column(name="who", type=ColumnType.INT, role=Role.UNIT, unit_domain="person", nullable=False),
        Column(name="place", type=ColumnType.INT, role=Role.KNOWN, nullable=False, domain=tuple(range(cells))),
    )
    dataset = Dataset(
        name="people", columns=columns, unit="who", legal_basis="benchmark", profile="dp@1", rows_per_unit=1
    )
    held = Holding(
        dataset="people", owner=OwnerId("o"), node=NodeId("n"), provider="b", version_commitment="", max_rows=rows
    )
    sql = "SELECT place, COUNT(*) AS n FROM people GROUP BY place"
    return compile_sql(sql, CatalogueView(datasets=(dataset,), holdings=(held,)))


NOTES: Final = (
    "Noise of a count under dp@1 (rho 1/60), exact samplers both. Before anything is timed both samples are compared "
    "(Kolmogorov and Smirnov) and the scale with the one that the ledger books.",
    "Against SmartNoise: both begin with the rows in memory and end with noisy counts of all places but the small "
    "ones. Ours also collects the evidence for the rules.",
)


if __name__ == "__main__":
    main()
