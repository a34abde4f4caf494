"""Row expressions in words that a reviewer can read; unambiguous, but no SQL to run."""

from __future__ import annotations

from jobs.kinds.statistics.plan.expr import (
    Add,
    And,
    Case,
    Col,
    Compare,
    DatePart,
    DateTrunc,
    FloorDiv,
    In,
    IsNull,
    Lit,
    Mul,
    Not,
    Or,
    Par,
    RowExpr,
)
from jobs.kinds.statistics.plan.statement import text_sql
from jobs.kinds.statistics.plan.types import Aggregate, Plan

FUNCTIONS = {
    "count_rows": "number of rows",
    "count": "number of non-null values",
    "sum": "sum",
    "avg": "mean",
    "var_samp": "sample variance",
    "var_pop": "population variance",
    "stddev_samp": "sample standard deviation",
    "stddev_pop": "population standard deviation",
    "count_distinct_unit": "number of distinct individuals",
    "covar_samp": "sample covariance",
    "covar_pop": "population covariance",
    "corr": "correlation",
    "regr_slope": "slope of the regression line",
    "regr_intercept": "intercept of the regression line",
    "regr_r2": "share of variance that the regression line explains (R2)",
}
_SIGNS = {"=": "is", "<": "is below", "<=": "is at most"}


def phrase(expr: RowExpr, plan: Plan) -> str:
    """An expression in words; columns of joined datasets carry the dataset's name."""
    match expr:
        case Lit():
            return text_sql(expr.value) if expr.type == "string" else expr.value
        case Par():
            return f":{expr.name}"
        case Col():
            return column(expr, plan)
        case Add():
            return "(" + " + ".join(phrase(arg, plan) for arg in expr.args) + ")"
        case Mul():
            return " x ".join(phrase(arg, plan) for arg in expr.args)
        case FloorDiv():
            return f"{phrase(expr.arg, plan)} in ranges of {expr.width}"
        case DatePart(part="epoch_day"):
            return f"days from 1970-01-01 to {column(expr.arg, plan)}"
        case DatePart():
            return f"{expr.part} of {column(expr.arg, plan)}"
        case DateTrunc():
            return f"{column(expr.arg, plan)} by {expr.unit}"
        case Compare():
            return f"{phrase(expr.left, plan)} {_SIGNS[expr.op]} {phrase(expr.right, plan)}"
        case In():
            values = [phrase(value, plan) for value in expr.values]
            if len(values) == 1:
                return f"{phrase(expr.arg, plan)} is {values[0]}"
            return f"{phrase(expr.arg, plan)} is one of {', '.join(values) or 'no values'}"
        case IsNull():
            return f"{phrase(expr.arg, plan)} is missing"
        case Not():
            return f"not ({phrase(expr.arg, plan)})"
        case And() | Or():
            word = " and " if isinstance(expr, And) else " or "
            return "(" + word.join(phrase(arg, plan) for arg in expr.args) + ")"
        case Case():
            return _case(expr, plan)


def _case(expr: Case, plan: Plan) -> str:
    parts = [f"{phrase(b.then, plan)} where {phrase(b.when, plan)}" for b in expr.branches]
    otherwise = phrase(expr.otherwise, plan) if expr.otherwise else "nothing"
    return "; ".join((*parts, f"else {otherwise}"))


def column(col: Col, plan: Plan) -> str:
    return col.name if not plan.joins else f"{plan.dataset_of(col.table)}.{col.name}"


def statistic(aggregate: Aggregate, plan: Plan) -> str:
    """An aggregate in words."""
    words = FUNCTIONS[aggregate.function]
    if aggregate.column is not None:
        words += f" of {phrase(aggregate.column, plan)}"
    if aggregate.other is not None:
        words += f" {'on' if aggregate.function.startswith('regr') else 'and'} {column(aggregate.other, plan)}"
    return words if aggregate.filter is None else f"{words}, where {phrase(aggregate.filter, plan)}"
