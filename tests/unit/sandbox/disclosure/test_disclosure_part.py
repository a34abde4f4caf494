"""Each rule at its border, and what a node decides about its part before anything leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.part import decide_part
from jobs.disclosure.profile import Privacy, Profile, load_profile
from jobs.disclosure.rules import RULES, SECRET_RULES, Evidence
from jobs.errors import InvalidRequest

PROFILE, OPEN = load_profile("standard@2"), load_profile("open@1")
STRICT = PROFILE.model_copy(update={"dominance_k_percent": 90, "p_percent": 10})
"""A profile of an owner who wants the rules that look at secrets."""


@dataclass
class Seen:
    """A measure of one aggregate, one entry per cell: (largest, second, total)."""

    cells: Sequence[Sequence[int]]

    @property
    def top1(self) -> list[int]:
        return [cell[0] for cell in self.cells]

    @property
    def top2(self) -> list[int]:
        return [cell[1] for cell in self.cells]

    @property
    def total(self) -> list[int]:
        return [cell[2] for cell in self.cells]


EVEN = (5, 5, 100)


def evidence(
    *cells: tuple[int, int],
    function: str = "sum",
    chosen: bool = False,
    measures: Sequence[Seen] = (),
    joint: bool = False,
) -> Evidence:
    """Cells of (units of the base, contributors)."""
    base, contributors = np.array(cells, np.int64).reshape(-1, 2).T
    return Evidence(function, base, contributors, chosen, measures, joint)


def fails(rule: str, base: int, contributors: int, profile: Profile = PROFILE, **more: Any) -> bool:
    return bool((RULES | SECRET_RULES)[rule](evidence((base, contributors), **more), profile)[0])


def test_the_shipped_profiles_are_pinned() -> None:
    """A changed number is a new version, never an edit: grants and permits pin these digests."""
    assert (PROFILE.id, PROFILE.exact, OPEN.id, OPEN.exact) == ("standard@2", False, "open@1", True)
    assert PROFILE.digest == "sha256:78116d34f46c8e9afe4393d0606252ab5b5fe6c345019eda9874280dc5d88f70"
    assert OPEN.digest == "sha256:ff87b3a18254f5f9452d0da6f5f3332c16ddf98dd7d032c1fa42e78bed6d9ff7"
    assert PROFILE.digest != PROFILE.model_copy(update={"min_group": 9}).digest


@pytest.mark.parametrize("name", ["lenient@1", "standard@1", "standard", "../standard@2", "standard@2.json", "@", ""])
def test_a_profile_that_is_not_shipped_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no disclosure profile"):
        load_profile(name)


@pytest.mark.parametrize(("units", "failing"), [(0, False), (1, True), (9, True), (10, False), (11, False)])
def test_a_base_has_nobody_or_a_group(units: int, failing: bool) -> None:
    for contributors in (-3, 0, 50):  # nothing secret changes this verdict
        assert fails("base", units, contributors) is failing
        assert not fails("base", units, contributors, OPEN)


@pytest.mark.parametrize(("contributors", "failing"), [(-3, True), (0, True), (9, True), (10, False), (40, False)])
def test_the_noisy_count_of_contributors_reaches_a_group(contributors: int, failing: bool) -> None:
    assert fails("contributors", 40, contributors) is failing
    assert not fails("contributors", 0, contributors)  # nobody is concerned: it sends noise alone


@pytest.mark.parametrize(("contributors", "failing"), [(0, False), (1, True), (9, True), (10, False)])
def test_exact_contributors_of_open_data_are_none_or_a_group(contributors: int, failing: bool) -> None:
    assert fails("contributors", contributors, contributors, OPEN) is failing


@pytest.mark.parametrize(("contributors", "failing"), [(30, False), (31, True), (40, True), (45, True), (12, False)])
def test_a_secret_condition_leaves_a_group_out(contributors: int, failing: bool) -> None:
    assert fails("full", 40, contributors, chosen=True) is failing
    assert not fails("full", 40, contributors)  # an average of values that everybody has
    assert not fails("full", 0, contributors, chosen=True)
    assert not fails("full", 40, contributors, OPEN, chosen=True)


BIG = 10**30  # beyond every machine integer: the comparison is exact


@pytest.mark.parametrize(
    ("top1", "top2", "total", "failing"),
    [(60, 30, 100, False), (60, 31, 100, True), (90, 0, 100, False), (91, 0, 100, True), (0, 0, 0, False),
     (60 * BIG, 30 * BIG, 100 * BIG, False), (60 * BIG, 30 * BIG + 1, 100 * BIG, True)],
)  # fmt: skip
def test_dominance_of_the_two_largest(top1: int, top2: int, total: int, failing: bool) -> None:
    measures = [Seen([EVEN]), Seen([(top1, top2, total)])]
    assert fails("dominance", 50, 50, STRICT, measures=measures) is failing
    assert not fails("dominance", 50, 50, PROFILE, measures=measures)  # off at 0, and not: whatever holds more than 0%


def test_dominance_of_the_largest_alone() -> None:
    one = STRICT.model_copy(update={"dominance_n": 1})
    assert not fails("dominance", 50, 50, one, measures=[Seen([(60, 35, 100)])])
    assert fails("dominance", 50, 50, one, measures=[Seen([(91, 5, 100)])])


@pytest.mark.parametrize(
    ("top1", "top2", "total", "failing"),
    [(100, 50, 160, False), (100, 50, 159, True), (0, 0, 0, False), (100, 0, 100, True),
     (100 * BIG, 0, 110 * BIG, False), (100 * BIG, 0, 110 * BIG - 1, True)],
)  # fmt: skip
def test_p_percent(top1: int, top2: int, total: int, failing: bool) -> None:
    assert fails("p_percent", 50, 50, STRICT, measures=[Seen([(top1, top2, total)])]) is failing
    assert not fails("p_percent", 50, 50, PROFILE, measures=[Seen([(top1, top2, total)])])


@pytest.mark.parametrize("function", ["var_samp", "var_pop", "stddev_samp", "stddev_pop"])
@pytest.mark.parametrize("profile", [PROFILE, OPEN], ids=["noisy", "exact"])
def test_degrees_of_freedom_of_a_spread(function: str, profile: Profile) -> None:
    assert fails("degrees_of_freedom", 10, 10, profile, function=function)
    assert not fails("degrees_of_freedom", 11, 11, profile, function=function)
    assert not fails("degrees_of_freedom", 0, 0, profile, function=function)


@pytest.mark.parametrize("function", ["sum", "avg", "count_rows", "count", "count_distinct_unit"])
def test_degrees_of_freedom_ask_nothing_of_other_functions(function: str) -> None:
    assert not fails("degrees_of_freedom", 1, 1, function=function)


# --- where the owners agree to judge all parts together ------------------------------------------------------------


@pytest.mark.parametrize("profile", [PROFILE, OPEN], ids=["noisy", "exact"])
@pytest.mark.parametrize("rule", ["base", "contributors", "degrees_of_freedom"])
def test_a_part_of_a_joint_minimum_may_be_small(rule: str, profile: Profile) -> None:
    """Of these its total is judged, by whoever formats it."""
    for units in range(12):
        assert not fails(rule, units, units, profile, function="var_samp", joint=True)
    assert fails("contributors", 9, 9, profile)  # the control


@pytest.mark.parametrize(
    ("base", "contributors", "failing"),
    [(19, 19, False), (19, 0, False), (20, 10, False), (20, 11, True), (20, 20, True), (40, 30, False), (40, 33, True)],
)
def test_of_a_joint_minimum_each_part_of_two_groups_still_leaves_one_out(
    base: int, contributors: int, failing: bool
) -> None:
    """85 of 85 tells the same of all 85 whatever the other parts hold."""
    assert fails("full", base, contributors, chosen=True, joint=True) is failing
    assert not fails("full", base, contributors, joint=True)
    assert not fails("full", base, contributors, OPEN, chosen=True, joint=True)


def test_rules_that_look_at_secrets_hold_for_every_part_of_a_joint_minimum() -> None:
    uneven = [Seen([(91, 0, 100)])]
    for joint in (False, True):
        assert fails("dominance", 50, 50, STRICT, measures=uneven, joint=joint)
        assert fails("p_percent", 50, 50, STRICT, measures=uneven, joint=joint)


def test_what_passes_of_a_joint_minimum_is_what_is_not_full() -> None:
    cells = [(3, 3), (0, 1), (20, 20), (40, 20)]
    verdict = decide_part([[evidence(*cells, chosen=True, joint=True)]], PROFILE)
    assert verdict.fail.tolist() == [[False, False, True, False]]
    assert verdict.by_rule["full"] == 1


def test_a_part_is_judged_per_aggregate_and_cell() -> None:
    """A group, a small base, an empty base, few contributors."""
    cells = [(20, 20), (3, 3), (0, 1), (20, 4)]
    verdict = decide_part([[evidence(*cells)], [evidence(*[(20, 20)] * 4)]], PROFILE)
    assert verdict.fail.tolist() == [[False, True, False, True], [False] * 4]
    assert verdict.by_rule == {
        "base": 1, "contributors": 1, "full": 0, "degrees_of_freedom": 0, "weights": 0, "dominance": 0, "p_percent": 0
    }  # fmt: skip


def test_one_kind_of_individual_that_fails_fails_the_aggregate() -> None:
    """Two unit columns: many flights of many aircraft, but of two crews only."""
    verdict = decide_part([[evidence((20, 20)), evidence((2, 2))]], PROFILE)
    assert verdict.fail.tolist() == [[True]]


def test_what_only_rules_that_look_at_secrets_close_are_vetoes() -> None:
    uneven = Seen([(99, 1, 100)] * 3)
    entries = [evidence((20, 20), (3, 3), (0, 0), measures=[uneven])]
    verdict = decide_part([entries], STRICT)
    assert verdict.fail.tolist() == [[True, True, True]]
    assert (verdict.by_rule["base"], verdict.by_rule["dominance"], verdict.vetoes) == (1, 2, 2)
    assert decide_part([entries], PROFILE).vetoes == 0


def test_what_the_audit_refuses_fails_too_and_is_counted_once() -> None:
    verdict = decide_part([[evidence((20, 20), (3, 3), (30, 30))]], PROFILE)
    refused = verdict.refused(np.array([[True, True, False]]))
    assert refused.fail.tolist() == [[True, True, False]]
    assert refused.by_rule["audit"] == 1
    assert refused.vetoes == verdict.vetoes
    assert verdict.fail.tolist() == [[False, True, False]]  # unchanged


counts = st.lists(st.tuples(st.integers(0, 60), st.integers(-9, 69)), min_size=1, max_size=8)


@settings(deadline=None)
@given(counts, st.sampled_from(["sum", "avg", "var_samp", "count_rows"]), st.booleans())
def test_every_failure_has_one_rule_and_what_passes_keeps_every_bound(
    cells: list[tuple[int, int]], function: str, chosen: bool
) -> None:
    verdict = decide_part([[evidence(*cells, function=function, chosen=chosen)]], PROFILE)
    assert sum(verdict.by_rule.values()) == int(verdict.fail.sum())
    for (base, contributors), failed in zip(cells, verdict.fail[0].tolist(), strict=True):
        if base == 0:
            assert not failed
        elif not failed:
            assert base >= 10
            assert contributors >= 10
            assert not chosen or base - contributors >= 10


def test_under_differential_privacy_no_rule_looks_at_anything() -> None:
    privacy = Privacy(
        rho_total=Fraction(1),
        rho_per_question=Fraction(1, 60),
        delta=Fraction(1, 10**6),
        truncation=Fraction(1, 10**18),
    )
    private = PROFILE.model_copy(update={"privacy": privacy})
    verdict = decide_part([[evidence((2, 2))]], private)
    assert not verdict.fail.any()
    assert (dict(verdict.by_rule), verdict.vetoes) == ({}, 0)
    assert decide_part([[evidence((2, 2))]], PROFILE).fail.all()
