"""Contents beside the log: what is put comes back, what is destroyed is gone for good, and no box passes for another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from sandbox.audit import LogEntry
from sandbox.errors import ContentDestroyed, IntegrityFailure, NotFound
from sandbox.store.contents import DESTROYED, destroy, get, put
from sandbox.store.engine import sqlite_url
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import open_store
from sandbox.store.store import Store
from sandbox.store.tables import content_keys, contents, log_entries

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ACTOR = Actor("authority", "root", "127.0.0.1")
HAPPENED = Event("test.happened", ACTOR, subject="thing")
DATA = b"carrier,delay\nAA,13\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(sqlite_url(tmp_path / "hub.sqlite"), lambda: NOW)
    yield opened
    opened.close()


def keep(store: Store, scope: str, name: str, data: bytes) -> None:
    with store.change(HAPPENED) as change:
        put(change, scope, name, data)


def end(store: Store, scope: str) -> int:
    with store.change(HAPPENED) as change:
        gone = destroy(change, scope, ACTOR)
    store.scrub()
    return gone


def read(store: Store, scope: str, name: str) -> bytes:
    with store.read() as connection:
        return get(connection, scope, name)


def test_contents_come_back_by_job_and_name(store: Store) -> None:
    keep(store, "job-1", "csv", DATA)
    keep(store, "job-1", "empty", b"")
    keep(store, "job-2", "csv", b"other")
    assert (read(store, "job-1", "csv"), read(store, "job-1", "empty")) == (DATA, b"")
    assert read(store, "job-2", "csv") == b"other"
    for scope, name in (("job-1", "arrow"), ("job-3", "csv")):
        with pytest.raises(NotFound) as caught:
            read(store, scope, name)
        assert not isinstance(caught.value, ContentDestroyed)


def test_destruction_is_final_logged_and_of_one_job_only(store: Store) -> None:
    keep(store, "job-1", "csv", DATA)
    keep(store, "job-2", "csv", DATA)
    assert end(store, "job-1") == 1
    with pytest.raises(ContentDestroyed, match="job-1 were destroyed on 2026-11-21"):
        read(store, "job-1", "csv")
    with pytest.raises(ContentDestroyed):
        keep(store, "job-1", "more", b"late")
    with pytest.raises(ContentDestroyed):
        end(store, "job-1")
    with pytest.raises(NotFound):
        end(store, "job-3")
    assert read(store, "job-2", "csv") == DATA
    with store.read() as connection:
        leaf = connection.execute(select(log_entries.c.leaf).where(log_entries.c.kind == DESTROYED)).scalar_one()
    entry = LogEntry.read(bytes(leaf))
    assert (entry.actor, entry.subject, entry.facts["contents"]) == ("authority:root", "job-1", 1)


def test_a_box_that_was_altered_or_moved_is_refused(store: Store) -> None:
    keep(store, "job-1", "csv", DATA)
    keep(store, "job-1", "arrow", b"arrow")
    with store.read() as connection:
        box = connection.execute(select(contents.c.box).where(contents.c.name == "csv")).scalar_one()
    for wrong in (box, box[:-1] + bytes([box[-1] ^ 1]), b""):
        with store.change(HAPPENED) as change:
            change.execute(update(contents).where(contents.c.name == "arrow").values(box=wrong))
        with pytest.raises(IntegrityFailure):
            read(store, "job-1", "arrow")


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if needle in file.read_bytes()]


@pytest.mark.parametrize("defended", [True, False])
def test_a_thief_of_the_files_finds_no_destroyed_key(tmp_path: Path, defended: bool) -> None:
    """Positive control: without zeroing and scrubbing the key's bytes are still in the database's files."""
    store = open_store(sqlite_url(tmp_path / "hub.sqlite"), lambda: NOW)
    for number in range(40):  # pages split: copies of rows are left behind
        keep(store, f"job-{number:02}", "csv", DATA)
    with store.read() as connection:
        query = select(content_keys.c.key).where(content_keys.c.scope == "job-07")
        key = bytes(connection.execute(query).scalar_one())
    store.scrub()
    assert files_with(tmp_path, key)
    if defended:
        end(store, "job-07")
    else:
        with store.change(HAPPENED) as change:
            change.execute(text("PRAGMA secure_delete = OFF"))
            destroy(change, "job-07", ACTOR)
    assert bool(files_with(tmp_path, key)) is not defended
    store.close()


def test_a_content_needs_a_key(store: Store) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"), store.change(HAPPENED) as change:
        change.execute(insert(contents).values(scope="job-9", name="csv", box=b"x"))
