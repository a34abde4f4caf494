"""Which additive quantities the aggregates need, each with the proven range of its total over all holders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import isqrt
from typing import Final, Literal

from jobs.disclosure.noise import BOUND
from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.plan.bases import conjuncts, present
from jobs.kinds.statistics.plan.canonical import condition, sort_key
from jobs.kinds.statistics.plan.draft import DraftAggregate
from jobs.kinds.statistics.plan.errors import TooLarge
from jobs.kinds.statistics.plan.expr import And, Col, Mul, RowExpr, columns_of
from jobs.kinds.statistics.plan.private import private_noise
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.types import Aggregate, Channel, ChannelKind, Function, Summand, UnitColumn
from jobs.schema import Dataset

KINDS: dict[Function, tuple[ChannelKind, ...]] = {
    "count_rows": ("rows",),
    "count": ("rows",),
    "count_distinct_unit": ("distinct",),
    "sum": ("rows", "sum"),  # the count says whether the sum is of nothing (NULL), and how to round
    "avg": ("rows", "sum"),
    "var_samp": ("rows", "sum", "sumsq"),
    "var_pop": ("rows", "sum", "sumsq"),
    "stddev_samp": ("rows", "sum", "sumsq"),
    "stddev_pop": ("rows", "sum", "sumsq"),
}
"""Of a function of one column, or of one product of two."""
Moment = Literal["n", "y", "x", "yx", "xx", "yy"]
MOMENTS: dict[str, tuple[Moment, ...]] = dict.fromkeys(
    ("covar_samp", "covar_pop", "corr", "regr_slope", "regr_intercept", "regr_r2"), ("n", "y", "x", "yx", "xx", "yy")
)
"""Of a function of two columns y and x: the number of rows that have both, and over these rows the sums of y, x, their
product and their squares. A covariance needs no squares to be computed, but to be judged (``rules.weights``)."""
SYMMETRIC: Final = frozenset({"covar_samp", "covar_pop", "corr", "regr_r2"})
"""Which of its columns is called y makes no difference."""


@dataclass(frozen=True)
class Quantity:
    """What a channel adds up. One record contributes an integer in [low, high], at the scale."""

    kind: ChannelKind
    column: Summand | None
    filter: RowExpr | None
    scale: int
    low: int
    high: int

    @property
    def largest(self) -> int:
        """The most that one record contributes; at least 1, so that a column of zeros has noise too."""
        return max(abs(self.low), abs(self.high), 1)


@dataclass(frozen=True)
class Noise:
    """Of one part: its standard deviation, what it never exceeds, and ``Channel.sensitivity``."""

    deviation: int | Fraction
    most: int
    sensitivity: int = 0


def plan_channels(
    drafts: Sequence[DraftAggregate], scope: Scope, unit: UnitColumn, rows_bound: int, holders: int, cells: int
) -> tuple[tuple[Aggregate, ...], tuple[Channel, ...]]:
    """Aggregates with their channels; a channel that two aggregates need exists once. ``unit``: whose noise it is."""
    quantities: list[Quantity] = []
    aggregates = []
    for draft in drafts:
        indices = []
        for found in _quantities(draft, scope):
            if found not in quantities:
                quantities.append(found)
            indices.append(quantities.index(found))
        aggregates.append(
            Aggregate(
                function=draft.function,
                column=draft.column,
                other=draft.other,
                filter=draft.filter,
                channels=tuple(indices),
            )
        )
    noises = _noises(quantities, scope.tables, unit, holders, cells)
    return tuple(aggregates), tuple(map(partial(_channel, rows_bound, holders), quantities, noises))


def _quantities(draft: DraftAggregate, scope: Scope) -> list[Quantity]:
    if isinstance(draft.column, Mul) and len(set(draft.column.args)) == 2:
        one, other = (arg for arg in draft.column.args if isinstance(arg, Col))
        both = _with_values(draft.filter, (one, other), scope)
        sums = [quantity(kind, draft.column, draft.filter, scope) for kind in KINDS[draft.function]]
        return [*sums, *(quantity("sumsq", factor, both, scope) for factor in (one, other))]
    if draft.other is None:
        return [quantity(kind, draft.column, draft.filter, scope) for kind in KINDS[draft.function]]
    if not isinstance(draft.column, Col):
        raise TooLarge(f"{draft.function} without its first column")
    y, x = draft.column, draft.other
    both = _with_values(draft.filter, (y, x), scope)
    parts: dict[Moment, tuple[ChannelKind, Summand | None]] = {
        "n": ("rows", None), "y": ("sum", y), "x": ("sum", x), "yx": ("sum", product_of(y, x)), "xx": ("sumsq", x),
        "yy": ("sumsq", y),
    }  # fmt: skip
    return [quantity(*parts[moment], both, scope) for moment in MOMENTS[draft.function]]


def product_of(one: Col, other: Col) -> Mul:
    """In its one form."""
    return Mul(args=tuple(sorted((one, other), key=sort_key)))


def _with_values(filter_: RowExpr | None, columns: tuple[Col, ...], scope: Scope) -> RowExpr | None:
    """A filter that also demands a value of each column."""
    parts = (*conjuncts(filter_), *present(columns, scope.nullable))
    if len(parts) < 2:
        return parts[0] if parts else None
    return condition(And(args=parts), scope)


def quantity(kind: ChannelKind, column: Summand | None, filter_: RowExpr | None, scope: Scope) -> Quantity:
    """What a channel of this kind adds up. Raises ``MissingDeclaration`` for a sum of a column without bounds."""
    if kind in ("rows", "distinct"):
        kept = kind == "distinct" or any(map(scope.nullable, columns_of(column)))
        return Quantity(kind, column if kept else None, filter_, 0, 0, 1)
    if isinstance(column, Mul) and len(set(column.args)) == 1 and isinstance(column.args[0], Col):
        return quantity("sumsq", column.args[0], filter_, scope)  # a column times itself: one name for one number
    if column is None:
        raise TooLarge("a sum without a column")
    scale, low, high = scope.bounded(column)
    if kind == "sumsq":
        scale, low, high = 2 * scale, 0, max(low * low, high * high)
    return Quantity(kind, column, filter_, scale, low, high)


def _channel(rows: int, holders: int, quantity: Quantity, noise: Noise) -> Channel:
    return Channel(
        kind=quantity.kind,
        column=quantity.column,
        filter=quantity.filter,
        low=rows * min(quantity.low, 0) - holders * noise.most,
        high=rows * max(quantity.high, 0) + holders * noise.most,
        noise=noise.deviation,
        sensitivity=noise.sensitivity,
        scale=quantity.scale,
    )


def _noises(
    quantities: Sequence[Quantity], tables: Sequence[Dataset], unit: UnitColumn, holders: int, cells: int
) -> list[Noise]:
    largest = [quantity.largest for quantity in quantities]
    privacy = load_profile(tables[0].profile).privacy
    if privacy is None:
        return [Noise(sd, BOUND * sd) for sd in (part_noise(each, tables, holders) for each in largest)]
    return [
        Noise(event.sigma, most, event.sensitivity)
        for event, most in private_noise(privacy, tables[0], unit, largest, holders, cells)
    ]


def part_noise(largest: int, tables: Sequence[Dataset], holders: int) -> int:
    """Standard deviation of one part's keyed noise. ``largest``: the most that one record contributes. ``tables``: the
    datasets that are joined, under one profile.

    Sufficient alone; where the owners agree, parts that do not collude (n - c of n) make it up together: their
    variances add, so each has 1 / (n - c) of it. The strictest of the datasets decides.
    """
    alone = load_profile(tables[0].profile).noise_ratio * largest
    colluding = [holders if table.colluding_owners is None else table.colluding_owners for table in tables]
    honest = max(1, holders - max(colluding))
    square = -(-(alone**2) // honest)
    root = isqrt(square)
    return root + (root**2 < square)


def ring_bits(channels: Sequence[Channel]) -> Literal[64, 128]:
    """The smallest ring, read as signed integers, in which no total can wrap; raises ``TooLarge``."""
    low, high = min(channel.low for channel in channels), max(channel.high for channel in channels)
    if low >= -(2**63) and high < 2**63:
        return 64
    if low >= -(2**127) and high < 2**127:
        return 128
    raise TooLarge("a total may need more than 128 bits: narrow the declared bounds or decimals")
