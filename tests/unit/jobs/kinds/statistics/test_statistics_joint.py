"""Where the owners agree: small parts go in, the total is judged, and the noise of all suffices only together."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from jobs.disclosure.noise import BOUND
from jobs.kinds.base import Case
from jobs.kinds.statistics.answer import AnswerTable
from jobs.kinds.statistics.messages import decode_open
from jobs.kinds.statistics.referee import REFEREE
from jobs.kinds.statistics.release import FEW, least_count
from jobs.kinds.statistics.tableform import table_of
from tests.support.statistic import NODES, PROFILE, Person, Walk, case_of, dataset, noise_of, part_of, plan_of

ROWS = "SELECT kind, COUNT(*) AS n FROM data GROUP BY kind"
ILL = "SELECT kind, COUNT(*) FILTER (WHERE ill) AS n FROM data GROUP BY kind"


def case(sql: str, **terms: Any) -> Case:
    return case_of(plan_of(sql, dataset("100", disjoint=True, **terms), NODES))


def people(*sizes: tuple[int, int]) -> list[Person]:
    """Per base, so many individuals of whom the first so many count in the cell."""
    found: list[Person] = []
    for base, (size, inside) in enumerate(sizes):
        found += [Person(len(found) + n, base, base if n < inside else -1, n % 7) for n in range(size)]
    return found


def walked(of: Case, *parts: list[Person]) -> tuple[Walk, np.ndarray, Any]:
    """Pass bits and the released output."""
    walk = Walk(of, [part_of(of.plan, held) for held in parts])
    say, state = walk.opened()
    output = REFEREE.advance(of, state, "values", 0, walk.values(say)).output
    return walk, decode_open(of, say), output


def number(table: AnswerTable, row: int) -> tuple[float, float]:
    """The count of a row, and its stated error."""
    return float(str(table.rows[row][1])), float(str(table.errors[row][1]))


SMALL = people((7, 7), (4, 4), (0, 0))
LARGE = people((16, 16), (4, 4), (1, 1))


def test_parts_that_are_small_alone_make_up_an_answer_together() -> None:
    """39 of x, 12 of y, one of z. The first is shown; the others are below four standard errors of a total."""
    of = case(ROWS, joint_minimum=True)
    _, passed, output = walked(of, LARGE, LARGE, SMALL)
    assert passed.all()
    table = table_of(output.content)
    assert [marks[1] for marks in table.suppressed] == [False, True, True]
    assert output.verdict["withheld"] == {"owner-rule": 0, FEW: 2, "within-noise": 0}
    assert abs(number(table, 0)[0] - 39) <= 3 * BOUND * 3 + 5


def test_without_that_agreement_the_smallest_part_closes_the_cell() -> None:
    _, passed, output = walked(case(ROWS), LARGE, LARGE, SMALL)
    assert passed.tolist() == [[False, False, False]]
    assert output.verdict["withheld"]["owner-rule"] == 3


def test_a_small_total_is_withheld_by_public_rule_whatever_its_parts() -> None:
    """Empty, one, or a group less one: no noise of three parts reaches the least count from 0."""
    of = case(ROWS, joint_minimum=True)
    for sizes in ((0, 0, 0), (1, 0, 0), (3, 3, 3)):
        parts = [people((size, size), (0, 0), (0, 0)) for size in sizes]
        total = sum(sizes) + sum(noise_of(of, node, 0, 0) for node in NODES)
        _, passed, output = walked(of, *parts)
        assert passed.all()
        assert table_of(output.content).suppressed[0][1] is (total < 21) is True


def test_the_least_total_follows_the_noise_of_all_parts_and_the_degrees_of_freedom() -> None:
    for terms, count in (({}, 21), ({"colluding_owners": 0}, 14)):  # 4 sqrt(3) 3, and 4 sqrt(3) 2, rounded up
        plan = case("SELECT COUNT(*) AS n, VAR_SAMP(value) AS v FROM data", joint_minimum=True, **terms).plan
        assert [least_count(plan, PROFILE, aggregate) for aggregate in plan.aggregates] == [count, count]
    strict = PROFILE.model_copy(update={"degrees_of_freedom": 40})
    assert [least_count(plan, strict, aggregate) for aggregate in plan.aggregates] == [14, 41]
    alone = case("SELECT VAR_SAMP(value) AS v FROM data", colluding_owners=0).plan
    assert least_count(alone, strict, alone.aggregates[0]) == 14  # there each part judges its own


def test_the_audit_is_asked_about_small_parts_too() -> None:
    joint, _, _ = walked(case(ROWS, joint_minimum=True), LARGE, LARGE, SMALL)
    [question] = joint.asks["node-a"].questions
    assert question.inquiries[0].bases.tolist() == [0, 1, 2]
    [question] = joint.asks["node-c"].questions
    assert question.inquiries[0].bases.tolist() == [0, 1, -1]  # who holds nobody tells of nobody
    apart, _, _ = walked(case(ROWS), LARGE, LARGE, SMALL)
    [question] = apart.asks["node-a"].questions
    assert question.inquiries[0].bases.tolist() == [0, -1, -1]


def test_a_part_in_which_everybody_is_selected_closes_the_cell_once_it_has_two_groups() -> None:
    of, half = case(ILL, joint_minimum=True), people((60, 30), (60, 30), (60, 30))
    _, passed, _ = walked(of, half, half, people((60, 60), (12, 12), (1, 1)))
    assert passed.tolist() == [[False, True, True]]


# --- noise that suffices together -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("colluding", "sd"), [(0, 2), (1, 3), (2, 3), (None, 3)])
def test_each_part_has_its_share_of_the_noise_and_the_table_states_the_error_of_all(
    colluding: int | None, sd: int
) -> None:
    of = case(ROWS, colluding_owners=colluding)
    held = people((200, 200), (300, 300), (400, 400))
    _, passed, output = walked(of, held, held, held)
    assert passed.all()
    assert of.plan.channels[0].noise == sd
    table = table_of(output.content)
    step = 2 if sd == 2 else 5  # the largest of 1, 2, 5 that is not above the error
    for cell in range(3):
        shown, error = number(table, cell)
        noises = [noise_of(of, node, 0, cell) for node in NODES]
        assert all(abs(noise) <= BOUND * sd for noise in noises)
        assert error == pytest.approx(sqrt(3) * sd, abs=0.05)
        assert abs(shown - (3 * (200, 300, 400)[cell] + sum(noises))) <= step / 2


def test_the_whole_has_the_noise_that_one_part_needs_alone() -> None:
    """1,000 questions: with nobody colluding the total's noise spreads as the noise of one part, and no less."""
    of, sums = case("SELECT SUM(value) AS s FROM data", colluding_owners=0), []
    place = next(n for n, channel in enumerate(of.plan.channels) if channel.kind == "sum")
    for number in range(1000):
        sums.append(sum(noise_of(of, f"{node} {number}", place, 0) for node in NODES))
    assert of.plan.channels[place].noise == 174  # 3 * 100 / sqrt(3), rounded up
    assert np.std(sums) == pytest.approx(300 * 0.9866, rel=0.08)  # truncation takes 1.4%
