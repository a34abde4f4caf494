"""Functions of one column with a declared domain: worked out for each value now, so none reaches a database.

``LEFT(code, 1)``, ``UPPER(name)``, ``COALESCE(ward, 'unknown')``, ``month % 2`` become a CASE over the declared values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from jobs.kinds.statistics.plan.evaluate import evaluate, evaluate_at
from jobs.kinds.statistics.plan.expr import (
    And,
    Branch,
    Case,
    Col,
    In,
    IsNull,
    Not,
    Or,
    RowExpr,
    ValueType,
    columns_of,
    parameters_of,
)
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import TYPE_OF, Value, from_scalar, literal
from jobs.schema import ColumnType

FUNCTIONS = (
    exp.Left, exp.Right, exp.Substring, exp.Upper, exp.Lower, exp.Length, exp.DPipe, exp.Concat,
    exp.Coalesce, exp.Nullif, exp.Mod,
)  # fmt: skip
_MOST = 500


@dataclass(frozen=True)
class Image:
    """What a function makes of each value that the column may have; the key ``None`` where it may be null."""

    column: Col
    values: Mapping[Value | None, Value | None]

    def expression(self, scope: Scope) -> RowExpr | None:
        """A CASE of the same meaning; ``None`` where nothing or too much remains."""
        inputs: dict[Value, list[Value | None]] = {}
        for given, made in self.values.items():
            if made is not None:
                inputs.setdefault(made, []).append(given)
        if not inputs or len(inputs) > _MOST:
            return None
        type_ = scope.type_of(self.column)
        branches = [
            Branch(when=_one_of(self.column, given, type_), then=literal(_type(made), made))
            for made, given in inputs.items()
        ]
        if None in self.values.values():
            return Case(branches=tuple(branches))
        if len(branches) == 1:
            return branches[0].then
        return Case(branches=tuple(branches[:-1]), otherwise=branches[-1].then)


def _one_of(col: Col, values: list[Value | None], type_: ValueType) -> RowExpr:
    listed = In(arg=col, values=tuple(literal(type_, value) for value in values if value is not None))
    if None not in values:
        return listed
    return Or(args=(listed, IsNull(arg=col))) if listed.values else IsNull(arg=col)


def _type(value: Value) -> ValueType:
    return "number" if isinstance(value, Fraction) else "bool" if isinstance(value, bool) else "string"


def possible(col: Col, scope: Scope) -> list[Value | None] | None:
    """Every value that a column with a declared domain may have, null last."""
    column = scope.column(col)
    if column.type is ColumnType.BOOL:
        values: list[Value | None] = [False, True]
    elif column.domain is None:
        return None
    else:
        values = [from_scalar(TYPE_OF[column.type], value) for value in column.domain]
    return [*values, None] if scope.nullable(col) else values


def image(node: exp.Expr, convert: Callable[[exp.Expr], RowExpr], scope: Scope) -> Image | None:
    """The image of a column under nested functions; ``None`` for anything else."""
    node = node.unnest()
    if isinstance(node, exp.Column):
        col = convert(node)
        values = possible(col, scope) if isinstance(col, Col) else None
        return Image(col, {value: value for value in values}) if isinstance(col, Col) and values is not None else None
    if not isinstance(node, FUNCTIONS):
        return None
    if isinstance(node, exp.DPipe | exp.Concat):
        return _joined(node, convert, scope)
    inner = image(node.this, convert, scope)
    arguments = [_constant(part, convert) for part in _arguments(node)]
    if inner is None or any(isinstance(part, _No) for part in arguments):
        return None
    made: dict[Value | None, Value | None] = {}
    for given, value in inner.values.items():
        found = _apply(node, value, arguments)
        if isinstance(found, _No):
            return None
        made[given] = found
    return Image(inner.column, made)


class _No:
    """Not possible."""


def _arguments(node: exp.Expr) -> list[exp.Expr | None]:
    match node:
        case exp.Left() | exp.Right() | exp.Nullif() | exp.Mod():
            return [node.args["expression"]]
        case exp.Substring():
            return [node.args.get("start"), node.args.get("length")]
        case exp.Coalesce():
            return list(node.expressions)
        case _:
            return []


def _constant(node: exp.Expr | None, convert: Callable[[exp.Expr], RowExpr]) -> Value | _No | None:
    if node is None or isinstance(node, exp.Null):
        return None
    if not isinstance(node.unnest(), exp.Literal | exp.Boolean | exp.Neg):
        return _No()
    made = evaluate(convert(node), lambda _: None)
    return _No() if made is None else made


def _joined(node: exp.Expr, convert: Callable[[exp.Expr], RowExpr], scope: Scope) -> Image | None:
    """Text put together: one column's image, and literals."""
    parts = list(node.flatten()) if isinstance(node, exp.DPipe) else list(node.expressions)
    found = [(image(part, convert, scope), part) for part in parts]
    images = [made for made, _ in found if made is not None]
    if not images or len({made.column for made in images}) != 1:
        return None
    made: dict[Value | None, Value | None] = {}
    skips = isinstance(node, exp.Concat)
    for given in images[0].values:
        pieces = [picture.values[given] if picture else _constant(part, convert) for picture, part in found]
        if any(isinstance(piece, _No) or not isinstance(piece, str | None) for piece in pieces):
            return None
        texts = [piece for piece in pieces if isinstance(piece, str)]
        made[given] = "".join(texts) if skips or len(texts) == len(pieces) else None
    return Image(images[0].column, made)


def _apply(node: exp.Expr, value: Value | None, arguments: list[Value | _No | None]) -> Value | _No | None:
    match node:
        case exp.Coalesce():
            found = next((part for part in (value, *arguments) if part is not None), None)
            return found if _alike(value, found) else _No()
        case exp.Nullif():
            return (None if value == arguments[0] else value) if _alike(value, arguments[0]) else _No()
        case _ if value is None:
            return None
        case exp.Mod() if isinstance(value, Fraction) and isinstance(arguments[0], Fraction):
            divisor = arguments[0]
            return value - divisor * int(value / divisor) if divisor else None
        case exp.Upper() | exp.Lower() if isinstance(value, str):
            return "".join(_cased(c, isinstance(node, exp.Upper)) for c in value)
        case exp.Length() if isinstance(value, str):
            return Fraction(len(value))
        case exp.Left() | exp.Right() | exp.Substring() if isinstance(value, str):
            return _cut(node, value, arguments)
        case _:
            return _No()


def _cut(node: exp.Expr, value: str, arguments: list[Value | _No | None]) -> str | _No:
    places = [int(part) for part in arguments if isinstance(part, Fraction) and part >= 0 and part.denominator == 1]
    if len(places) != len([part for part in arguments if part is not None]) or not places:
        return _No()
    if isinstance(node, exp.Left):
        return value[: places[0]]
    if isinstance(node, exp.Right):
        return value[-places[0] :] if places[0] else ""
    if places[0] < 1:
        return _No()
    return value[places[0] - 1 :] if len(places) == 1 else value[places[0] - 1 : places[0] - 1 + places[1]]


def _cased(character: str, upper: bool) -> str:
    """Letters whose other case has another length stay, as in simple case mapping."""
    made = character.upper() if upper else character.lower()
    return made if len(made) == 1 else character


def _alike(one: Value | _No | None, other: Value | _No | None) -> bool:
    return one is None or other is None or type(one) is type(other)


def by_value(expr: RowExpr, scope: Scope) -> RowExpr:
    """A condition on a CASE over one column's declared values, as a list of the values for which it is true."""
    columns = columns_of(expr)
    if len(columns) != 1 or parameters_of(expr) or not any(isinstance(part, Case) for part in _sides(expr)):
        return expr
    (col,) = columns
    values = possible(col, scope)
    if values is None:
        return expr
    found = {value: evaluate_at(expr, value) for value in values}
    type_ = scope.type_of(col)
    listed = In(arg=col, values=tuple(literal(type_, v) for v, made in found.items() if v is not None and made is True))
    if all((made is None) == (value is None) for value, made in found.items()):
        return listed
    if None in found.values():
        return expr
    return Or(args=(listed, IsNull(arg=col))) if found[None] else And(args=(listed, Not(arg=IsNull(arg=col))))


def _sides(expr: RowExpr) -> tuple[RowExpr, ...]:
    return (expr.arg,) if isinstance(expr, In) else (getattr(expr, "left", expr), getattr(expr, "right", expr))
