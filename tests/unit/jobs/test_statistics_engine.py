"""The local database reaches nothing outside, and says nothing of the data when it fails."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from jobs.errors import InvalidRequest
from jobs.kinds.base import Limits
from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.errors import ArithmeticOverflow, OutOfLocalMemory, StatisticsError

TABLE = pa.table({"x": [1, 2, 3]})


@pytest.fixture
def engine() -> Engine:
    return Engine(Limits(memory_bytes=64 << 20, threads=1))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM '{file}'",
        "COPY (SELECT 1) TO '{file}.out'",
        "ATTACH '{file}.db' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET temp_directory = '{folder}'",
        "SET memory_limit = '99GB'",
        "SET lock_configuration = false",
        "PRAGMA enable_profiling",
        "EXPORT DATABASE '{folder}'",
        "SELECT * FROM TABLE_IN_PYTHON",
    ],
)
def test_the_outside_cannot_be_reached(engine: Engine, tmp_path: Path, sql: str) -> None:
    TABLE_IN_PYTHON = TABLE  # noqa: F841 - a replacement scan would find this variable
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    statement = sql.format(file=file, folder=tmp_path)
    if "enable_profiling" not in sql:
        with engine, pytest.raises(StatisticsError):
            engine.run(statement)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv"]


def test_the_control_reads_the_file_when_nothing_is_locked(tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    assert duckdb.connect().execute(f"SELECT * FROM read_csv('{file}')").fetchall() == [(1,)]


def test_settings_are_what_we_asked_for(engine: Engine) -> None:
    with engine:
        rows = engine.run("SELECT name, value FROM duckdb_settings()")
    found = {name: str(value).lower() for name, value in rows}
    assert found["temp_directory"] == ""
    assert found["enable_external_access"] == "false"
    assert found["autoload_known_extensions"] == "false"
    assert found["python_enable_replacements"] == "false"
    assert found["lock_configuration"] == "true"


def test_errors_are_typed_and_quote_no_value(engine: Engine) -> None:
    with engine:
        with pytest.raises(ArithmeticOverflow) as overflow:
            engine.run("SELECT CAST(9223372036854775807 AS BIGINT) + x FROM (SELECT CAST(4711 AS BIGINT) AS x)")
        with pytest.raises(StatisticsError) as conversion:
            engine.run("SELECT CAST(v AS INTEGER) FROM (VALUES ('canary-4711')) t(v)")
        with pytest.raises(OutOfLocalMemory):
            engine.run("SELECT count(DISTINCT i || 'padding-padding-padding') FROM range(20000000) t(i)")
    assert "4711" not in str(overflow.value) + str(conversion.value)
    assert conversion.value.__cause__ is None


def test_limits_must_make_sense() -> None:
    for limits in ({"memory_bytes": 5}, {"threads": 0}):
        with pytest.raises(InvalidRequest):
            Limits(**limits)
