"""Attacks that subtract answers: with a target and without, a table and its margins, one answer from another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tests.attacks.disclosure.bench import (
    Answer,
    Bench,
    Data,
    Outcome,
    grouped,
    guessed,
    over,
    pinned,
    together,
)
from tests.attacks.disclosure.people import (
    AGES,
    HIGH,
    HOUSES,
    MIDDLE,
    PLAIN,
    VISITS,
    Floats,
    People,
    crowd,
    crowds,
)

COUNT = "COUNT(*) FILTER (WHERE {} AND ill)"
Pair = tuple[str, str]
AT_ONCE = 6
"""Houses of one dataset, where many answers are needed."""


def pairs(count: int, without: str = "", extra: str = "none") -> list[Pair]:
    """Known groups without the house's target, and the same with it: sets of jobs first, then all but one age.

    ``without``: a job that stands for the target in the first of each pair instead of nobody.
    """
    found: list[Pair] = []
    for size in (4, 3, 5):
        for jobs in combinations(PLAIN, size):
            found.append((_jobs(*jobs, *([without] if without else [])), _jobs(*jobs, extra)))
    first = f" OR job = '{without}'" if without else ""
    for age in AGES:
        rest = f"(age <> {age} AND {_jobs(*PLAIN)})"
        found.append((f"({rest}{first})", f"({rest} OR job = '{extra}')"))
    return found[:count]


def _jobs(*jobs: str) -> str:
    return f"job IN ({', '.join(repr(job) for job in jobs)})"


def paired(data: Data, groups: Sequence[Pair], term: str = COUNT, source: str = "people") -> tuple[Floats, Floats]:
    """Per house the mean difference of ``term`` with and without its target; and all answers."""
    terms = [term.format(group) for pair in groups for group in pair]
    found = grouped(data, terms, source=source).reshape(HOUSES, len(groups), 2)
    return over(found[..., 1] - found[..., 0]), found


@dataclass(frozen=True)
class Apart:
    """A few houses at a time in datasets of their own: a system of a quarter of the rows is judged in a fiftieth of the
    time, and houses share no record anyway."""

    parts: tuple[tuple[frozenset[int], Data], ...]

    def each(self, other: Callable[[Data], Data]) -> Apart:
        return Apart(tuple((houses, other(data)) for houses, data in self.parts))

    def ask(self, sql: str, *, operator: int = 0) -> Answer:
        """A statement grouped by house."""
        rows = [(houses, data.ask(sql, operator=operator).rows) for houses, data in self.parts]
        return Answer(tuple(row for houses, some in rows for row in some if int(str(row["house"])) in houses))

    def change(self, people: People) -> None:
        for houses, data in self.parts:
            data.change(people.chosen(np.flatnonzero(np.isin(people["house"], sorted(houses)))))


def apart(bench: Bench, who: People, owners: int = 1) -> Apart:
    parts = []
    for first in range(1, HOUSES + 1, AT_ONCE):
        houses = range(first, first + AT_ONCE)
        part = who.chosen(np.flatnonzero(np.isin(who["house"], houses)))
        parts.append((frozenset(houses), bench.open(part, owners=owners)))
    return Apart(tuple(parts))


def _about_illness(bench: Bench, count: int, seeds: Sequence[int], owners: int = 1) -> Outcome:
    outcomes = []
    for seed in seeds:
        who, targets = crowds(seed) if owners == 3 else crowd(seed)
        data = bench.open(who, owners=owners) if count == 1 else apart(bench, who, owners)
        signal, found = paired(data, pairs(count))
        outcomes.append(guessed(signal, who["ill"][targets], found))
    return together(outcomes)


def one_pair(bench: Bench) -> Outcome:
    return _about_illness(bench, 1, (11,), owners=3)


def many_pairs(bench: Bench) -> Outcome:
    """60 pairs each: noise alone would average away."""
    return _about_illness(bench, 60, (12, 13, 14))


def thirty_two_pairs(bench: Bench) -> Outcome:
    return _about_illness(bench, 32, (15,), owners=3)


def tracker(bench: Bench) -> Outcome:
    """Denning's general tracker: q(T or target) + q(not T or target) - q(all), no question about a small group."""
    who, targets = crowd(17)
    none = "job = 'none'"
    found = grouped(
        bench.open(who), [COUNT.format(c) for c in (f"(age < 48 OR {none})", f"(age >= 48 OR {none})", "age >= 18")]
    )
    return guessed(found[:, 0] + found[:, 1] - found[:, 2], who["ill"][targets], found)


def complement(bench: Bench) -> Outcome:
    """All, and all but one, by FILTER in one statement."""
    who, targets = crowd(18)
    found = grouped(bench.open(who), ["COUNT(*) FILTER (WHERE ill)", COUNT.format("NOT job = 'none'")])
    return guessed(found[:, 0] - found[:, 1], who["ill"][targets], found)


def margins(bench: Bench) -> Outcome:
    """A margin less the other cells of its row: younger, older, and the target's own, which is closed."""
    who, targets = crowd(20)
    cells = ["job <> 'none' AND age < 48", "job <> 'none' AND age >= 48", "job = 'none'"]
    found = grouped(bench.open(who), ["COUNT(*) FILTER (WHERE ill)", *(COUNT.format(cell) for cell in cells)])
    return guessed(found[:, 0] - found[:, 1] - found[:, 2], who["ill"][targets], found[:, :3])


def overlapping_sums(bench: Bench) -> Outcome:
    """One person's income as the difference of two sums."""
    who, targets = crowd(21)
    signal, found = paired(bench.open(who), pairs(1), "SUM(income) FILTER (WHERE {})")
    return pinned(signal, who["income"][targets], found)


def overlapping_sums_guess(bench: Bench) -> Outcome:
    """60 such pairs, but only whether somebody earns above the middle: its income is nearly 0 or nearly the most."""
    outcomes = []
    for seed in (22, 23, 122):
        who, targets = crowd(seed)
        income = who["income"].copy()
        income[targets] = np.where(income[targets] >= MIDDLE, HIGH - 100, 100)
        who = who.with_column("income", income)
        signal, found = paired(apart(bench, who), pairs(60), "SUM(income) FILTER (WHERE {})")
        outcomes.append(guessed(signal, income[targets] >= MIDDLE, found, threshold=HIGH / 2))
    return together(outcomes)


def signed_sum(bench: Bench) -> Outcome:
    """Signed changes that sum to about nothing: the released digits were once finest there."""
    who, targets = crowds(24)
    signal, found = paired(bench.open(who, owners=3), pairs(1), "SUM(change) FILTER (WHERE {})")
    return pinned(signal, who["change"][targets], found)


def mean_times_count(bench: Bench) -> Outcome:
    who, targets = crowd(25)
    terms = [f"{name} FILTER (WHERE {group})" for group in pairs(1)[0] for name in ("AVG(income)", "COUNT(*)")]
    found = grouped(bench.open(who), terms)
    sums = found[:, 0::2] * found[:, 1::2]
    return pinned(sums[:, 1] - sums[:, 0], who["income"][targets], found)


def moments(bench: Bench) -> Outcome:
    """VAR, AVG and COUNT give the sum of squares; that of one more person is the square of its value."""
    who, targets = crowd(26)
    names = ("VAR_POP(income)", "AVG(income)", "COUNT(*)")
    found = grouped(bench.open(who), [f"{name} FILTER (WHERE {group})" for group in pairs(1)[0] for name in names])
    squares = (found[:, 0::3] + found[:, 1::3] ** 2) * found[:, 2::3]
    values = np.sqrt(np.maximum(squares[:, 1] - squares[:, 0], 0))
    return pinned(values, who["income"][targets], found, within=1.0)


def equal_answers(bench: Bench) -> Outcome:
    """With noise keyed by the contributing records, one equal pair proves that the target contributes nothing."""
    who, targets = crowd(27)
    _, found = paired(bench.open(who), pairs(4))
    different = (found[..., 1] != found[..., 0]) & ~np.isnan(found).any(axis=-1)
    often = different.mean(axis=-1)
    return guessed(often, who["ill"][targets], found, threshold=min(float(np.median(often)), 0.99))


def rebuilt(bench: Bench) -> Outcome:
    """Random halves of each of six houses, 180 of them, solved for a yes/no column of all (Dinur and Nissim 2003).

    In a house everybody's age is his own, so a set of ages is a set of people.
    """
    everybody, _ = crowd(28)
    who = everybody.chosen(np.flatnonzero(everybody["house"] <= 6))
    data, rng = bench.open(who), np.random.default_rng(10)
    sets = [rng.choice(AGES, len(AGES) // 2, replace=False) for _ in range(180)]
    terms = [COUNT.format(f"age IN ({', '.join(map(str, sorted(ages.tolist())))})") for ages in sets]
    found = grouped(data, terms)[:6]
    guess = np.full(len(who), np.nan)
    for house in range(1, 7):
        rows = np.flatnonzero(who["house"] == house)
        there = ~np.isnan(found[house - 1])
        a = np.array([np.isin(who["age"][rows], ages) for ages in sets], dtype=float)[there]
        if len(a):
            centred = found[house - 1][there] - a.sum(axis=1) / 2
            guess[rows] = 0.5 + a.T @ np.linalg.solve(a @ a.T + 36 * np.eye(len(a)), centred)
    return guessed(guess, who["ill"], found)


def all_categories(bench: Bench) -> Outcome:
    """48 pairs, each in every category of a column at once: four noisy numbers of one fact."""
    who, targets = crowd(29)
    data, score, answers = apart(bench, who), np.zeros(HOUSES), []
    for category in ("asthma", "flu", "gout", "none"):
        _, found = paired(data, pairs(48), "COUNT(*) FILTER (WHERE {} AND illness = '" + category + "')")
        steps = found[..., 1] - found[..., 0]  # small categories are mostly withheld: what is there counts, one by one
        score += np.nansum(steps - 1 / 2, axis=1) if category == "asthma" else -np.nansum(steps - 1 / 6, axis=1)
        answers.append(found)
    return guessed(score, who["ill"][targets], np.array(answers), threshold=0.0)


def correlated_cuts(bench: Bench) -> Outcome:
    """20 pairs on each of six cut points, of targets that are above all of them or below: budgets apart would add up."""
    outcomes = []
    for seed in (30,):
        who, targets = crowd(seed)
        income = who["income"].copy()
        income[targets] = np.where(income[targets] >= MIDDLE, HIGH - 100, 100)
        data, signals, answers = apart(bench, who.with_column("income", income)), [], []
        for cut in range(1700, 4700, 500):
            signal, found = paired(data, pairs(20), "COUNT(*) FILTER (WHERE {} AND income >= " + str(cut) + ")")
            signals.append(signal)
            answers.append(found)
        outcomes.append(guessed(over(np.array(signals).T), income[targets] >= MIDDLE, np.array(answers)))
    return together(outcomes)


def known_weights(bench: Bench) -> Outcome:
    """One income as the difference of two sums, each value weighed by a known age, so that the target weighs most."""
    who, targets = crowd(61)
    signal, found = paired(bench.open(who), pairs(1), "SUM(income * age) FILTER (WHERE {})")
    return pinned(signal / who["age"][targets], who["income"][targets], found)


def hidden_weights(bench: Bench) -> Outcome:
    """24 sums of income x visits, told by who knows that of each house only the target has visits at all.

    Owners declare visits a secret; whoever knows it nevertheless needs no second group to take the others off.
    """
    outcomes = []
    for seed in (63, 163, 263):
        who, targets = crowd(seed)
        visits = np.zeros(len(who), dtype=np.int64)
        visits[targets] = VISITS
        data = apart(bench, People({**who.columns, "visits": visits}))
        found = grouped(data, [f"SUM(income * visits) FILTER (WHERE {group})" for _, group in pairs(24)])
        outcomes.append(guessed(over(found) / VISITS, who["income"][targets] > MIDDLE, found, threshold=MIDDLE))
    return together(outcomes)


def medians(bench: Bench) -> Outcome:
    """Does the median of a house rise or fall when its target comes in? Over two groups."""
    who, targets = crowd(62)
    data = bench.open(who)
    found = np.stack(
        [grouped(data, [f"MEDIAN(income) FILTER (WHERE {group})"])[:, 0] for pair in pairs(2) for group in pair],
        axis=1,
    ).reshape(HOUSES, 2, 2)
    return guessed(over(found[..., 1] - found[..., 0]), who["income"][targets] > MIDDLE, found, threshold=0)


def swapped_rows(bench: Bench) -> Outcome:
    """One person has two rows in a house, one of them ill: the same people in both groups, but not the same rows."""
    outcomes = []
    for seed in (32,):
        one, targets = crowd(seed)
        second = one.chosen(targets)
        second = second.with_column("job", np.full(HOUSES, "mill")).with_column("ill", ~second["ill"])
        signal, found = paired(apart(bench, one.plus(second)), pairs(40, without="mill"))
        outcomes.append(guessed(signal, one["ill"][targets], found, threshold=0.0))
    return together(outcomes)


def heavy_unit(bench: Bench) -> Outcome:
    """One person in each house has 14 rows, all ill or all not, the 59 others one each: noise is measured in one record."""
    one, targets = crowd(34)
    rows = 14
    who = one.chosen(np.concatenate([np.arange(len(one)), np.repeat(targets, rows - 1)]))
    found = grouped(bench.open(who, said=["ill"]), ["COUNT(*) FILTER (WHERE ill)"])[:, 0]
    return guessed(found - (len(AGES) - 1) / 2, who["ill"][targets], found, threshold=rows / 2)


def alike(bench: Bench) -> Outcome:
    """Twelve in each house are all ill or all not. Their own count is withheld; 60 pairs with and without them tell it."""
    who, _ = crowd(35)
    job, ill, totals = who["job"].copy(), who["ill"].copy(), np.zeros(HOUSES)
    job[job == "mill"] = "road"
    for house in range(1, HOUSES + 1):
        twelve = np.flatnonzero((who["house"] == house) & (job != "none"))[:12]
        job[twelve], ill[twelve] = "mill", house % 2 == 0
        totals[house - 1] = ill[twelve].sum()
    data = apart(bench, who.with_column("job", job).with_column("ill", ill))
    signal, found = paired(data, pairs(60, extra="mill"))
    return pinned(signal, totals, found)
