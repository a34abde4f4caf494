"""A PostgreSQL table as a source: every value exactly, one moment, bounded memory, and no secret in any text."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from adapters.errors import AdapterError, BadSource, SourceNotFound
from adapters.postgresql import PostgresTable, copy_table, load_table
from adapters.postgresql.table import connected, parameters
from sandbox.local.postgres import Server, server, why_not

SECRET = "canary-4711"


@pytest.fixture
def database(postgresql: Server) -> Iterator[str]:
    postgresql.create("airport")
    yield "airport"
    postgresql.sql("DROP DATABASE airport WITH (FORCE)")


@pytest.fixture
def table(postgresql: Server, database: str) -> PostgresTable:
    return PostgresTable(host=str(postgresql.socket), port=postgresql.port, database=database, user="owner", table="t")


def copied(table: PostgresTable, folder: Path, *columns: str) -> pa.Table:
    spec = copy_table(table, folder / f"{os.urandom(4).hex()}.parquet", columns or None)
    return pq.read_table(spec.path)


VALUES: list[tuple[str, pa.DataType, list[tuple[str, Any]]]] = [
    ("boolean", pa.bool_(), [("true", True), ("false", False)]),
    ("smallint", pa.int16(), [("-32768", -32768)]),
    ("integer", pa.int32(), [("2147483647", 2147483647)]),
    ("bigint", pa.int64(), [("-9223372036854775808", -(2**63)), ("9007199254740993", 2**53 + 1)]),
    ("double precision", pa.float64(), [("0.1", 0.1), ("5e-324", 5e-324), ("'-Infinity'", float("-inf"))]),
    ("numeric(12,2)", pa.decimal128(12, 2), [("-1234567890.12", Decimal("-1234567890.12")), ("7", Decimal("7.00"))]),
    (
        "numeric(38,10)",
        pa.decimal128(38, 10),
        [("9999999999999999999999999999.0123456789", Decimal("9999999999999999999999999999.0123456789"))],
    ),
    ("numeric(5)", pa.decimal128(5, 0), [("12345", Decimal(12345))]),
    ("text", pa.string(), [("''", ""), (r"E'\\N'", r"\N"), ("E'a,\"b\"\\n;'", 'a,"b"\n;'), ("'编号'", "编号")]),
    ("varchar(4)", pa.string(), [("'NULL'", "NULL")]),
    ("char(4)", pa.string(), [("'AA'", "AA")]),  # blanks at its end are not part of its value
    ("mood", pa.string(), [("'sad'", "sad")]),
    ("amount", pa.decimal128(9, 3), [("1.5", Decimal("1.500"))]),  # a domain over numeric
    ("uuid", pa.string(), [("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    ("date", pa.date32(), [("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))]),
    ("timestamp", pa.timestamp("us"), [("'2020-02-29 23:59:59.123456'", datetime(2020, 2, 29, 23, 59, 59, 123456))]),
    ("timestamp(0)", pa.timestamp("us"), [("'2020-02-29 23:59:59'", datetime(2020, 2, 29, 23, 59, 59))]),
    (
        "timestamptz",
        pa.timestamp("us", "UTC"),
        [("'2020-03-01 07:59:59.5+08'", datetime(2020, 2, 29, 23, 59, 59, 500000, UTC))],
    ),
]


@pytest.mark.parametrize(("declared", "type_", "values"), VALUES, ids=[name for name, _, _ in VALUES])
def test_every_type_arrives_exactly_and_null_is_null(
    postgresql: Server, table: PostgresTable, tmp_path: Path, declared: str, type_: pa.DataType, values: Any
) -> None:
    rows = ", ".join(f"({n}, {text})" for n, (text, _) in enumerate([*values, ("NULL", None)]))
    postgresql.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN amount AS numeric(9,3)",
        f"CREATE TABLE t (n integer, x {declared})",
        f"INSERT INTO t VALUES {rows}",
        database=table.database,
    )
    for columns in (("n", "x"), ("x",)):  # alone in its row, null is an empty line to whoever is not careful
        found = copied(table, tmp_path, *columns)
        assert found.schema.field("x").type == type_
        assert found["x"].to_pylist() == [*(value for _, value in values), None]


def test_a_float_that_is_not_a_number_stays_one(postgresql: Server, table: PostgresTable, tmp_path: Path) -> None:
    postgresql.sql("CREATE TABLE t (x float8)", "INSERT INTO t VALUES ('NaN')", database=table.database)
    (value,) = copied(table, tmp_path)["x"].to_pylist()
    assert isnan(value)


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_is_a_table_and_an_empty_one_has_its_columns(
    postgresql: Server, table: PostgresTable, tmp_path: Path, kind: str
) -> None:
    postgresql.sql(f'CREATE {kind} "odd ""name""" AS SELECT 1 AS a, 2 AS b WHERE false', database=table.database)
    found = copied(table.model_copy(update={"table": 'odd "name"'}), tmp_path, "b", "a")
    assert (found.schema.names, found.num_rows) == (["b", "a"], 0)


REFUSED = {
    "numeric": "without a scale",
    "numeric(60,2)": "38 digits",
    "jsonb": "jsonb, which no dataset can declare",
    "text[]": "no dataset can declare",
    "bytea": "no dataset can declare",
    "interval": "no dataset can declare",
}


@pytest.mark.parametrize("declared", REFUSED)
def test_a_type_without_an_exact_counterpart_is_refused_by_column_and_can_be_left_out(
    postgresql: Server, table: PostgresTable, tmp_path: Path, declared: str
) -> None:
    postgresql.sql(f"CREATE TABLE t (n integer, odd {declared})", database=table.database)
    with pytest.raises(BadSource, match=f"column odd .*{REFUSED[declared]}"):
        copied(table, tmp_path)
    assert copied(table, tmp_path, "n").schema.names == ["n"]
    assert len(list(tmp_path.iterdir())) == 1  # a refusal leaves no file


@pytest.mark.parametrize("value", ["'NaN'::numeric(6,2)", "'infinity'::date", "'-infinity'::timestamptz"])
def test_a_value_that_arrow_cannot_hold_is_refused_without_telling_it(
    postgresql: Server, table: PostgresTable, tmp_path: Path, value: str
) -> None:
    made = f"CREATE TABLE t AS SELECT '{SECRET}' AS name, {value} AS x"
    postgresql.sql(made, database=table.database)
    with pytest.raises(BadSource, match="make a view without it") as refused:
        copied(table, tmp_path)
    assert SECRET not in str(refused.value)


def test_an_unknown_column_or_table_is_refused_by_name(
    postgresql: Server, table: PostgresTable, tmp_path: Path
) -> None:
    with pytest.raises(BadSource, match=r"no table or view public\.t"):
        copied(table, tmp_path)
    postgresql.sql("CREATE TABLE t (n integer)", database=table.database)
    with pytest.raises(BadSource, match="no column 'wind'"):
        copied(table, tmp_path, "wind")


def test_the_copy_is_of_one_moment_whatever_is_written_meanwhile(
    postgresql: Server, table: PostgresTable, tmp_path: Path
) -> None:
    """A writer moves units from row to row, so that every moment has the same total. Control: two moments differ."""
    rows = 200_000
    postgresql.sql(
        f"CREATE TABLE t AS SELECT i AS n, 1 AS x FROM generate_series(1, {rows}) i",
        "CREATE INDEX ON t (n)",
        database=table.database,
    )
    stop = threading.Event()
    moves = 0

    def move() -> None:
        nonlocal moves
        with postgresql.connect(table.database) as connection:
            while not stop.is_set():
                connection.execute(
                    "WITH a AS (UPDATE t SET x = x - 1 WHERE n = 1) UPDATE t SET x = x + 1 WHERE n = %s",
                    (rows - moves % 1000,),
                )
                moves += 1

    writer = threading.Thread(target=move)
    writer.start()
    try:
        first = copied(table, tmp_path)
        second = copied(table, tmp_path)
    finally:
        stop.set()
        writer.join(30)
    assert pa.compute.sum(first["x"]).as_py() == pa.compute.sum(second["x"]).as_py() == rows
    assert moves > 1
    assert first.sort_by("n") != second.sort_by("n")


def test_the_connection_can_read_and_nothing_else(postgresql: Server, table: PostgresTable, tmp_path: Path) -> None:
    """Also a view that writes: its function is refused. Control: asked for by its owner it does write."""
    postgresql.sql(
        "CREATE TABLE seen (n integer)",
        "CREATE FUNCTION note() RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO public.seen VALUES (1); RETURN 1; END $$",
        "CREATE VIEW t AS SELECT note() AS n",
        database=table.database,
    )
    with pytest.raises(BadSource, match="25006"):  # read-only transaction
        copied(table, tmp_path)
    count = "SELECT count(*) FROM seen"
    assert postgresql.sql(count, database=table.database) == [(0,)]
    postgresql.sql("SELECT * FROM t", database=table.database)
    assert postgresql.sql(count, database=table.database) == [(1,)]


def test_a_connection_that_breaks_leaves_no_file(postgresql: Server, table: PostgresTable, tmp_path: Path) -> None:
    postgresql.sql(
        "CREATE FUNCTION fall() RETURNS integer LANGUAGE sql AS $$ SELECT pg_terminate_backend(pg_backend_pid())::int $$",
        "CREATE VIEW t AS SELECT CASE WHEN i = 90000 THEN fall() ELSE i END AS n FROM generate_series(1, 100000) i",
        database=table.database,
    )
    with pytest.raises(BadSource, match="cannot be read"):
        copied(table, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _peak(table: PostgresTable, to: Path, answer: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    copy_table(table, to)
    answer.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(postgresql: Server, table: PostgresTable, tmp_path: Path) -> None:
    """MiB that a copy of 40 and of 400 MB of text adds to a fresh process."""
    context = multiprocessing.get_context("spawn")
    peaks = []
    for rows in (40_000, 400_000):
        postgresql.sql(
            "DROP TABLE IF EXISTS t",
            f"CREATE TABLE t AS SELECT i AS n, repeat(md5(i::text), 31) AS x FROM generate_series(1, {rows}) i",
            database=table.database,
        )
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_peak, args=(table, tmp_path / f"{rows}.parquet", sender))
        process.start()
        peaks.append(receiver.recv())
        process.join(30)
    assert peaks[1] < peaks[0] + 100, peaks


# --- who is asked, how, and what is told ---------------------------------------------------------------------------


def described(folder: Path, postgresql: Server, **changed: Any) -> Path:
    """A description file and a password file next to it, over TCP."""
    (folder / "reader.password").write_text(postgresql.password + "\n")
    (folder / "reader.password").chmod(0o600)
    value = {
        "host": "127.0.0.1",
        "port": postgresql.port,
        "database": "airport",
        "user": "owner",
        "password_file": "reader.password",
        "table": "t",
    }
    file = folder / "db.yaml"
    file.write_text(yaml.safe_dump({"postgresql": value | changed}))
    return file


def test_a_password_comes_from_a_private_file_and_is_never_told(
    postgresql: Server, database: str, tmp_path: Path
) -> None:
    postgresql.sql("CREATE TABLE t (n integer)", database=database)
    table = load_table(described(tmp_path, postgresql))
    with connected(table) as connection:  # control: the right password, in a private file, is accepted
        assert connection.execute("SELECT 1").fetchone() == (1,)
    (tmp_path / "reader.password").write_text(SECRET)
    with pytest.raises(SourceNotFound) as refused, connected(table):
        pass
    assert not {SECRET, "owner", "127.0.0.1", str(postgresql.port)} & set(str(refused.value).split())
    assert SECRET not in repr(table) + str(refused.value)
    (tmp_path / "reader.password").chmod(0o640)
    with pytest.raises(BadSource, match="chmod 600"), connected(table):
        pass
    (tmp_path / "reader.password").unlink()
    with pytest.raises(BadSource, match=r"password file reader\.password"), connected(table):
        pass


@pytest.mark.parametrize("field", ["password", "sslmode", "options", "service"])
def test_nothing_else_can_be_said_in_the_file(postgresql: Server, tmp_path: Path, field: str) -> None:
    with pytest.raises(BadSource, match=field) as refused:
        load_table(described(tmp_path, postgresql, **{field: SECRET}))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("text", ["postgresql: [1]", "- a", "postgresql", "files: x", "\x00"])
def test_a_file_that_describes_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "db.yaml").write_text(text)
    with pytest.raises(AdapterError):
        load_table(tmp_path / "db.yaml")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[Server, Path, Path]]:
    """A server with a certificate for ``localhost`` by one authority, and the certificate of another authority."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    files = {}
    for name in ("server", "other"):
        files[name] = (tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(
            [*command, "-out", str(files[name][0]), "-keyout", str(files[name][1])], check=True, capture_output=True
        )
    with server(tcp=True, certificate=files["server"]) as started:
        started.create("airport")
        yield started, files["server"][0], files["other"][0]


def test_the_servers_name_and_certificate_are_checked(tls: tuple[Server, Path, Path], tmp_path: Path) -> None:
    """As beyond loopback, where it cannot be switched off: there is no field for it."""
    running, own, other = tls
    right = load_table(described(tmp_path, running, host="localhost", root_certificate=str(own)))
    with connected(right) as connection:
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row == (True,)
    wrong_authority = right.model_copy(update={"root_certificate": other})
    wrong_name = right.model_copy(update={"host": "127.0.0.1"})
    for wrong in (wrong_authority, wrong_name):
        with pytest.raises(SourceNotFound), connected(wrong):
            pass


def test_beyond_loopback_the_system_s_authorities_are_asked_without_a_certificate_of_one_s_own() -> None:
    remote = PostgresTable(host="db.example.org", database="d", user="u", table="t")
    found = parameters(remote)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "system")
    local = remote.model_copy(update={"host": "/run/postgresql"})
    assert parameters(local)["sslmode"] == "prefer"
