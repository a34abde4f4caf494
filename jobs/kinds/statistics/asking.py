"""What a part asks its node's gate, and what it lays before the rules: bases told by known columns, noisy counts.

At a node. Nothing asked depends on a secret value: bases, subjects and cells follow from the plan and from who
satisfies its known conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

import numpy as np

from jobs.disclosure.gate import Bits, Inquiry, Int32, Question, Records, Verdict
from jobs.disclosure.profile import Profile
from jobs.disclosure.rules import Evidence
from jobs.disclosure.rules.evidence import Counts
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.noisy import NoisyPart
from jobs.kinds.statistics.plan.bases import base_count, bases_of_cells, conjuncts, inquiries_of, known_part, partitions
from jobs.kinds.statistics.plan.expr import IsNull, Not, RowExpr, columns_of
from jobs.kinds.statistics.plan.types import Aggregate, Channel, Plan
from jobs.kinds.statistics.plan.weights import ends, squares_of_factors


@dataclass(frozen=True, repr=False)
class Bases:
    """Per unit column, per partition: how many distinct units each base has. ``of_cells``: the base of each cell."""

    counts: tuple[tuple[Counts, ...], ...]
    partition: tuple[int, ...]
    """Of each channel."""
    of_cells: Int32

    def units(self, unit: int, channel: int) -> Counts:
        """Per cell, distinct units of its base."""
        return self.counts[unit][self.partition[channel]][self.of_cells]


def bases_of(plan: Plan, profile: Profile, result: LocalResult) -> Bases | None:
    """Linear in the records of the part; none under an exact profile, which judges contributors alone, nor under
    differential privacy, which judges nothing."""
    if not profile.judged:
        return None
    parts, count = partitions(plan), base_count(plan)
    return Bases(
        tuple(tuple(_units_of(records, labels, count) for labels in records.labels) for records in result.records),
        tuple(parts.index(known_part(plan, channel)) for channel in plan.channels),
        bases_of_cells(plan),
    )


def _units_of(records: Records, labels: Int32, bases: int) -> Counts:
    """Distinct units per base; one that has records in several counts in each."""
    inside = labels >= 0
    if (records.rows <= 1).all():
        return np.bincount(labels[inside], minlength=bases).astype(np.int64)
    unit = np.repeat(np.arange(len(records.rows), dtype=np.int64), records.rows)[inside]
    pairs = np.sort(unit * bases + labels[inside], kind="stable")  # nearly in order: records stand together by unit
    first = np.ones(len(pairs), dtype=np.bool_)
    first[1:] = pairs[1:] != pairs[:-1]
    return np.bincount(pairs[first] % bases, minlength=bases).astype(np.int64)


def questions_of(
    plan: Plan, profile: Profile, result: LocalResult, noisy: NoisyPart, bases: Bases | None
) -> tuple[Question, ...]:
    """One per unit column; none without bases. A cell whose base is empty or too small asks nothing: the
    first answers with noise alone, the second is closed by its base.
    """
    if bases is None:
        return ()
    least = 1 if plan.joint_minimum else profile.min_group
    return tuple(
        Question(
            unit.unit_domain,
            result.records[number],
            tuple(
                Inquiry(
                    None if column is None else (plan.dataset_of(column.table), column.name),
                    bases.partition[channel],
                    np.where(bases.units(number, channel) >= least, bases.of_cells, np.int32(-1)),
                    noisy.ids[channel],
                    answers_of(plan, plan.channels[channel]) + ((number, channel) in noisy.counted),
                    plan.holders_of(unit, column),
                    plan.said_of(unit, column) is not None,
                )
                for channel, column in inquiries_of(plan)
            ),
        )
        for number, unit in enumerate(plan.unit_columns)
    )


def answers_of(plan: Plan, channel: Channel) -> int:
    """For how many answers one number of a channel counts in the audit: 1, or more for a sum of signed values.

    The audit takes the noise for six times what is uncertain of one value: a count has noise 3, a yes or no the
    standard deviation 1/2 at most. A sum has noise 3 M, M the largest size of a value; of values between ``low`` and
    ``high`` it is (high - low) / 2 at most, which is M and not M / 2 for values between -M and M. One such number tells
    as much as four. A quarter of an answer is let go, as for delays between -120 and 1500. A product is an answer about
    either column: with the other one at its bound it moves as far as a sum of this one would.
    """
    if channel.kind != "sum":
        return 1
    low_high = ends(plan, columns_of(channel.column))
    size = max(map(abs, low_high), default=Decimal(0))
    return max(1, ceil(((max(low_high) - min(low_high)) / size) ** 2 - Decimal("0.25"))) if size else 1


def refused_by(plan: Plan, verdict: Verdict) -> Bits:
    """Shape (aggregates, cells): where the gate refuses one of the channels, for any kind of individual."""
    channels = np.zeros((len(plan.channels), plan.cells), dtype=np.bool_)
    for of_unit in verdict:
        for (channel, _), allowed in zip(inquiries_of(plan), of_unit, strict=True):
            channels[channel] |= ~allowed
    return np.array([channels[list(aggregate.channels)].any(axis=0) for aggregate in plan.aggregates])


def evidence_of(plan: Plan, result: LocalResult, noisy: NoisyPart, bases: Bases | None) -> list[list[Evidence]]:
    """Per aggregate, per unit column. Without bases the exact contributors stand for both."""
    found = []
    for number, aggregate in enumerate(plan.aggregates):
        first, width = aggregate.channels[0], len(aggregate.channels)
        entries, chosen, rows = result.evidence[number], _chosen(plan, aggregate), []
        weights = () if bases is None else _weights(plan, aggregate, noisy)
        for unit in range(len(plan.unit_columns)):
            measures = entries[unit * width : (unit + 1) * width]
            base = measures[0].units if bases is None else bases.units(unit, first)
            contributors = base if bases is None else noisy.contributors.get((unit, first), base)
            rows.append(Evidence(aggregate.function, base, contributors, chosen, measures, plan.joint_minimum, weights))
        found.append(rows)
    return found


def _weights(plan: Plan, aggregate: Aggregate, noisy: NoisyPart) -> tuple[Counts, ...]:
    """Of a sum of products, each factor's noisy sum of squares in units of its largest square."""
    return tuple(
        np.array([value // largest for value in noisy.values[aggregate.channels[place]]], np.int64)
        for place, largest in squares_of_factors(plan, aggregate)
    )


def _chosen(plan: Plan, aggregate: Aggregate) -> bool:
    """Whether a secret condition selects who contributes, or having a secret value at all is what is counted.

    That somebody has a value of a measure is no secret: nearly all have, and the condition would close every cell.
    """
    conditions = (*plan.where.conjuncts, *conjuncts(aggregate.filter), *(d.expr for d in plan.dimensions))
    counted = aggregate.column if aggregate.function == "count" and not plan.is_measure(aggregate.column) else None
    return any(plan.secrets_of(expr) for expr in (*conditions, counted) if not _has_measure(plan, expr))


def _has_measure(plan: Plan, expr: RowExpr | None) -> bool:
    """Whether a condition says no more than that a measure has a value."""
    return isinstance(expr, Not) and isinstance(expr.arg, IsNull) and plan.is_measure(expr.arg.arg)
