"""An owner registers a table of its PostgreSQL database with the command line; the hub never hears where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from sandbox.catalogue.describe import UNSTATED
from sandbox.local.layout import Places, lay_out
from sandbox.local.postgres import Server
from sandbox.local.processes import Processes
from tests.support.cli import Person, owner

pytestmark = pytest.mark.e2e
SECRET = "canary-4711"


@dataclass(frozen=True)
class Airport:
    """One owner with a database and a hub to announce to; no node needs to run."""

    places: Places
    folder: Path
    cli: Person
    file: Path

    def describe(self) -> Path:
        draft = self.folder / "flights.yaml"
        self.cli("data", "describe", self.file, "--name", "flights", "--unit", "tail", "--out", draft)
        draft.write_text(draft.read_text().replace(UNSTATED, "the statistics act"))
        return draft

    def register(self, dataset: Path, code: int = 0) -> str:
        config = self.places.node("EWR") / "node.yaml"
        rest = ("--config", config, "--rows-at-most", "1000", "--label", "now", "--data-until", "2026-11-01")
        ran = self.cli("data", "register", dataset, self.file, *rest, code=code)
        return ran.out + ran.err

    def copies(self) -> list[Path]:
        return sorted((self.places.node("EWR") / "state").glob("*-copies/*"))


@pytest.fixture
def airport(tmp_path: Path, postgresql: Server) -> Iterator[Airport]:
    places = lay_out(tmp_path / "federation", ["EWR"])
    folder = places.owner("EWR")
    (folder / "reader.password").write_text(postgresql.password)
    (folder / "reader.password").chmod(0o600)
    postgresql.create("ewr")
    postgresql.sql(
        "CREATE TABLE flights AS SELECT 'N' || i AS tail, ('{AA,UA}'::text[])[1 + i % 2] AS carrier, i % 60 AS delay, "
        f"timestamptz '2026-01-01 00:00+08' + i * interval '1 hour' AS at, '{SECRET}' || i AS note "
        "FROM generate_series(1, 300) i",
        database="ewr",
    )
    where = {"host": "127.0.0.1", "port": postgresql.port, "database": "ewr", "user": "owner", "table": "flights"}
    (folder / "db.yaml").write_text(yaml.safe_dump({"postgresql": {**where, "password_file": "reader.password"}}))
    processes = Processes(places)
    try:
        processes.start_hub()
        yield Airport(places, folder, owner(places, "EWR"), folder / "db.yaml")
    finally:
        processes.stop_all()
        postgresql.sql("DROP DATABASE ewr WITH (FORCE)")


def test_a_table_is_described_copied_as_declared_and_registered(airport: Airport, postgresql: Server) -> None:
    draft = airport.describe()
    declared = yaml.safe_load(draft.read_text())
    assert [column["name"] for column in declared["columns"]] == ["tail", "carrier", "delay", "at", "note"]
    assert [column["type"] for column in declared["columns"]] == ["string", "string", "int", "timestamp", "string"]
    declared["columns"] = [column for column in declared["columns"] if column["name"] != "note"]
    draft.write_text(yaml.safe_dump(declared))
    said = airport.register(draft)
    assert "300 rows" in said
    (copy,) = airport.copies()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert pq.read_schema(copy).names == ["tail", "carrier", "delay", "at"]  # what was not declared was not copied
    hub = (airport.places.hub / "state" / "hub.sqlite").read_bytes()
    state = (airport.places.node("EWR") / "state" / "node.sqlite").read_bytes()
    for secret in (SECRET.encode(), postgresql.password.encode(), b"reader.password"):
        assert secret not in hub
        assert secret not in state
    assert str(postgresql.port).encode() not in hub
    for _ in range(2):
        airport.register(draft)
    assert len(airport.copies()) == 2  # of the last two versions
    assert airport.copies() != [copy]


def test_where_snapshots_are_encrypted_no_plain_copy_stays(airport: Airport) -> None:
    config = airport.places.node("EWR") / "node.yaml"
    value = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**value, "snapshots": {"encrypt": True}}))
    airport.register(airport.describe())
    assert airport.copies() == []
    files = [file for file in (airport.places.node("EWR") / "state").rglob("*") if file.is_file()]
    assert files
    assert not any(SECRET.encode() in file.read_bytes() for file in files)


def test_a_database_that_refuses_changes_nothing_and_tells_nothing(airport: Airport, postgresql: Server) -> None:
    draft = airport.describe()
    (airport.folder / "reader.password").write_text(SECRET)
    said = airport.register(draft, code=1)
    assert "does not answer, or refuses us" in said
    for secret in (SECRET, str(postgresql.port), "127.0.0.1", "owner:"):
        assert secret not in said
    assert airport.copies() == []
    state = (airport.places.node("EWR") / "state" / "node.sqlite").read_bytes()
    assert b"flights" not in state
