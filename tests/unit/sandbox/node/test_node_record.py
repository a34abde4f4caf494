"""The owner's record: append-only by the database, encrypted, and any tampering is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.engine.base import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.schema import Table

from sandbox.errors import IntegrityFailure
from sandbox.node.migrate import migrate
from sandbox.node.record import Record
from sandbox.node.tables import record, revoked
from sandbox.store.engine import open_engine, reading, sqlite_url, writing

KEY = bytes(range(32))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(sqlite_url(tmp_path / "node.sqlite"))
    migrate(made)
    with writing(made) as connection:
        for number in range(4):
            Record(KEY).append(connection, {"round": "values", "job": f"job-{number}", "cells": "canary-4711"})
    yield made
    made.dispose()


def entries(engine: Engine, key: bytes = KEY) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        return list(Record(key).read(connection))


def tamper(engine: Engine, statement: Delete | Update) -> None:
    """Someone with the database file and no respect for triggers."""
    with writing(engine) as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS record_no_{verb}"))
        connection.execute(statement)


def test_entries_come_back_in_order(engine: Engine) -> None:
    assert [(e["sequence"], e["job"]) for e in entries(engine)] == [(n + 1, f"job-{n}") for n in range(4)]


@pytest.mark.parametrize("table", [record, revoked])
def test_the_database_refuses_to_forget(engine: Engine, table: Table) -> None:
    with writing(engine) as connection:
        connection.execute(insert(revoked).values(grant="g", envelope=b"e"))
    column = next(iter(table.c))
    for statement in (update(table).values({column.name: column}), delete(table)):
        with pytest.raises(DBAPIError, match="append only"), writing(engine) as connection:
            connection.execute(statement)
    assert len(entries(engine)) == 4


def test_nothing_of_an_entry_is_in_the_database(engine: Engine, tmp_path: Path) -> None:
    assert all(b"canary-4711" not in file.read_bytes() for file in tmp_path.iterdir())
    assert entries(engine)[0]["cells"] == "canary-4711"


def test_another_key_reads_nothing(engine: Engine) -> None:
    with pytest.raises(IntegrityFailure, match="entry 1"):
        entries(engine, bytes(32))


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_altered_entry_is_found(engine: Engine, number: int) -> None:
    with reading(engine) as connection:
        box = bytearray(connection.execute(select(record.c.box).where(record.c.sequence == number)).scalar_one())
    box[-1] ^= 1
    tamper(engine, update(record).where(record.c.sequence == number).values(box=bytes(box)))
    with pytest.raises(IntegrityFailure, match=f"entry {number}"):
        entries(engine)


@pytest.mark.parametrize("number", [1, 2])
def test_a_removed_entry_is_found(engine: Engine, number: int) -> None:
    tamper(engine, delete(record).where(record.c.sequence == number))
    with pytest.raises(IntegrityFailure, match=f"lacks entry {number}"):
        entries(engine)


def test_swapped_entries_are_found(engine: Engine) -> None:
    with reading(engine) as connection:
        rows = list(connection.execute(select(record)))
    tamper(engine, update(record).where(record.c.sequence == 2).values(box=rows[2].box, chain=rows[2].chain))
    with pytest.raises(IntegrityFailure):
        entries(engine)


def test_a_changed_chain_is_found(engine: Engine) -> None:
    tamper(engine, update(record).where(record.c.sequence == 4).values(chain=bytes(32)))
    with pytest.raises(IntegrityFailure, match="does not link"):
        entries(engine)


def test_the_key_is_not_shown() -> None:
    assert repr(Record(KEY)) == "Record(key=<redacted>)"
