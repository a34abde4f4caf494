"""Tells the other hub workers behind one PostgreSQL database what a commit was about, and hears it from them.

A notice is part of the transaction (``NOTIFY``): it goes out with the commit or not at all, and says topics only. A
worker that lost its connection tells its followers ``EVERYTHING`` afterwards, since it cannot know what it missed.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from sandbox.store.errors import StoreUnavailable

EVERYTHING: Final = "*"
"""A topic that concerns every follower: look again, whatever you wait for."""
CHANNEL: Final = "unseen"
MOST_BYTES: Final = 7000  # of a notice; PostgreSQL takes less than 8000
_RETRY_S: Final = 1.0
_LOOK_S: Final = 1.0  # how often a thread that waits looks whether it should end
_log = logging.getLogger("unseen.store")
Listening = Any  # a psycopg connection: the driver is an extra, and not there where SQLite is all


class Notices:
    """One listening connection and thread of a worker. ``hear`` is called in that thread, with foreign topics only."""

    def __init__(self, engine: Engine, hear: Callable[[frozenset[str]], None]) -> None:
        self._engine = engine
        self._hear = hear
        self._name = secrets.token_hex(8)  # tells one's own notices from those of others
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, connection: Connection, topics: Iterable[str]) -> None:
        """Add the notice to the transaction of ``connection``."""
        for part in _parts(sorted(topics)):
            body = json.dumps({"from": self._name, "topics": part})
            connection.execute(text("SELECT pg_notify(:channel, :body)"), {"channel": CHANNEL, "body": body})

    def start(self) -> None:
        """Return once this worker hears what is committed from now on; raises ``StoreUnavailable`` if it cannot."""
        self._thread = threading.Thread(target=self._run, args=(self._listen(),), name="notices", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self, listening: Listening | None) -> None:
        while listening is not None and not self._ended.is_set():
            try:
                for notice in listening.notifies(timeout=_LOOK_S):
                    self._told(notice.payload)
            except _lost():
                _log.warning("the database's notices were interrupted; asking again")
                listening.close()
                listening = self._again()
        if listening is not None:
            listening.close()

    def _told(self, payload: str) -> None:
        said = json.loads(payload)
        if said["from"] != self._name:
            self._hear(frozenset(said["topics"]))

    def _again(self) -> Listening | None:
        """A new listening connection, as soon as the server is back; None if this worker ends before."""
        while not self._ended.wait(_RETRY_S):
            try:
                listening = self._listen()
            except StoreUnavailable:
                continue
            self._hear(frozenset({EVERYTHING}))
            return listening
        return None

    def _listen(self) -> Listening:
        """A connection of its own, outside of the pool, in autocommit: notices arrive between transactions."""
        try:
            pooled: Any = self._engine.raw_connection()
            listening = pooled.dbapi_connection
            pooled.detach()
            listening.autocommit = True
            listening.execute(f"LISTEN {CHANNEL}")
        except _lost():
            raise StoreUnavailable("the database does not answer") from None
        return listening


def _parts(topics: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for topic in topics:
        if part and size + len(topic.encode()) + 4 > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(topic)
        size += len(topic.encode()) + 4
    if part:
        yield part


def _lost() -> type[Exception]:
    import psycopg

    return psycopg.OperationalError
