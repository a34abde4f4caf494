"""Opens the database: SQLite (WAL, durable commits) by default, any other SQLAlchemy URL by the same code.

Run once when a hub starts. Everything above sees only ``Engine`` and the dialect-neutral tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_MS: Final = 10_000
_WRITE: Final = "unseen_write"


def open_engine(url: str) -> Engine:
    """Return an engine for the URL. A SQLite file's folder must exist."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{file}"


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock from its first moment, so that what it reads cannot change under it."""
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A consistent view; whatever is done in it is rolled back."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.rollback()


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
