"""What ``explain`` says of a scan is what the scan does: told from declarations, compared with the engine's own choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.snapshot.columns import StoredColumn
from jobs.kinds.statistics.direct import Direct
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.cost import ROWS_PER_SECOND
from jobs.kinds.statistics.plan.expr import Lit
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.kinds.statistics.way import by_tables, decide_way
from jobs.schema import CatalogueView, Dataset, Holding
from jobs.stored import stored_columns

VECTORS = Path(__file__).parents[4] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
STATEMENTS: list[str] = [vector["sql"][0] for vector in json.loads((VECTORS / "meaning.json").read_text())]

KNOWN: list[dict[str, Any]] = [
    {"name": "small", "type": "int", "role": "known", "bounds": {"low": "0", "high": "4095"}},
    {"name": "wide", "type": "int", "role": "known", "bounds": {"low": "0", "high": "4096"}},
    {"name": "cents", "type": "decimal", "decimals": 2, "role": "known", "bounds": {"low": "0", "high": "40.95"}},
    {"name": "money", "type": "decimal", "decimals": 2, "role": "known", "bounds": {"low": "0", "high": "40.96"}},
    {"name": "day", "type": "date", "role": "known", "bounds": {"low": "2010-01-01", "high": "2019-12-31"}},
    {"name": "long", "type": "date", "role": "known", "bounds": {"low": "1990-01-01", "high": "2019-12-31"}},
    {"name": "at", "type": "timestamp", "role": "known", "bounds": {"low": "2019-01-01", "high": "2019-12-31"}},
    {"name": "colour", "type": "string", "role": "known", "domain": ["red", "blue"]},
    {"name": "free", "type": "string", "role": "known"},
    {"name": "yes", "type": "bool", "role": "known"},
    {"name": "x", "type": "int", "role": "measure", "bounds": {"low": "0", "high": "9"}},
]


def made(*more: dict[str, Any]) -> Dataset:
    unit = {"name": "who", "type": "string", "role": "unit", "unit_domain": "person"}
    return Dataset.model_validate({"name": "d", "unit": "who", "legal_basis": "law", "columns": [unit, *KNOWN, *more]})


def view(*datasets: Dataset, rows: int = 1000, holders: int = 1) -> CatalogueView:
    holdings = tuple(
        Holding(dataset=d.name, owner=f"o{n}", node=f"n{n}", provider="p", version_commitment="x", max_rows=rows)
        for d in datasets
        for n in range(holders)
    )
    return CatalogueView(datasets=datasets, holdings=holdings)


def values(plan: Plan) -> dict[str, Lit]:
    """Some value for each parameter: the choice does not rest on it."""
    texts = {"number": "1", "string": "AA", "bool": "true", "date": "2013-01-31", "timestamp": "2013-01-31T08:00:00"}
    return {p.name: Lit(type=p.type, value=texts[p.type]) for p in plan.parameters}


def engine_looks_up(plan: Plan, dataset: Dataset) -> bool:
    columns: dict[str, StoredColumn] = {column.name: column for column in stored_columns(dataset)}
    return Direct.of(plan, values(plan), columns) is not None


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_golden_statements_are_read_as_it_is_said(sql: str) -> None:
    plan = compile_sql(sql, CATALOGUE)
    dataset = next(d for d in CATALOGUE.datasets if d.name == plan.dataset)
    assert by_tables(plan, dataset) == engine_looks_up(plan, dataset)


@pytest.mark.parametrize(
    ("condition", "looked_up"),
    [
        ("small * small = 9", True),
        ("wide * wide = 9", False),
        ("wide <= 7", True),
        ("wide IN (1, 2, 4000)", True),
        ("wide <= 7 OR NOT (wide = 9 AND small = 1)", True),
        ("cents * cents < 5", True),
        ("money * money < 5", False),
        ("money < 5", True),
        ("EXTRACT(MONTH FROM day) = 3", True),
        ("EXTRACT(MONTH FROM long) = 3", False),
        ("long <= DATE '2013-01-31'", True),
        ("at <= TIMESTAMP '2019-01-31 08:00:00'", True),
        ("EXTRACT(HOUR FROM at) = 3", False),
        ("colour = 'red'", True),
        ("free = 'red'", False),
        ("free IS NULL", True),
        ("yes", True),
        ("small = wide", False),
        ("small < cents", False),
        ("CASE WHEN small < 3 THEN 'low' ELSE 'high' END = 'low'", True),
    ],
)
@pytest.mark.parametrize("place", ["WHERE", "FILTER"])
def test_what_is_looked_up_and_what_is_evaluated(condition: str, looked_up: bool, place: str) -> None:
    dataset = made()
    sql = f"SELECT SUM(x) AS s FROM d WHERE {condition}"
    if place == "FILTER":
        sql = f"SELECT SUM(x) FILTER (WHERE {condition}) AS s FROM d"
    plan = compile_sql(sql, view(dataset))
    assert engine_looks_up(plan, dataset) is looked_up
    assert by_tables(plan, dataset) is looked_up


def test_words_name_the_way_the_reason_and_a_time_for_alike_and_for_uneven_parts() -> None:
    dataset = made()
    known = view(dataset, rows=2**27, holders=2)
    plan = compile_sql("SELECT colour, SUM(x) AS s FROM d GROUP BY colour", known)
    words = explain(plan, known)
    text = words.text()
    for wanted in ("in the order of who", "no database takes part", "about 5.9 s if all parts are alike", "11.5 s"):
        assert wanted in text
    assert (words.cost.seconds_about, words.cost.passes) == ("5.9", 1)
    plan = compile_sql("SELECT SUM(x) AS s FROM d WHERE small = wide", known)
    assert "several columns" in explain(plan, known).text()
    assert explain(plan, known).cost.rows_per_second == ROWS_PER_SECOND["expressions"]


def test_another_protected_individual_means_hash_tables_and_a_pass_for_each() -> None:
    dataset = made({"name": "firm", "type": "string", "role": "unit", "unit_domain": "firm", "nullable": False})
    known = view(dataset)
    plan = compile_sql("SELECT COUNT(DISTINCT firm) AS firms, SUM(x) AS s FROM d", known)
    assert decide_way(plan, dataset.unit).name == "rows"
    words = explain(plan, known)
    assert "through hash tables" in words.text()
    assert "firm is protected as well" in words.text()
    assert (words.cost.passes, words.cost.rows_per_second) == (2, ROWS_PER_SECOND["rows"])


def joined(unit: str, domain: str) -> str:
    """The words of a join of ``d`` with a register of that unit, by the register's unit."""
    columns = [
        {"name": unit, "type": "string", "role": "unit", "unit_domain": domain, "nullable": False},
        {"name": "size", "type": "int", "role": "known", "domain": [1, 2], "nullable": False},
    ]
    keys = {"legal_basis": "law", "unique_keys": [[unit]]}
    register = Dataset.model_validate({"name": "register", "unit": unit, "columns": columns, **keys})
    dataset = made({"name": "plate", "type": "string", "role": "identifier", "nullable": False})
    known = view(dataset, register)
    left = "who" if domain == "person" else "plate"
    sql = f"SELECT size, SUM(x) AS s FROM d JOIN register ON d.{left} = register.{unit} GROUP BY size"
    return explain(compile_sql(sql, known), known).text()


def test_a_table_joined_by_the_individual_is_read_in_pieces_and_another_whole() -> None:
    assert "each piece reads the rows of its own individuals" in joined("who", "person")
    other = joined("car", "vehicle")
    assert "register" in other
    assert "own individuals" not in other
