"""The statement behind a plan, written anew from the plan: SQL that a reviewer reads, and that compiles to this plan.

Never the operator's text: whoever signs reads what the bytes mean here. In the documented subset (docs/sql.md), one
clause a line. Literals are legible by their type and quotes in them doubled: no value looks like another clause. Pure.
"""

from __future__ import annotations

from jobs.kinds.statistics.plan.expr import (
    Add,
    Agg,
    And,
    Case,
    Col,
    Compare,
    DatePart,
    DateTrunc,
    Dim,
    FloorDiv,
    In,
    IsNull,
    Lit,
    Mul,
    Not,
    Op,
    Or,
    OutExpr,
    Par,
    Quantile,
    RowExpr,
)
from jobs.kinds.statistics.plan.types import Aggregate, Order, Plan

_AGGREGATES = {
    "count": "COUNT",
    "sum": "SUM",
    "avg": "AVG",
    "var_samp": "VAR_SAMP",
    "var_pop": "VAR_POP",
    "stddev_samp": "STDDEV_SAMP",
    "stddev_pop": "STDDEV_POP",
    "covar_samp": "COVAR_SAMP",
    "covar_pop": "COVAR_POP",
    "corr": "CORR",
    "regr_slope": "REGR_SLOPE",
    "regr_intercept": "REGR_INTERCEPT",
    "regr_r2": "REGR_R2",
}
_INFIX = {"add": "+", "mul": "*", "div": "/", "eq": "=", "lt": "<", "le": "<=", "and": "AND", "or": "OR"}


def statement(plan: Plan) -> tuple[str, ...]:
    """The lines of the SELECT that compiles to this plan."""
    names = _tables(plan)
    lines = [f"SELECT {', '.join(f'{_out(o.expr, plan)} AS {_quoted(o.name)}' for o in plan.outputs)}"]
    lines.append(f"FROM {_from(plan.dataset, names[0])}")
    for number, join in enumerate(plan.joins, start=1):
        on = " AND ".join(f"{names[k.left.table]}.{k.left.name} = {names[number]}.{k.right}" for k in join.on)
        kind = "LEFT JOIN" if join.side == "left" else "JOIN"
        lines.append(f"{kind} {_from(join.dataset, names[number])} ON {on}")
    for place, conjunct in enumerate(plan.where.conjuncts):
        lines.append(f"{'  AND' if place else 'WHERE'} {row_sql(conjunct, plan)}")
    if plan.dimensions:
        lines.append(f"GROUP BY {', '.join(row_sql(d.expr, plan) for d in plan.dimensions)}")
    if plan.having is not None:
        lines.append(f"HAVING {_out(plan.having, plan)}")
    if plan.order_by:
        lines.append(f"ORDER BY {', '.join(_order(order, plan) for order in plan.order_by)}")
    if plan.limit is not None:
        lines.append(f"LIMIT {plan.limit}")
    return tuple(lines)


def row_sql(expr: RowExpr, plan: Plan) -> str:
    """An expression over one row; parentheses wherever precedence would have to be known."""
    match expr:
        case Lit():
            return literal_sql(expr)
        case Par():
            return f":{expr.name}"
        case Col():
            return expr.name if not plan.joins else f"{_tables(plan)[expr.table]}.{expr.name}"
        case Add() | Mul():
            return "(" + (" + " if isinstance(expr, Add) else " * ").join(row_sql(a, plan) for a in expr.args) + ")"
        case FloorDiv():
            return f"FLOOR({row_sql(expr.arg, plan)} / {expr.width})"
        case DatePart(part="epoch_day"):
            return f"DATEDIFF('day', DATE '1970-01-01', {row_sql(expr.arg, plan)})"
        case DatePart():
            return f"EXTRACT({expr.part} FROM {row_sql(expr.arg, plan)})"
        case DateTrunc():
            return f"DATE_TRUNC('{expr.unit}', {row_sql(expr.arg, plan)})"
        case Compare():
            return f"({row_sql(expr.left, plan)} {expr.op} {row_sql(expr.right, plan)})"
        case In():
            return f"({row_sql(expr.arg, plan)} IN ({', '.join(row_sql(value, plan) for value in expr.values)}))"
        case IsNull():
            return f"({row_sql(expr.arg, plan)} IS NULL)"
        case Not():
            return f"(NOT {row_sql(expr.arg, plan)})"
        case And() | Or():
            return "(" + (" AND " if isinstance(expr, And) else " OR ").join(row_sql(a, plan) for a in expr.args) + ")"
        case Case():
            whens = " ".join(f"WHEN {row_sql(b.when, plan)} THEN {literal_sql(b.then)}" for b in expr.branches)
            otherwise = f" ELSE {literal_sql(expr.otherwise)}" if expr.otherwise else ""
            return f"CASE {whens}{otherwise} END"


def literal_sql(lit: Lit) -> str:
    """A literal as SQL; the text of a number, date or truth value has no character but its own."""
    match lit.type:
        case "number":
            return lit.value
        case "bool":
            return lit.value.upper()
        case "string":
            return text_sql(lit.value)
        case "date":
            return f"DATE {text_sql(lit.value)}"
        case "timestamp":
            return f"TIMESTAMP {text_sql(lit.value.replace('T', ' '))}"


def text_sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _out(expr: OutExpr, plan: Plan) -> str:
    match expr:
        case Lit():
            return literal_sql(expr)
        case Par():
            return f":{expr.name}"
        case Dim():
            return row_sql(plan.dimensions[expr.index].expr, plan)
        case Quantile():
            return _filtered(f"QUANTILE_CONT({row_sql(expr.column, plan)}, {expr.share})", expr.filter, plan)
        case Agg():
            return aggregate_sql(plan.aggregates[expr.index], plan)
        case Op():
            return _operation(expr, [_out(arg, plan) for arg in expr.args])


def _operation(expr: Op, args: list[str]) -> str:
    match expr.op:
        case "neg":
            return f"(-{args[0]})" if not args[0].startswith("-") else f"(-({args[0]}))"
        case "not":
            return f"(NOT {args[0]})"
        case "abs":
            return f"ABS({args[0]})"
        case "round":
            return f"ROUND({args[0]}, {args[1]})"
        case "is_null":
            return f"({args[0]} IS NULL)"
        case "total":
            return f"SUM({args[0]}) OVER ({'PARTITION BY ' if args[1:] else ''}{', '.join(args[1:])})"
        case "coalesce" | "nullif":
            return f"{expr.op.upper()}({', '.join(args)})"
        case _:
            return "(" + f" {_INFIX[expr.op]} ".join(args) + ")"


def aggregate_sql(aggregate: Aggregate, plan: Plan) -> str:
    """An aggregate with its filter."""
    column = row_sql(aggregate.column, plan) if aggregate.column is not None else "*"
    match aggregate.function:
        case "count_rows":
            made = "COUNT(*)"
        case "count_distinct_unit":
            made = f"COUNT(DISTINCT {column})"
        case function:
            other = "" if aggregate.other is None else f", {row_sql(aggregate.other, plan)}"
            made = f"{_AGGREGATES[function]}({column}{other})"
    return _filtered(made, aggregate.filter, plan)


def _filtered(made: str, filter_: RowExpr | None, plan: Plan) -> str:
    return made if filter_ is None else f"{made} FILTER (WHERE {row_sql(filter_, plan)})"


def _order(order: Order, plan: Plan) -> str:
    direction = " DESC" if order.descending else " ASC"
    return _out(order.expr, plan) + direction + (" NULLS FIRST" if order.nulls_first else " NULLS LAST")


def _from(dataset: str, name: str) -> str:
    return dataset if dataset == name else f"{dataset} AS {name}"


def _tables(plan: Plan) -> tuple[str, ...]:
    """A name for each table: the dataset's, or one of its own where a dataset is read twice."""
    datasets = [plan.dataset, *(join.dataset for join in plan.joins)]
    return tuple(name if datasets.count(name) == 1 else f"table_{n}" for n, name in enumerate(datasets))


def _quoted(name: str) -> str:
    """An output name as it is, in quotes: any letters may be in it, and it is never a keyword."""
    return '"' + name.replace('"', '""') + '"'
