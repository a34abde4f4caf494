"""Three fixed lists of 60 sensible questions, 15 of each on secret columns, and the tables that they are asked of.

Flights are the real ones of one airport in 2013, people and firms are made up, skewed as registers are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.statistics._stage import flights as flights_dataset
from examples.prepare_flights import prepare
from jobs.schema import Bounds, Column, ColumnType, Dataset, Role

UNITS: Final = 10_000
QUESTIONS: Final = 60
SECRET: Final = 15
AIRPORT: Final = "EWR"


@dataclass(frozen=True)
class Catalogue:
    """``known`` and ``secret``: the questions, in the order in which they are asked."""

    name: str
    dataset: Dataset
    table: pa.Table
    known: tuple[str, ...]
    secret: tuple[str, ...]

    @property
    def questions(self) -> tuple[str, ...]:
        """A secret one after every third."""
        if (len(self.known), len(self.secret)) != (QUESTIONS - SECRET, SECRET):
            raise SystemExit(f"{self.name}: {len(self.known)} and {len(self.secret)} questions are not {QUESTIONS}")
        return tuple(sql for n, one in enumerate(self.secret) for sql in (*self.known[3 * n : 3 * n + 3], one))


def count(table: str, by: str = "", where: str = "", what: str = "COUNT(*)") -> str:
    selected = f"SELECT {by + ', ' if by else ''}{what} AS x FROM {table}"
    return selected + (f" WHERE {where}" if where else "") + (f" GROUP BY {by}" if by else "")


def people(folder: Path, units: int = UNITS) -> Catalogue:
    rng = np.random.default_rng(7)
    age = 70 - rng.integers(0, 70 * 365, units) // 365
    columns = {
        "district": rng.choice(8, units, p=np.array([30, 20, 15, 12, 10, 7, 4, 2]) / 100),
        "sex": rng.integers(0, 2, units),
        "occ": rng.choice(12, units, p=np.array([20, 16, 13, 11, 10, 8, 7, 5, 4, 3, 2, 1]) / 100),
        "age10": age // 10,
        "age5": age // 5,
        "work": np.where(age < 18, 0, np.where(age < 65, 1, 2)),
        "diagnosis": rng.choice(4, units, p=[0.5, 0.25, 0.15, 0.1]),
        "income": np.minimum(rng.gamma(4, 500, units), 5000).astype(np.int64),
    }
    dataset = _dataset("people", "person", columns, secret=("diagnosis",), measure=("income", 5000, (1000, 2000, 3000)))
    pairs = (
        "district occ, district sex, district age10, district work, occ sex, occ age10, occ work, sex age10, sex age5"
    )
    known = [
        count("people"),
        *(count("people", by) for by in ("district", "occ", "sex", "age10", "age5", "work")),
        *(count("people", _by(pair)) for pair in (pairs + ", sex work, district age5").split(", ")),
        *(count("people", by) for by in ("district, sex, age10", "district, sex, work", "occ, sex, age10")),
        *(
            count("people", by, f"age10 >= {low} AND age10 <= {high}")
            for low, high in ((2, 6), (6, 7), (1, 3), (3, 5))
            for by in ("district", "occ")
        ),
        *(count("people", by, f"sex = {sex}") for sex in (0, 1) for by in ("district", "occ", "age10", "age5")),
        *(count("people", by, f"district = {d}") for d in (0, 1, 4) for by in ("occ", "age10")),
        *(count("people", "sex", f"district = {district}") for district in (0, 4)),
    ]
    secret = [
        *(count("people", by, what="AVG(income)") for by in ("", "district", "sex", "age10", "work")),
        *(count("people", by, "diagnosis = 1") for by in ("", "district", "sex", "age10", "occ")),
        *(count("people", by) for by in ("diagnosis", "diagnosis, sex", "diagnosis, district")),
        *(count("people", by, "income >= 2000") for by in ("district", "sex")),
    ]
    return Catalogue("people", dataset, _table(columns), tuple(known), tuple(secret))


def firms(folder: Path, units: int = UNITS) -> Catalogue:
    rng = np.random.default_rng(11)
    columns = {
        "sector": rng.choice(10, units, p=np.array([22, 18, 14, 12, 10, 8, 6, 5, 3, 2]) / 100),
        "size": rng.choice(4, units, p=[0.7, 0.2, 0.08, 0.02]),
        "region": rng.choice(8, units, p=np.array([30, 20, 15, 12, 10, 7, 4, 2]) / 100),
        "exports": rng.integers(0, 2, units),
        "decade": rng.choice(6, units, p=[0.05, 0.1, 0.15, 0.2, 0.25, 0.25]),
        "legal": rng.choice(3, units, p=[0.6, 0.3, 0.1]),
        "rating": rng.choice(4, units, p=[0.3, 0.4, 0.2, 0.1]),
        "turnover": np.minimum(rng.gamma(3, 1000, units), 9000).astype(np.int64),
    }
    dataset = _dataset("firms", "firm", columns, secret=("rating",), measure=("turnover", 9000, (1000, 3000, 6000)))
    pairs = "sector size, sector region, sector exports, region size, region exports, size exports, sector decade"
    known = [
        count("firms"),
        *(count("firms", by) for by in ("sector", "size", "region", "exports", "decade", "legal")),
        *(
            count("firms", _by(p))
            for p in (pairs + ", region decade, size decade, legal region, legal sector").split(", ")
        ),
        *(count("firms", by) for by in ("region, size, exports", "sector, exports, legal", "sector, size, exports")),
        *(count("firms", by, f"decade >= {d}") for d in (2, 3, 4, 5) for by in ("sector", "region")),
        *(count("firms", by, f"exports = {e}") for e in (0, 1) for by in ("sector", "region", "decade", "legal")),
        *(count("firms", by, f"region = {r}") for r in (0, 1, 4) for by in ("sector", "decade")),
        *(count("firms", "size", f"sector = {sector}") for sector in (0, 3)),
    ]
    secret = [
        *(count("firms", by, what="AVG(turnover)") for by in ("", "sector", "region", "exports", "decade")),
        *(count("firms", by, "rating = 3") for by in ("", "region", "size", "decade", "sector")),
        *(count("firms", by) for by in ("rating", "rating, exports", "rating, region")),
        *(count("firms", by, "turnover >= 3000") for by in ("sector", "exports")),
    ]
    return Catalogue("firms", dataset, _table(columns), tuple(known), tuple(secret))


def flights(folder: Path, rows: int | None = None) -> Catalogue:
    """``rows``: the first so many of the year, for a trial."""
    table = pq.read_table(prepare(folder)[AIRPORT])
    table = table if rows is None else table.slice(0, rows)
    table = table.filter(pa.compute.is_valid(table["tailnum"]))
    known = [
        count("flights"),
        *(count("flights", by) for by in ("carrier", "month", "dest", "hour", "day")),
        *(count("flights", by) for by in ("carrier, month", "month, hour", "carrier, hour", "month, day")),
        *(count("flights", by, f"month = {m}") for m in range(1, 7) for by in ("carrier", "day")),
        *(count("flights", by, f"hour >= {h}") for h in (6, 9, 12, 18) for by in ("carrier", "month")),
        *(count("flights", by, f"distance >= {d}") for d in (500, 1000, 2000) for by in ("carrier", "month", "hour")),
        *(count("flights", by, f"carrier = '{c}'") for c in ("UA", "EV", "B6") for by in ("month", "dest")),
    ]
    secret = [
        *(count("flights", by, what="AVG(air_time)") for by in ("", "month", "carrier", "hour", "dest")),
        *(count("flights", by, "arr_delay >= 15") for by in ("", "month", "carrier", "hour", "day")),
        *(count("flights", by, "dep_delay >= 60") for by in ("month", "carrier", "hour")),
        *(count("flights", by, "arr_delay >= 60 AND dep_delay >= 60") for by in ("month", "carrier")),
    ]
    return Catalogue("flights", flights_dataset(), table, tuple(known), tuple(secret))


def _by(pair: str) -> str:
    return pair.replace(" ", ", ")


def _table(columns: dict[str, np.ndarray]) -> pa.Table:
    return pa.table({"who": np.arange(len(next(iter(columns.values())))), **columns})


def _dataset(
    name: str,
    domain: str,
    columns: dict[str, np.ndarray],
    secret: Iterable[str],
    measure: tuple[str, int, tuple[int, ...]],
) -> Dataset:
    made = [Column(name="who", type=ColumnType.INT, role=Role.UNIT, unit_domain=domain, nullable=False)]
    for column, values in columns.items():
        if column == measure[0]:
            bounds, cuts = Bounds(low="0", high=str(measure[1])), tuple(map(str, measure[2]))
            made.append(
                Column(
                    name=column, type=ColumnType.INT, role=Role.MEASURE, nullable=False, bounds=bounds, cut_points=cuts
                )
            )
            continue
        role = Role.SENSITIVE if column in secret else Role.KNOWN
        highest = int(values.max())
        made.append(
            Column(
                name=column, type=ColumnType.INT, role=role, nullable=False, domain=tuple(range(highest + 1)),
                bounds=Bounds(low="0", high=str(highest)),
            )
        )  # fmt: skip
    return Dataset(name=name, columns=tuple(made), unit="who", legal_basis="benchmark")
