"""Golden plans: statements of one meaning share a pinned digest, others do not; refusals say where and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
MEANINGS: list[dict[str, Any]] = json.loads((VECTORS / "meaning.json").read_text())
REFUSALS: list[dict[str, Any]] = json.loads((VECTORS / "refusals.json").read_text())


@pytest.mark.parametrize("vector", MEANINGS, ids=lambda vector: vector["meaning"])
def test_same_meaning_same_digest(vector: dict[str, Any]) -> None:
    for sql in vector["sql"]:
        assert compile_sql(sql, CATALOGUE).digest() == vector["digest"], sql


def test_different_meanings_have_different_digests() -> None:
    digests = [vector["digest"] for vector in MEANINGS]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("vector", MEANINGS, ids=lambda vector: vector["meaning"])
def test_a_plan_survives_its_bytes_the_node_check_and_words(vector: dict[str, Any]) -> None:
    plan = compile_sql(vector["sql"][0], CATALOGUE)
    received = Plan.model_validate_json(plan.model_dump_json())
    assert received == plan
    check_plan(received, CATALOGUE.datasets, own_rows=1_000_000)
    words = explain(received, CATALOGUE)
    assert {(c.dataset, c.column) for c in words.columns} == {
        (dataset, column) for dataset, columns in plan.columns_touched().items() for column in columns
    }
    assert words.digest in words.text()


@pytest.mark.parametrize("vector", REFUSALS, ids=lambda vector: vector["sql"][:60] or "nothing")
def test_refusals_name_construct_and_position(vector: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as caught:
        compile_sql(vector["sql"], CATALOGUE)
    error = caught.value
    found = {"code": error.code, "line": error.line, "column": error.column, "says": error.text}
    assert found == {key: vector[key] for key in found}
    assert error.instead == vector.get("instead", "")
    assert error.line >= 1
    assert error.column >= 1
