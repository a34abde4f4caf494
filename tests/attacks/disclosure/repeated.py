"""Attacks that ask the same again: in other words, by another name, of another version, as somebody else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.attacks.disclosure.bench import Answer, Bench, Data, Outcome, grouped, guessed, numbers, over, together
from tests.attacks.disclosure.differences import COUNT, Pair, apart, paired, pairs
from tests.attacks.disclosure.people import Bools, Floats, People, crowd, crowds

ILL = "COUNT(*) FILTER (WHERE ill)"


def inserted(bench: Bench) -> Outcome:
    """One new row in every house; the same question before and after."""
    after, new = crowd(61)
    return _between(bench, _without(after, new), after, after["ill"][new], 1.0)


def deleted(bench: Bench) -> Outcome:
    before, gone = crowd(62)
    return _between(bench, before, _without(before, gone), before["ill"][gone], -1.0)


def changed(bench: Bench) -> Outcome:
    """In every house one value turns round: which way?"""
    before, rows = crowd(63)
    ill = before["ill"].copy()
    ill[rows] = ~ill[rows]
    return _between(bench, before, before.with_column("ill", ill), ill[rows], 1.0, threshold=0.0)


def _without(who: People, rows: np.ndarray) -> People:
    return who.chosen(np.setdiff1d(np.arange(len(who)), rows))


def _between(bench: Bench, before: People, after: People, truth: Bools, sign: float, threshold: float = 0.5) -> Outcome:
    data = bench.open(before)
    old = grouped(data, [ILL])[:, 0]
    data.change(after)
    new = grouped(data, [ILL])[:, 0]
    return guessed(sign * (new - old), truth, np.concatenate([old, new]), threshold)


def many_versions(bench: Bench) -> Outcome:
    """A row goes in and out twelve times: each version has other noise, for its rows stand in another order."""
    outcomes = []
    for seed in (64, 164, 264):
        everybody, rows = crowd(seed)
        less = _without(everybody, rows)
        data, signal, answers = bench.open(less), [], []
        for turn in range(12):
            data.change(less.chosen(np.random.default_rng(99 - turn).permutation(len(less))))
            old = grouped(data, [ILL])[:, 0]
            data.change(everybody.chosen(np.random.default_rng(turn).permutation(len(everybody))))
            new = grouped(data, [ILL])[:, 0]
            signal.append(new - old)
            answers += [old, new]
        outcomes.append(guessed(over(np.array(signal).T), everybody["ill"][rows], np.array(answers)))
    return together(outcomes)


def two_names(bench: Bench) -> Outcome:
    """The same file registered five times: other names, once fresh budgets and fresh noise."""
    who, targets = crowd(65)
    first = apart(bench, who)
    return _over_all(
        who, targets, [(data, pairs(14)) for data in (first, *(first.each(bench.again) for _ in range(4)))]
    )


def sole_and_joint(bench: Bench) -> Outcome:
    """One owner's part asked alone, and within three owners' total, whose others the asker knows to be left out."""
    who, targets = crowds(66)
    joint = apart(bench, who, owners=3)
    return _over_all(who, targets, [(joint, pairs(14)), (joint.each(bench.again), pairs(14))])


def two_operators(bench: Bench) -> Outcome:
    """Each asks half of the pairs, of the same people."""
    who, targets = crowd(67)
    data, asked = bench.open(who), pairs(56)
    return _over_all(who, targets, [(_As(data, 0), asked[::2]), (_As(data, 1), asked[1::2])])


def two_operators_again(bench: Bench) -> Outcome:
    """The same of more people, so that chance explains less: at the leverage that is reached (0.18) an attacker is right
    68% of the time. The audit stops at about 20 pairs; no more than twice that are asked."""
    outcomes, asked = [], pairs(40)
    for seed in range(67, 867, 100):
        who, targets = crowd(seed)
        data = apart(bench, who)
        one, other = data.each(lambda some: _As(some, 0)), data.each(lambda some: _As(some, 1))
        outcomes.append(_over_all(who, targets, [(one, asked[::2]), (other, asked[1::2])]))
    return together(outcomes)


def joined_again(bench: Bench) -> Outcome:
    """The same groups through three joins that change nothing: another statement, other noise, the same records."""
    outcomes = []
    for seed in (70, 170, 270):
        who, targets = crowd(seed)
        data = bench.open(who)
        sources = ["people", *(f"people JOIN {bench.beside(data, who)} USING (person)" for _ in range(3))]
        found = [paired(data, pairs(14), source=source) for source in sources]
        signals, answers = np.array([signal for signal, _ in found]), np.array([answers for _, answers in found])
        outcomes.append(guessed(over(signals.T), who["ill"][targets], answers))
    return together(outcomes)


def _over_all(who: People, targets: np.ndarray, asked: Sequence[tuple[Data, list[Pair]]]) -> Outcome:
    answers = [paired(data, groups)[1] for data, groups in asked]
    differences: Floats = np.concatenate([found[..., 1] - found[..., 0] for found in answers], axis=1)
    return guessed(over(differences), who["ill"][targets], np.concatenate(answers, axis=1))


class _As:
    """One dataset, asked by one of the operators."""

    def __init__(self, data: Data, operator: int) -> None:
        self._data, self._operator = data, operator

    def ask(self, sql: str, *, operator: int = 0) -> Answer:
        return self._data.ask(sql, operator=self._operator)

    def change(self, people: People) -> None:
        self._data.change(people)


SPELLINGS = (
    "job <> 'none'",
    "NOT job = 'none'",
    "'none' <> job",
    "job IN ('farm', 'shop', 'office', 'school', 'road', 'mill')",
    "NOT job IN ('none')",
    "job <> 'none' AND age >= 18",
    "age + 1 > 18 AND job <> 'none'",
    "(age < 40 OR age >= 40) AND job <> 'none'",
    "((job <> 'none' AND age < 40) OR (job <> 'none' AND age >= 40))",
    "(job IN ('farm', 'shop') OR job IN ('office', 'school', 'road', 'mill'))",
    "job LIKE '%o%' AND job <> 'none' OR job <> 'none'",
    "job < 'none' OR job > 'none'",
)


def spellings(bench: Bench) -> Outcome:
    """Everybody in a house but one, in twelve spellings, and everybody: does averaging help?"""
    who, targets = crowd(68)
    data = bench.open(who)
    less = np.concatenate([grouped(data, [COUNT.format(f"({spelling})")]) for spelling in SPELLINGS], axis=1)
    all_ = np.concatenate(
        [grouped(data, [COUNT.format(f"(age {sign})")]) for sign in (">= 18", "> 17", "< 78", "<= 77", "<> 17")], axis=1
    )
    found = np.concatenate([all_, less], axis=1)
    return guessed(over(all_) - over(less), who["ill"][targets], found)


def group_or_filter(bench: Bench) -> Outcome:
    """GROUP BY house, WHERE house = h and FILTER are one question each: does the noise differ between them?

    Right is a house whose released numbers differ, which only fresh noise explains.
    """
    who, _ = crowd(69)
    data = bench.open(who)
    by_group = grouped(data, [ILL])[:8, 0]
    by_filter = numbers(data, [COUNT.format(f"house = {house}") for house in range(1, 9)])
    where = np.concatenate([numbers(data, ["COUNT(*)"], where=f"house = {house} AND ill") for house in range(1, 9)])
    found = np.stack([by_group, by_filter, where])
    differ = (found.max(axis=0) != found.min(axis=0)) & ~np.isnan(found).any(axis=0)
    return Outcome(int(differ.sum()), found.shape[1], 0.0, float((~np.isnan(found)).mean()))
