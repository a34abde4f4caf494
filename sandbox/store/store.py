"""The one door to the database. Every change is given its log event and commits with it, or not at all.

    with store.change(Event("grant.accepted", actor, subject=grant.id, digests=(grant.digest,))) as change:
        change.execute(insert(grants).values(...))
        change.wake("job:j1")                       # told to followers only after the commit

There is no other way to write: ``read`` rolls back, ``publish`` takes nothing but statements about the log itself,
``inform`` nothing but how far scans are, and triggers refuse to alter what is append-only.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Engine, Executable, insert

from jobs.documents import moment_text
from jobs.documents.canonical import SALT_BYTES
from mpc.party import RandomBytes
from sandbox.audit.entry import JOB_CLOSED
from sandbox.logs import facts
from sandbox.store.engine import reading, writing
from sandbox.store.event import LOCAL, Event
from sandbox.store.notices import Notices
from sandbox.store.origins import Origin
from sandbox.store.tables import checkpoints, cosignatures, inbox, log_digests, log_entries, receipts, scans
from sandbox.store.tree import append_leaves, lock_size

_LOG: Final = logging.getLogger("unseen.hub")
Clock = Callable[[], datetime]
Follower = Callable[[frozenset[str]], None]
LOG_TOPIC: Final = "log"
CLOSED_TOPIC: Final = "log:closed"
"""A job has come to its end at every participant: the log is worth a checkpoint."""
PUBLISHED_TOPIC: Final = "published"
CHECKPOINT_TOPIC: Final = "published:checkpoints"
WITHOUT_EVENT: Final = (checkpoints, cosignatures, receipts, inbox)
"""What is said about the log, and how far a node has read: neither is an event of the log."""


class Store:
    """Holds the engine and the followers. Threads may share it: one writes at a time, readers do not wait.

    On PostgreSQL several processes may share the database: they queue for the same lock, and followers hear of the
    changes of all of them. On SQLite another process's changes are seen by the next look only.
    """

    def __init__(self, engine: Engine, clock: Clock, rng: RandomBytes = secrets.token_bytes) -> None:
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._writer = threading.Lock()  # a queue in the process is fairer and faster than the database's
        self._followers: list[Follower] = []
        self._notices = Notices(engine, self._tell) if engine.dialect.name == "postgresql" else None

    @property
    def is_shared(self) -> bool:
        """Whether other processes may have written since the last look, and tell so."""
        return self._notices is not None

    @contextmanager
    def change(self, event: Event) -> Iterator[Change]:
        """A write transaction that ends with the append of ``event`` (and what ``Change.also`` added) to the log.

        An exception rolls everything back, the log included.
        """
        with self._writer, writing(self._engine) as connection:
            change = Change(connection, event, self._clock())
            yield change
            if change.abandoned:
                connection.rollback()
                return
            change.append(self._rng)
            topics = frozenset({*change.topics, LOG_TOPIC})
            self._send(connection, topics)
        self._tell(topics)
        for happened in change.events:
            _say(happened)

    def publish(self, statement: Executable) -> None:
        """Write a statement *about* the log (checkpoint, cosignature, receipt): the log cannot hold it as an event."""
        table = getattr(statement, "table", None)
        if table not in WITHOUT_EVENT:
            raise ValueError("only checkpoints, cosignatures, receipts and read marks are written without an event")
        with self._writer, writing(self._engine) as connection:
            connection.execute(statement)
            topics = frozenset({PUBLISHED_TOPIC, *([CHECKPOINT_TOPIC] if table is checkpoints else [])})
            self._send(connection, topics)
        self._tell(topics)

    def inform(self, topic: str, *statements: Executable) -> None:
        """Write, in one transaction, what informs people while a job runs and decides nothing; wake who follows it."""
        if any(getattr(statement, "table", None) is not scans for statement in statements):
            raise ValueError("only how far a scan is informs without an event")
        with self._writer, writing(self._engine) as connection:
            for statement in statements:
                connection.execute(statement)
            self._send(connection, frozenset({topic}))
        self._tell(frozenset({topic}))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that cannot write."""
        with reading(self._engine) as connection:
            yield connection

    def scrub(self) -> None:
        """Leave no copy of destroyed keys: call it after ``contents.destroy`` has committed.

        SQLite zeroes what a commit removed, but its write-ahead log still holds the pages as they were. PostgreSQL
        keeps dead rows until a vacuum.
        """
        sqlite = self._engine.dialect.name == "sqlite"
        with self._writer, self._engine.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            plain.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)" if sqlite else "VACUUM FULL content_keys")

    def follow(self, follower: Follower) -> None:
        """Call ``follower`` with the topics of every committed change, in the thread that committed.

        Changes of other processes are told in a thread of their own, and as ``EVERYTHING`` when some may have been
        missed. Raises ``StoreUnavailable``.
        """
        self._followers.append(follower)
        if self._notices is not None and len(self._followers) == 1:
            self._notices.start()

    def now(self) -> datetime:
        return self._clock()

    def close(self) -> None:
        if self._notices is not None:
            self._notices.stop()
        self._engine.dispose()

    def _send(self, connection: Connection, topics: frozenset[str]) -> None:
        if self._notices is not None:
            self._notices.send(connection, topics)

    def _tell(self, topics: frozenset[str]) -> None:
        for follower in self._followers:
            follower(topics)


def _say(event: Event) -> None:
    """What the process's own log says of a committed event: less than the entry, and nothing of single messages."""
    if not event.kind.startswith("message."):
        named = {"actor": event.actor.name, "job": event.job, "subject": event.subject, "code": event.facts.get("code")}
        _LOG.info(event.kind, extra=facts(event=event.kind, **named))


class Change:
    """One open change. ``now`` is the one time that all its rows and events carry."""

    def __init__(self, connection: Connection, event: Event, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.topics: set[str] = set()
        self.abandoned = False
        self.keys: dict[str, bytes] = {}
        """Of contents that this change writes, by scope: ``sandbox.store.contents``."""
        self.events = [event]

    def execute(self, statement: Executable, rows: Sequence[dict[str, Any]] | None = None) -> CursorResult[Any]:
        return self.connection.execute(statement, rows) if rows is not None else self.connection.execute(statement)

    def also(self, event: Event) -> int:
        """Add a further event and return the index that its leaf will have."""
        self.events.append(event)
        if event.kind == JOB_CLOSED:
            self.wake(CLOSED_TOPIC)
        return self.first_index + len(self.events) - 1

    @cached_property
    def first_index(self) -> int:
        """The index that the first event's leaf will have."""
        return lock_size(self.connection)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """If what happens within raises, its rows and events are undone, and the change can go on without them."""
        kept = len(self.events), self.first_index  # its lock is taken outside, or it would be given back too
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.keys.clear()  # one that was made within is undone too
            del self.events[kept[0] :]
            raise

    def abandon(self) -> None:
        """Nothing is to be written after all: somebody else has done it in the meantime. No event, no follower."""
        self.abandoned = True

    def wake(self, *topics: str) -> None:
        """Tell followers of these topics, after the commit."""
        self.topics.update(topics)

    def append(self, rng: RandomBytes) -> None:
        """Write the events; ``Store.change`` calls this last. ``rng`` makes the salts."""
        addresses = [event.actor.address for event in self.events]
        origins = [Origin.of(address, rng) if address != LOCAL else None for address in addresses]
        entries = [
            event.entry(self.now, rng(SALT_BYTES), origin.commitment if origin else None)
            for event, origin in zip(self.events, origins, strict=True)
        ]
        leaves = [entry.leaf() for entry in entries]
        first = append_leaves(self.connection, leaves, self.first_index)
        rows = [
            {
                "index": first + place,
                "leaf": leaf,
                "origin": origin.sealed(self.connection, first + place, self.now) if origin else None,
                "at": moment_text(self.now),
                "kind": entry.event,
                "actor": entry.actor,
                "job": event.job,
                "subject": entry.subject,
            }
            for place, (leaf, entry, event, origin) in enumerate(
                zip(leaves, entries, self.events, origins, strict=True)
            )
        ]
        self.connection.execute(insert(log_entries), rows)
        named = {(digest, first + place) for place, entry in enumerate(entries) for digest in entry.digests}
        if named:
            self.connection.execute(insert(log_digests), [{"digest": d, "index": i} for d, i in sorted(named)])
