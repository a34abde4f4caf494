"""Expressions over released values: their types and their one form. Rounded numbers in, so nothing here is exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from jobs.kinds.statistics.plan.canonical import sort_key
from jobs.kinds.statistics.plan.errors import InvalidPlan, TooLarge, TypeMismatch
from jobs.kinds.statistics.plan.expr import Agg, Dim, Lit, Op, OutExpr, Par, Quantile, ValueType
from jobs.kinds.statistics.plan.types import Dimension, Plan
from jobs.kinds.statistics.plan.values import canonical_literal, value_of

MAX_DEPTH = 8
_LOGIC = ("and", "or", "not")
_COMPARISON = ("eq", "lt", "le")
_ARITY = {"neg": 1, "abs": 1, "not": 1, "is_null": 1, "div": 2, "round": 2, "eq": 2, "lt": 2, "le": 2, "nullif": 2}


def output_type(expr: OutExpr, dimensions: Sequence[Dimension], aggregates: int) -> ValueType | Literal["any"]:
    """The type of an output expression (``any`` for a parameter); raises ``TypeMismatch``, ``InvalidPlan``."""
    match expr:
        case Lit():
            value_of(expr)
            return expr.type
        case Par():
            return "any"
        case Dim():
            if expr.index >= len(dimensions):
                raise InvalidPlan("an output names a dimension that the plan does not have")
            return dimensions[expr.index].type
        case Agg():
            if expr.index >= aggregates:
                raise InvalidPlan("an output names an aggregate that the plan does not have")
            return "number"
        case Quantile():
            if max(expr.count, *(cut.below for cut in expr.cuts)) >= aggregates:
                raise InvalidPlan("a quantile names an aggregate that the plan does not have")
            return "number"
        case Op():
            return _op_type(expr, [output_type(arg, dimensions, aggregates) for arg in expr.args])


def _op_type(expr: Op, types: list[ValueType | Literal["any"]]) -> ValueType:
    if expr.op == "total":
        return _total_type(expr, types[0])
    if len(types) != _ARITY.get(expr.op, max(2, len(types))):
        raise TypeMismatch(f"{expr.op} has {len(types)} arguments")
    if expr.op == "is_null":
        return "bool"
    if expr.op in _COMPARISON:
        known = {type_ for type_ in types if type_ != "any"}
        if len(known) != 1:
            raise TypeMismatch("a comparison of two different types")
        if "any" in types and known != {"number"}:
            raise TypeMismatch("a parameter in HAVING is compared with a number")
        return "bool"
    if expr.op in ("coalesce", "nullif"):
        return _alike(expr.op, types)
    needed: ValueType = "bool" if expr.op in _LOGIC else "number"
    if any(type_ != needed for type_ in types):
        raise TypeMismatch(f"{expr.op} needs a {needed} on every side")
    if expr.op == "round":
        _check_digits(expr.args[1])
    return needed


def _total_type(expr: Op, type_: ValueType | Literal["any"]) -> ValueType:
    if type_ != "number" or any(map(has_total, expr.args)):
        raise TypeMismatch("SUM(...) OVER takes a number made of aggregates, without another OVER in it")
    if not all(isinstance(arg, Dim) for arg in expr.args[1:]):
        raise TypeMismatch("PARTITION BY takes groups of the statement")
    return "number"


def has_total(expr: OutExpr) -> bool:
    """Whether a value of other rows takes part."""
    return isinstance(expr, Op) and (expr.op == "total" or any(map(has_total, expr.args)))


def _alike(op: str, types: list[ValueType | Literal["any"]]) -> ValueType:
    known = {type_ for type_ in types if type_ != "any"}
    if len(known) != 1 or ("any" in types and known != {"number"}):
        raise TypeMismatch(f"{op.upper()} of different types")
    return known.pop()


def _check_digits(digits: OutExpr) -> None:
    if not isinstance(digits, Lit) or not digits.value.lstrip("-").isdigit() or not -6 <= int(digits.value) <= 12:
        raise TypeMismatch("ROUND takes a number of digits from -6 to 12, written as a literal")


def normal_output(expr: OutExpr, depth: int = MAX_DEPTH) -> OutExpr:
    """Flat, sorted sums, products, conjunctions; no double negation; NOT a < b is b <= a."""
    if depth == 0:
        raise TooLarge(f"an output expression nests more than {MAX_DEPTH} levels deep")
    if isinstance(expr, Lit):
        return canonical_literal(expr)
    if not isinstance(expr, Op):
        return expr
    args = [normal_output(arg, depth - 1) for arg in expr.args]
    match expr.op:
        case "add" | "mul" | "and" | "or":
            flat = [part for arg in args for part in (arg.args if isinstance(arg, Op) and arg.op == expr.op else [arg])]
            if expr.op in _LOGIC:
                flat = list(dict.fromkeys(flat))
            return flat[0] if len(flat) == 1 else Op(op=expr.op, args=tuple(sorted(flat, key=sort_key)))
        case "total":
            return Op(op="total", args=(args[0], *sorted(set(args[1:]), key=sort_key)))
        case "eq":
            return Op(op="eq", args=tuple(sorted(args, key=sort_key)))
        case "neg":
            return _negated(args[0])
        case "not":
            return _refuted(args[0])
        case _:
            return Op(op=expr.op, args=tuple(args))


def _negated(arg: OutExpr) -> OutExpr:
    if isinstance(arg, Lit):
        return canonical_literal(Lit(type="number", value=arg.value[1:] if arg.value[0] == "-" else f"-{arg.value}"))
    return arg.args[0] if isinstance(arg, Op) and arg.op == "neg" else Op(op="neg", args=(arg,))


def _refuted(arg: OutExpr) -> OutExpr:
    if isinstance(arg, Op) and arg.op == "not":
        return arg.args[0]
    if isinstance(arg, Op) and arg.op in ("lt", "le"):
        return Op(op="le" if arg.op == "lt" else "lt", args=(arg.args[1], arg.args[0]))
    return Op(op="not", args=(arg,))


def quantiles(plan: Plan) -> Iterator[Quantile]:
    """Every quantile of a plan's outputs, of HAVING and ORDER BY."""
    results = [output.expr for output in plan.outputs] + [order.expr for order in plan.order_by]
    found = _parts([*results, *([plan.having] if plan.having is not None else [])])
    return (expr for expr in found if isinstance(expr, Quantile))


def totals_of(exprs: Iterable[OutExpr]) -> tuple[Op, ...]:
    """Every ``total`` in these expressions, once."""
    return tuple(dict.fromkeys(e for e in _parts(exprs) if isinstance(e, Op) and e.op == "total"))


def _parts(exprs: Iterable[OutExpr]) -> Iterator[OutExpr]:
    for expr in exprs:
        yield expr
        if isinstance(expr, Op):
            yield from _parts(expr.args)
