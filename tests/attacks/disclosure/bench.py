"""What an attack stands on: made-up people at owners whom it may ask, and what became of it.

An attack is a function of a ``Bench`` and knows neither how answers are made nor which defence is on: on a federation
of real processes (``live``) or on the real parties, referee and audit in this process (``simulated``), under
``standard@2`` or with the defence off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final, Literal, Protocol

import numpy as np

from tests.attacks.disclosure.people import HOUSES, Bools, Floats, People

AT_ONCE: Final = 60
"""Numbers of one job: a statement has at most 64 aggregates ..."""
CHARACTERS: Final = 17_000
"""... and 20,000 characters."""
Kind = Literal["attribute", "exact", "rebuilt"]
LIMIT: Final[dict[Kind, float]] = {"attribute": 0.75, "exact": 0.0, "rebuilt": 0.80}
"""Share of the targets that an attack may get right: a balanced yes or no, a value exactly, a whole column."""


class Refused(Exception):
    """The statement or the job was refused; what was said."""


@dataclass(frozen=True)
class Answer:
    """Released rows by output name; ``None`` where withheld or NULL."""

    rows: tuple[dict[str, object], ...]


class Data(Protocol):
    """One registered dataset, called ``people`` in statements."""

    def ask(self, sql: str, *, operator: int = 0) -> Answer:
        """Raises ``Refused``."""
        ...

    def change(self, people: People) -> None:
        """Register another version of it."""
        ...


class Bench(Protocol):
    """Where data can be registered under the profile of this bench; every call gives individuals of their own kind."""

    rows_are_units: bool
    """Whether a control declares every row an individual."""

    def open(self, people: People, *, owners: int = 1, disjoint: bool = True, said: Sequence[str] = ()) -> Data:
        """``said``: secret columns that are declared to be said of the person."""
        ...

    def again(self, data: Data, *, owners: int = 1) -> Data:
        """The same files under another name; of a joint one its first owner's part if ``owners`` is 1."""
        ...

    def beside(self, data: Data, people: People) -> str:
        """The name of another dataset at the same owner with one row for each of these people, to join by ``person``."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How many targets an attack got right. ``base``: the share that a guess without any answer gets right.

    ``answered``: the share of the numbers asked for that were released.
    """

    right: int
    tries: int
    base: float
    answered: float

    @property
    def rate(self) -> float:
        return self.right / self.tries

    def is_within(self, limit: float, *, by_chance: bool) -> bool:
        """``by_chance``: noise is drawn anew each time, so only what chance does not explain (2 sd) counts.

        Nothing may be told exactly but what a guess hits, give or take chance (3 sd).
        """
        allowed = limit or self.base
        deviations = (2 if by_chance else 0) if limit else 3
        slack = deviations * sqrt(allowed * (1 - allowed) / self.tries)
        return self.rate <= allowed + slack


@dataclass(frozen=True)
class Attack:
    """``live``: over the public API against real processes; else in this process, because it needs many answers.

    ``works``: what share it must get right with its defence off, or it is no attack. ``residual``: what is left to it.
    """

    name: str
    title: str
    kind: Kind
    run: Callable[[Bench], Outcome]
    live: bool
    defence: str
    control: str = "open"
    """The bench with the defence off, by its name in ``catalogue``."""
    works: float = 0.9
    bench: str = "standard"
    residual: str = ""
    admitted: bool = False
    """Known to succeed beyond the limit, as ``docs/disclosure.md`` says under what is not promised."""

    @property
    def limit(self) -> float:
        return LIMIT[self.kind]


def numbers(data: Data, terms: Sequence[str], *, where: str = "", source: str = "people") -> Floats:
    """The value of each aggregate; ``nan`` for what was withheld or refused."""
    found: list[float] = []
    for some in _batches(terms):
        outputs = ", ".join(f"{term} AS n{number}" for number, term in enumerate(some))
        sql = f"SELECT {outputs} FROM {source}" + (f" WHERE {where}" if where else "")
        try:
            rows = data.ask(sql).rows
        except Refused:
            rows = ()
        row = rows[0] if rows else {}
        found += [_number(row.get(f"n{number}")) for number in range(len(some))]
    return np.array(found)


def grouped(data: Data, terms: Sequence[str], *, source: str = "people") -> Floats:
    """The value of each aggregate in each house, shape (houses, terms)."""
    found = np.full((HOUSES, len(terms)), nan)
    start = 0
    for some in _batches(terms):
        outputs = ", ".join(f"{term} AS n{number}" for number, term in enumerate(some))
        try:
            rows = data.ask(f"SELECT house, {outputs} FROM {source} GROUP BY house").rows
        except Refused:
            rows = ()
        for row in rows:
            place = int(str(row["house"])) - 1
            found[place, start : start + len(some)] = [_number(row.get(f"n{number}")) for number in range(len(some))]
        start += len(some)
    return found


def _batches(terms: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for term in terms:
        if batch and (len(batch) == AT_ONCE or sum(map(len, batch)) + len(term) + 12 * len(batch) > CHARACTERS):
            yield batch
            batch = []
        batch.append(term)
    if batch:
        yield batch


def _number(value: object) -> float:
    return nan if value is None else float(str(value))


def named(sql: str, name: str) -> str:
    """The statement about the dataset of this name."""
    return re.sub(r"\bpeople\b", name, sql)


def guessed(signals: Floats, truth: Bools, answers: Floats, threshold: float = 0.5) -> Outcome:
    """Yes where a target's signal is above the threshold; a coin where there is none."""
    coin = np.random.default_rng(len(signals)).random(len(signals)) < 0.5
    guess = np.where(np.isnan(signals), coin, signals > threshold)
    base = max(float(truth.mean()), 1 - float(truth.mean()))
    return Outcome(int((guess == truth).sum()), len(truth), base, share(answers))


def pinned(found: Floats, truth: Floats, answers: Floats, within: float = 0.5, base: float = 0.0) -> Outcome:
    """A value is exact if the finding is within half a unit of it."""
    right = np.abs(np.nan_to_num(found, nan=np.inf) - truth) <= within
    return Outcome(int(right.sum()), len(truth), base, share(answers))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The same attack on several crowds."""
    tries = sum(outcome.tries for outcome in outcomes)
    base = sum(outcome.base * outcome.tries for outcome in outcomes) / tries
    answered = sum(outcome.answered * outcome.tries for outcome in outcomes) / tries
    return Outcome(sum(outcome.right for outcome in outcomes), tries, base, answered)


def share(answers: Floats) -> float:
    return float((~np.isnan(answers)).mean()) if answers.size else 0.0


def over(values: Floats) -> Floats:
    """Means along the last axis of what is there; ``nan`` where nothing is."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), nan)
