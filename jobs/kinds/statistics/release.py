"""The last gate, in two pure steps: ``round_all`` makes exact totals releasable, ``assemble`` makes the vetted table.

In a joint job the hub does both on totals of passing cells. In a job with one owner, whose totals nobody else may see,
its node rounds (``jobs.kinds.statistics.gated``) and the hub assembles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rounding import round_count, round_magnitude, round_root
from jobs.errors import DisclosureBlocked
from jobs.kinds.statistics.answer import AnswerTable, ExactValue, exact, table
from jobs.kinds.statistics.opening import Bits
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.schema import Scalar

COUNTS = frozenset({"count_rows", "count", "count_distinct_unit"})
MEANS = frozenset({"avg"})
SPREADS = frozenset({"var_samp", "var_pop", "stddev_samp", "stddev_pop"})
Released = int | Decimal | None
"""One released number: counts are integers, all else decimals."""


@dataclass(frozen=True)
class ReleasedTable:
    """What leaves: the table, and the verdict that explains it. ``verdict`` holds counts of cells, never values."""

    table: AnswerTable
    verdict: dict[str, Any]


def round_all(
    plan: Plan, profile: Profile, passed: Bits, totals: Sequence[Sequence[int | None]]
) -> list[list[Released]]:
    """Round every opened aggregate: the released number per aggregate, per cell; ``None`` if not opened or NULL.

    ``passed``: (aggregates, cells). ``totals``: per channel, per cell, exact sums over all parts; ``None`` where no
    passing aggregate needed the channel.
    """
    values = exact(plan, totals)
    return [
        [
            _rounded(aggregate, value, plan, profile) if ok and value is not None else None
            for ok, value in zip(passes, row, strict=True)
        ]
        for aggregate, passes, row in zip(plan.aggregates, passed, values, strict=True)
    ]


def assemble(
    plan: Plan,
    parameters: Mapping[str, Scalar],
    profile: Profile,
    passed: Bits,
    released: Sequence[Sequence[Released]],
) -> ReleasedTable:
    """The table of released numbers, within the output limits; raises ``DisclosureBlocked`` beyond them."""
    answer = table(plan, released, dict(parameters))
    _check_limits(answer, profile)
    return ReleasedTable(answer, _verdict(plan, profile, passed, answer))


def _rounded(aggregate: Aggregate, exact_value: ExactValue, plan: Plan, profile: Profile) -> Released:
    if aggregate.function in COUNTS:
        return round_count(exact_value.count, profile.rounding_base)
    if exact_value.value is None:
        return None
    unit = Fraction(1, 10 ** plan.decimals_of(aggregate))
    rows = max(round_count(exact_value.count, profile.rounding_base), profile.rounding_base)
    relative = Fraction(profile.rounding_base, rows)
    if aggregate.function in MEANS:
        return round_magnitude(exact_value.value, unit / profile.min_group, relative)
    if aggregate.function in SPREADS:
        if exact_value.is_root:
            return round_root(exact_value.value, unit / profile.min_group, relative)
        return round_magnitude(exact_value.value, unit * unit / profile.min_group, relative)
    return round_magnitude(exact_value.value, unit, relative)


def _check_limits(answer: AnswerTable, profile: Profile) -> None:
    if len(answer.rows) > profile.max_rows:
        raise DisclosureBlocked(
            f"the table has {len(answer.rows)} rows; profile {profile.id} releases at most {profile.max_rows}: "
            "group more coarsely, or add a LIMIT"
        )
    size = sum(len(json.dumps(row, default=str)) for row in answer.rows)
    if size > profile.max_bytes:
        raise DisclosureBlocked(
            f"the table has {size} bytes; profile {profile.id} releases at most {profile.max_bytes}"
        )


def _verdict(plan: Plan, profile: Profile, passed: Bits, answer: AnswerTable) -> dict[str, Any]:
    at_every_part, joint = ["min_group", "dominance", "p_percent", "degrees_of_freedom"], ["output_limits"]
    (at_every_part if plan.holders == 1 else joint).insert(0, "rounding")
    return {
        "profile": profile.id,
        "profile_digest": profile.digest,
        "cells": int(passed.size),
        "suppressed": int(np.count_nonzero(~passed)),
        "rows": len(answer.rows),
        "rules": {"at_every_part": at_every_part, "joint": joint},
        "decision": "release",
    }
