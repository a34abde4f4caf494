"""A job with one owner: nothing is masked, so its own node rounds; only rounded numbers of passing cells leave it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from jobs.opening import Bits
from jobs.plan.types import Plan
from sandbox.disclosure.profile import Profile
from sandbox.disclosure.release import COUNTS, Released, round_all
from sandbox.errors import DisclosureBlocked


def gate_own(
    plan: Plan, profile: Profile, passed: Bits, totals: Sequence[Sequence[int | None]]
) -> tuple[Decimal | None, ...]:
    """At the node: what leaves, for every passing aggregate, then cell. ``totals``: exact, per channel, per cell."""
    released = round_all(plan, profile, passed, totals)
    numbers = (released[aggregate][cell] for aggregate, cell in np.argwhere(passed).tolist())
    return tuple(None if number is None else Decimal(number) for number in numbers)


def read_gated(plan: Plan, profile: Profile, passed: Bits, numbers: Sequence[Decimal | None]) -> list[list[Released]]:
    """At the hub: the same numbers per aggregate, per cell; raises ``DisclosureBlocked`` for a count not rounded."""
    table: list[list[Released]] = [[None] * plan.cells for _ in plan.aggregates]
    for (aggregate, cell), number in zip(np.argwhere(passed).tolist(), numbers, strict=True):
        counts = plan.aggregates[aggregate].function in COUNTS
        table[aggregate][cell] = _count(number, profile) if counts else number
    return table


def _count(number: Decimal | None, profile: Profile) -> int:
    if number is None or number < 0 or Fraction(number) % profile.rounding_base:
        raise DisclosureBlocked(f"the owner's node sent a count that profile {profile.id} would not release")
    return int(number)
