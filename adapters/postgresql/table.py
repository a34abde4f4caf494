"""Which table of which database, and a connection that can read and nothing else.

    # flights-db.yaml, next to the password file (mode 0600)
    postgresql:
      host: db.internal            # or the folder of a Unix socket: /run/postgresql
      database: airport
      user: unseen_reader
      password_file: reader.password
      root_certificate: ca.pem     # who signs the server's certificate; without it the system's authorities
      schema: public
      table: flights               # a table, view or materialised view

Beyond loopback the connection is TLS and the server's name is checked; there is no way to switch that off.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.address import is_loopback
from adapters.errors import BadSource, SourceNotFound

if TYPE_CHECKING:  # the driver is an extra
    import psycopg

Name = Annotated[str, Field(min_length=1, max_length=63)]
_KEY: Final = "postgresql"
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "timezone": "UTC",
    "datestyle": "ISO",
    "extra_float_digits": "1",  # shortest text that gives the same float back
    "synchronize_seqscans": "off",  # rows come in the table's own order as long as it does not change
    "lock_timeout": "10s",
}


class PostgresTable(BaseModel):
    """Stays at the owner's node: catalogue, log and error texts hold no field of it but the table's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: Name
    user: Name
    password_file: Path | None = None
    root_certificate: Path | None = None
    in_schema: Annotated[str, Field(alias="schema", min_length=1, max_length=63)] = "public"
    table: Name

    @property
    def is_local(self) -> bool:
        return self.host.startswith("/") or is_loopback(self.host)

    @property
    def quoted(self) -> str:
        return f"{quoted(self.in_schema)}.{quoted(self.table)}"


def load_table(file: Path) -> PostgresTable:
    """Read the description; paths in it are relative to its folder. Raises ``BadSource`` with the place of a fault."""
    try:
        value = yaml.safe_load(file.read_text())
        table = PostgresTable.model_validate(value[_KEY])
    except (yaml.YAMLError, TypeError, KeyError, UnicodeDecodeError):
        raise BadSource(
            f"{file.name} does not describe a table: it needs a key `{_KEY}` with host, database, ..."
        ) from None
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadSource(f"{file.name}: {places}") from None
    base = file.resolve().parent
    paths = {name: base / found for name in ("password_file", "root_certificate") if (found := getattr(table, name))}
    return table.model_copy(update=paths)


@contextmanager
def connected(table: PostgresTable) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """One REPEATABLE READ READ ONLY transaction: all that is read in it is the database of one moment.

    Raises ``SourceNotFound`` if the database does not answer or refuses the user, and ``BadSource`` for what fails
    later; the driver's own texts, which quote values, are not passed on.
    """
    try:
        import psycopg
    except ImportError:
        raise BadSource("reading PostgreSQL needs the driver: pip install 'unseen[postgres]'") from None
    try:
        connection = psycopg.connect(**parameters(table))
    except psycopg.Error as error:
        raise SourceNotFound(
            f"the database of table {table.table} does not answer, or refuses us ({error.sqlstate or 'no connection'})"
        ) from None
    try:
        with connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection
            connection.rollback()
    except psycopg.Error as error:
        raise BadSource(f"table {table.table} cannot be read ({error.sqlstate or 'the connection was lost'})") from None


def quoted(name: str) -> str:
    if "\0" in name:
        raise BadSource("a name of a table or column has no NUL character")
    return '"' + name.replace('"', '""') + '"'


def parameters(table: PostgresTable) -> dict[str, Any]:
    """What libpq is told; everything that the environment could otherwise say about security is said here."""
    checked = table.root_certificate is not None or not table.is_local
    found: dict[str, Any] = {
        "host": table.host,
        "port": table.port,
        "dbname": table.database,
        "user": table.user,
        "sslmode": "verify-full" if checked else "prefer",
        "gssencmode": "disable",
        "passfile": f"{os.devnull}/none",  # not whatever lies in somebody's home
        "application_name": "unseen",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "client_encoding": "UTF8",
        "options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
    }
    if checked:
        found["sslrootcert"] = str(table.root_certificate or "system")
    if table.password_file is not None:
        found["password"] = _password(table.password_file)
    return found


def _password(file: Path) -> str:
    """The first line; raises ``BadSource`` for a file that others may read or write."""
    try:
        with file.open() as stream:
            status = os.fstat(stream.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
                raise BadSource(f"{file.name} must be the node's own user's and at mode 0600: chmod 600 {file.name}")
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise BadSource(f"the password file {file.name} cannot be read") from None
