"""Whatever text is fed to the front end: a plan that a node accepts, or a typed refusal. Never another exception."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.kinds.statistics.plan.bases import conjuncts
from jobs.kinds.statistics.plan.canonical import normal
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.expr import columns_of
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.statement import statement
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[1] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())
SEEDS = [sql for vector in json.loads((VECTORS / "meaning.json").read_text()) for sql in vector["sql"]]
SEEDS += [vector["sql"] for vector in json.loads((VECTORS / "refusals.json").read_text())]
OPEN = GUARDED.model_copy(
    update={"datasets": tuple(d.model_copy(update={"profile": "open@1"}) for d in GUARDED.datasets)}
)
TOKENS = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "LIKE",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "FILTER",
    "COUNT",
    "SUM",
    "AVG",
    "STDDEV",
    "VAR_POP",
    "DISTINCT",
    "JOIN",
    "LEFT",
    "ON",
    "USING",
    "flights",
    "planes",
    "airports",
    "shops",
    "carrier",
    "month",
    "dest",
    "day",
    "time",
    "cancelled",
    "cause",
    "arr_delay",
    "fuel",
    "distance",
    "note",
    "crew",
    "gate",
    "birth",
    "tailnum",
    "flight",
    "engines",
    "seats",
    "region",
    "owner",
    "(",
    ")",
    ",",
    ".",
    "*",
    "+",
    "-",
    "/",
    "//",
    "%",
    "=",
    "<>",
    "<",
    ">",
    "<=",
    ">=",
    "'AA'",
    "''",
    "'b''s'",
    "'%A'",
    "0",
    "1",
    "60",
    "1.5",
    "1e9",
    "99999999999999999999",
    ":p",
    ":q",
    "?",
    "$1",
    "DATE",
    "'2013-02-01'",
    "TRUE",
    "FALSE",
    "EXTRACT",
    "DATE_TRUNC",
    "FLOOR",
    "ROUND",
    "CAST",
    "INTEGER",
    ";",
    "--",
    "/*",
    "*/",
    '"',
    "'",
    "\\",
    "::",
    "[",
    "]",
    "{",
    "}",
    "@",
    "#",
    "WITH",
    "UNION",
    "OVER",
    "ROWS",
    "ALL",
    "EXISTS",
    "ANY",
    "LATERAL",
    "UNNEST",
]


def decided(sql: str) -> Plan | None:
    guarded(sql)
    return planned(sql, CATALOGUE)


def guarded(sql: str) -> None:
    """Where data has something to hide, known and secret columns stand apart, and open data allows all that it allows."""
    plan = planned(sql, GUARDED)
    if plan is None:
        return
    assert planned(sql, OPEN) is not None
    parts = [*plan.where.conjuncts, *(d.expr for d in plan.dimensions)]
    parts += [part for aggregate in plan.aggregates for part in conjuncts(aggregate.filter)]
    for part in parts:
        assert plan.secrets_of(part) in (frozenset(), columns_of(part)), sql
    for aggregate in plan.aggregates:
        channels = [plan.channels[index] for index in aggregate.channels]
        weighed = [c.column for c in channels if c.kind == "sum" and c.column and not plan.secrets_of(c.column)]
        assert not weighed or not any(plan.secrets_of(part) for part in (*plan.where.conjuncts, aggregate.filter)), sql


def planned(sql: str, catalogue: CatalogueView) -> Plan | None:
    try:
        plan = compile_sql(sql, catalogue)
    except PlanError as refusal:
        if refusal.line < 1 or refusal.column < 1:
            pytest.fail(f"no position: {refusal}")
        return None
    received = Plan.model_validate_json(plan.model_dump_json())
    check_plan(received, catalogue.datasets)
    assert explain(received, catalogue).text()
    shown = "\n".join(statement(received))
    assert compile_sql(shown, catalogue).digest() == plan.digest(), shown
    return plan


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text(sql: str) -> None:
    decided(sql)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(TOKENS), max_size=30))
def test_any_tokens(tokens: list[str]) -> None:
    decided(" ".join(tokens))
    decided("SELECT COUNT(*) FROM flights WHERE " + " ".join(tokens))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_statements(data: st.DataObject) -> None:
    words = data.draw(st.sampled_from(SEEDS)).split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words)))
        match data.draw(st.integers(0, 3)):
            case 0:
                words.insert(place, data.draw(st.sampled_from(TOKENS)))
            case 1:
                words[place : place + 1] = []
            case 2:
                words[place : place + 1] = [data.draw(st.sampled_from(TOKENS))]
            case _:
                words[place:place] = data.draw(st.sampled_from(SEEDS)).split(" ")[:6]
    decided(" ".join(words))


NUMBERS = st.sampled_from(["arr_delay", "distance", "month", "FLOOR(arr_delay / 7)", "MONTH(day)"])
CONSTANTS = st.sampled_from(["0", "1", "-3", "2.5", "100"])
NUMERIC = st.recursive(
    NUMBERS | CONSTANTS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=4,
)
ATOMS = st.one_of(
    st.tuples(NUMERIC, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMERIC).map(" ".join),
    st.tuples(NUMBERS, st.sampled_from(["IN", "NOT IN"]), st.sampled_from(["(1, 2)", "(2.5)", "(:p, 3)", "(-3)"])).map(" ".join),
    st.sampled_from(["cancelled", "cancelled IS NULL", "cause = 'crew'", "cause NOT IN ('crew', 'none')", "carrier LIKE 'A%'",
                     "day > '2013-03-01'", "time < '2013-03-01 10:00:00'", "dest = :d", "arr_delay IS NOT NULL", "TRUE", "FALSE"]),
)  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"NOT ({t})"),
    ),
    max_leaves=5,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONDITIONS)
def test_the_one_form_is_stable(condition: str) -> None:
    plan = decided(f"SELECT COUNT(*) AS n FROM flights WHERE {condition}")
    if plan is not None:
        scope = Scope((CATALOGUE.dataset("flights"),))
        assert all(normal(conjunct, scope) == conjunct for conjunct in plan.where.conjuncts)
        twice = decided(f"SELECT COUNT(*) AS n FROM flights WHERE NOT NOT ({condition}) AND ({condition})")
        assert twice is not None
        assert twice.digest() == plan.digest()
