"""Conditions on secret columns: apart from known ones, and cut only where the owner says; nothing of it for open data."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import (
    InvalidParameter,
    InvalidPlan,
    MissingDeclaration,
    NotSeparable,
    PlanError,
    RoleForbids,
)
from jobs.kinds.statistics.plan.parameters import check_parameters
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Scalar

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())
OPEN = GUARDED.model_copy(
    update={"datasets": tuple(d.model_copy(update={"profile": "open@1"}) for d in GUARDED.datasets)}
)

MIXED = [
    "cause = 'crew' OR month = 1",
    "NOT (cause = 'crew' AND month = 1)",
    "(month = 1 AND cause = 'crew') OR (month = 2 AND cause = 'crew')",
    "arr_delay > 15 OR carrier LIKE 'A%'",
    "gate < arr_delay",
    "gate + crew > 5",
    "CASE WHEN month < 3 THEN 'early' WHEN cancelled THEN 'gone' END = 'gone'",
    "(gate + crew) IS NULL OR cancelled",
]
UNDECLARED = [
    "arr_delay > 16",
    "arr_delay >= 17",
    "arr_delay BETWEEN 0 AND 30",
    "arr_delay = 15",
    "arr_delay IN (0, 15)",
    "arr_delay <> 15",
    "arr_delay > 15 OR arr_delay < 1.5",
    "2 * arr_delay > 33",
    "fuel < 25000.02",
    "birth >= '2001-01-03'",
    "birth = '2001-01-01'",
    "YEAR(birth) = 2001 AND seen < '2013-07-01 12:00:01'",
    "DATE_TRUNC('month', birth) = '2001-01-01'",
    "FLOOR(arr_delay / 10) = 3",
    "remark = 'x'",
    "remark < 'x'",
    "CASE WHEN arr_delay > 1 THEN 'a' ELSE 'b' END = 'a'",
    "note > 0",
    "note < :p",
]
FORBIDDEN = [
    "arr_delay < fuel",
    "arr_delay + crew > 60",
    "arr_delay * arr_delay < 60",
    "crew * crew = 4",
    "crew = arr_delay",
    "FLOOR((arr_delay + 5) / 60) = 1",
    "MONTH(birth) = MONTH(seen)",
    "2 * arr_delay > :p",
]
ALLOWED = [
    "cause = 'crew' AND month = 1",
    "NOT (cause <> 'crew' OR month <> 1)",
    "month = 1 OR gate > 7",
    "cause = 'crew' OR cancelled OR arr_delay > 15",
    "NOT (cause = 'crew' AND arr_delay > 15)",
    "arr_delay >= 15 AND arr_delay < 60",
    "arr_delay <= 15 OR arr_delay > 60",
    "2 * arr_delay > 30",
    "arr_delay IS NOT NULL AND note IS NULL",
    "(gate + crew) IS NOT NULL",
    "fuel < 25000 OR fuel >= 75000.5 OR fuel > 75000.50",
    "arr_delay < :p AND month < :q",
    "crew = 3 OR crew > 4 OR crew IN (1, 2)",
    "cause LIKE 'c%' AND cancelled IS FALSE",
    "birth < '2001-01-01' OR birth > '2002-01-01' OR birth <= '2002-01-01'",
    "YEAR(birth) = 2001 OR MONTH(birth) = 5 OR EXTRACT(isodow FROM birth) < 6 OR HOUR(seen) = 7",
    "DATE_TRUNC('year', birth) < '2002-01-01' AND DATE_TRUNC('year', seen) = '2013-01-01'",
    "seen < '2013-07-01 12:00:00' OR seen >= '2014-01-01'",
    "FLOOR(fuel / 100000) = 0",
    "CASE WHEN arr_delay > 15 THEN 'a' WHEN cancelled THEN 'b' ELSE 'c' END = 'a'",
    "month < gate",
    "dest = 'BOS'",
]


def plan(sql: str, catalogue: CatalogueView = GUARDED) -> Plan:
    made = compile_sql(sql, catalogue)
    check_plan(made, catalogue.datasets)
    return made


def counted(condition: str) -> list[str]:
    """A condition where rows are chosen, and where one number's are."""
    return [
        f"SELECT COUNT(*) AS n FROM flights WHERE {condition}",
        f"SELECT COUNT(*) FILTER (WHERE {condition}) AS n FROM flights",
    ]


@pytest.mark.parametrize("condition", MIXED)
def test_known_and_secret_columns_do_not_mix(condition: str) -> None:
    for sql in counted(condition):
        with pytest.raises(NotSeparable, match=r"known column \w+ and secret column \w+ .* AND "):
            plan(sql)


@pytest.mark.parametrize("condition", UNDECLARED)
def test_a_secret_number_is_cut_at_declared_points_only(condition: str) -> None:
    for sql in counted(condition):
        with pytest.raises(MissingDeclaration, match="secret column"):
            plan(sql)


@pytest.mark.parametrize("condition", FORBIDDEN)
def test_secret_columns_are_compared_alone(condition: str) -> None:
    for sql in counted(condition):
        with pytest.raises(RoleForbids, match="secret column"):
            plan(sql)


@pytest.mark.parametrize("condition", ALLOWED)
def test_what_is_apart_and_cut_as_declared_is_planned(condition: str) -> None:
    for sql in counted(condition):
        assert plan(sql).cells == 1


@pytest.mark.parametrize("condition", [*MIXED, *UNDECLARED, *FORBIDDEN, *ALLOWED])
def test_open_data_has_no_such_limits(condition: str) -> None:
    for sql in counted(condition):
        assert plan(sql, OPEN).cells == 1


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("CASE WHEN month < 3 AND arr_delay > 15 THEN 'a' ELSE 'b' END", NotSeparable),
        ("CASE WHEN month < 3 THEN 'a' WHEN arr_delay > 15 THEN 'b' END", NotSeparable),
        ("CASE WHEN arr_delay > 14 THEN 'late' ELSE 'not' END", None),
        ("CASE WHEN arr_delay > 13 THEN 'late' ELSE 'not' END", MissingDeclaration),
        ("FLOOR(arr_delay / 10)", MissingDeclaration),
        ("FLOOR(arr_delay / 10) * 10", MissingDeclaration),
        ("FLOOR(fuel / 25000)", MissingDeclaration),
        ("FLOOR(fuel / 50000)", None),
        ("FLOOR(fuel / 50000) * 50000", None),
        ("FLOOR(crew / 2)", None),
        ("FLOOR(gate / 7)", None),
        ("crew", None),
        ("cause", None),
        ("YEAR(birth)", None),
        ("YEAR(seen)", None),
        ("MONTH(birth)", None),
        ("DATE_TRUNC('year', birth)", None),
        ("DATE_TRUNC('quarter', birth)", MissingDeclaration),
        ("DATE_TRUNC('month', day)", None),
    ],
)
def test_groups(group: str, kind: type[PlanError] | None) -> None:
    sql = f"SELECT {group} AS g, COUNT(*) AS n FROM flights GROUP BY 1"
    assert plan(sql, OPEN).cells > 1
    if kind is None:
        assert plan(sql).cells > 1
    else:
        with pytest.raises(kind, match="column"):
            plan(sql)


def test_a_refusal_says_where() -> None:
    with pytest.raises(NotSeparable) as caught:
        plan("SELECT COUNT(*) AS n\nFROM flights\nWHERE dest = 'BOS' AND (month = 1\n OR cancelled)")
    assert (caught.value.line, caught.value.column) == (3, 25)
    assert "known column month and secret column cancelled" in caught.value.text
    with pytest.raises(MissingDeclaration, match="declared: 0, 15, 60") as group:
        plan("SELECT carrier,\n FLOOR(arr_delay / 7) AS g, COUNT(*) AS n FROM flights GROUP BY 1, 2")
    assert group.value.line == 2


@pytest.mark.parametrize("rest", ["WHERE cancelled", "GROUP BY cause", "WHERE gate IS NOT NULL AND arr_delay > 15"])
def test_known_weights_are_not_summed_over_a_secret_selection(rest: str) -> None:
    sql = f"SELECT SUM(gate) AS s, COUNT(*) AS n FROM flights {rest}"
    with pytest.raises(RoleForbids, match=r"known column gate .* secret column") as caught:
        plan(sql)
    assert (caught.value.line, caught.value.column) == (1, 8)
    assert plan(sql, OPEN).cells >= 1
    with pytest.raises(RoleForbids, match="known column gate"):
        plan("SELECT AVG(gate) FILTER (WHERE cancelled) AS s FROM flights")


def test_known_weights_are_summed_over_known_selections() -> None:
    assert plan("SELECT carrier, AVG(gate) AS s, COUNT(gate) AS n FROM flights WHERE month < 7 GROUP BY carrier")
    assert plan("SELECT cause, COUNT(gate) AS n, AVG(arr_delay) AS m FROM flights GROUP BY cause")


def test_a_parameter_beside_a_secret_column_is_one_of_its_cut_points() -> None:
    made = plan("SELECT COUNT(*) AS n FROM flights WHERE arr_delay < :p AND gate < :p AND fuel >= :q AND gate > :r")
    allowed = {p.name: p.allowed for p in made.parameters}
    assert allowed == {"p": (0, 15, 60), "q": (25000, 50000, "75000.5"), "r": None}
    given: dict[str, Scalar] = {"p": 15, "q": "75000.50", "r": 3}
    assert check_parameters(made, given) == {"p": 15, "q": "75000.5", "r": 3}
    with pytest.raises(InvalidParameter, match="declared values"):
        check_parameters(made, given | {"p": 16})


def test_a_node_refuses_a_plan_that_a_hub_let_pass() -> None:
    """The hub believes that the data is open; the node's own record says otherwise."""
    loose = plan("SELECT COUNT(*) AS n FROM flights WHERE cancelled OR month = 1", OPEN)
    with pytest.raises(InvalidPlan, match="known column month and secret column cancelled"):
        check_plan(loose, GUARDED.datasets)


def test_ranges_include_the_noise_of_all_holders() -> None:
    [rows, total] = plan("SELECT SUM(arr_delay) AS s FROM flights").channels
    assert (rows.noise, rows.low, rows.high) == (3, -27, 2**22 + 27)
    assert (total.noise, total.low, total.high) == (6000, -(2**22) * 200 - 54_000, 2**22 * 2000 + 54_000)
    squares = plan("SELECT VAR_POP(fuel) AS s FROM flights").channels[2]
    assert (squares.noise, squares.scale, squares.low) == (3 * 9_999_999**2, 4, -27 * 9_999_999**2)
    assert [(c.low, c.noise) for c in plan("SELECT SUM(arr_delay) AS s FROM flights", OPEN).channels] == [
        (0, 0), (-(2**22) * 200, 0)
    ]  # fmt: skip


def test_a_plan_says_what_is_known_and_whose_individuals_are_disjoint() -> None:
    made = plan("SELECT COUNT(*) AS n FROM flights WHERE cancelled AND month = 1")
    assert {p.column.name: p.role.value for p in made.columns} == {
        "cancelled": "sensitive",
        "month": "known",
        "tailnum": "unit",
    }
    assert [unit.disjoint for unit in made.unit_columns] == [False]
    assert [unit.disjoint for unit in plan("SELECT COUNT(*) AS n FROM shops").unit_columns] == [True]


def test_one_profile_for_all_joined_datasets() -> None:
    flights, *rest = GUARDED.datasets
    mixed = GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"profile": "open@1"}), *rest)})
    with pytest.raises(PlanError, match="different rule profiles"):
        compile_sql("SELECT COUNT(*) AS n FROM flights JOIN planes USING (tailnum)", mixed)


def test_a_plan_says_whose_secret_a_column_holds() -> None:
    """Declared, or because its table has one row a unit: then joined by the unit too, whatever that repeats."""
    flights, *rest = GUARDED.datasets
    columns = tuple(c.model_copy(update={"said_of": ("tailnum",)}) if c.name == "crew" else c for c in flights.columns)
    declared = GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"columns": columns}), *rest)})
    sql = "SELECT COUNT(*) AS n, SUM(seats) AS s FROM flights JOIN planes USING (tailnum) WHERE crew = 1 AND NOT cancelled"
    made = compile_sql(sql, declared)
    aircraft, company = made.unit_columns
    assert (aircraft.unit_domain, company.unit_domain) == ("aircraft", "company")
    said = {
        p.column.name: [made.said_of(unit, p.column) is not None for unit in made.unit_columns] for p in made.columns
    }
    assert said["crew"] == said["seats"] == [True, False]
    assert said["cancelled"] == [False, False]
    assert [made.holders_of(aircraft, p.column) for p in made.columns if p.said_of] == [3, 3]
    assert made.said_of(aircraft, None) is None
