"""Each rule at its border, and what a node decides about its part before anything leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.part import decide_part
from jobs.disclosure.profile import Profile, load_profile
from jobs.disclosure.rules import RULES
from jobs.errors import InvalidRequest
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.run import run_local
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role

PROFILE = load_profile("standard@1")


@dataclass
class Seen:
    """Evidence of one aggregate, one entry per cell: (units, largest, second, total)."""

    cells: Sequence[Sequence[int]]

    @property
    def units(self) -> np.ndarray:
        return np.array([cell[0] for cell in self.cells], dtype=np.int64)

    @property
    def top1(self) -> list[int]:
        return [cell[1] for cell in self.cells]

    @property
    def top2(self) -> list[int]:
        return [cell[2] for cell in self.cells]

    @property
    def total(self) -> list[int]:
        return [cell[3] for cell in self.cells]


def fails(rule: str, *cell: int, function: str = "sum", profile: Profile = PROFILE) -> bool:
    return bool(RULES[rule](function, Seen([cell]), profile)[0])


def test_the_shipped_profile_is_pinned() -> None:
    """A changed number is a new version, never an edit: grants and permits pin this digest."""
    assert PROFILE.id == "standard@1"
    assert PROFILE.digest == "sha256:b5376f1b1bbbb0b6907af0ccf91f0cda08b3ef4c43c9ff81b97dcf5936eeb69a"
    assert PROFILE.digest != PROFILE.model_copy(update={"min_group": 9}).digest


@pytest.mark.parametrize("name", ["lenient@1", "standard@2", "standard", "../standard@1", "standard@1.json", "@", ""])
def test_a_profile_that_is_not_shipped_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no disclosure profile"):
        load_profile(name)


@pytest.mark.parametrize(("units", "failing"), [(0, False), (1, True), (9, True), (10, False), (11, False)])
def test_min_group(units: int, failing: bool) -> None:
    assert fails("min_group", units, 1, 1, 100) is failing


BIG = 10**30  # beyond every machine integer: the comparison is exact


@pytest.mark.parametrize(
    ("top1", "top2", "total", "failing"),
    [(60, 30, 100, False), (60, 31, 100, True), (90, 0, 100, False), (91, 0, 100, True), (0, 0, 0, False),
     (60 * BIG, 30 * BIG, 100 * BIG, False), (60 * BIG, 30 * BIG + 1, 100 * BIG, True)],
)  # fmt: skip
def test_dominance_of_the_two_largest(top1: int, top2: int, total: int, failing: bool) -> None:
    assert fails("dominance", 50, top1, top2, total) is failing


def test_dominance_of_the_largest_alone() -> None:
    one = PROFILE.model_copy(update={"dominance_n": 1})
    assert not fails("dominance", 50, 60, 35, 100, profile=one)
    assert fails("dominance", 50, 91, 5, 100, profile=one)


@pytest.mark.parametrize(
    ("top1", "top2", "total", "failing"),
    [(100, 50, 160, False), (100, 50, 159, True), (0, 0, 0, False), (100, 0, 100, True),
     (100 * BIG, 0, 110 * BIG, False), (100 * BIG, 0, 110 * BIG - 1, True)],
)  # fmt: skip
def test_p_percent(top1: int, top2: int, total: int, failing: bool) -> None:
    assert fails("p_percent", 50, top1, top2, total) is failing


@pytest.mark.parametrize("function", ["var_samp", "var_pop", "stddev_samp", "stddev_pop"])
def test_degrees_of_freedom_of_a_spread(function: str) -> None:
    assert fails("degrees_of_freedom", 10, 1, 1, 10, function=function)
    assert not fails("degrees_of_freedom", 11, 1, 1, 11, function=function)
    assert not fails("degrees_of_freedom", 0, 0, 0, 0, function=function)


@pytest.mark.parametrize("function", ["sum", "avg", "count_rows", "count", "count_distinct_unit"])
def test_degrees_of_freedom_ask_nothing_of_other_functions(function: str) -> None:
    assert not fails("degrees_of_freedom", 1, 1, 1, 1, function=function)


GOOD, SMALL, EMPTY, UNEVEN = (20, 5, 5, 100), (3, 2, 1, 4), (0, 0, 0, 0), (20, 99, 1, 100)


def test_a_part_is_judged_per_aggregate_and_cell() -> None:
    cells = [GOOD, SMALL, EMPTY, UNEVEN]
    verdict = decide_part(["sum", "count_rows"], [[Seen(cells)], [Seen([GOOD] * 4)]], PROFILE)
    assert verdict.fail.tolist() == [[False, True, False, True], [False] * 4]
    assert verdict.present.tolist() == [[True, False, False, False], [True] * 4]


def test_one_failing_entry_fails_the_aggregate() -> None:
    """Two unit columns: many flights of many aircraft, but of two crews only."""
    verdict = decide_part(["sum"], [[Seen([GOOD]), Seen([SMALL])]], PROFILE)
    assert verdict.fail.tolist() == [[True]]
    assert verdict.present.tolist() == [[False]]


def test_failures_are_counted_once_under_the_first_rule_that_failed() -> None:
    verdict = decide_part(["sum"], [[Seen([(1, 7, 0, 7)])]], PROFILE)
    assert verdict.by_rule == {"min_group": 1, "dominance": 0, "p_percent": 0, "degrees_of_freedom": 0}


cells = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)).map(
        lambda c: (c[0], max(c[1], c[2]), min(c[1], c[2]), c[1] + c[2] + c[3]) if c[0] else EMPTY
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(cells, st.sampled_from(["sum", "avg", "var_samp", "count_rows"]))
def test_no_pair_is_both_and_an_empty_one_is_neither(found: list[tuple[int, int, int, int]], function: str) -> None:
    verdict = decide_part([function], [[Seen(found)]], PROFILE)
    assert not (verdict.fail & verdict.present).any()
    units = np.array([cell[0] for cell in found])
    assert (verdict.fail | verdict.present).tolist() == [(units > 0).tolist()]
    assert not verdict.present[0][units < PROFILE.min_group].any()
    assert sum(verdict.by_rule.values()) == int(verdict.fail.sum())


FLIGHTS = Dataset(
    name="flights",
    columns=(
        Column(name="tailnum", type=ColumnType.STRING, role=Role.UNIT, unit_domain="aircraft", nullable=False),
        Column(name="carrier", type=ColumnType.STRING, role=Role.KNOWN, nullable=False, domain=("AA", "UA", "ZZ")),
        Column(name="delay", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="-100", high="2000")),
    ),
    unit="tailnum",
    legal_basis="act",
)


def judged(rows: list[Any], select: str) -> dict[str, dict[str, tuple[bool, bool]]]:
    holding = Holding(dataset="flights", owner="o", node="n", provider="o", version_commitment="v", max_rows=1000)
    view = CatalogueView(datasets=(FLIGHTS,), holdings=(holding,))
    plan = compile_sql(f"SELECT carrier, {select} AS x FROM flights GROUP BY carrier", view)
    names = ("tailnum", "carrier", "delay")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    table = pa.table({"tailnum": columns["tailnum"], "carrier": columns["carrier"],
                      "delay": pa.array(columns["delay"], pa.int64())})  # fmt: skip
    result = run_local(plan, {}, {"flights": lambda wanted: table.select(list(wanted)).to_reader()})
    verdict = decide_part([aggregate.function for aggregate in plan.aggregates], result.evidence, PROFILE)
    functions = [aggregate.function for aggregate in plan.aggregates]
    place = plan.dimensions[0].domain.index
    return {f: {c: (bool(verdict.fail[i, place(c)]), bool(verdict.present[i, place(c)])) for c in ("AA", "UA", "ZZ")}
            for i, f in enumerate(functions)}  # fmt: skip


def test_an_average_over_one_value_fails_although_the_row_group_is_large() -> None:
    rows = [(f"t{n}", "AA", None if n else 17) for n in range(50)] + [(f"u{n}", "UA", 5) for n in range(50)]
    verdict = judged(rows, "AVG(delay)")["avg"]
    assert verdict["AA"] == (True, False)
    assert verdict["UA"] == (False, True)
    assert judged(rows, "COUNT(*)")["count_rows"]["AA"] == (False, True)


def test_many_rows_of_few_aircraft_are_a_small_group() -> None:
    rows = [(f"t{n % 9}", "AA", 5) for n in range(450)] + [(f"u{n % 10}", "UA", 5) for n in range(500)]
    verdict = judged(rows, "SUM(delay)")["sum"]
    assert verdict["AA"] == (True, False)
    assert verdict["UA"] == (False, True)


def test_one_aircraft_behind_most_of_a_sum_fails() -> None:
    rows = [(f"t{n}", "AA", 1) for n in range(50)] + [("big", "AA", 1999)]
    assert judged(rows, "SUM(delay)")["sum"]["AA"] == (True, False)


def test_negative_contributions_do_not_hide_a_large_one() -> None:
    """The signed total is small; the absolute contributions show the one that dominates."""
    rows = [(f"t{n}", "AA", -1) for n in range(40)] + [("big", "AA", 1900)]
    assert judged(rows, "SUM(delay)")["sum"]["AA"] == (True, False)


def test_a_cell_without_rows_is_neither_failed_nor_present() -> None:
    rows = [(f"t{n}", "AA", 1) for n in range(50)]
    assert judged(rows, "SUM(delay)")["sum"]["ZZ"] == (False, False)
