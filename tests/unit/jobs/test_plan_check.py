"""What a node refuses in a plan that a hub sent: every field that the compiler derives is tried with another value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidPlan
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Role

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
PLAN = compile_sql(
    "SELECT carrier, engines, AVG(arr_delay) AS mean, COUNT(*) AS n FROM flights JOIN planes USING (tailnum) "
    "WHERE cause = 'crew' AND month IN (1, 2) GROUP BY carrier, engines HAVING n > :least ORDER BY mean LIMIT 5",
    CATALOGUE,
)


def forged(**changes: Any) -> Plan:
    return Plan.model_validate(PLAN.model_dump(mode="json") | changes)


def dumped() -> dict[str, Any]:
    return PLAN.model_dump(mode="json")


FORGERIES: dict[str, dict[str, Any]] = {
    "a narrower range proof": {"rows_bound": 1024},
    "a row bound that is no power of two": {"rows_bound": 4_194_303},
    "a smaller domain": {"dimensions": [dumped()["dimensions"][0] | {"domain": ["AA"]}, dumped()["dimensions"][1]]},
    "a wider domain": {
        "dimensions": [dumped()["dimensions"][0] | {"domain": [*dumped()["dimensions"][0]["domain"], "XX"]}, dumped()["dimensions"][1]]
    },
    "a sensitive predicate passed off as known": {
        "where": {"known": sorted([*dumped()["where"]["known"], *dumped()["where"]["sensitive"]], key=str), "sensitive": []}
    },
    "no unit column": {"unit_columns": dumped()["unit_columns"][1:]},
    "a unit that need not exist": {"unit_columns": [dumped()["unit_columns"][0] | {"nulls": "refuse"}, *dumped()["unit_columns"][1:]]},
    "a channel nobody asked for": {"channels": [*dumped()["channels"], dumped()["channels"][0] | {"kind": "sumsq", "scale": 0}]},
    "a wider range": {"channels": [dumped()["channels"][0] | {"high": "5"}, *dumped()["channels"][1:]]},
    "a bigger ring": {"ring_bits": 128},
    "another dataset version": {"schema_digests": {**dumped()["schema_digests"], "planes": "sha256:" + "0" * 64}},
    "another profile": {"profile": "loose@1"},
    "unordered aggregates": {"aggregates": dumped()["aggregates"][::-1]},
    "looser columns": {"columns": [{**c, "low": None, "high": None} for c in dumped()["columns"]]},
    "a group by the unit": {
        "dimensions": [dumped()["dimensions"][0] | {"expr": {"kind": "column", "table": 0, "name": "tailnum"}}, dumped()["dimensions"][1]]
    },
    "an identifier in a filter": {
        "where": {"known": [{"kind": "is_null", "arg": {"kind": "column", "table": 0, "name": "flight"}}], "sensitive": []}
    },
    "a table that is not joined": {
        "where": {"known": [{"kind": "is_null", "arg": {"kind": "column", "table": 5, "name": "seats"}}], "sensitive": []}
    },
    "a column that does not exist": {
        "where": {"known": [{"kind": "is_null", "arg": {"kind": "column", "table": 0, "name": "nothing"}}], "sensitive": []}
    },
    "a join on no key": {
        "joins": [{"dataset": "planes", "side": "inner", "on": [{"left": {"kind": "column", "table": 0, "name": "carrier"}, "right": "owner"}]}]
    },
    "an output of a missing aggregate": {"outputs": [{"name": "x", "expr": {"kind": "aggregate", "index": 9}}]},
    "an unknown parameter": {"parameters": []},
    "an output of a missing dimension": {"outputs": [{"name": "x", "expr": {"kind": "dimension", "index": 7}}]},
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_plan_is_refused(name: str) -> None:
    with pytest.raises(InvalidPlan):
        check_plan(forged(**FORGERIES[name]), CATALOGUE.datasets, own_rows=1_000_000)


def test_the_untouched_plan_passes() -> None:
    check_plan(forged(), CATALOGUE.datasets, own_rows=1_000_000)


def test_a_dataset_that_changed_since_is_refused() -> None:
    changed = [
        d.model_copy(
            update={
                "columns": tuple(
                    c.model_copy(update={"role": Role.IDENTIFIER}) if c.name == "carrier" else c for c in d.columns
                )
            }
        )
        for d in CATALOGUE.datasets
    ]
    with pytest.raises(InvalidPlan):
        check_plan(PLAN, changed)


def test_a_dataset_that_is_not_here_is_named() -> None:
    with pytest.raises(InvalidPlan, match="planes"):
        check_plan(PLAN, [d for d in CATALOGUE.datasets if d.name != "planes"])


def test_more_own_rows_than_proven_are_refused() -> None:
    with pytest.raises(InvalidPlan, match="fewer rows"):
        check_plan(PLAN, CATALOGUE.datasets, own_rows=PLAN.rows_bound + 1)
