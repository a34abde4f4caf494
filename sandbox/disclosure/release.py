"""The joint gate: totals of passing cells in, the vetted table and its verdict out. Pure; runs at the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.answer import AnswerTable, ExactValue, exact, table
from jobs.plan.types import Aggregate, Plan
from jobs.schema import Scalar
from sandbox.disclosure.profile import Profile
from sandbox.disclosure.rounding import round_count, round_magnitude, round_root
from sandbox.errors import DisclosureBlocked

COUNTS = frozenset({"count_rows", "count", "count_distinct_unit"})
MEANS = frozenset({"avg"})
SPREADS = frozenset({"var_samp", "var_pop", "stddev_samp", "stddev_pop"})


@dataclass(frozen=True)
class ReleasedTable:
    """What leaves: the table, and the verdict that explains it. ``verdict`` holds counts of cells, never values."""

    table: AnswerTable
    verdict: dict[str, Any]


def decide_release(
    plan: Plan,
    parameters: Mapping[str, Scalar],
    profile: Profile,
    passed: npt.NDArray[np.bool_],
    totals: Sequence[Sequence[int | None]],
) -> ReleasedTable:
    """Round every opened aggregate, assemble the table, hold the output limits.

    ``passed``: (aggregates, cells). ``totals``: per channel, per cell, exact sums over all parts; ``None`` where no
    passing aggregate needed the channel. Raises ``DisclosureBlocked`` when the table exceeds the output limits.
    """
    values = exact(plan, totals)
    released = [
        [
            _rounded(aggregate, value, plan, profile) if ok and value is not None else None
            for ok, value in zip(passes, row, strict=True)
        ]
        for aggregate, passes, row in zip(plan.aggregates, passed, values, strict=True)
    ]
    answer = table(plan, released, dict(parameters))
    _check_limits(answer, profile)
    return ReleasedTable(answer, _verdict(plan, profile, passed, answer))


def _rounded(aggregate: Aggregate, exact_value: ExactValue, plan: Plan, profile: Profile) -> int | Decimal | None:
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


def _verdict(plan: Plan, profile: Profile, passed: npt.NDArray[np.bool_], answer: AnswerTable) -> dict[str, Any]:
    return {
        "profile": profile.id,
        "profile_digest": profile.digest,
        "cells": int(passed.size),
        "suppressed": int(np.count_nonzero(~passed)),
        "rows": len(answer.rows),
        "rules": {
            "at_every_part": ["min_group", "dominance", "p_percent", "degrees_of_freedom"],
            "joint": ["rounding", "output_limits"],
        },
        "decision": "release",
    }
