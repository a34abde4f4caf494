"""What is offered in place of a column without a domain is SQL that the planner takes; nothing is offered where none is."""

from __future__ import annotations

import pytest

from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Role
from tests.unit.jobs.test_plan_vectors import VECTORS

GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())
AGES = Bounds(low="0", high="120")
DAYS = Bounds(low="2024-01-01", high="2024-12-31")
DECADES = Bounds(low="1950-01-01", high="2020-12-31")


def asked(column: Column, profile: str = "standard@2") -> tuple[PlanError, CatalogueView]:
    """The refusal of a grouping by a column, and where it was refused."""
    flights = GUARDED.dataset("flights")
    given = flights.model_copy(update={"columns": (*flights.columns, column), "profile": profile})
    catalogue = GUARDED.model_copy(update={"datasets": (given,)})
    with pytest.raises(PlanError) as caught:
        compile_sql(f"SELECT {column.name}, COUNT(*) AS n FROM flights GROUP BY {column.name}", catalogue)
    return caught.value, catalogue


def number(role: Role, **more: object) -> Column:
    return Column.model_validate({"name": "age", "type": "int", "role": role, "bounds": AGES, **more})


def day(bounds: Bounds, role: Role = Role.KNOWN, **more: object) -> Column:
    return Column.model_validate({"name": "born", "type": "date", "role": role, "bounds": bounds, **more})


@pytest.mark.parametrize(
    ("column", "profile", "offered"),
    [
        (number(Role.KNOWN), "standard@2", "FLOOR(age / 10) * 10"),
        (number(Role.KNOWN, bounds=Bounds(low="0", high="20000")), "standard@2", "FLOOR(age / 1000) * 1000"),
        (number(Role.MEASURE), "open@1", "FLOOR(age / 10) * 10"),
        (number(Role.SENSITIVE, cut_points=("18", "65")), "standard@2",
         "CASE WHEN age < 65 THEN 'below' WHEN age >= 65 THEN 'above' END"),
        (number(Role.MEASURE, cut_points=("50",)), "standard@2",
         "CASE WHEN age < 50 THEN 'below' WHEN age >= 50 THEN 'above' END"),
        (day(DAYS), "standard@2", "DATE_TRUNC('month', born)"),
        (day(DECADES), "standard@2", "DATE_TRUNC('year', born)"),
        (day(DECADES, Role.SENSITIVE, cut_points=("1980-01-01",)), "standard@2",
         "CASE WHEN born < '1980-01-01' THEN 'below' WHEN born >= '1980-01-01' THEN 'above' END"),
    ],
)  # fmt: skip
def test_what_is_offered_is_planned(column: Column, profile: str, offered: str) -> None:
    refused, catalogue = asked(column, profile)
    assert refused.instead == offered
    assert compile_sql(f"SELECT {offered} AS part, COUNT(*) AS n FROM flights GROUP BY 1", catalogue).cells > 1


@pytest.mark.parametrize(
    "column",
    [
        Column(name="place", type=ColumnType.STRING, role=Role.KNOWN),
        number(Role.KNOWN, bounds=None),
        number(Role.SENSITIVE),
    ],
)
def test_without_bounds_or_cut_points_an_owner_is_asked(column: Column) -> None:
    refused, _ = asked(column)
    assert refused.instead == ""
    assert refused.text == f"column {column.name} has no declared domain; its owners may declare one"
