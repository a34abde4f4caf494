"""A statistic under differential privacy, by real parties: everything is answered, and noisy numbers alone decide."""

from __future__ import annotations

from fractions import Fraction
from math import erf, sqrt
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.profile import load_profile
from jobs.disclosure.zcdp import epsilon, rho_of
from jobs.kinds.base import Case
from jobs.kinds.statistics.messages import VALUES, decode_open, decode_vector
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.opening import opening
from jobs.kinds.statistics.plan.private import events_of, spends
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.release import FEW, NOISE, OWNER, assemble, least_count, shown_numbers
from jobs.kinds.statistics.tableform import content_of
from mpc.ring import Ring
from tests.support.statistic import NODES, OwnGate, Person, Walk, case_of, dataset, part_of, plan_of

PROFILE = load_profile("dp@1")
SQL = "SELECT kind, COUNT(*) AS n, SUM(value) AS s, STDDEV(value) AS d FROM data GROUP BY kind"


def private_plan(sql: str = SQL, rows: int = 1, profile: str = "dp@1") -> Plan:
    data = dataset("100", profile=profile, disjoint=True).model_copy(update={"rows_per_unit": rows})
    return plan_of(sql, data, NODES)


PLAN = private_plan()
CASE = case_of(PLAN)


def people(sizes: list[int], first: int = 0, value: int = 7) -> list[Person]:
    """So many with one record each in every cell."""
    cells = [cell for cell, size in enumerate(sizes) for _ in range(size)]
    return [Person(first + number, cell, cell, value) for number, cell in enumerate(cells)]


def totals(case: Case, walk: Walk) -> tuple[Any, list[list[int]], Any]:
    """What is opened, the totals that anybody can add up, and the hub's output."""
    plan: Plan = case.plan
    say, state = walk.opened()
    bodies = walk.values(say)
    ring, pairs = Ring(plan.ring_bits), opening(plan, decode_open(case, say))
    total = ring.zeros(len(pairs))
    for body in bodies.values():
        ring.add_into(total, decode_vector(case, VALUES, ring, body, len(pairs)))
    numbers = np.array(ring.decode_signed(total), dtype=object).reshape(len(plan.channels), plan.cells)
    return decode_open(case, say), numbers.tolist(), REFEREE.advance(case, state, "values", 0, bodies).output


parts_of = st.lists(st.lists(st.sampled_from([0, 1, 2, 9, 40]), min_size=3, max_size=3), min_size=3, max_size=3)


@settings(max_examples=25, deadline=None)
@given(sizes=parts_of)
def test_every_declared_cell_is_answered_and_nothing_but_noisy_numbers_decides(sizes: list[list[int]]) -> None:
    """Empty parts, single people, all the same value: no flag, no question to the gate, and the release is a function
    of the opened totals."""
    parts = [part_of(PLAN, people(size, 1000 * number)) for number, size in enumerate(sizes)]
    walk = Walk(CASE, parts)
    assert all(ask.questions == () and ask.vetoes == 0 for ask in walk.asks.values())
    assert all(gate.asked == [] for gate in walk.gates.values())  # no keyed noise
    assert all(send.record["count"] == 3 * PLAN.cells for send in walk.flags.values())
    assert all(not any(send.record["failed"].values()) for send in walk.flags.values())
    passed, opened, output = totals(CASE, walk)
    assert passed.all()
    shown = shown_numbers(PLAN, PROFILE, passed, opened)
    assert output.content == content_of(assemble(PLAN, {}, PROFILE, shown).table)
    assert shown.withheld[OWNER] == 0
    rows = next(i for i, channel in enumerate(PLAN.channels) if channel.kind == "rows")
    for aggregate, numbers in zip(PLAN.aggregates, shown.numbers, strict=True):
        least = least_count(PLAN, PROFILE, aggregate)
        few = [opened[rows][cell] < least for cell in range(PLAN.cells)]
        assert all(number is None for number, small in zip(numbers, few, strict=True) if small)
        if not aggregate.function.startswith("stddev"):
            assert all(number is not None for number, small in zip(numbers, few, strict=True) if not small)
    assert shown.withheld[FEW] + shown.withheld[NOISE] + shown.count == 3 * PLAN.cells


def test_three_parts_have_the_noise_that_each_event_says_and_every_walk_draws_it_anew() -> None:
    parts = [part_of(PLAN, people([50, 0, 3], 1000 * number)) for number in range(3)]
    exact = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*(p.values for p in parts), strict=True)]
    runs = [totals(CASE, Walk(CASE, parts))[1] for _ in range(60)]
    for channel, event in enumerate(events_of(PLAN)):
        noise = [run[channel][cell] - exact[channel][cell] for run in runs for cell in range(PLAN.cells)]
        sd = sqrt(3) * float(event.sigma)
        assert abs(fmean(noise)) < 5 * sd / sqrt(len(noise))
        assert 0.8 * sd < pstdev(noise) < 1.2 * sd  # 180 draws: 5% is one standard error
        assert len({run[channel][0] for run in runs}) > 20


def test_the_standard_error_of_a_count_is_that_of_three_parts() -> None:
    plan = private_plan("SELECT COUNT(*) AS n FROM data")
    parts = [part_of(plan, people([400], 1000 * number)) for number in range(3)]
    passed, opened, _ = totals(case_of(plan), Walk(case_of(plan), parts))
    released = assemble(plan, {}, PROFILE, shown_numbers(plan, PROFILE, passed, opened)).table
    assert float(released.errors[0][0] or 0) == pytest.approx(9.5, abs=0.05)
    assert float(str(released.rows[0][0])) % 5 == 0  # on the grid of its error


def test_one_owner_alone_is_the_same_walk() -> None:
    data = dataset("100", profile="dp@1").model_copy(update={"rows_per_unit": 1})
    plan = plan_of(SQL, data, NODES[:1])
    case = case_of(plan, NODES[:1])
    passed, _, output = totals(case, Walk(case, [part_of(plan, people([60, 0, 1]))]))
    assert passed.all()
    assert output.metered == {"cells": passed.size}


# --- the attack: is somebody in the data? The same question, asked as often as the budget pays for --------------------


def guesses(profile: str, rounds: int, questions: int) -> float:
    """How often an attacker who knows everybody but one tells rightly whether that one is there. He averages all
    answers to the same count, the best that anybody can do with Gaussian noise. The hub is his, and all other owners
    are: what he sees is one node's part, as it is before it is masked."""
    data = dataset("100", profile=profile, disjoint=True).model_copy(update={"rows_per_unit": 1})
    plan = plan_of("SELECT COUNT(*) AS n FROM data", data, NODES[:1])
    case, known, right = case_of(plan, NODES[:1]), 40, 0
    sides = [part_of(plan, people([known + there])) for there in (0, 1)]
    for number in range(rounds):
        there = number % 2
        parts = [add_noise(plan, {}, case.profile, OwnGate(NODES[0]), sides[there]) for _ in range(questions)]
        seen = [noisy.values[0][0] for noisy in parts]
        right += (fmean(seen) > known + 0.5) == bool(there)
    return right / rounds


def test_membership_is_told_no_better_than_the_whole_budget_allows() -> None:
    """At rho = 1 all answers together are one Gaussian with sd 1/sqrt(2): right 76% of the time, whatever is asked."""
    assert PROFILE.privacy is not None
    questions = PROFILE.privacy.questions
    [spend] = spends(private_plan("SELECT COUNT(*) AS n FROM data"))
    assert rho_of(spend.events) * questions <= PROFILE.privacy.rho_total
    best = 0.5 * (1 + erf(sqrt(float(PROFILE.privacy.rho_total)) / 2))  # Phi(sqrt(rho / 2))
    assert best == pytest.approx(0.76, abs=0.005)
    found, error = guesses("dp@1", 1500, questions), sqrt(best * (1 - best) / 1500)
    assert best - 4 * error < found < best + 4 * error  # he reaches the bound, and nothing beyond


def test_one_question_tells_next_to_nothing() -> None:
    best = 0.5 * (1 + erf(sqrt(1 / 60) / 2))
    assert best < 0.54
    assert guesses("dp@1", 4000, 1) < best + 4 * sqrt(best * (1 - best) / 4000)


def test_control_without_noise_one_question_tells_everything() -> None:
    assert guesses("open@1", 20, 1) == 1


def test_what_the_whole_budget_means_is_what_is_written_down() -> None:
    privacy = PROFILE.privacy
    assert privacy is not None
    assert privacy.questions == 60
    assert epsilon(privacy.rho_total, privacy.delta, 60 * privacy.truncation) == pytest.approx(7.77, abs=0.01)
    assert Fraction(1, 60) * 60 == privacy.rho_total
