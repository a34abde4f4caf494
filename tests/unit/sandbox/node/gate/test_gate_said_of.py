"""Secrets that are said of a unit: one unknown each, however many records repeat it; against dense matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sandbox.node.gate.system import LAMBDA
from tests.support.audited import INCOME, Array, Desk, member_labels

PEOPLE = 60


class OfUnits:
    """The definition: per row and unit how many of the unit's records are in the base."""

    def __init__(self, owner: Array) -> None:
        self.owner, self.rows = owner, np.zeros((0, int(owner.max()) + 1))

    def add(self, members: Array, answers: int = 1) -> None:
        weights = np.bincount(self.owner[members], minlength=self.rows.shape[1])
        self.rows = np.vstack([self.rows, weights * np.sqrt(answers)])

    def leverages(self) -> Array:
        a = self.rows
        return np.diagonal(a.T @ np.linalg.solve(a @ a.T + LAMBDA * np.eye(len(a)), a))


def crowd(heavy: int) -> tuple[Array, Array]:
    """Person 0 with so many records, the others with one each: records a person, and whose each is."""
    rows = np.ones(PEOPLE, np.int32)
    rows[0] = heavy
    return rows, np.repeat(np.arange(PEOPLE), rows)


def test_one_person_of_14_among_73_records_is_one_unknown_and_stops_the_first_answer(desk: Desk) -> None:
    rows, owner = crowd(14)
    base = np.zeros(len(owner))
    assert desk.answered([base], rows=rows, subject=("visits", "place")) == [True]  # as 14 unknowns: 14 / (73 + 36)
    assert desk.highest(("visits", "place")) == pytest.approx(14 / (73 + 36))
    told = OfUnits(owner)
    told.add(np.arange(len(owner)))
    assert told.leverages()[0] == pytest.approx(14**2 / (14**2 + 59 + 36))  # 0.67
    assert desk.answered([base], rows=rows, of_unit=True) == [False]


def test_without_her_the_others_are_answered(desk: Desk) -> None:
    rows, owner = crowd(14)
    assert desk.answered([np.where(owner == 0, -1, 0)], rows=rows, of_unit=True) == [True]


def test_swapped_rows_of_one_person_say_nothing_since_they_are_alike(desk: Desk) -> None:
    """The attack for which columns are records else: her two rows are in one base each, swapped in the other pair. Here
    both hold the same value, so the bases with either row have one sum, and she is in all of them alike."""
    rng, rows = np.random.default_rng(2), np.ones(500, np.int32)
    rows[0] = 2
    owner = np.repeat(np.arange(500), rows)
    told = OfUnits(owner)
    for _ in range(30):
        some = rng.choice(np.arange(2, 501), 200, replace=False)
        left, right = some[:100], some[100:]
        bases = [np.append(left, 0), np.append(right, 1), np.append(left, 1), np.append(right, 0)]
        for members, ok in zip(bases, desk.set(*bases, units=501, rows=rows, of_unit=True), strict=True):
            if ok:
                told.add(members)
    assert desk.highest() == pytest.approx(told.leverages().max(), abs=1e-9)
    assert told.leverages()[0] < 0.25


def test_the_same_visitors_in_two_months_but_for_one_are_a_pair(desk: Desk) -> None:
    """As unknowns of records the months have nothing in common; as unknowns of people they differ in one person."""
    rows = np.full(PEOPLE, 2, np.int32)
    january = np.tile([0, 1], PEOPLE)
    february = np.where(np.arange(2 * PEOPLE) < 2, -1, 1 - january)  # she came in January alone
    labels = [np.where(january == 0, 0, -1), np.where(february == 0, 0, -1)]
    for about, of_unit in ((("visits", "x"), False), (INCOME, True)):
        desk.answered(labels, rows=rows, subject=about, of_unit=of_unit)
    told = OfUnits(np.repeat(np.arange(PEOPLE), rows))
    for label in labels:
        told.add(np.flatnonzero(label == 0))
    assert desk.highest() == pytest.approx(told.leverages().max(), abs=1e-9)
    assert desk.highest(("visits", "x")) < desk.highest()


@pytest.mark.parametrize("seed", range(4))
def test_leverages_are_those_of_dense_matrices_and_a_restart_has_them_too(desk: Desk, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 5, PEOPLE).astype(np.int32)
    owner = np.repeat(np.arange(PEOPLE), rows)
    told = OfUnits(owner)
    for _ in range(6):
        labels = [rng.integers(-1, 3, len(owner)) for _ in range(2)]
        answers = int(rng.integers(1, 4))
        [verdict] = desk.ask(desk.question(labels, rows=rows, of_unit=True, answers=answers))
        for label, bits in zip(labels, verdict, strict=True):
            for base in np.flatnonzero(bits):
                told.add(np.flatnonzero(label == base), answers)
    system = desk.domain.systems[INCOME]
    np.testing.assert_allclose(system.leverage, told.leverages(), atol=1e-9)
    assert system.leverage.max() <= desk.cap
    desk.restart()
    np.testing.assert_allclose(desk.domain.systems[INCOME].leverage, told.leverages(), atol=1e-9)
    assert desk.standing()[INCOME].highest == pytest.approx(told.leverages().max(), abs=1e-9)
    assert desk.standing()[INCOME].jobs


def test_conditions_on_a_units_and_a_records_column_are_rows_of_both(desk: Desk) -> None:
    rows, owner = crowd(3)
    [question] = [desk.question([np.zeros(len(owner))], rows=rows, of_unit=True)]
    [one] = question.inquiries
    other = replace(one, subject=("visits", "place"), of_unit=False)
    desk.ask(replace(question, inquiries=(one, other)))
    assert desk.highest() == pytest.approx(9 / (9 + 59 + 36))
    assert desk.highest(("visits", "place")) == pytest.approx(3 / (62 + 36))


def test_new_records_and_new_units_find_their_places(desk: Desk) -> None:
    rows, owner = crowd(2)
    desk.answered([np.zeros(len(owner))], rows=rows, of_unit=True)
    more, later = crowd(4)
    more = np.append(more, [3]).astype(np.int32)
    later = np.append(later, [PEOPLE] * 3)
    told = OfUnits(later)
    first = np.ones(len(later), bool)
    first[[2, 3, -3, -2, -1]] = False  # her third and fourth record, and who is new
    told.add(np.flatnonzero(first))
    assert desk.answered([np.zeros(len(later))], rows=more, of_unit=True) == [True]
    told.add(np.arange(len(later)))
    np.testing.assert_allclose(desk.domain.systems[INCOME].leverage, told.leverages(), atol=1e-9)


def test_another_declaration_forgets_no_answer(desk: Desk) -> None:
    """What was asked of records counts when the owner declares that the column is said of individuals, and back."""
    rows, owner = crowd(3)
    base = np.zeros(len(owner))
    assert desk.answered([base], rows=rows, answers=2) == [True]
    half = member_labels(np.arange(0, len(owner), 2), len(owner))
    assert desk.answered([half], rows=rows, of_unit=True) == [True]
    told = OfUnits(owner)
    told.add(np.arange(len(owner)), 2)
    told.add(np.arange(0, len(owner), 2))
    np.testing.assert_allclose(desk.domain.systems[INCOME].leverage, told.leverages(), atol=1e-9)
    desk.restart()
    np.testing.assert_allclose(desk.domain.systems[INCOME].leverage, told.leverages(), atol=1e-9)
    desk.answered([base + 0], rows=rows)
    assert not desk.domain.systems[INCOME].of_units
    assert len(desk.domain.systems[INCOME].rows) == 3


def test_a_question_says_one_thing_of_a_column(desk: Desk) -> None:
    question: Any = desk.question([np.zeros(20), np.zeros(20)])
    one, other = question.inquiries
    with pytest.raises(ValueError, match="of the unit or of the record"):
        desk.judge(replace(question, inquiries=(one, replace(other, of_unit=True))))
