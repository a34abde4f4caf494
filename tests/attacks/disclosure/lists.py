"""Three sessions that sensible analysts might have: 60 statements each about flights, people and firms.

15 of each are about secret columns: 8 with a condition on one, 7 with a mean of one. The lists are fixed, so figures of two
versions of the gate can be compared. Flights are real ones of 2013;
10,000 people are at one owner; 10,000 firms at three, each firm at one. Both are made with numpy from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from examples.prepare_flights import whole_flights
from jobs.schema import Dataset

EXAMPLES: Final = Path(__file__).parents[3] / "examples" / "datasets"
DISTRICTS: Final = tuple(f"D{number}" for number in range(1, 9))
WORK: Final = tuple(f"W{number}" for number in range(1, 13))
SECTORS: Final = tuple(f"S{number}" for number in range(1, 11))
REGIONS: Final = ("north", "east", "south", "west", "centre")
SIZES: Final = ("1-9", "10-49", "50-249", "250+")


@dataclass(frozen=True)
class Session:
    """``tables``: per owner. ``counts`` and ``means``: what is asked, in this order; ``secret``: how many of them are
    about secret columns."""

    dataset: Dataset
    tables: tuple[pa.Table, ...]
    counts: tuple[str, ...]
    means: tuple[str, ...]
    secret: int = 15


def _by(table: str, columns: str, where: str = "", number: str = "COUNT(*)") -> str:
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {columns}, {number} AS n FROM {table}{condition} GROUP BY {columns}"


def _all(table: str, columns: Iterable[str], where: str = "") -> list[str]:
    return [_by(table, some, where) for some in columns]


def flights(*airports: str) -> Session:
    """The departures of January to March, each airport an owner. An aircraft flies from all of them, a flight from one."""
    everything = whole_flights()
    early = everything.filter(pc.less_equal(everything["month"], 3))
    tables = tuple(early.filter(pc.equal(early["origin"], airport)) for airport in airports)
    dataset = Dataset.model_validate(yaml.safe_load((EXAMPLES / "flights.yaml").read_text()))
    known = [
        *_all("flights", ("month", "carrier", "origin", "hour", "dest", "day")),
        *_all("flights", ("month, hour", "carrier, month", "carrier, hour", "month, day", "dest, month")),
        *(
            _by("flights", column, f"day BETWEEN {first} AND {first + 6}")
            for first in (1, 8, 15, 22)
            for column in ("carrier", "month", "hour")
        ),
        *(
            _by("flights", column, f"carrier = '{carrier}'")
            for carrier in ("UA", "B6", "EV", "DL")
            for column in ("month", "hour")
        ),
        *(_by("flights", "month", f"dest = '{dest}'") for dest in ("ATL", "ORD", "LAX", "BOS", "MCO", "CLT")),
        *_all("flights", ("carrier", "month", "hour"), "distance >= 1000"),
        *_all("flights", ("carrier", "month", "hour"), "distance < 500"),
        *_all("flights", ("month", "carrier"), "hour < 12"),
    ]
    secret = [
        *_all("flights", ("month", "carrier", "day", "hour"), "dep_delay >= 60"),
        *_all("flights", ("month", "day"), "arr_delay >= 30"),
        *_all("flights", ("month", "carrier"), "arr_delay < 0"),
    ]
    means = [
        *(_by("flights", column, "", "AVG(dep_delay)") for column in ("month", "carrier", "day", "hour")),
        *(_by("flights", column, "", "AVG(air_time)") for column in ("month", "carrier", "day")),
    ]
    return Session(dataset, tables, (*known, *secret), tuple(means))


def people(count: int = 10_000) -> Session:
    """Skewed as registers are: districts of 30% down to 2%, occupations of 20% down to 1%; one owner."""
    rng = np.random.default_rng(7)
    age = 69 - rng.integers(0, 70 * 365, count) // 365
    table = pa.table(
        {
            "person": [f"P{number:06d}" for number in range(count)],
            "district": rng.choice(DISTRICTS, count, p=np.array([30, 20, 15, 12, 10, 7, 4, 2]) / 100),
            "work": rng.choice(WORK, count, p=np.array([20, 16, 13, 11, 10, 8, 7, 5, 4, 3, 2, 1]) / 100),
            "sex": rng.choice(("F", "M"), count),
            "age": age,
            "decade": age // 10,
            "illness": rng.choice(("none", "flu", "asthma", "diabetes"), count, p=(0.6, 0.2, 0.12, 0.08)),
            "income": np.minimum(np.round(np.exp(rng.normal(7.5, 0.5, count))), 10_000).astype(int),
        }
    )
    columns: list[dict[str, Any]] = [
        _unit("person", "people"),
        _known("district", DISTRICTS),
        _known("work", WORK),
        _known("sex", ("F", "M")),
        {**_known("age", range(70), "int"), "bounds": {"low": "0", "high": "69"}},
        _known("decade", range(7), "int"),
        {"name": "illness", "type": "string", "role": "sensitive", "nullable": False}
        | {"domain": ["none", "flu", "asthma", "diabetes"]},
        _measure("income", 10_000, (1000, 2000, 4000)),
    ]
    known = [
        *_all("people", ("district", "work", "sex", "decade", "age")),
        *_all("people", ("district, work", "district, sex", "district, decade", "work, sex", "work, decade")),
        *_all("people", ("sex, decade", "sex, age", "district, sex, decade", "work, sex, decade")),
        *(
            _by("people", column, f"age BETWEEN {low} AND {high}")
            for low, high in ((18, 64), (65, 69), (20, 64), (0, 17), (25, 54), (60, 69), (16, 24))
            for column in ("district", "work")
        ),
        *(_by("people", column, f"sex = '{sex}'") for sex in "FM" for column in ("district", "work", "age", "decade")),
        *(
            _by("people", column, f"district = '{district}'")
            for district in ("D1", "D2", "D5")
            for column in ("work", "decade", "sex")
        ),
    ]
    secret = [
        *_all("people", ("district", "decade", "sex"), "illness = 'asthma'"),
        *_all("people", ("district", "decade"), "illness <> 'none'"),
        *_all("people", ("district", "decade", "sex"), "income >= 2000"),
    ]
    groups = ("district", "work", "sex", "decade", "sex, decade", "district, sex", "district, decade")
    means = tuple(_by("people", columns, "", "AVG(income)") for columns in groups)
    return Session(_dataset("people", "person", columns), (table,), (*known, *secret), means)


def firms(count: int = 10_000) -> Session:
    """Sizes and turnovers as skewed as those of firms; three owners, each firm at one."""
    rng = np.random.default_rng(8)
    size = rng.choice(len(SIZES), count, p=(0.7, 0.2, 0.08, 0.02))
    turnover = np.minimum(np.round(np.exp(rng.normal(5.5, 1, count) + size)), 20_000).astype(int)
    table = pa.table(
        {
            "firm": [f"F{number:06d}" for number in range(count)],
            "sector": rng.choice(SECTORS, count, p=np.array([22, 18, 14, 12, 10, 8, 6, 5, 3, 2]) / 100),
            "region": rng.choice(REGIONS, count, p=np.array([35, 25, 20, 12, 8]) / 100),
            "size": np.array(SIZES)[size],
            "since": rng.integers(1990, 2025, count),
            "exports": rng.choice(("yes", "no"), count, p=(0.3, 0.7)),
            "audited": rng.choice(("clean", "remarks", "objections"), count, p=(0.7, 0.2, 0.1)),
            "turnover": turnover,
        }
    )
    columns: list[dict[str, Any]] = [
        _unit("firm", "firms"),
        _known("sector", SECTORS),
        _known("region", REGIONS),
        _known("size", SIZES),
        {**_known("since", range(1990, 2025), "int"), "bounds": {"low": "1990", "high": "2024"}},
        _known("exports", ("yes", "no")),
        {"name": "audited", "type": "string", "role": "sensitive", "nullable": False}
        | {"domain": ["clean", "remarks", "objections"]},
        _measure("turnover", 20_000, (100, 500, 2000)),
    ]
    known = [
        *_all("firms", ("sector", "region", "size", "since", "exports")),
        *_all("firms", ("sector, region", "sector, size", "region, size", "sector, exports", "region, exports")),
        *_all("firms", ("size, exports", "since, exports", "sector, region, exports")),
        *(
            _by("firms", column, f"since {when}")
            for when in (">= 2015", "< 2000", "BETWEEN 2000 AND 2014", ">= 2020")
            for column in ("sector", "region", "size")
        ),
        *(
            _by("firms", column, f"region = '{region}'")
            for region in REGIONS[:4]
            for column in ("sector", "size", "exports")
        ),
        *(_by("firms", column, f"sector = '{sector}'") for sector in SECTORS[:4] for column in ("region", "size")),
    ]
    secret = [
        *_all("firms", ("sector", "region", "size"), "audited = 'objections'"),
        *_all("firms", ("sector", "region"), "audited <> 'clean'"),
        *_all("firms", ("sector", "region", "size"), "turnover >= 500"),
    ]
    groups = ("sector", "region", "size", "exports", "size, exports", "region, exports", "sector, exports")
    means = tuple(_by("firms", columns, "", "AVG(turnover)") for columns in groups)
    parts = tuple(table.take(np.flatnonzero(np.arange(count) % 3 == owner)) for owner in range(3))
    return Session(_dataset("firms", "firm", columns), parts, (*known, *secret), means)


def _unit(name: str, domain: str) -> dict[str, Any]:
    return {"name": name, "type": "string", "role": "unit", "unit_domain": domain, "nullable": False}


def _known(name: str, domain: Iterable[Any], kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "role": "known", "nullable": False, "domain": list(domain)}


def _measure(name: str, high: int, cuts: Iterable[int]) -> dict[str, Any]:
    bounds = {"low": "0", "high": str(high)}
    return {"name": name, "type": "int", "role": "measure", "nullable": False, "bounds": bounds} | {
        "cut_points": [str(cut) for cut in cuts]
    }


def _dataset(name: str, unit: str, columns: list[dict[str, Any]]) -> Dataset:
    value = {"name": name, "columns": columns, "unit": unit, "legal_basis": "made for tests", "profile": "standard@2"}
    return Dataset.model_validate(value | {"scenarios": ["test"], "units_disjoint": True})
