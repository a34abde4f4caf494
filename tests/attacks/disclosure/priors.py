"""Attacks of somebody who knows nobody's value, but what values of that kind are mostly like; and one on records' places.

The audit takes everybody's value to be as uncertain as it can be. Where others' values hardly differ they hide nobody.
"""

from __future__ import annotations

import numpy as np

from tests.attacks.disclosure.bench import Bench, Outcome, grouped, guessed, over
from tests.attacks.disclosure.differences import apart, paired, pairs
from tests.attacks.disclosure.people import AGES, HIGH, HOUSES, People, crowd

VERSIONS = 18
NARROW = (100, 200)
"""What others earn, of bounds to ``HIGH``."""


def outlier(bench: Bench) -> Outcome:
    """All in a house earn next to nothing, one of them perhaps the most: the house's sum in sixty unlike spellings."""
    who, targets = crowd(81)
    rng = np.random.default_rng(81)
    income = rng.integers(*NARROW, len(who))
    rich = rng.permutation(HOUSES) < HOUSES // 2
    income[targets] = np.where(rich, HIGH - 1, NARROW[0])
    data = bench.open(who.with_column("income", income))
    found = grouped(data, [f"SUM(income) FILTER (WHERE age + house >= {least})" for least in range(-41, 19)])
    return guessed(over(found) - (len(AGES) - 1) * sum(NARROW) / 2, rich, found, threshold=HIGH / 2)


def newest_first(bench: Bench) -> Outcome:
    """Each version puts one more row of every target before its others; four pairs about the oldest in each of 18,
    other ones each time.

    To the audit a record is its place among the rows of its unit: in each version another one.
    """
    who, targets = crowd(84)
    data, answers = apart(bench, who), []
    for version in range(VERSIONS):
        file = who
        for number in range(1, version + 1):
            file = _later(who.chosen(targets), number).plus(file)
        data.change(file)
        answers.append(paired(data, pairs(4 * VERSIONS)[version::VERSIONS])[1])
    found = np.concatenate(answers, axis=1)
    return guessed(over(found[..., 1] - found[..., 0]), who["ill"][targets], found)


def _later(rows: People, number: int) -> People:
    """A row of each of these people that no asked group has."""
    return rows.with_column("job", np.full(len(rows), "mill")).with_column("age", rows["age"] * 0 + AGES[number])
