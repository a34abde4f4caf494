"""A job with one owner: nothing is masked, so its own node rounds; only rounded numbers of passing cells leave it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.errors import DisclosureBlocked
from jobs.kinds.statistics.opening import Bits
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.kinds.statistics.release import COUNTS, Released, round_all


def gate_own(
    plan: Plan, profile: Profile, passed: Bits, totals: Sequence[Sequence[int | None]]
) -> tuple[Decimal | None, ...]:
    """At the node: what leaves, for every passing aggregate, then cell. ``totals``: exact, per channel, per cell."""
    released = round_all(plan, profile, passed, totals)
    numbers = (released[aggregate][cell] for aggregate, cell in np.argwhere(passed).tolist())
    return tuple(None if number is None else Decimal(number) for number in numbers)


def read_gated(plan: Plan, profile: Profile, passed: Bits, numbers: Sequence[Decimal | None]) -> list[list[Released]]:
    """At the hub: the same numbers per aggregate, per cell.

    Raises ``DisclosureBlocked`` for a count that is not rounded and for a number that no data within the plan gives.
    """
    table: list[list[Released]] = [[None] * plan.cells for _ in plan.aggregates]
    bounds = [_bound(plan, aggregate, profile) for aggregate in plan.aggregates]
    for (place, cell), number in zip(np.argwhere(passed).tolist(), numbers, strict=True):
        if number is not None and abs(number) > bounds[place]:
            raise DisclosureBlocked("the owner's node sent a number beyond all that the plan's columns can give")
        counts = plan.aggregates[place].function in COUNTS
        table[place][cell] = _count(number, profile) if counts else number
    return table


def _bound(plan: Plan, aggregate: Aggregate, profile: Profile) -> int:
    """What no released number exceeds: the proven range of its totals, doubled, for rounding may go up."""
    channels = [plan.channels[number] for number in aggregate.channels]
    return 2 * max(max(abs(channel.low), abs(channel.high)) for channel in channels) + profile.rounding_base


def _count(number: Decimal | None, profile: Profile) -> int:
    if number is None or number < 0 or Fraction(number) % profile.rounding_base:
        raise DisclosureBlocked(f"the owner's node sent a count that profile {profile.id} would not release")
    return int(number)
