"""A table beyond its profile's output limits is refused with the plan: nobody approves it, no number leaves for it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidPlan, TooLarge
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding


def dataset(values: int, width: int = 8) -> Dataset:
    number = {"type": "int", "role": "known", "nullable": False}
    columns: list[dict[str, Any]] = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": "person", "nullable": False},
        {"name": "place", "type": "string", "role": "known", "nullable": False, "domain": names(values, width)},
        {"name": "year", **number, "domain": [1, 2, 3], "bounds": {"low": "1", "high": "3"}},
    ]
    return Dataset.model_validate({"name": "visits", "columns": columns, "unit": "person", "legal_basis": "test"})


def names(count: int, width: int) -> list[str]:
    return [f"p{number:0{width - 1}d}" for number in range(count)]


def plan(sql: str, data: Dataset) -> Plan:
    holding = Holding(
        dataset="visits", owner="o", node="n", provider="test", version_commitment="sha256:0", max_rows=1000
    )
    return compile_sql(sql, CatalogueView(datasets=(data,), holdings=(holding,)))


GROUPED = "SELECT place, year, COUNT(*) AS n FROM visits GROUP BY place, year"


def test_the_largest_table_that_a_profile_releases_is_planned() -> None:
    assert plan(GROUPED, dataset(1666)).cells == 4998


@pytest.mark.parametrize("rest", ["", " HAVING COUNT(*) > 10", " ORDER BY n LIMIT 5001"])
def test_one_row_more_is_refused_and_says_what_to_change(rest: str) -> None:
    with pytest.raises(TooLarge, match=r"may have 5,001 rows; profile standard@2 releases at most 5,000: .* LIMIT"):
        plan(GROUPED + rest, dataset(1667))


def test_a_limit_makes_it_small_enough() -> None:
    assert plan(GROUPED + " ORDER BY n DESC LIMIT 5000", dataset(1667)).limit == 5000


def test_long_texts_count_too() -> None:
    data = dataset(1000, 200)
    shown = ", ".join(f"place AS p{number}" for number in range(40))
    with pytest.raises(TooLarge, match="bytes"):
        plan(f"SELECT {shown}, year, COUNT(*) AS n FROM visits GROUP BY place, year", data)
    assert plan(GROUPED, data).cells == 3000


def test_a_node_refuses_it_from_a_hub_that_lets_it_pass() -> None:
    data = dataset(1667)
    limited = plan(GROUPED + " LIMIT 5000", data)
    check_plan(limited, [data], 1000)
    with pytest.raises(InvalidPlan, match="5,001 rows"):
        check_plan(limited.model_copy(update={"limit": None}), [data], 1000)
