"""What every database behind ``open_store`` must do: SQLite, and a PostgreSQL server that the tests start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, IntegrityError

from jobs.documents import digest
from sandbox.audit import LogEntry, prove_consistency, prove_inclusion, root, verify_consistency, verify_inclusion
from sandbox.errors import BadProof
from sandbox.store.engine import open_engine, reading
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import migrate, open_store
from sandbox.store.store import Change, Store
from sandbox.store.tables import APPEND_ONLY, checkpoints, log_entries, metadata, scans, tokens
from sandbox.store.tree import StoredNodes, prove_from, read_size

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ACTOR = Actor("operator", "acme", "127.0.0.1")


@pytest.fixture
def url(store_url: str) -> str:
    return store_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, lambda: NOW)
    yield opened
    opened.close()


def event(number: int) -> Event:
    return Event("test.happened", ACTOR, subject=f"thing-{number}", digests=(digest(b"%d" % number),))


def token(name: str) -> dict[str, object]:
    return {"hash": digest(name.encode()).encode()[:32], "id": name, "role": "operator", "subject": "acme"}


def add_token(change: Change, name: str) -> None:
    change.execute(insert(tokens).values(**token(name)))


def leaves(store: Store) -> list[bytes]:
    with store.read() as connection:
        return [
            bytes(leaf)
            for leaf in connection.execute(select(log_entries.c.leaf).order_by(log_entries.c.index)).scalars()
        ]


def test_the_migrated_shape_is_the_declared_one(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    migrate(engine)  # a second start changes nothing
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_failed_attempt_leaves_neither_row_nor_event_and_the_change_goes_on(store: Store) -> None:
    with store.change(event(1)) as change:
        add_token(change, "before")
        with suppress(ZeroDivisionError), change.attempt():
            add_token(change, "within")
            change.also(event(2))
            raise ZeroDivisionError
        with suppress(IntegrityError), change.attempt():  # a statement that the database refuses
            add_token(change, "before")
        assert change.also(event(3)) == 1
        with change.attempt():
            add_token(change, "after")
    with store.read() as connection:
        assert set(connection.execute(select(tokens.c.id)).scalars()) == {"before", "after"}
    assert [LogEntry.read(leaf).subject for leaf in leaves(store)] == ["thing-1", "thing-3"]


def test_change_and_event_are_written_together(store: Store) -> None:
    with store.change(event(1)) as change:
        add_token(change, "one")
    with store.read() as connection:
        assert connection.execute(select(tokens.c.id)).scalars().all() == ["one"]
        assert read_size(connection) == 1
    entry = LogEntry.read(leaves(store)[0])
    assert (entry.event, entry.actor, entry.subject, entry.at) == ("test.happened", "operator:acme", "thing-1", NOW)
    assert (entry.facts, len(bytes.fromhex(entry.salt))) == ({}, 32)
    assert entry.digests == (digest(b"1"),)


def test_a_failed_change_leaves_neither_row_nor_event(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.change(event(1)) as change:  # noqa: PT012
        add_token(change, "one")
        raise ZeroDivisionError
    with pytest.raises(IntegrityError), store.change(event(2)) as change:  # noqa: PT012
        add_token(change, "two")
        add_token(change, "two")
    with store.read() as connection:
        assert connection.execute(select(tokens.c.id)).all() == []
        assert read_size(connection) == 0
    assert leaves(store) == []


def test_an_event_that_no_leaf_can_hold_rolls_the_change_back(store: Store) -> None:
    bad = Event("test.happened", ACTOR, subject="a subject with spaces")
    with pytest.raises(ValueError), store.change(bad) as change:
        add_token(change, "one")
    with store.read() as connection:
        assert connection.execute(select(tokens.c.id)).all() == []


def test_several_events_of_one_change_get_consecutive_places(store: Store) -> None:
    with store.change(event(0)) as change:
        assert change.also(event(1)) == 1
        assert change.also(event(2)) == 2
    with store.change(event(3)) as change:
        assert change.also(event(4)) == 4
    assert [LogEntry.read(leaf).subject for leaf in leaves(store)] == [f"thing-{n}" for n in range(5)]


def test_the_tree_proves_every_entry_and_every_growth(store: Store) -> None:
    count = 21
    for number in range(count):
        with store.change(event(number)):
            pass
    stored = leaves(store)
    with store.read() as connection:
        nodes = StoredNodes(connection)
        for size in range(1, count + 1):
            for index in range(size):
                verify_inclusion(stored[index], index, size, prove_inclusion(nodes, index, size), root(nodes, size))
            proof = prove_consistency(nodes, size, count)
            verify_consistency(size, root(nodes, size), count, root(nodes, count), proof)


def test_many_proofs_are_made_with_one_look(store: Store) -> None:
    for number in range(21):
        with store.change(event(number)):
            pass
    wanted = [partial(prove_inclusion, index=index, size=size) for size in range(1, 22) for index in range(size)]
    with store.read() as connection:
        asked: list[str] = []
        listen(
            connection, "before_cursor_execute", lambda _c, _u, text, *_: asked.extend([text] * ("log_nodes" in text))
        )
        found = prove_from(connection, wanted)
        assert len(asked) == 1
        nodes = StoredNodes(connection)
        assert found == [proof(nodes) for proof in wanted]  # the control: one look for each hash gives the same
        assert len(asked) > 100
        assert prove_from(connection, []) == []
        with pytest.raises(BadProof):
            prove_from(connection, [partial(root, size=22)])


def test_reading_cannot_write(store: Store) -> None:
    with suppress(DBAPIError), store.read() as connection:  # refused, or rolled back
        connection.execute(insert(tokens).values(**token("smuggled")))
    with store.read() as connection:
        assert connection.execute(select(tokens.c.id)).all() == []


def test_only_statements_about_the_log_are_written_without_an_event(store: Store) -> None:
    store.publish(insert(checkpoints).values(size=0, note="note", at="2026-11-21T08:00:00Z"))
    with pytest.raises(ValueError, match="without an event"):
        store.publish(insert(tokens).values(**token("one")))
    with pytest.raises(ValueError, match="without an event"):
        store.publish(text("DELETE FROM tokens"))


def test_how_far_scans_are_informs_followers_of_that_topic_and_writes_nothing_else(store: Store) -> None:
    told: list[frozenset[str]] = []
    store.follow(told.append)
    store.inform("job:j1", delete(scans))
    assert (told, leaves(store)) == ([frozenset({"job:j1"})], [])
    for statement in (insert(tokens).values(**token("one")), text("DELETE FROM tokens")):
        with pytest.raises(ValueError, match="without an event"):
            store.inform("job:j1", delete(scans), statement)
    with store.read() as connection:
        assert connection.execute(select(tokens.c.id)).all() == []
    assert len(told) == 1


def test_what_is_append_only_can_be_neither_altered_nor_removed(store: Store, url: str) -> None:
    with store.change(event(1)):
        pass
    with pytest.raises(DBAPIError), store.change(event(2)) as change:
        change.execute(update(log_entries).values(kind="harmless"))
    with pytest.raises(DBAPIError), store.change(event(2)) as change:
        change.execute(delete(log_entries))
    assert len(leaves(store)) == 1
    engine = open_engine(url)
    with reading(engine) as connection:  # every table of the list carries both triggers
        found = {name for (name,) in connection.execute(text(_TRIGGERS[engine.dialect.name]))}
    assert {f"{table}_no_{verb}".lower() for table in APPEND_ONLY for verb in ("update", "delete")} <= {
        name.lower() for name in found
    }


_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger",
}


def test_writers_of_many_threads_lose_nothing(store: Store) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 10):
            with store.change(event(number)) as change:
                add_token(change, f"token-{number}")

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = leaves(store)
    assert sorted(LogEntry.read(leaf).subject for leaf in stored) == sorted(f"thing-{n}" for n in range(40))
    with store.read() as connection:
        nodes = StoredNodes(connection)
        assert read_size(connection) == 40
        verify_inclusion(stored[17], 17, 40, prove_inclusion(nodes, 17, 40), root(nodes, 40))


def test_two_stores_on_one_database_share_one_log(url: str) -> None:
    """Two processes: each sees the other's entries, and neither overwrites them."""
    first, second = open_store(url, lambda: NOW), open_store(url, lambda: NOW)
    for number in range(6):
        with (first, second)[number % 2].change(event(number)):
            pass
    assert leaves(first) == leaves(second)
    assert len(leaves(first)) == 6
    first.close()
    second.close()


def test_followers_hear_of_commits_only(store: Store) -> None:
    heard: list[frozenset[str]] = []
    store.follow(heard.append)
    with pytest.raises(ZeroDivisionError), store.change(event(1)) as change:  # noqa: PT012
        change.wake("job:j1")
        raise ZeroDivisionError
    assert heard == []
    with store.change(event(1)) as change:
        change.wake("job:j1")
        assert heard == []
    assert heard == [frozenset({"job:j1", "log"})]


def test_everything_is_there_after_reopening(url: str) -> None:
    first = open_store(url, lambda: NOW)
    for number in range(5):
        with first.change(event(number)) as change:
            add_token(change, f"token-{number}")
    before = leaves(first)
    first.close()
    again = open_store(url, lambda: NOW)
    assert leaves(again) == before
    with again.change(event(5)):
        pass
    with again.read() as connection:
        verify_inclusion(
            before[0], 0, 6, prove_inclusion(StoredNodes(connection), 0, 6), root(StoredNodes(connection), 6)
        )
    again.close()
