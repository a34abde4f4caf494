"""What a store on PostgreSQL promises beyond the contract: several processes behind one log, notices, refusals."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from sandbox.audit import prove_inclusion, root, verify_inclusion
from sandbox.local.postgres import Server, server, why_not
from sandbox.store.engine import open_engine
from sandbox.store.errors import BadDatabase, StoreUnavailable
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import open_store
from sandbox.store.notices import EVERYTHING, MOST_BYTES
from sandbox.store.store import CHECKPOINT_TOPIC, LOG_TOPIC, PUBLISHED_TOPIC, Store
from sandbox.store.tables import checkpoints, log_entries, rosters
from sandbox.store.tree import StoredNodes, read_size

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SECRET = "canary-4711"


def event(number: int) -> Event:
    return Event("test.happened", Actor("hub", "hub"), subject=f"thing-{number}")


@pytest.fixture
def pair(postgresql_url: str) -> Iterator[tuple[Store, Store]]:
    """Two workers behind one database."""
    first, second = open_store(postgresql_url, lambda: NOW), open_store(postgresql_url, lambda: NOW)
    yield first, second
    first.close()
    second.close()


def next_version(connection: object) -> int:
    found = connection.execute(select(func.max(rosters.c.version))).scalar()  # type: ignore[attr-defined]
    return int(found or 0) + 1


WRITER = """
import sys
from datetime import UTC, datetime
from sqlalchemy import func, insert, select
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import open_store
from sandbox.store.tables import rosters

store = open_store(sys.argv[1], lambda: datetime(2026, 11, 21, 8, tzinfo=UTC))
for number in range(40):
    with store.change(Event("test.happened", Actor("hub", "hub"), subject=f"{sys.argv[2]}-{number}")) as change:
        version = (change.execute(select(func.max(rosters.c.version))).scalar() or 0) + 1
        change.execute(insert(rosters).values(version=version, digest=sys.argv[2], envelope=b""))
store.close()
"""


def test_processes_that_start_and_write_at_once_lose_nothing(postgresql_url: str) -> None:
    """They race to migrate an empty database, then read the highest number and add one, 40 times each."""
    command = [sys.executable, "-c", WRITER, postgresql_url]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b", "c")]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    store = open_store(postgresql_url, lambda: NOW)
    with store.read() as connection:
        assert next_version(connection) == 121
        leaves = connection.execute(select(log_entries.c.leaf).order_by(log_entries.c.index)).scalars().all()
        assert len(leaves) == read_size(connection) == 120
        nodes = StoredNodes(connection)
        for index in (0, 63, 119):
            proof = prove_inclusion(nodes, index, 120)
            verify_inclusion(bytes(leaves[index]), index, 120, proof, root(nodes, 120))
    store.close()


def raced(engine: Engine, write: Callable[[threading.Barrier], None]) -> list[IntegrityError]:
    """Run ``write`` in two threads; what they raise."""
    barrier = threading.Barrier(2)
    failures: list[IntegrityError] = []

    def run() -> None:
        try:
            write(barrier)
        except IntegrityError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    engine.dispose()
    return failures


def test_what_a_change_reads_cannot_change_under_it(pair: tuple[Store, Store], postgresql_url: str) -> None:
    """Control: plain transactions that read the highest number and add one collide."""
    engine = open_engine(postgresql_url)

    def plainly(barrier: threading.Barrier) -> None:
        with engine.begin() as connection:
            version = next_version(connection)
            barrier.wait(10)
            connection.execute(insert(rosters).values(version=version, digest="d", envelope=b""))

    assert len(raced(engine, plainly)) == 1
    stores = iter(pair)

    def through_the_store(barrier: threading.Barrier) -> None:
        store = next(stores)
        barrier.wait(10)
        with store.change(event(1)) as change:
            version = next_version(change.connection)
            change.execute(insert(rosters).values(version=version, digest="d", envelope=b""))

    assert raced(engine, through_the_store) == []


def heard_by(store: Store) -> queue.Queue[frozenset[str]]:
    heard: queue.Queue[frozenset[str]] = queue.Queue()
    store.follow(heard.put)
    return heard


def test_a_commit_wakes_the_other_worker_and_a_rollback_does_not(pair: tuple[Store, Store]) -> None:
    first, second = pair
    near, far = heard_by(first), heard_by(second)
    with pytest.raises(ZeroDivisionError), first.change(event(1)) as change:  # noqa: PT012
        change.wake("job:lost")
        raise ZeroDivisionError
    with first.change(event(1)) as change:
        change.wake("job:j1")
    first.publish(insert(checkpoints).values(size=1, note="note", at="2026-11-21T08:00:00Z"))
    for listener in (near, far):
        assert listener.get(timeout=10) == {"job:j1", LOG_TOPIC}
        assert listener.get(timeout=10) == {PUBLISHED_TOPIC, CHECKPOINT_TOPIC}
        assert listener.empty()  # one's own notice is not heard twice


def test_more_topics_than_one_notice_holds_all_arrive(pair: tuple[Store, Store]) -> None:
    first, second = pair
    far = heard_by(second)
    topics = {f"inbox:node-{number:05}" for number in range(2 * MOST_BYTES // 16)}
    with first.change(event(1)) as change:
        change.wake(*topics)
    found: set[str] = set()
    while not topics <= found:
        found |= far.get(timeout=10)
    assert found == topics | {LOG_TOPIC}


@pytest.fixture
def own_server() -> Iterator[Server]:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with server() as started:
        yield started


def test_after_a_power_cut_what_was_committed_is_there_and_followers_look_again(own_server: Server) -> None:
    url = own_server.create("hub")
    store = open_store(url, lambda: NOW)
    heard = heard_by(store)
    written = 25
    for number in range(written):
        with store.change(event(number)):
            pass
        heard.get(timeout=10)
    own_server.kill()
    with pytest.raises(StoreUnavailable), store.change(event(written)):
        pass
    with pytest.raises(StoreUnavailable), store.read() as connection:
        read_size(connection)
    own_server.start()
    assert heard.get(timeout=30) == {EVERYTHING}
    with store.change(event(written)):
        pass
    with store.read() as connection:
        assert read_size(connection) == written + 1
    store.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"postgresql://hub:{SECRET}@127.0.0.1/hub", "no password"),
        (f"postgresql://hub@127.0.0.1/hub?password={SECRET}", "no password"),
        ("postgresql://hub@db.example.org/hub", "TLS"),
        ("postgresql://hub@db.example.org/hub?sslmode=require", "TLS"),  # encrypted, to whomever
        ("postgresql://hub@127.0.0.1/hub?hostaddr=192.0.2.1", "TLS"),
        ("postgresql://hub@/hub?host=127.0.0.1&host=192.0.2.1", "TLS"),
        ("postgresql://hub@/hub", "host"),
        ("postgresql://hub@127.0.0.1/hub?service=other", "host"),
        (f"mysql://hub:{SECRET}@127.0.0.1/hub", "sqlite"),
        ("postgresql//hub", "not a URL"),
    ],
)
def test_a_database_url_that_would_leak_or_trust_anyone_is_refused(url: str, why: str) -> None:
    with pytest.raises(BadDatabase, match=why) as refused:
        open_engine(url)
    assert SECRET not in str(refused.value)


def test_a_database_beyond_loopback_is_asked_for_by_tls_alone() -> None:
    """Control of the refusals above: with verify-full the URL is accepted, and then nobody answers."""
    with pytest.raises(StoreUnavailable):
        open_engine("postgresql://hub@unseen.invalid/hub?sslmode=verify-full&sslrootcert=system")


def test_a_database_that_sorts_by_language_or_another_encoding_is_refused(postgresql: Server) -> None:
    made = "CREATE DATABASE {} TEMPLATE template0 ENCODING '{}' LOCALE '{}'"
    postgresql.sql(made.format("latin", "LATIN1", "C"))
    try:
        with pytest.raises(BadDatabase, match="CREATE DATABASE"):
            open_engine(postgresql.url("latin"))
    finally:
        postgresql.sql("DROP DATABASE latin")


def test_a_database_that_forgets_commits_is_refused(postgresql: Server, postgresql_url: str) -> None:
    name = postgresql_url.split("/")[3].split("?")[0]
    postgresql.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(BadDatabase, match="synchronous_commit off"):
        open_engine(postgresql_url)
    postgresql.sql(f"ALTER DATABASE {name} RESET synchronous_commit")
    open_engine(postgresql_url).dispose()


def test_a_wrong_password_is_refused_without_telling_who_or_where(
    postgresql: Server, postgresql_url: str, tmp_path: Path
) -> None:
    name = postgresql_url.split("/")[3].split("?")[0]
    entry = tmp_path / "pgpass"
    url = f"postgresql://owner@127.0.0.1:{postgresql.port}/{name}?passfile={entry}"
    entry.write_text(f"127.0.0.1:*:*:owner:{postgresql.password}\n")
    entry.chmod(0o600)
    open_engine(url).dispose()  # control: the right one is accepted
    entry.write_text(f"127.0.0.1:*:*:owner:{SECRET}\n")
    with pytest.raises(StoreUnavailable) as refused:
        open_engine(url)
    assert SECRET not in str(refused.value)
    assert name not in str(refused.value)
