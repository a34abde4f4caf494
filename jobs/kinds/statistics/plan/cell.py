"""The name of a question: one number of one cell, however it was asked.

A node draws the noise of a number from its question (Fraser and Wooton 2005, keyed by the question and not by the
records), so that asking again gives the same number and asking in another spelling does too. Two spellings of one cell
that are not recognised as one get independent noise: then the node's audit counts two answers, and nothing is lost but
usefulness. What must never happen is one question for two numbers: whatever the number or the size of its noise
depends on is part of its name. Data versions are not: a node's gate adds the exact rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256
from itertools import product
from typing import Any

from jobs.disclosure.profile import load_profile
from jobs.documents.canonical import canonical
from jobs.kinds.statistics.plan.bases import conjuncts, present
from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.canonical import FALSE, TRUE, condition, sort_key
from jobs.kinds.statistics.plan.channels import quantity
from jobs.kinds.statistics.plan.evaluate import evaluate
from jobs.kinds.statistics.plan.expr import (
    Col,
    Compare,
    FloorDiv,
    In,
    IsNull,
    Lit,
    Not,
    RowExpr,
    columns_of,
)
from jobs.kinds.statistics.plan.parameters import parameter_literals
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.types import Channel, Dimension, Plan, PlannedColumn
from jobs.kinds.statistics.plan.values import Value, bounds_of, from_scalar, literal, value_of
from jobs.schema import Bounds, Column, Scalar

_Pieces = tuple[bytes, ...]


def cell_questions(plan: Plan, parameters: Mapping[str, Scalar]) -> list[list[bytes]]:
    """Per channel, per cell (in the order of ``cell_keys``): 32 bytes, equal where the number and its noise are.

    Raises ``InvalidParameter``.
    """
    scope = _Declared((), plan.joins, {planned.column: planned for planned in plan.columns})
    values = parameter_literals(plan, parameters)
    where = [bind(part, values) for part in plan.where.conjuncts]
    groups = [[_equals(bind(d.expr, values), d, key, scope) for key in d.domain] for d in plan.dimensions]
    common = canonical(_common(plan))
    cells: dict[tuple[RowExpr, ...], list[bytes]] = {}
    found = []
    for channel in plan.channels:
        shared = (*where, *(bind(part, values) for part in conjuncts(channel.filter)), *_present(channel, scope))
        if shared not in cells:
            cells[shared] = _conditions(_flat(shared, scope), groups, scope)
        name = sha256(common + canonical({**_channel(channel), **_shared(channel, plan, scope)})).digest()
        found.append([sha256(name + cell).digest() for cell in cells[shared]])
    return found


@dataclass(frozen=True)
class _Declared(Scope):
    """A scope made of what the plan itself says about its columns."""

    planned: Mapping[Col, PlannedColumn] | None = None

    def column(self, col: Col) -> Column:
        planned = (self.planned or {})[col]
        bounds = Bounds(low=planned.low, high=planned.high) if planned.low and planned.high else None
        return Column(
            name=col.name,
            type=planned.type,
            role=planned.role,
            nullable=planned.nullable,
            decimals=planned.decimals,
            bounds=bounds,
        )


def _common(plan: Plan) -> dict[str, Any]:
    """What all questions of a plan have in common; the profile, since it says how large the noise is."""
    return {
        "dataset": plan.dataset,
        "joins": [join.model_dump(mode="json") for join in plan.joins],
        "units": [unit.column.model_dump(mode="json") for unit in plan.unit_columns],
        "profile": plan.profile,
    }


def _channel(channel: Channel) -> dict[str, Any]:
    """What is added up, and how large the noise is: one noise in two sizes would be solved for. The number of values
    of a column is the number of rows where it is present, which the condition says."""
    column = None if channel.kind == "rows" else channel.column
    return {
        "kind": channel.kind,
        "column": column and column.model_dump(mode="json"),
        "noise": str(channel.noise),
        "scale": channel.scale,
    }


def _shared(channel: Channel, plan: Plan, scope: Scope) -> dict[str, Any]:
    """Where the parts make up the noise together, among how many: a part has less of it than suffices alone, and with
    the same noise among nine owners and among ten, two totals would differ by the tenth's part with just that."""
    largest = quantity(channel.kind, channel.column, channel.filter, scope).largest
    return {"parts": plan.holders} if channel.noise < load_profile(plan.profile).noise_ratio * largest else {}


def _present(channel: Channel, scope: Scope) -> tuple[RowExpr, ...]:
    return () if channel.kind == "distinct" else present(columns_of(channel.column), scope.nullable)


def _equals(expr: RowExpr, dimension: Dimension, key: Scalar | None, scope: Scope) -> list[RowExpr]:
    """What is true in a group."""
    if key is None:
        return _flat([IsNull(arg=expr)], scope)
    value = from_scalar(dimension.type, key)
    return [] if value is None else _flat([In(arg=expr, values=(literal(dimension.type, value),))], scope)


def _flat(exprs: Iterable[RowExpr], scope: Scope) -> list[RowExpr]:
    """The conjuncts of expressions that must all be true, in their one form."""
    return [part for expr in exprs for part in conjuncts(condition(expr, scope)) if part != TRUE]


def _conditions(shared: list[RowExpr], groups: Sequence[Sequence[list[RowExpr]]], scope: Scope) -> list[bytes]:
    """Per cell the digest of its condition: the sorted digests of what it says about each column.

    Conditions on one column are taken together; a group says something about one column, mostly, so each of its values
    is looked at once and not in every cell.
    """
    of_group = [_only({_about(part) for value in group for part in value}) for group in groups]
    blocks: dict[Col | int, list[int]] = {}
    for index, about in enumerate(of_group):
        blocks.setdefault(index if about is None else about, []).append(index)
    rest = [part for part in shared if _about(part) not in blocks]
    fixed = {piece for about in {_about(part) for part in rest} for piece in _pieces(about, rest, scope)}
    known: dict[Col | int, dict[tuple[int, ...], _Pieces]] = {}
    for block, indices in blocks.items():
        column = block if isinstance(block, Col) else None
        mine = [part for part in shared if column is not None and _about(part) == column]
        for places in product(*(range(len(groups[i])) for i in indices)):
            said = [part for index, place in zip(indices, places, strict=True) for part in groups[index][place]]
            known.setdefault(block, {})[places] = _block(column, [*mine, *said], scope)
    found = []
    lookups = [(known[block], indices) for block, indices in blocks.items()]
    for cell in product(*(range(len(group)) for group in groups)):
        pieces = set(fixed)
        for pieces_of, indices in lookups:
            pieces.update(pieces_of[tuple([cell[i] for i in indices])])
        found.append(sha256(b"".join(sorted(pieces))).digest())
    return found


def _about(part: RowExpr) -> Col | None:
    """The one column that a condition is about; ``None`` for several."""
    columns = columns_of(part)
    return next(iter(columns)) if len(columns) == 1 else None


def _only(columns: set[Col | None]) -> Col | None:
    return next(iter(columns)) if len(columns) == 1 else None


def _block(column: Col | None, parts: list[RowExpr], scope: Scope) -> _Pieces:
    if column is not None:
        return _pieces(column, parts, scope)
    return tuple({piece for about in {_about(p) for p in parts} for piece in _pieces(about, parts, scope)})


def _pieces(about: Col | None, parts: Iterable[RowExpr], scope: Scope) -> _Pieces:
    """Digests of the conditions on this column among ``parts``; on several columns each condition by itself."""
    mine = [part for part in parts if _about(part) == about]
    said = mine if about is None else _of_column(about, mine, scope)
    return tuple(sha256(sort_key(part)).digest() for part in said)


def _of_column(col: Col, parts: list[RowExpr], scope: Scope) -> list[RowExpr]:
    """Conditions on one column in one form: the values that remain of a list, or the interval that remains."""
    if FALSE in parts:
        return [FALSE]
    lists = [set(part.values) for part in parts if isinstance(part, In) and part.arg == col]
    if lists:
        left = [v for v in set.intersection(*lists) if isinstance(v, Lit) and _all_true(parts, value_of(v))]
        return [In(arg=col, values=tuple(sorted(left, key=sort_key)))]
    step = _step(col, scope)
    if step is None:
        return parts
    low, high = _ends(col, scope)
    lows, highs, rest = {low}, {high}, []
    present = Not(arg=IsNull(arg=col))
    for part in parts:
        match part:
            case Compare(op="<=", left=Lit() as limit, right=Col()):
                lows.add(value_of(limit))
            case Compare(op="<=", left=Col(), right=Lit() as limit):
                highs.add(value_of(limit))
            case In(arg=FloorDiv(arg=Col(), width=width), values=(Lit(value=number),)) if isinstance(step, Fraction):
                first = Fraction(number) * Fraction(width)
                lows.add(-(-first // step) * step)
                highs.add((-(-(first + Fraction(width)) // step) - 1) * step)
            case _ if part != present:
                rest.append(part)
    if len(rest) == len(parts):
        return parts
    kept_low, kept_high = _largest(lows), _smallest(highs)
    if (kept_low, kept_high) == (low, high):
        return [present, *rest] if scope.nullable(col) else rest
    type_ = scope.type_of(col)
    if kept_low is not None:
        rest.append(Compare(op="<=", left=literal(type_, kept_low), right=col))
    if kept_high is not None:
        rest.append(Compare(op="<=", left=col, right=literal(type_, kept_high)))
    return rest


def _all_true(parts: list[RowExpr], value: Value) -> bool:
    return all(evaluate(part, lambda _: value) is True for part in parts)


def _step(col: Col, scope: Scope) -> Fraction | timedelta | None:
    """How far apart the column's values are; ``None`` where comparisons are not written with inclusive bounds."""
    match scope.type_of(col):
        case "number":
            return Fraction(1, 10 ** scope.number(col).scale)
        case "date":
            return timedelta(days=1)
        case _:
            return None


def _ends(col: Col, scope: Scope) -> tuple[Value | None, Value | None]:
    """The declared bounds: whatever lies beyond them is refused when it is read."""
    column = scope.column(col)
    return (None, None) if column.bounds is None else bounds_of(column)


def _largest(values: set[Value | None]) -> Value | None:
    given: list[Any] = [value for value in values if value is not None]
    return max(given) if given else None


def _smallest(values: set[Value | None]) -> Value | None:
    given: list[Any] = [value for value in values if value is not None]
    return min(given) if given else None
