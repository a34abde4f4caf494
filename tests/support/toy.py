"""Small synthetic data for three owners: vehicles on lines. Every id and note is a canary that must never travel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.schema import Dataset

OWNERS: Final = ("A", "B", "C")
LINES: Final = ("north", "south", "east", "west")
CANARY_UNIT: Final = "zqvehicle"
CANARY_NOTE: Final = "zqnote"
CANARY_VALUE: Final = 7654321
"""One measure of one row at owner A, on line west: what it enters leaves with noise as large as itself."""
SQL: Final = "SELECT line, COUNT(*) AS trips, AVG(delay) AS mean FROM trips WHERE tour >= :least GROUP BY line"
_VEHICLES: Final = 25


def dataset() -> Dataset:
    most = {"low": "0", "high": "100000"}
    columns: list[dict[str, Any]] = [
        {"name": "vehicle", "type": "string", "role": "unit", "unit_domain": "vehicle", "nullable": False},
        {"name": "note", "type": "string", "role": "identifier"},
        {"name": "line", "type": "string", "role": "known", "domain": list(LINES), "nullable": False},
        {
            "name": "zone",
            "type": "int",
            "role": "known",
            "nullable": False,
            "domain": [1, 2, 3],
            "bounds": {"low": "1", "high": "3"},
        },
        {
            "name": "delay",
            "type": "int",
            "role": "measure",
            "bounds": {"low": "-100", "high": "10000000"},
            "cut_points": ["7000000"],
        },
        {
            "name": "serial",
            "type": "int",
            "role": "measure",
            "nullable": False,
            "bounds": most,
            "said_of": ["vehicle"],
        },
        {"name": "tour", "type": "int", "role": "known", "nullable": False, "bounds": most},
    ]
    return Dataset.model_validate(
        {"name": "trips", "columns": columns, "unit": "vehicle", "legal_basis": "made for tests", "scenarios": ["test"]}
    )


def rows(owner: str) -> list[dict[str, Any]]:
    """25 vehicles on each line at each owner, four trips each; line east has three vehicles at owner B only."""
    place, found = OWNERS.index(owner), []
    for line in LINES:
        vehicles = (3 if owner == "B" else 0) if line == "east" else _VEHICLES
        for vehicle in range(vehicles):
            for trip in range(4):
                delay = 7 * vehicle + 3 * trip + 11 * place + len(line)
                canary = (owner, line, vehicle, trip) == ("A", "west", 0, 0)
                found.append(
                    {
                        "vehicle": f"{CANARY_UNIT}{owner}{line}{vehicle}",
                        "note": f"{CANARY_NOTE}{owner}{vehicle * 4 + trip}",
                        "line": line,
                        "zone": trip % 3 + 1,
                        "delay": CANARY_VALUE if canary else None if trip == 3 and vehicle % 5 == 0 else delay,
                        "serial": 50_000 + vehicle,
                        "tour": 50_000 + vehicle,
                    }
                )
    return found


def write(folder: Path) -> dict[str, Path]:
    """One Parquet file per owner."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {owner: folder / f"trips-{owner}.parquet" for owner in OWNERS}
    for owner, file in files.items():
        pq.write_table(pa.Table.from_pylist(rows(owner)), file)
    return files


def job(least: int, sql: str = SQL) -> dict[str, Any]:
    """A job file's content; another ``least`` is another question with the same answer."""
    parameters = {"least": least} if ":least" in sql else {}
    return {"sql": sql, "scenario": "test", "purpose": "testing", "datasets": ["trips"], "parameters": parameters}
