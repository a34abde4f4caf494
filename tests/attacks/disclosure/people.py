"""Made-up people whom an attacker can single out by what anybody may know, and what nobody may learn of them.

``age`` and ``house`` together are different for everybody, so a condition over known columns isolates anyone. Half are
ill, half earn above ``MIDDLE``, both drawn apart from everything known: who guesses without an answer is right half of
the time. Made with numpy from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.schema import Dataset

HOUSES: Final = 24
AGES: Final = tuple(range(18, 78))
JOBS: Final = ("farm", "shop", "office", "school", "road", "mill", "none")
PLAIN: Final = JOBS[:5]
"""What people do; ``mill`` and ``none`` are for targets."""
ILLNESSES: Final = ("asthma", "flu", "gout", "none")
HIGH: Final = 6400
CUTS: Final = tuple(range(100, HIGH, 100))
"""63 cut points of ``income``."""
MIDDLE: Final = 3200
MOST: Final = HOUSES * len(AGES)
VISITS: Final = 20
"""Of one person, at most."""
NEVER: Final = -1
"""In ``visits``: no value."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """A table by columns; ``person`` names the individual and may stand in several rows."""

    columns: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["person"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def chosen(self, rows: npt.NDArray[Any]) -> People:
        return People({name: values[rows] for name, values in self.columns.items()})

    def with_column(self, name: str, values: npt.NDArray[Any]) -> People:
        return People({**self.columns, name: values})

    def plus(self, other: People) -> People:
        return People({name: np.concatenate([values, other[name]]) for name, values in self.columns.items()})

    def is_(self, row: int) -> str:
        """A known condition that is true of this row alone."""
        return f"(age = {self['age'][row]} AND house = {self['house'][row]})"

    def any_of(self, rows: Sequence[int]) -> str:
        return "(" + " OR ".join(self.is_(row) for row in rows) + ")"

    def parts(self, owners: int) -> list[People]:
        """Split by individual, so that nobody is at two owners; or as a column ``owner`` says."""
        if "owner" in self.columns:
            rest = {name: values for name, values in self.columns.items() if name != "owner"}
            return [People(rest).chosen(np.flatnonzero(self["owner"] == owner)) for owner in range(owners)]
        _, individual = np.unique(self["person"], return_inverse=True)
        return [self.chosen(np.flatnonzero(individual % owners == owner)) for owner in range(owners)]

    def arrow(self) -> pa.Table:
        types = {"person": pa.string(), "job": pa.string(), "ill": pa.bool_(), "illness": pa.string()}
        arrays = {}
        for name, values in self.columns.items():
            listed = [None if name == "visits" and value == NEVER else value for value in values.tolist()]
            arrays[name] = pa.array(listed, types.get(name, pa.int64()))
        return pa.table(arrays)

    def write(self, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.arrow(), file)
        return file


def people(count: int, seed: int) -> People:
    """``count`` individuals, one row each; at most ``MOST``."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(MOST)[:count]
    ill = rng.permutation(count) < count // 2
    income = np.where(rng.permutation(count) < count // 2, MIDDLE, 0) + rng.integers(0, MIDDLE, count)
    visits = np.where(rng.random(count) < 0.5, rng.integers(1, 20, count), NEVER)
    return People(
        {
            "person": np.array([f"zqperson{seed}x{number}" for number in range(count)]),
            "age": AGES[0] + place // HOUSES,
            "house": place % HOUSES + 1,
            "job": rng.choice(PLAIN, count),
            "ill": ill,
            "illness": np.where(ill, "asthma", rng.choice(ILLNESSES[1:], count)),
            "income": income,
            "change": rng.integers(-900, 901, count),
            "visits": visits,
        }
    )


def crowds(seed: int) -> tuple[People, npt.NDArray[np.int64]]:
    """Three owners with a crowd each; the targets are the first one's."""
    parts = []
    for owner in range(3):
        part, targets = crowd(seed + 5000 * owner)
        if owner:
            part = part.chosen(np.setdiff1d(np.arange(len(part)), targets))
        parts.append(part.with_column("owner", np.full(len(part), owner)))
    return parts[0].plus(parts[1]).plus(parts[2]), crowd(seed)[1]


def crowd(seed: int) -> tuple[People, npt.NDArray[np.int64]]:
    """All 1,440, sixty in each house; and per house one target, the only one there whose job is ``none``.

    So one statement with GROUP BY house attacks 24 people at once.
    """
    everybody = people(MOST, seed)
    rng, rows = np.random.default_rng(seed + 1000), []
    for house in range(1, HOUSES + 1):
        rows.append(int(rng.choice(np.flatnonzero(everybody["house"] == house))))
    targets = np.array(rows)
    job, ill = everybody["job"].copy(), everybody["ill"].copy()
    job[targets] = "none"
    ill[targets] = rng.permutation(HOUSES) < HOUSES // 2
    illness = np.where(ill, "asthma", rng.choice(ILLNESSES[1:], MOST))
    income = everybody["income"].copy()
    income[targets] = np.where(rng.permutation(HOUSES) < HOUSES // 2, MIDDLE, 0) + rng.integers(0, MIDDLE, HOUSES)
    changed = {"job": job, "ill": ill, "illness": illness, "income": income}
    return People({**everybody.columns, **changed}), targets


def dataset(
    name: str, profile: str, *, domain: str | None = None, disjoint: bool = True, said: Sequence[str] = ()
) -> Dataset:
    """What the owners declare of such a table. ``domain``: the unit domain, if not one of this table's own. ``said``:
    secret columns that are the same in all rows of a person."""
    known: dict[str, Any] = {"role": "known", "nullable": False}
    secret: dict[str, Any] = {"nullable": False}
    columns: list[dict[str, Any]] = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": domain or name, "nullable": False},
        {"name": "age", "type": "int", **known, "domain": list(AGES), "bounds": _bounds(AGES[0], AGES[-1])},
        {"name": "house", "type": "int", **known, "domain": list(range(1, HOUSES + 1)), "bounds": _bounds(1, HOUSES)},
        {"name": "job", "type": "string", **known, "domain": list(JOBS)},
        {"name": "ill", "type": "bool", "role": "sensitive", **secret},
        {"name": "illness", "type": "string", "role": "sensitive", **secret, "domain": list(ILLNESSES)},
        {"name": "income", "type": "int", "role": "measure", **secret, "bounds": _bounds(0, HIGH)},
        {"name": "change", "type": "int", "role": "measure", **secret, "bounds": _bounds(-1000, 1000)},
        {"name": "visits", "type": "int", "role": "measure", "bounds": _bounds(0, VISITS)},
    ]
    columns[6]["cut_points"] = [str(cut) for cut in CUTS]
    for column in columns:
        if column["name"] in said:
            column["said_of"] = ["person"]
    value = {"name": name, "columns": columns, "unit": "person", "legal_basis": "made for tests", "profile": profile}
    keys = {"scenarios": ["test"], "units_disjoint": disjoint}
    return Dataset.model_validate(value | keys)


def beside(name: str, profile: str, domain: str) -> Dataset:
    """A register with one row a person and a known column that is the same for all: joined, it changes nothing."""
    columns: list[dict[str, Any]] = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": domain, "nullable": False},
        {"name": "country", "type": "string", "role": "known", "nullable": False, "domain": ["here"]},
    ]
    value = {"name": name, "columns": columns, "unit": "person", "legal_basis": "made for tests", "profile": profile}
    return Dataset.model_validate(value | {"scenarios": ["test"], "unique_keys": [["person"]], "units_disjoint": True})


def register_of(who: People) -> pa.Table:
    """The rows of ``beside``."""
    names = np.unique(who["person"]).tolist()
    return pa.table({"person": names, "country": ["here"] * len(names)})


def _bounds(low: int, high: int) -> dict[str, str]:
    return {"low": str(low), "high": str(high)}
