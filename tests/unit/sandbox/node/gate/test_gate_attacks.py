"""What the audit is for: pairs, swapped rows, many cut points, reconstruction; and what must still be answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sandbox.node.gate.exact import Suspects, largest, past
from sandbox.node.gate.greedy import LITTLE, RESERVE
from tests.support.audited import Dense, Desk

INCOME = ("people", "income")


def test_pairs_with_and_without_one_person_stop(desk: Desk) -> None:
    rng = np.random.default_rng(1)
    units, target, answered = 2000, 7, 0
    for _ in range(60):
        others = rng.choice(np.arange(10, units), 100, replace=False)
        answered += all(desk.set(np.append(others, target), others, units=units))
    assert 8 <= answered <= 25
    assert desk.highest() <= desk.cap


def test_without_a_reserve_it_would_be_about_25(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The figure that the design names: the cap alone is reached after 23 pairs on one target."""
    dense, rng, pairs = Dense(2000), np.random.default_rng(1), 0
    while True:
        others = rng.choice(np.arange(10, 2000), 100, replace=False)
        dense.add(np.append(others, 7))
        dense.add(others)
        if dense.hat()[7, 7] > 0.25:
            break
        pairs += 1
    assert 18 <= pairs <= 30


def test_one_persons_rows_swapped_between_two_bases_are_seen(desk: Desk) -> None:
    """Her two rows are in one base each, swapped in the other pair: as a unit she is in all of them alike, so columns
    of units would say that nothing was learnt (leverage 0.000 after 300 pairs)."""
    rng = np.random.default_rng(2)
    people, answered, dense = 500, 0, Dense(501)
    rows = np.ones(people, np.int32)
    rows[0] = 2  # records 0 and 1 are hers
    for _ in range(60):
        some = rng.choice(np.arange(2, people + 1), 200, replace=False)
        left, right = some[:100], some[100:]
        bases = [np.append(left, 0), np.append(right, 1), np.append(left, 1), np.append(right, 0)]
        done = desk.set(*bases, units=people + 1, rows=rows)
        answered += all(done)
        for members, ok in zip(bases, done, strict=True):
            if ok:
                dense.add(members)
    assert answered < 25
    owner = np.concatenate([[0, 0], np.arange(1, people)])
    assert dense.units(owner)[0] == pytest.approx(desk.highest(), abs=1e-9)
    assert desk.highest() <= desk.cap
    assert dense.hat()[0, 0] < desk.highest() * 0.75  # no record alone says it: it is the difference of the two


@pytest.mark.parametrize(("members", "expected"), [(100, 0.010), (10, 0.095)])
def test_all_cut_points_of_one_base_cost_what_they_are_worth(desk: Desk, members: int, expected: float) -> None:
    for _ in range(64):
        assert desk.set(np.arange(members), units=1000) == [True]
    assert desk.highest() == pytest.approx(expected, abs=0.0005)
    one = Desk.question(desk, [np.where(np.arange(1000) < members, 0, -1)], subject=("people", "other"), answers=64)
    assert all(bits.all() for bits in desk.ask(one)[0])
    assert desk.highest(("people", "other")) == pytest.approx(desk.highest())


def test_values_of_one_column_share_a_system_and_columns_do_not(desk: Desk) -> None:
    desk.set(np.arange(10), units=100)
    desk.set(np.arange(10), units=100, subject=("people", "illness"))
    desk.set(np.arange(10), units=100, subject=None)
    assert {len(system.rows) for system in desk.domain.systems.values()} == {1}
    assert set(desk.domain.systems) == {None, INCOME, ("people", "illness")}


@pytest.mark.slow
def test_random_subsets_stop_long_before_everybody_is_read(desk: Desk) -> None:
    rng = np.random.default_rng(3)
    answered = 0
    for _ in range(400):
        answered += desk.set(np.flatnonzero(rng.random(575) < 0.5), units=575) == [True]
    assert 100 < answered < 200
    assert desk.highest() <= desk.cap


def test_the_base_without_her_is_refused_though_it_does_not_contain_her(desk: Desk) -> None:
    others = np.arange(1, 60)
    for _ in range(7):
        desk.set(np.append(others, 0), others, units=1000, answers=4)
    last = desk.set(others, np.append(others, 0), units=1000, answers=100)
    assert False in last
    assert desk.highest() <= desk.cap


def test_ordinary_tables_go_on_after_somebody_was_singled_out(desk: Desk) -> None:
    rng = np.random.default_rng(4)
    units = 5000
    for _ in range(80):
        others = rng.choice(np.arange(1, units), 150, replace=False)
        desk.set(np.append(others, 0), others, units=units)
    assert desk.highest() <= (1 - RESERVE) * desk.cap + 20 * LITTLE * desk.cap
    district = rng.integers(0, 8, units)
    assert all(desk.answered([district]))


def test_more_holders_share_the_cap(desk: Desk) -> None:
    base = np.arange(30)
    assert desk.set(base, units=100, answers=15, holders=1, subject=("a", "x")) == [True]
    assert desk.set(base, units=100, answers=15, holders=10, subject=("a", "y")) == [False]


def test_records_apart_need_no_share_of_the_cap(tmp_path: Path) -> None:
    """Person 0 has two records at each of three owners, who are asked the same over all their records apart: whoever
    has all their answers knows no more of her than what the owner that told most has told (``records_disjoint``)."""
    rng, owners, people = np.random.default_rng(5), 3, 40
    rows = np.ones(people, np.int32)
    rows[0] = 2
    together, desks = Dense(owners * (people + 1)), []
    for place in range(owners):
        (tmp_path / str(place)).mkdir()
        desk = Desk(tmp_path / str(place))
        for _ in range(12):
            members = np.flatnonzero(rng.random(people + 1) < 0.5)
            if desk.set(members, units=people + 1, rows=rows) == [True]:
                together.add(place * (people + 1) + members)
        desks.append(desk)
    hers = np.concatenate([place * (people + 1) + np.arange(2) for place in range(owners)])
    block = together.hat()[np.ix_(hers, hers)]
    highest = max(of_unit(desk, 0) for desk in desks)
    assert np.linalg.eigvalsh(block)[-1] == pytest.approx(highest, abs=1e-9)
    assert 0 < highest <= desks[0].cap


def of_unit(desk: Desk, unit: int) -> float:
    domain = desk.domain
    suspects = Suspects.of(domain.systems[INCOME], np.array([unit], np.int32), domain.places, domain.atoms)
    return float(largest(past(domain.systems[INCOME], domain.partitions, suspects))[0])


def test_large_bases_are_kept_and_the_smallest_is_taken_out(desk: Desk) -> None:
    """A question that harms a unit gives its smallest base that matters; everything else is answered."""
    records = np.arange(1000)
    small = np.where(records < 4, 0, -1)
    assert desk.answered([small, records % 2], answers=100) == [False, True, True]


def test_what_the_rest_tells_is_judged_as_well(desk: Desk) -> None:
    """Without the base of four, the two halves less all the others still tell its sum: a second base stays out."""
    records = np.arange(1000)
    answered = desk.answered([np.where(records < 4, 0, 1), records % 2], answers=100)
    assert (answered[0], sum(answered)) == (False, 2)
