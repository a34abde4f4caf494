"""The plan means what the SQL says: random conditions, rewritten and rendered by us, against DuckDB reading the SQL."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.evaluate import evaluate
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.parameters import parameter_literals
from jobs.kinds.statistics.plan.values import Value
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[1] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
SCHEMA = pa.schema(
    [
        ("tailnum", pa.string()), ("carrier", pa.string()), ("month", pa.int8()), ("dest", pa.string()), ("day", pa.date32()),
        ("time", pa.timestamp("us")), ("cancelled", pa.bool_()), ("cause", pa.string()), ("arr_delay", pa.float64()),
        ("fuel", pa.decimal128(9, 2)), ("distance", pa.int64()),
    ]
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "tailnum": st.sampled_from(["N1", "N2"]),
        "carrier": st.sampled_from(["AA", "DL", "UA"]),
        "month": st.integers(1, 12),
        "dest": st.sampled_from(["BOS", "O'H"]),
        "day": st.dates(dt.date(2013, 1, 1), dt.date(2013, 12, 31)),
        "time": st.none() | st.datetimes(dt.datetime(2013, 1, 1), dt.datetime(2013, 12, 30)).map(lambda t: t.replace(microsecond=0)),
        "cancelled": st.none() | st.booleans(),
        "cause": st.none() | st.sampled_from(["weather", "crew", "none"]),
        "arr_delay": st.none() | st.integers(-20, 40).map(float),
        "fuel": st.none() | st.decimals(0, 999, places=2),
        "distance": st.integers(0, 40),
    }
)  # fmt: skip
NUMBERS = st.sampled_from(
    [
        "arr_delay",
        "distance",
        "month",
        "fuel",
        "FLOOR(arr_delay / 7)",
        "FLOOR(fuel / 2.5)",
        "MONTH(day)",
        "distance // 3",
        "HOUR(time)",
    ]
)
CONSTANTS = st.sampled_from(["0", "1", "-3", "2.5", "12", "30.01"])
NUMERIC = st.recursive(
    NUMBERS | CONSTANTS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=3,
)
ATOMS = st.one_of(
    st.tuples(NUMERIC, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMERIC).map(" ".join),
    st.tuples(NUMBERS, st.sampled_from(["IN", "NOT IN"]), st.sampled_from(["(1, 2)", "(2.5)", "(3, :p)", "(-3)"])).map(" ".join),
    st.tuples(NUMBERS, st.sampled_from(["BETWEEN -2 AND 5", "IS NULL", "> :p", "<= :p"])).map(" ".join),
    st.sampled_from(
        ["cancelled", "cancelled IS NULL", "cancelled IS FALSE", "cause = 'crew'", "cause NOT IN ('crew', 'none')", "carrier LIKE '%A'",
         "cause LIKE '_r%'", "day > '2013-03-01'", "day = DATE '2013-05-05'", "time < '2013-03-01 10:00:00'", "dest = :d",
         "DATE_TRUNC('month', day) <= '2013-06-01'", "EXTRACT(isodow FROM day) < 6", "dest <> 'O''H'", "day < time", "TRUE",
         "CASE WHEN arr_delay < 0 THEN 'a' WHEN cancelled THEN 'b' END = 'a'", "CASE WHEN fuel > 5 THEN 1.5 ELSE 2 END < 1.75"]
    ),
)  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"NOT ({t})"),
    ),
    max_leaves=4,
)
VALUES: dict[str, Any] = {"p": 3, "d": "BOS"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROW, min_size=1, max_size=12), condition=CONDITIONS)
def test_conditions_select_the_rows_that_sql_selects(rows: list[dict[str, Any]], condition: str) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    connection = duckdb.connect()
    connection.register("raw", table)
    connection.execute("CREATE VIEW flights AS SELECT * REPLACE (CAST(arr_delay AS BIGINT) AS arr_delay) FROM raw")
    literal = condition.replace(":p", "3").replace(":d", "'BOS'")
    expected = connection.execute(f"SELECT count(*) FROM flights WHERE {literal}").fetchall()[0][0]
    try:
        plan = compile_sql(f"SELECT COUNT(*) AS n FROM flights WHERE {condition}", CATALOGUE)
    except PlanError as refusal:
        if "never be true" in refusal.text:
            assert expected == 0
        return
    given_values = {p.name: VALUES[p.name] for p in plan.parameters}
    try:
        literals = parameter_literals(plan, given_values)
    except PlanError:  # :p = 3 is outside the bounds of some product
        return
    result = run_local(plan, given_values, {"flights": lambda names: table.select(list(names)).to_reader()})
    assert result.values == ([expected],)
    bound = [bind(conjunct, literals) for conjunct in plan.where.conjuncts]
    in_python = [all(evaluate(c, lambda col, row=row: value(row, col)) is True for c in bound) for row in rows]  # type: ignore[misc]
    assert sum(in_python) == expected


def value(row: dict[str, Any], col: Col) -> Value | None:
    found = row[col.name]
    return Fraction(str(found)) if not isinstance(found, str | bool | dt.date | None) else found


GROUPS = [
    ("FLOOR(arr_delay / 7) * 7 + 1", "FLOOR(arr_delay / 7) * 7 + 1"),
    ("DATE_TRUNC('week', day)", "DATE_TRUNC('week', day)"),
    ("DATE_TRUNC('quarter', time)", "DATE_TRUNC('quarter', time)"),
    ("QUARTER(day)", "QUARTER(day)"),
    ("YEAR(day)", "YEAR(day)"),
    ("EXTRACT(isodow FROM day)", "EXTRACT(isodow FROM day)"),
    ("cancelled", "cancelled"),
    ("month * 10", "month * 10"),
    (
        "CASE WHEN fuel < 10 THEN 1.5 WHEN fuel < 500 THEN 2 END",
        "CASE WHEN fuel < 10 THEN 1.5 WHEN fuel < 500 THEN 2 END",
    ),
    ("FLOOR(fuel / 250.5)", "FLOOR(fuel / 250.5)"),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROW, min_size=1, max_size=30), group=st.sampled_from(GROUPS), cause=st.booleans())
def test_groups_are_the_groups_of_sql(rows: list[dict[str, Any]], group: tuple[str, str], cause: bool) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    second = ", cause" if cause and "fuel / 250.5" not in group[0] else ""
    plan = compile_sql(
        f"SELECT {group[0]} AS g, COUNT(*) AS n FROM flights WHERE fuel < 900 OR fuel IS NULL GROUP BY g{second}",
        CATALOGUE,
    )
    result = run_local(plan, {}, {"flights": lambda names: table.select(list(names)).to_reader()})
    connection = duckdb.connect()
    connection.register("raw", table)
    found = connection.execute(
        f"SELECT {group[1]} AS g{second}, count(*) FROM (SELECT * REPLACE (CAST(arr_delay AS BIGINT) AS arr_delay) FROM raw) "
        f"WHERE fuel < 900 OR fuel IS NULL GROUP BY g{second}"
    ).fetchall()
    expected = {tuple(plain(part) for part in row[:-1]): row[-1] for row in found}
    ours = {
        tuple(plain(part) for part in key): n for key, n in zip(plan.cell_keys(), result.values[0], strict=True) if n
    }
    assert ours == expected


def plain(part: Any) -> Any:
    if isinstance(part, dt.date):
        return part.isoformat()[:10]
    try:
        return part if isinstance(part, bool | None) else float(part)
    except ValueError:
        return part
