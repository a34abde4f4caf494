"""What owners of several parts declare of one another: individuals apart, or at least records."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.support.statistic import NODES, dataset, plan_of


def test_individuals_apart_have_records_apart_so_only_one_of_the_two_is_declared() -> None:
    value = dataset("100").model_dump()
    for declared in ("units_disjoint", "records_disjoint"):
        data = type(dataset("100")).model_validate(value | {declared: True})
        plan = plan_of("SELECT COUNT(*) AS n FROM data", data, NODES)
        assert plan.holders_of(plan.unit_columns[0], None) == 1
        assert plan.unit_columns[0].disjoint == (declared == "units_disjoint")
    with pytest.raises(ValidationError, match="leave records_disjoint out"):
        type(dataset("100")).model_validate(value | {"units_disjoint": True, "records_disjoint": True})


def test_records_apart_are_no_individuals_apart() -> None:
    """What counts or adds up individuals still needs them apart."""
    value = dataset("100").model_dump() | {"records_disjoint": True}
    with pytest.raises(ValidationError, match="needs units_disjoint"):
        type(dataset("100")).model_validate(value | {"joint_minimum": True})
