"""The last step, two pure functions of noisy totals: ``shown_numbers`` formats, ``assemble`` makes the vetted table.

What is opened is safe for every participant to see, so each of them runs this again and signs what comes out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, isqrt
from typing import Any, Final

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rounding import Step, decimals, on_grid, root_on_grid, step_below
from jobs.disclosure.rules.degrees_of_freedom import least_units
from jobs.errors import DisclosureBlocked
from jobs.kinds.statistics.answer import AnswerTable, table
from jobs.kinds.statistics.answer_expr import Number, root
from jobs.kinds.statistics.estimate import COUNTS, UNSHOWN, Estimate, estimate, squares
from jobs.kinds.statistics.opening import Bits
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.kinds.statistics.plan.weights import squares_of_factors
from jobs.schema import Scalar

MORE_DECIMALS: Final = 6
"""How many more decimals than its column an exact mean, variance or deviation is shown with."""
OWNER, FEW, NOISE = "owner-rule", "too-few", "within-noise"
"""Why a number is withheld: an owner's rule, not told which; a noisy count too small; a spread that may be none."""
Totals = Sequence[Sequence[int | None]]
"""Opened sums per channel, per cell, at the channel's scale; ``None`` where nothing was opened."""


@dataclass(frozen=True)
class Shown:
    """``numbers``: per aggregate, per cell; ``None``: withheld. ``withheld``: how many, by public rule."""

    numbers: list[list[Number | None]]
    withheld: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many numbers are shown."""
        return sum(number is not None for row in self.numbers for number in row)


@dataclass(frozen=True)
class ReleasedTable:
    """What leaves: the table, and the verdict that explains it. ``verdict`` holds counts of cells, never values."""

    table: AnswerTable
    verdict: dict[str, Any]


def shown_numbers(plan: Plan, profile: Profile, passed: Bits, totals: Totals) -> Shown:
    """Format every opened aggregate. ``passed``: (aggregates, cells), where no owner's rule failed.

    Empty, small and closed cells look alike: all are withheld.
    """
    withheld = {OWNER: int(np.count_nonzero(~passed)), FEW: 0, NOISE: 0}
    numbers = []
    for aggregate, passes in zip(plan.aggregates, passed.tolist(), strict=True):
        format_ = Format(plan, profile, aggregate)
        row: list[Number | None] = []
        for cell, ok in enumerate(passes):
            found = format_.shown([totals[i][cell] for i in aggregate.channels]) if ok else None
            if isinstance(found, str):
                withheld[found] += 1
                found = None
            row.append(found)
        numbers.append(row)
    return Shown(numbers, withheld)


class Format:
    """How one aggregate of a plan is shown."""

    def __init__(self, plan: Plan, profile: Profile, aggregate: Aggregate) -> None:
        self._function, self._exact = aggregate.function, profile.exact
        self._decimals = plan.decimals_of(aggregate)
        self._units = [Fraction(1, 10 ** plan.channels[i].scale) for i in aggregate.channels]
        self._errors = squares(plan, aggregate)
        self._least = least_count(plan, profile, aggregate)
        squares_of = squares_of_factors(plan, aggregate) if profile.judged else []
        self._weights = [(place, largest * self._units[place]) for place, largest in squares_of]
        """Of each factor of a product; judged as counts are: in units of the largest square its noise is theirs."""
        self._fixed = (
            self._format(self._errors[int(aggregate.function == "sum")])
            if aggregate.function in (*COUNTS, "sum")
            else None
        )
        """Of counts and sums, whose errors are the same in every cell."""

    def shown(self, opened: Sequence[int | None]) -> Number | str:
        """The number, or the public rule that withholds it."""
        parts = [total * unit for total, unit in zip(opened, self._units, strict=True) if total is not None]
        if len(parts) != len(self._units):
            raise DisclosureBlocked("a cell is open whose totals were not opened: the hub's record of it is damaged")
        if parts[0] < self._least or any(parts[place] < self._least * most for place, most in self._weights):
            return FEW
        found = estimate(self._function, parts, self._errors)
        if found is None or (self._function in UNSHOWN and not self._exact and _within_noise(found)):
            return NOISE
        return self._on_grid(found)

    def _on_grid(self, found: Estimate) -> Number:
        if self._function.startswith("stddev"):
            step, error = self._format(found.square / (4 * found.value) if found.square else found.square)
            return Number(root_on_grid(found.value, step), error)
        step, error = self._fixed or self._format(found.square)
        if self._function == "corr":
            size = root_on_grid(abs(found.value), step)
            return Number(-size if found.value < 0 else size, error)
        value = on_grid(found.value, step)
        whole = self._function in COUNTS or (self._function == "sum" and not self._decimals)
        return Number(int(value) if whole else value, error)

    def _format(self, square: Fraction) -> tuple[Step, Decimal]:
        """The step and the standard error of a number, from its squared error."""
        return (step_below(square), root(square)) if square else (self._whole(), Decimal(0))

    def _whole(self) -> Step:
        """Of an exact number."""
        if self._function in COUNTS:
            return decimals(0)
        return decimals(self._decimals if self._function == "sum" else self._decimals + MORE_DECIMALS)


def least_count(plan: Plan, profile: Profile, aggregate: Aggregate) -> int:
    """The smallest noisy count that is shown, or that anything is computed of: the minimum group (of what is estimated
    its degrees of freedom), and four standard errors, below which an empty cell might reach it.
    """
    errors = 16 * plan.holders * plan.channels[aggregate.channels[0]].noise ** 2
    unjudged = plan.joint_minimum or profile.privacy is not None  # else each part judges its degrees of freedom
    group = least_units(aggregate.function, len(aggregate.channels), profile) if unjudged else 0
    return max(group, profile.min_group, isqrt(ceil(errors)) + (isqrt(ceil(errors)) ** 2 < errors))


def _within_noise(found: Estimate) -> bool:
    """A variance not above twice its standard error may be none at all; its root then says no more.

    At once the error those were shown that noise had enlarged, and the smaller ones withheld: half were far too large.
    """
    return found.value <= 0 or found.value**2 <= 4 * found.square


def assemble(plan: Plan, parameters: Mapping[str, Scalar], profile: Profile, shown: Shown) -> ReleasedTable:
    """The table of released numbers, within the output limits; raises ``DisclosureBlocked`` beyond them."""
    answer = table(plan, shown.numbers, dict(parameters), noisy=not profile.exact)
    _check_limits(answer, profile)
    return ReleasedTable(answer, _verdict(plan, profile, shown, answer))


def _check_limits(answer: AnswerTable, profile: Profile) -> None:
    if len(answer.rows) > profile.max_rows:
        raise DisclosureBlocked(
            f"the table has {len(answer.rows)} rows; profile {profile.id} releases at most {profile.max_rows}: "
            "group more coarsely, or add a LIMIT"
        )
    size = sum(len(json.dumps(row, default=str)) for row in (*answer.rows, *answer.errors))
    if size > profile.max_bytes:
        raise DisclosureBlocked(
            f"the table has {size} bytes; profile {profile.id} releases at most {profile.max_bytes}"
        )


def _verdict(plan: Plan, profile: Profile, shown: Shown, answer: AnswerTable) -> dict[str, Any]:
    return {
        "profile": profile.id,
        "profile_digest": profile.digest,
        "cells": len(plan.aggregates) * plan.cells,
        "suppressed": sum(shown.withheld.values()),
        "withheld": dict(shown.withheld),
        "rows": len(answer.rows),
        "decision": "release",
    }
