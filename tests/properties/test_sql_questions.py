"""One question never names two numbers: random conditions with one name select the same rows, whatever the rows are."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import combinations, product
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.evaluate import evaluate
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.values import from_scalar
from jobs.schema import CatalogueView, Dataset

VECTORS = Path(__file__).parents[1] / "vectors" / "plans"
GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())


def opened() -> CatalogueView:
    """Without limits on conditions, and with few ranges."""
    flights = GUARDED.dataset("flights").model_dump(mode="json") | {"profile": "open@1"}
    for column in flights["columns"]:
        if column["name"] == "arr_delay":
            column |= {"bounds": {"low": "-20", "high": "30"}, "cut_points": ()}
    return CatalogueView(datasets=(Dataset.model_validate(flights),), holdings=GUARDED.holdings)


OPEN = opened()
ROWS: list[dict[str, Any]] = [
    {"carrier": carrier, "month": Fraction(month), "cause": cause, "arr_delay": delay, "birth": birth}
    for carrier, month, cause, delay, birth in product(
        ["AA", "DL"],
        [1, 2, 3],
        ["crew", "none", None],
        [None, *map(Fraction, (-20, 2, 3, 4, 5, 6, 7, 30))],
        [None, dt.date(2000, 3, 1), dt.date(2001, 1, 1), dt.date(2001, 1, 2), dt.date(2002, 12, 31)],
    )
]
LISTED = [
    "carrier = 'AA'", "carrier IN ('AA', 'DL')", "carrier <> 'DL'", "month <= 2", "month IN (1, 2)", "month < 2", "month <> 3",
    "cause = 'crew'", "cause IS NULL", "cause IS NOT NULL", "cause NOT IN ('none')", "cause IN ('crew', 'none')",
    "arr_delay >= 3", "arr_delay > 2", "arr_delay < 6", "arr_delay <= 5", "FLOOR(arr_delay / 3) = 1", "FLOOR(arr_delay / 2.5) = 1",
    "arr_delay IS NOT NULL", "arr_delay >= -20", "arr_delay <= 30", "arr_delay IN (3, 4, 5)", "arr_delay <> 4",
    "birth >= '2001-01-01'", "birth > '2000-12-31'", "birth < '2001-01-02'", "birth = '2001-01-01'", "YEAR(birth) = 2001",
    "birth IS NOT NULL", "birth <= '2002-12-31'", "(month = 1 OR carrier = 'AA')", "(arr_delay < 3 OR arr_delay > 5)",
]  # fmt: skip
ATOMS = st.sampled_from(LISTED)
CONDITIONS = st.lists(ATOMS, min_size=1, max_size=4).map(" AND ".join)
GROUPS = st.sampled_from(
    ["carrier", "month", "cause", "FLOOR(arr_delay / 3)", "FLOOR(arr_delay / 3) * 3", "YEAR(birth)",
     "CASE WHEN arr_delay > 2 THEN 'more' WHEN arr_delay <= 2 THEN 'less' END"]
)  # fmt: skip
STATEMENTS = st.one_of(
    CONDITIONS.map(lambda c: f"SELECT COUNT(*) AS n FROM flights WHERE {c}"),
    CONDITIONS.map(lambda c: f"SELECT COUNT(*) FILTER (WHERE {c}) AS n FROM flights"),
    st.tuples(GROUPS, CONDITIONS).map(lambda t: f"SELECT {t[0]} AS g, COUNT(*) AS n FROM flights WHERE {t[1]} GROUP BY 1"),
    st.tuples(GROUPS, GROUPS, CONDITIONS).map(
        lambda t: f"SELECT {t[0]} AS g, {t[1]} AS h, COUNT(arr_delay) FILTER (WHERE {t[2]}) AS n FROM flights GROUP BY 1, 2"
    ),
)  # fmt: skip


def selections(plan: Plan) -> list[tuple[int, ...]]:
    """Per cell, which of the rows its number counts: by the meaning of the plan's expressions."""
    [channel] = plan.channels
    conditions = [*plan.where.conjuncts, *([channel.filter] if channel.filter else [])]
    found: dict[Any, list[int]] = {}
    for number, row in enumerate(ROWS):

        def value(col: Col, row: dict[str, Any] = row) -> Any:
            return row[col.name]

        if channel.column is not None and evaluate(channel.column, value) is None:
            continue
        if all(evaluate(condition, value) is True for condition in conditions):
            found.setdefault(tuple(evaluate(d.expr, value) for d in plan.dimensions), []).append(number)
    keys = [
        tuple(from_scalar(d.type, v) for d, v in zip(plan.dimensions, key, strict=True)) for key in plan.cell_keys()
    ]
    return [tuple(found.get(key, ())) for key in keys]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statements=st.lists(STATEMENTS, min_size=2, max_size=5))
def test_one_question_is_one_selection(statements: list[str]) -> None:
    of_question: dict[bytes, tuple[int, ...]] = {}
    for sql in statements:
        try:
            plan = compile_sql(sql, OPEN)
        except PlanError as refusal:
            if "never be true" not in refusal.text and "leaves no group" not in refusal.text:
                raise
            continue
        [questions] = cell_questions(plan, {})
        for question, rows in zip(questions, selections(plan), strict=True):
            assert of_question.setdefault(question, rows) == rows, sql


def test_all_pairs_of_conditions() -> None:
    """And a bucket against every interval: the collisions that random statements rarely meet."""
    single = {
        atom: selections(compile_sql(f"SELECT COUNT(*) AS n FROM flights WHERE {atom}", OPEN))[0] for atom in LISTED
    }
    of_question: dict[bytes, tuple[int, ...]] = {}
    for one, other in combinations(LISTED, 2):
        rows = tuple(sorted(set(single[one]) & set(single[other])))
        try:
            plan = compile_sql(f"SELECT COUNT(*) AS n FROM flights WHERE {one} AND {other}", OPEN)
        except PlanError:
            assert rows == ()
            continue
        [[question]] = cell_questions(plan, {})
        assert of_question.setdefault(question, rows) == rows, (one, other)
    assert len(of_question) < 0.9 * len(LISTED) * (len(LISTED) - 1) / 2
