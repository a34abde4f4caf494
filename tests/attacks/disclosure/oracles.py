"""Attacks that listen to what is withheld, refused, empty or slow, and to values at the edge of what is possible."""

from __future__ import annotations

import numpy as np

from tests.attacks.disclosure.bench import Bench, Data, Outcome, Refused, guessed, numbers, over, pinned
from tests.attacks.disclosure.differences import COUNT
from tests.attacks.disclosure.people import CUTS, HIGH, HOUSES, NEVER, Bools, Floats, People, people

NINE = range(500, 509)


def shown(data: Data, terms: list[str]) -> Bools:
    return np.asarray(~np.isnan(numbers(data, terms)))


def pass_bits(bench: Bench) -> Outcome:
    """Nine known people, and the target where its income reaches t: the tenth opens the cell. Bisected over t."""
    who = people(600, 41)
    return _bisected(bench, who, "({nine} OR ({target} AND income >= {t}))")


def pass_bits_apart(bench: Bench) -> Outcome:
    """The same with a condition that may be asked: all ten must reach t, and the nine are known to."""
    who = people(600, 42)
    income = who["income"].copy()
    income[list(NINE)] = HIGH - 1
    return _bisected(bench, who.with_column("income", income), "(({nine} OR {target}) AND income >= {t})")


def _bisected(bench: Bench, who: People, condition: str) -> Outcome:
    """The income of 8 people to the interval between two cut points."""
    data, targets = bench.open(who), range(8)
    nine, places = who.any_of(NINE), (0, *CUTS)
    low, high = np.zeros(len(targets), int), np.full(len(targets), len(places))
    bits: list[Bools] = []
    while (high - low > 1).any():
        middle = (low + high) // 2
        terms = [
            f"COUNT(*) FILTER (WHERE {condition.format(nine=nine, target=who.is_(row), t=places[middle[row]])})"
            for row in targets
        ]
        open_ = shown(data, terms)
        bits.append(open_)
        low, high = np.where(open_, middle, low), np.where(open_, high, middle)
    found = np.array([places[place] for place in low], dtype=float)
    truth = who["income"][: len(targets)] // 100 * 100
    answers = np.where(np.array(bits), 1.0, np.nan)
    return pinned(found, truth, answers, base=1 / len(places))


def nulls(bench: Bench) -> Outcome:
    """Nine known to have a value and the target: the count of values is withheld unless it has one too."""
    who = people(600, 43)
    visits = who["visits"].copy()
    visits[list(NINE)] = 3
    who = who.with_column("visits", visits)
    targets, nine = range(40), who.any_of(NINE)
    data = bench.open(who)
    open_ = shown(data, [f"COUNT(visits) FILTER (WHERE {nine} OR {who.is_(row)})" for row in targets])
    answers = np.where(open_, 1.0, np.nan)
    return guessed(open_.astype(float), who["visits"][: len(targets)] != NEVER, answers)


def refusals(bench: Bench) -> Outcome:
    """Nine whom the asker knows to be ill, and the target: whatever differs between ill and not is a bit, be it a
    refusal's text, the form of an answer or the number in it."""
    who = people(600, 44)
    ill = who["ill"].copy()
    ill[list(NINE)] = True
    who = who.with_column("ill", ill)
    data, targets, nine, said = bench.open(who), range(24), who.any_of(NINE), []
    for row in targets:
        try:
            rows = data.ask(f"SELECT COUNT(*) AS n FROM people WHERE ({nine} OR {who.is_(row)}) AND ill").rows
            said.append(repr([sorted(item.items()) for item in rows]))
        except Refused as refused:
            said.append(str(refused.args[0]).split("|")[0])
    signal = np.array([float(text != said[0]) for text in said])
    if ill[0]:
        signal = 1 - signal  # the asker knows this of the first
    nothing = len(set(said)) == 1
    known = np.full(len(said), np.nan) if nothing else signal
    return guessed(known[1:], ill[1 : len(targets)], known)


def full_cells(bench: Bench) -> Outcome:
    """Houses where everybody is ill, or nobody: a released share of exactly one or none tells each of them."""
    who = people(1200, 47)
    ill = who["ill"].copy()
    ill[np.isin(who["house"], (1, 3, 5))] = True
    ill[np.isin(who["house"], (2, 4, 6))] = False
    who = who.with_column("ill", ill)
    data = bench.open(who)
    found = numbers(data, [COUNT.format(f"house = {house}") for house in range(1, 7)])
    size = np.array([(who["house"] == house).sum() for house in range(1, 7)])
    claimed = (found == size) | (found == 0)
    told = np.array([bool(claimed[house - 1]) for house in who["house"][who["house"] <= 6]])
    return Outcome(int(told.sum()), len(told), 0.0, float((~np.isnan(found)).mean()))


def no_spread(bench: Bench) -> Outcome:
    """Everybody in a house earns the same: a deviation of 0 and a mean tell all of them."""
    who = people(1200, 48)
    paid = np.where(who["house"] <= 4, 1000 * who["house"] + 7, who["income"])
    who = who.with_column("income", paid)
    data = bench.open(who)
    terms = [f"{name}(income) FILTER (WHERE house = {h})" for h in range(1, 5) for name in ("STDDEV_POP", "AVG")]
    found = numbers(data, terms).reshape(4, 2)
    told = [found[h - 1, 0] == 0 and found[h - 1, 1] == 1000 * h + 7 for h in who["house"][who["house"] <= 4]]
    return Outcome(int(np.sum(told)), len(told), 0.0, float((~np.isnan(found)).mean()))


def swept_thresholds(bench: Bench) -> Outcome:
    """A pair at every cut point: where the step is, is the target's income."""
    who = people(600, 49)
    return _swept(bench, who, range(3), [f"income >= {cut}" for cut in CUTS], np.array(CUTS, dtype=np.float64))


def bucket_offsets(bench: Bench) -> Outcome:
    """Thresholds in between, by bending a bucket's beginning: FLOOR((income + o) / 100)."""
    who = people(600, 50)
    cuts = np.arange(20, HIGH, 100)
    return _swept(
        bench,
        who,
        range(3),
        [f"FLOOR((income + 80) / 100) >= {(c + 80) // 100}" for c in cuts],
        cuts.astype(np.float64),
    )


def _swept(bench: Bench, who: People, targets: range, conditions: list[str], cuts: Floats) -> Outcome:
    data, terms = bench.open(who), []
    for row in targets:
        group = f"house <> {who['house'][row]}"
        for condition in conditions:
            for known in (group, f"({group} OR {who.is_(row)})"):
                terms.append(f"COUNT(*) FILTER (WHERE {known} AND {condition})")
    found = numbers(data, terms).reshape(len(targets), len(cuts), 2)
    steps = np.nan_to_num(found[..., 1] - found[..., 0])
    places = np.concatenate([[0], cuts])
    # the place that fits best: 1 below it and 0 above
    fit = np.concatenate([np.zeros((len(targets), 1)), np.cumsum(steps - 0.5, axis=1)], axis=1)
    truth = places[np.searchsorted(places, who["income"][: len(targets)], side="right") - 1]
    return pinned(places[fit.argmax(axis=1)].astype(float), truth.astype(float), found, base=1 / len(places))


def unit_inflation(bench: Bench) -> Outcome:
    """One person with twelve records: ten rows, but not ten people."""
    one = people(600, 52)
    targets = np.arange(20)
    who = one.chosen(np.concatenate([np.arange(len(one)), np.repeat(targets, 11)]))
    if bench.rows_are_units:
        who = who.with_column("person", np.array([f"row{number}" for number in range(len(who))]))
    found = numbers(bench.open(who), [COUNT.format(who.is_(int(row))) for row in targets])
    zero = numbers(bench.open(who), [f"COUNT(*) FILTER (WHERE {who.is_(int(row))})" for row in targets])
    answers = np.concatenate([found, zero])
    signal = np.where(np.isnan(zero), np.nan, np.where(np.isnan(found), 0.0, 1.0))
    return guessed(signal, who["ill"][targets], answers)


def finer_digits(bench: Bench) -> Outcome:
    """Arithmetic, ORDER BY and HAVING on outputs see what is shown and no more: no exact sum behind the grid."""
    who = people(600, 53)
    data = bench.open(who)
    sums = [f"SUM(income) FILTER (WHERE house = {house})" for house in range(1, HOUSES + 1)]
    found = numbers(data, [*sums, *(f"({term}) * 7.0 / 7" for term in sums)]).reshape(2, -1)
    truth = np.array([who["income"][who["house"] == house].sum() for house in range(1, HOUSES + 1)], dtype=float)
    return pinned(over(found.T), truth, found)


def bisected_by_having(bench: Bench) -> Outcome:
    """HAVING opens and closes a row: bisected, it would tell the number behind the shown one."""
    who = people(600, 54)
    data, truth = bench.open(who), float(np.sum(who["income"]))
    low, high, answers = 0.0, float(HIGH * len(who)), []
    while high - low > 1:
        middle = round((low + high) / 2)
        rows = data.ask(f"SELECT SUM(income) AS s FROM people HAVING SUM(income) >= {middle}").rows
        answers.append(1.0 if rows else np.nan)
        low, high = (middle, high) if rows else (low, middle)
    return pinned(np.array([round(low)], dtype=float), np.array([truth]), np.array(answers), within=1.0)


def extreme_values(bench: Bench) -> Outcome:
    """Everybody at the upper bound, as many rows as declared: noise must not lead out of the proven range.

    Right is a job that did not end in a release: which of them did would tell that the total is at its edge.
    """
    who = people(64, 55)
    who = who.with_column("income", np.full(64, HIGH))
    lost, tries = 0, 8
    for _ in range(tries):
        found = numbers(bench.open(who), ["SUM(income)", "VAR_POP(income)", "COUNT(*)"])
        lost += int(np.isnan(found[[0, 2]]).any())
    return Outcome(lost, tries, 0.0, 1 - lost / tries)


def dominance_bits(bench: Bench) -> Outcome:
    """Forty people with little income and the target: a rule about dominance closes the sum where the target earns much."""
    who = people(600, 56)
    rich = np.random.default_rng(16).permutation(600) < 300
    forty = range(500, 540)
    income = np.where(rich, 6000, 600)
    income[list(forty)] = 30
    who = who.with_column("income", income)
    targets, group = range(40), who.any_of(forty)
    found = numbers(bench.open(who), [f"SUM(income) FILTER (WHERE {group} OR {who.is_(row)})" for row in targets])
    closed = np.isnan(found)
    signal = closed.astype(float) if closed.any() and not closed.all() else np.full(len(found), np.nan)
    return guessed(signal, rich[: len(targets)], found)
