"""The noise of one part, and ranges that hold it: alone sufficient, or together where every dataset's owners agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobs.kinds.statistics.plan.channels import part_noise
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView
from tests.support.statistic import NODES, dataset, plan_of

ALONE, OPEN = dataset("100"), dataset("100", profile="open@1")
GUARDED = CatalogueView.model_validate_json(
    (Path(__file__).parents[2] / "vectors" / "plans" / "guarded.json").read_text()
)


def together(colluding: int) -> Any:
    return dataset("100", colluding_owners=colluding)


@given(st.integers(1, 10**24), st.integers(1, 40), st.none() | st.integers(0, 45))
def test_the_noise_of_a_part_is_the_least_that_honest_parts_need(
    largest: int, holders: int, colluding: int | None
) -> None:
    """ceil(3 largest / sqrt(n - c)), in whole numbers: one less would not do."""
    data = ALONE if colluding is None else together(colluding)
    honest = 1 if colluding is None or colluding >= holders else holders - colluding
    sd = part_noise(largest, [data], holders)
    assert sd**2 * honest >= (3 * largest) ** 2 > (sd - 1) ** 2 * honest


@pytest.mark.parametrize(
    ("holders", "colluding", "sd"),
    [(1, 0, 300), (3, None, 300), (3, 0, 174), (3, 1, 213), (3, 2, 300), (3, 3, 300), (3, 9, 300), (20, 1, 69)],
)
def test_examples(holders: int, colluding: int | None, sd: int) -> None:
    assert part_noise(100, [ALONE if colluding is None else together(colluding)], holders) == sd


def test_open_data_has_none() -> None:
    assert part_noise(100, [OPEN], 3) == 0


def test_joined_datasets_are_as_strict_as_the_strictest() -> None:
    """Who agrees to share noise for one dataset has not agreed for another."""
    assert part_noise(100, [together(0), ALONE], 3) == part_noise(100, [ALONE, together(0)], 3) == 300
    assert part_noise(100, [together(0), together(1)], 3) == 213
    assert part_noise(100, [together(0), together(0)], 3) == 174


def joined(**of: dict[str, Any]) -> Plan:
    """Flights with their planes, each under its owners' terms."""
    made = tuple(
        d.model_copy(update={
            "columns": tuple(c for c in d.columns if c.name != "owner"),  # companies hold planes of several owners
            "units_disjoint": True, **of.get(d.name, {}),
        }) for d in GUARDED.datasets
    )  # fmt: skip
    sql = "SELECT engines, COUNT(*) AS n FROM flights JOIN planes USING (tailnum) GROUP BY engines"
    return compile_sql(sql, GUARDED.model_copy(update={"datasets": made}))


def test_terms_of_one_joined_dataset_bind_no_owner_of_the_other() -> None:
    agreed = {"joint_minimum": True, "colluding_owners": 0}
    both = joined(flights=agreed, planes=agreed)
    assert (both.joint_minimum, both.channels[0].noise) == (True, 2)
    for plan in (joined(flights=agreed), joined(planes=agreed), joined()):
        assert (plan.joint_minimum, plan.channels[0].noise) == (False, 3)


@pytest.mark.parametrize("data", [ALONE, OPEN, together(0), together(1)], ids=["alone", "open", "all", "all but one"])
def test_the_proven_range_holds_every_noise_of_every_part(data: Any) -> None:
    plan = plan_of("SELECT COUNT(*) AS n, SUM(value) AS s, VAR_POP(value) AS v FROM data", data, NODES)
    ends = {"rows": (0, 1), "sum": (-100, 100), "sumsq": (0, 10_000)}
    for channel in plan.channels:
        low, high = ends[channel.kind]
        room = 3 * 3 * channel.noise
        assert channel.noise == part_noise(max(-low, high), [data], 3)
        assert (channel.low, channel.high) == (plan.rows_bound * low - room, plan.rows_bound * high + room)


def test_a_joint_minimum_needs_individuals_of_one_owner_each_and_several_owners() -> None:
    with pytest.raises(ValidationError, match="needs units_disjoint"):
        dataset("100", joint_minimum=True)
    data = dataset("100", joint_minimum=True, disjoint=True)
    sql = "SELECT COUNT(*) AS n FROM data"
    assert plan_of(sql, data, NODES).joint_minimum
    assert not plan_of(sql, data, NODES[:1]).joint_minimum  # one owner alone has no other parts
    assert not plan_of(sql, dataset("100", disjoint=True), NODES).joint_minimum
