"""Expressions of a plan as data: over one row (filters, dimensions), and over released results (outputs).

Frozen and JSON-able; ``kind`` tells them apart. Numbers are decimal text, dates ISO text, so that nothing depends on a
language's floats. There is no string operation, no function by name, no subquery: what is not here cannot be planned.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from jobs import legible
from jobs.schema import DecimalText, Model, Name

ValueType = Literal["number", "string", "bool", "date", "timestamp"]
LiteralText = Annotated[str, StringConstraints(max_length=400), AfterValidator(legible.line)]
DatePartName = Literal["year", "quarter", "month", "day", "isodow", "hour", "epoch_day"]
"""``epoch_day``: days since 1970-01-01, so that dates can be subtracted."""
TruncUnit = Literal["year", "quarter", "month", "week", "day"]
Operator = Literal[
    "add", "mul", "neg", "div", "round", "abs", "eq", "lt", "le", "and", "or", "not", "is_null", "coalesce", "nullif",
    "total",
]  # fmt: skip


class Lit(Model):
    kind: Literal["literal"] = "literal"
    type: ValueType
    value: LiteralText
    """Canonical text: ``12.5``, ``true``, ``2013-01-31``, ``2013-01-31T08:00:00``."""


class Par(Model):
    kind: Literal["parameter"] = "parameter"
    name: Name


class Col(Model):
    kind: Literal["column"] = "column"
    table: Annotated[int, Field(ge=0, le=8)] = 0
    """0 is the plan's dataset, n its n-th join."""
    name: Name


class Add(Model):
    kind: Literal["add"] = "add"
    args: Annotated[tuple[RowExpr, ...], Field(min_length=2)]


class Mul(Model):
    kind: Literal["mul"] = "mul"
    args: Annotated[tuple[RowExpr, ...], Field(min_length=2)]


class FloorDiv(Model):
    """The largest integer not above ``arg / width``: equal-width buckets."""

    kind: Literal["floor_div"] = "floor_div"
    arg: RowExpr
    width: DecimalText


class DatePart(Model):
    kind: Literal["date_part"] = "date_part"
    part: DatePartName
    arg: Col


class DateTrunc(Model):
    """The first day of the period in which ``arg`` lies (weeks start on Monday)."""

    kind: Literal["date_trunc"] = "date_trunc"
    unit: TruncUnit
    arg: Col


class Compare(Model):
    """``>``, ``>=`` and ``<>`` are written with the sides exchanged, or under ``Not``."""

    kind: Literal["compare"] = "compare"
    op: Literal["=", "<", "<="]
    left: RowExpr
    right: RowExpr


class In(Model):
    """Equality with any of the values; also the form of ``arg = literal``. No values: false, or null for a null."""

    kind: Literal["in"] = "in"
    arg: RowExpr
    values: Annotated[tuple[Annotated[Lit | Par, Field(discriminator="kind")], ...], Field(max_length=5000)]


class IsNull(Model):
    kind: Literal["is_null"] = "is_null"
    arg: RowExpr


class Not(Model):
    kind: Literal["not"] = "not"
    arg: RowExpr


class And(Model):
    kind: Literal["and"] = "and"
    args: Annotated[tuple[RowExpr, ...], Field(min_length=2)]


class Or(Model):
    kind: Literal["or"] = "or"
    args: Annotated[tuple[RowExpr, ...], Field(min_length=2)]


class Branch(Model):
    when: RowExpr
    then: Lit


class Case(Model):
    kind: Literal["case"] = "case"
    branches: Annotated[tuple[Branch, ...], Field(min_length=1, max_length=500)]
    otherwise: Lit | None = None


RowExpr = Annotated[
    Lit | Par | Col | Add | Mul | FloorDiv | DatePart | DateTrunc | Compare | In | IsNull | Not | And | Or | Case,
    Field(discriminator="kind"),
]


class Dim(Model):
    """The value of a dimension in a cell."""

    kind: Literal["dimension"] = "dimension"
    index: Annotated[int, Field(ge=0)]


class Agg(Model):
    """The released value of an aggregate in a cell."""

    kind: Literal["aggregate"] = "aggregate"
    index: Annotated[int, Field(ge=0)]


class Cut(Model):
    """``below``: the aggregate that counts the values below ``at``."""

    at: DecimalText
    below: Annotated[int, Field(ge=0)]


class Quantile(Model):
    """Where a share of a column's values lies, as far as released counts below its cut points tell."""

    kind: Literal["quantile"] = "quantile"
    column: Col
    filter: RowExpr | None = None
    share: DecimalText
    """From 0 to 1."""
    low: DecimalText
    high: DecimalText
    """The column's bounds."""
    count: Annotated[int, Field(ge=0)]
    """The aggregate that counts the values."""
    cuts: Annotated[tuple[Cut, ...], Field(min_length=1, max_length=64)]


class Op(Model):
    """Arithmetic, comparison and logic on released values. ``total``: the first argument added up over all rows
    that have the same values in the other ones, which are dimensions; rows that HAVING drops do not count."""

    kind: Literal["op"] = "op"
    op: Operator
    args: Annotated[tuple[OutExpr, ...], Field(min_length=1)]


OutExpr = Annotated[Lit | Par | Dim | Agg | Quantile | Op, Field(discriminator="kind")]

for _model in (Add, Mul, FloorDiv, Compare, In, IsNull, Not, And, Or, Branch, Case, Quantile, Op):
    _model.model_rebuild()


def children(expr: RowExpr) -> tuple[RowExpr, ...]:
    """The direct parts of a row expression, in order."""
    match expr:
        case Add() | Mul() | And() | Or():
            return expr.args
        case FloorDiv() | DatePart() | DateTrunc() | IsNull() | Not():
            return (expr.arg,)
        case Compare():
            return (expr.left, expr.right)
        case In():
            return (expr.arg, *expr.values)
        case Case():
            results = (expr.otherwise,) if expr.otherwise else ()
            return (*(part for branch in expr.branches for part in (branch.when, branch.then)), *results)
        case _:
            return ()


def columns_of(expr: RowExpr | None) -> frozenset[Col]:
    """Every column an expression reads."""
    if expr is None:
        return frozenset()
    if isinstance(expr, Col):
        return frozenset((expr,))
    return frozenset().union(*(columns_of(child) for child in children(expr)))


def parameters_of(expr: RowExpr | OutExpr | None) -> frozenset[str]:
    """The names of all parameters in an expression."""
    if expr is None:
        return frozenset()
    if isinstance(expr, Par):
        return frozenset((expr.name,))
    parts: tuple[RowExpr | OutExpr, ...]
    match expr:
        case Op():
            parts = expr.args
        case Dim() | Agg():
            parts = ()
        case Quantile():
            return parameters_of(expr.filter)
        case _:
            parts = children(expr)
    return frozenset().union(*(parameters_of(part) for part in parts))
