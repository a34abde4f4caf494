"""Opens the database: a SQLite file (WAL, durable commits) by default, or PostgreSQL for several hub workers.

Run once when a hub or node starts. Everything above sees only ``Engine`` and the dialect-neutral tables.

On both, ``writing`` holds the one write lock from its first moment and ``reading`` is one consistent view.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from sandbox.store import postgresql
from sandbox.store.errors import BadDatabase, StoreUnavailable

BUSY_MS: Final = 10_000
_WRITE: Final = "unseen_write"


def open_engine(url: str) -> Engine:
    """Return an engine for the URL. A SQLite file's folder must exist.

    Raises ``BadDatabase`` for another kind of database and for what ``sandbox.store.postgresql`` refuses, and
    ``StoreUnavailable`` for a server that does not answer.
    """
    if url.startswith("postgresql"):
        return postgresql.open_engine(url, BUSY_MS)
    if not url.startswith("sqlite:"):
        raise BadDatabase("a database is sqlite:///file or postgresql://...")
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{file}"


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock from its first moment, so that what it reads cannot change under it.

    Raises ``StoreUnavailable`` if the database fails; then all of it is rolled back, unless the answer to the commit
    itself was lost.
    """
    with typed(), engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            postgresql.lock_for_writing(connection)
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A consistent view; whatever is done in it is rolled back (SQLite) or refused (PostgreSQL)."""
    with typed(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = postgresql.read_only(connection)
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def typed() -> Iterator[None]:
    """The driver's texts name hosts and statements: they stay here."""
    try:
        yield
    except OperationalError as error:
        raise StoreUnavailable(f"the database failed ({type(error.orig).__name__})") from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin late and deferred; SQLAlchemy's "begin" event does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "secure_delete = ON",  # a destroyed content key is zeroed on its page, not only unlinked
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
