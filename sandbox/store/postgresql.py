"""PostgreSQL behind the store: what is refused, how writers queue, how one worker's commit wakes the others.

One writer at a time over all workers, by a transaction-level advisory lock that is taken before anything is read: the
log is one sequence, so writers would queue at its head anyway, and a change that has read something must not find it
changed. Readers see one snapshot and wait for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from adapters.address import is_loopback
from sandbox.store.errors import BadDatabase, StoreUnavailable

WRITE_LOCK: Final = 0x756E7365656E01  # "unseen", 1
MIGRATION_LOCK: Final = 0x756E7365656E02
IDLE_MS: Final = 60_000
"""A worker that hangs inside a change loses its connection, and with it the lock, after this long."""
_COLLATIONS: Final = ("C", "POSIX", "C.UTF-8", "C.utf8")


def open_engine(url: str, busy_ms: int) -> Engine:
    """Check the URL and the server behind it; raises ``BadDatabase`` or ``StoreUnavailable``."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise BadDatabase("a PostgreSQL database needs the driver: pip install 'unseen[postgres]'") from None
    settings = {"lock_timeout": busy_ms, "idle_in_transaction_session_timeout": IDLE_MS, "timezone": "UTC"}
    engine = create_engine(
        checked_url(url),
        hide_parameters=True,  # of a failed statement: they are people's words
        pool_size=10,
        max_overflow=10,
        pool_pre_ping=True,  # a restarted server costs nobody a request
        isolation_level="READ COMMITTED",  # of a change: once it has the lock, it sees all that was committed
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "connect_timeout": 10,
            "keepalives_idle": 30,  # a peer that is gone without a word is found
        },
    )
    try:
        with engine.connect() as connection:
            _check_server(connection)
    except OperationalError as error:
        raise StoreUnavailable(f"the database does not answer, or refuses us ({_cause(error)})") from None
    except BadDatabase:
        engine.dispose()
        raise
    return engine


def checked_url(url: str) -> URL:
    """The URL for psycopg; raises ``BadDatabase`` for a password in it, and for a host beyond loopback without TLS."""
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise BadDatabase("`database` is not a URL") from None
    if parsed.password is not None or "password" in parsed.query:
        raise BadDatabase("no password belongs into the URL: use ?passfile=FILE (mode 0600, as libpq's .pgpass)")
    hosts = [parsed.host or "", *_listed(parsed.query, "host"), *_listed(parsed.query, "hostaddr")]
    named = [host for host in hosts if host]
    if not named or "service" in parsed.query:
        raise BadDatabase("name the database's host, or the folder of its Unix socket as ?host=/run/postgresql")
    remote = any(not host.startswith("/") and not is_loopback(host) for host in named)
    if remote and _listed(parsed.query, "sslmode") != ["verify-full"]:
        raise BadDatabase("beyond loopback the database is reached by TLS: add ?sslmode=verify-full&sslrootcert=FILE")
    return parsed


def lock_for_writing(connection: Connection) -> None:
    """Queue behind every other writer. The lock ends with the transaction, also if its process is killed."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITE_LOCK})


def read_only(connection: Connection) -> Connection:
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def migrating(connection: Connection) -> Iterator[None]:
    """Hold the migration lock of a PostgreSQL session; SQLite serialises by itself."""
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def _check_server(connection: Connection) -> None:
    """Refuse what would lose commits, or compare our texts (times, ids) in another order than byte by byte."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {setting}").scalar() == "off":
            raise BadDatabase(f"the database runs with {setting} off: a crash would lose what the log has promised")
    query = "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    collation, encoding = connection.exec_driver_sql(query).one()
    if collation not in _COLLATIONS or encoding != "UTF8":
        raise BadDatabase("make the database with: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")


def _listed(query: Mapping[str, Any], name: str) -> list[str]:
    found = query.get(name, ())
    return [part for item in ([found] if isinstance(found, str) else found) for part in item.split(",")]


def _cause(error: OperationalError) -> str:
    return getattr(error.orig, "sqlstate", None) or type(error.orig).__name__
