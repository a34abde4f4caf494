"""Row expressions as DuckDB SQL over staged columns. Identifiers are made here; literals are escaped here.

Numbers are scaled integers (BIGINT, or HUGEINT where a sum needs it): no floating point takes part in any result.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from jobs.kinds.statistics.errors import SourceMismatch
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
    RowExpr,
)
from jobs.kinds.statistics.plan.types import PlannedColumn
from jobs.kinds.statistics.plan.values import value_of
from jobs.schema import ColumnType

Columns = Mapping[Col, PlannedColumn]


def quoted(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal: DuckDB knows no escape in it but the doubled quote."""
    if "\0" in value:
        raise SourceMismatch("a text with a zero byte cannot be compared")
    return "'" + value.replace("'", "''") + "'"


def staged(col: Col) -> str:
    """The name of a column after staging: typed, scaled, checked."""
    return f"t{col.table}.{quoted('c_' + col.name)}"


def condition(expr: RowExpr, columns: Columns) -> str:
    """A condition without parameters, as SQL of the same three-valued meaning."""
    match expr:
        case Lit():
            return "TRUE" if value_of(expr) is True else "FALSE"
        case And() | Or():
            word = " AND " if isinstance(expr, And) else " OR "
            return "(" + word.join(condition(arg, columns) for arg in expr.args) + ")"
        case Not():
            return f"(NOT {condition(expr.arg, columns)})"
        case IsNull():
            return f"({scaled(expr.arg, columns)[0]} IS NULL)"
        case Compare():
            left, right = aligned(expr.left, expr.right, columns)
            return f"({left} {expr.op} {right})"
        case In():
            return _in(expr, columns)
        case _:
            return scaled(expr, columns)[0]


def _in(expr: In, columns: Columns) -> str:
    arg, scale = scaled(expr.arg, columns)
    values = []
    for value in expr.values:
        if not isinstance(value, Lit):
            raise SourceMismatch("a parameter without a value")
        if value.type != "number":
            values.append(literal(value))
        elif (found := Fraction(value.value) * 10**scale).denominator == 1:
            values.append(str(found.numerator))
    if not values:
        return f"(CASE WHEN {arg} IS NULL THEN NULL ELSE FALSE END)"
    return f"({arg} IN ({', '.join(values)}))"


def aligned(left: RowExpr, right: RowExpr, columns: Columns) -> tuple[str, str]:
    """Both sides at one scale."""
    (a, s), (b, t) = scaled(left, columns), scaled(right, columns)
    return _shifted(a, max(s, t) - s), _shifted(b, max(s, t) - t)


def _shifted(sql: str, digits: int) -> str:
    return sql if digits == 0 else f"({sql} * {10**digits})"


def whole(number: int) -> str:
    """An integer in 64 bits: of two small ones DuckDB would make a product in 32, and stop where it does not fit."""
    return f"CAST({number} AS {'BIGINT' if abs(number) < 1 << 63 else 'HUGEINT'})"


def literal(lit: Lit) -> str:
    """A literal of another type than number."""
    match lit.type:
        case "bool":
            return "TRUE" if lit.value == "true" else "FALSE"
        case "date":
            return f"DATE {text(lit.value)}"
        case "timestamp":
            return f"TIMESTAMP {text(lit.value.replace('T', ' '))}"
        case _:
            return text(lit.value)


def scaled(expr: RowExpr, columns: Columns) -> tuple[str, int]:
    """SQL and scale: a number is the SQL's integer times 10^-scale; other types have scale 0."""
    match expr:
        case Lit():
            if expr.type != "number":
                return literal(expr), 0
            scale = len(expr.value.partition(".")[2])
            return whole(int(Fraction(expr.value) * 10**scale)), scale
        case Col():
            planned = columns[expr]
            return staged(expr), planned.decimals if planned.type is ColumnType.DECIMAL else 0
        case Add():
            parts = [scaled(arg, columns) for arg in expr.args]
            scale = max(s for _, s in parts)
            return "(" + " + ".join(_shifted(sql, scale - s) for sql, s in parts) + ")", scale
        case Mul():
            parts = [scaled(arg, columns) for arg in expr.args]
            return "(" + " * ".join(sql for sql, _ in parts) + ")", sum(s for _, s in parts)
        case FloorDiv():
            return _floor_div(expr, columns), 0
        case DatePart(part="epoch_day"):
            return f"date_diff('day', DATE '1970-01-01', {staged(expr.arg)})", 0
        case DatePart():
            return f"date_part('{expr.part}', {staged(expr.arg)})", 0
        case DateTrunc():
            return f"CAST(date_trunc('{expr.unit}', {staged(expr.arg)}) AS DATE)", 0
        case Case():
            return _case(expr, columns)
        case _:
            return condition(expr, columns), 0


def _floor_div(expr: FloorDiv, columns: Columns) -> str:
    """DuckDB's // cuts towards zero; the remainder is made non-negative first."""
    sql, scale = scaled(expr.arg, columns)
    digits = max(scale, len(expr.width.partition(".")[2]))
    width = int(Fraction(expr.width) * 10**digits)
    value = sql if digits == scale else f"(CAST({sql} AS HUGEINT) * {10 ** (digits - scale)})"
    return f"CAST(({value} - ((({value}) % {width}) + {width}) % {width}) // {width} AS BIGINT)"


def _case(expr: Case, columns: Columns) -> tuple[str, int]:
    results = [branch.then for branch in expr.branches] + ([expr.otherwise] if expr.otherwise else [])
    scale = max((len(lit.value.partition(".")[2]) for lit in results if lit.type == "number"), default=0)

    def result(lit: Lit | None) -> str:
        if lit is None:
            return "NULL"
        return whole(int(Fraction(lit.value) * 10**scale)) if lit.type == "number" else literal(lit)

    whens = "".join(f" WHEN {condition(b.when, columns)} THEN {result(b.then)}" for b in expr.branches)
    return f"(CASE{whens} ELSE {result(expr.otherwise)} END)", scale
