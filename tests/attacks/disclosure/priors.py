"""Attacks of somebody who knows nobody's value, but what values of that kind are mostly like; and three on what a
record is known by.

The audit takes everybody's value to be as uncertain as it can be. Where others' values hardly differ they hide nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.attacks.disclosure.bench import Bench, Outcome, grouped, guessed, over, together
from tests.attacks.disclosure.differences import apart, paired, pairs
from tests.attacks.disclosure.people import AGES, HIGH, HOUSES, People, crowd

Numbers = npt.NDArray[Any]
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
    other ones each time."""

    def file(who: People, targets: Numbers, version: int) -> People:
        rows = who
        for number in range(1, version + 1):
            rows = _later(who.chosen(targets), number).plus(rows)
        return rows

    return _in_versions(bench, [84], file)


def oldest_gone(bench: Bench) -> Outcome:
    """The same where every target has 18 rows at first, and each version lacks one more of those before the one that is
    asked about."""

    def file(who: People, targets: Numbers, version: int) -> People:
        rows = who
        for number in range(1, VERSIONS - version):
            rows = _later(who.chosen(targets), number).plus(rows)
        return rows

    return _in_versions(bench, [85, 185, 285], file)


def shuffled(bench: Bench) -> Outcome:
    """The same where every target has 18 rows in all versions, the one that is asked about at another place in each."""

    def file(who: People, targets: Numbers, version: int) -> People:
        rows = who
        for number in range(1, VERSIONS):
            other = _later(who.chosen(targets), number)
            rows = other.plus(rows) if number <= version else rows.plus(other)
        return rows

    return _in_versions(bench, [86, 186, 286], file)


def _in_versions(bench: Bench, seeds: Sequence[int], file: Callable[[People, Numbers, int], People]) -> Outcome:
    outcomes = []
    for seed in seeds:
        who, targets = crowd(seed)
        data, answers = apart(bench, file(who, targets, 0)), []
        for version in range(VERSIONS):
            if version:
                data.change(file(who, targets, version))
            answers.append(paired(data, pairs(4 * VERSIONS)[version::VERSIONS])[1])
        found = np.concatenate(answers, axis=1)
        outcomes.append(guessed(over(found[..., 1] - found[..., 0]), who["ill"][targets], found))
    return together(outcomes)


def _later(rows: People, number: int) -> People:
    """A row of each of these people that no asked group has."""
    return rows.with_column("job", np.full(len(rows), "mill")).with_column("age", rows["age"] * 0 + AGES[number])
