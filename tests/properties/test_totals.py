"""Percent of a total: equal to DuckDB's under an exact profile, never of a withheld number, with an error that holds."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.disclosure.noise import noise
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.statement import statement
from jobs.kinds.statistics.run import run_local
from tests.properties.test_quantiles import ARROW, catalogue, released

SQL = (
    "SELECT town, WIDTH_BUCKET(score, 0, 60, 4) AS b, COUNT(*) AS n, 100.0 * COUNT(*) / SUM(COUNT(*)) OVER () AS p, "
    "SUM(score) / SUM(SUM(score)) OVER (PARTITION BY town) AS q, SUM(n) OVER (PARTITION BY b) AS t "
    "FROM visits GROUP BY town, b HAVING COUNT(*) > 0"
)
BUCKET = (
    "CASE WHEN score < 0 THEN 0 WHEN score < 15 THEN 1 WHEN score < 30 THEN 2 WHEN score < 45 THEN 3 "
    "WHEN score < 60 THEN 4 WHEN score >= 60 THEN 5 END"
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cells=st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from([-5, 0, 29, 59, 60, None])),
                             st.integers(1, 14), min_size=1))  # fmt: skip
def test_totals_are_those_of_the_rows_that_having_leaves(cells: dict[tuple[str, Any], int]) -> None:
    """A group of 1 to 9 is withheld, so HAVING drops it: DuckDB's is made to drop it too."""
    rows = [{"town": town, "score": score} for (town, score), count in cells.items() for _ in range(count)]
    data = pa.Table.from_pylist([row | {"person": f"p{i}"} for i, row in enumerate(rows)], ARROW)
    view = catalogue("open@1")
    plan = compile_sql(SQL, view)
    check_plan(plan, view.datasets)
    assert compile_sql("\n".join(statement(plan)), view) == plan
    found = released(plan, run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values)
    with duckdb.connect() as connection:
        connection.register("visits", data)
        expected = connection.execute(
            SQL.replace("WIDTH_BUCKET(score, 0, 60, 4)", BUCKET).replace("> 0", ">= 10")
        ).fetchall()
    theirs = {(row[0], row[1]): row[2:] for row in expected}
    ours = {(row[0], row[1]): row[2:] for row in found.rows}
    assert set(ours) == set(theirs)
    for key, values in ours.items():
        for one, other, hidden in zip(values, theirs[key], found.suppressed[0][2:], strict=True):
            if key[1] is None and other is None:  # SUM of no value at all: a count below ten of them withholds it
                continue
            assert hidden or one is None or float(one) == pytest.approx(float(other), rel=1e-9)  # type: ignore[arg-type]


def test_without_having_a_withheld_number_withholds_its_total() -> None:
    rows = [{"person": f"p{i}", "town": "ab"[i < 5], "score": 1} for i in range(100)]
    data = pa.Table.from_pylist(rows, ARROW)
    sql = "SELECT town, COUNT(*) / SUM(COUNT(*)) OVER () AS p FROM visits GROUP BY town"
    for having, expected in (("", [None, None]), (" HAVING COUNT(*) > 0", [Decimal(1)])):
        plan = compile_sql(sql + having, catalogue("open@1"))
        found = released(plan, run_local(plan, {}, {"visits": lambda n: data.select(list(n)).to_reader()}).values)
        assert [row[1] for row in found.rows] == expected


def test_the_stated_error_is_no_smaller_than_what_noise_does() -> None:
    """The rule takes a number and the total that it is part of for independent, which overstates a little."""
    plan = compile_sql("SELECT town, COUNT(*) / SUM(COUNT(*)) OVER () AS p FROM visits GROUP BY town",
                       catalogue("standard@2"))  # fmt: skip
    values, stated = [], []
    for time in range(1500):
        seeds = [hashlib.sha256(f"{time}/{cell}".encode()).digest() for cell in range(2)]
        found = released(plan, [[count + noise(seed, 3) for count, seed in zip((400, 600), seeds, strict=True)]])
        values.append(float(found.rows[0][1]))  # type: ignore[arg-type]
        stated.append(float(found.errors[0][1] or 0))
    assert 0.5 * np.mean(stated) <= np.std(values) <= 1.05 * np.mean(stated)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("SUM(score) OVER ()", "window over rows"),
        ("AVG(COUNT(*)) OVER ()", "only SUM"),
        ("SUM(COUNT(*)) OVER (ORDER BY town)", "only SUM"),
        ("SUM(SUM(COUNT(*)) OVER ()) OVER ()", "without another OVER"),
        ("SUM(COUNT(*)) OVER (PARTITION BY COUNT(*))", "PARTITION BY takes groups"),
        ("COUNT(*), WIDTH_BUCKET(score, 0, 50, 5)", "must stand in GROUP BY|not part"),
    ],
)
def test_what_is_no_total_is_refused(output: str, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        compile_sql(f"SELECT town, {output} FROM visits GROUP BY town", catalogue("standard@2"))


def test_buckets_of_a_secret_column_meet_at_cut_points() -> None:
    view = catalogue("standard@2")
    compile_sql("SELECT WIDTH_BUCKET(score, 0, 30, 3) AS b, COUNT(*) AS n FROM visits GROUP BY b", view)
    with pytest.raises(PlanError, match="cut point"):
        compile_sql("SELECT WIDTH_BUCKET(score, 0, 40, 5) AS b, COUNT(*) AS n FROM visits GROUP BY b", view)
