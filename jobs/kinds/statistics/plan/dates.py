"""Dates in arithmetic: intervals, differences, dates made of parts. Constants are worked out now; of columns, numbers
of days since 1970-01-01 remain."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction

from sqlglot import exp

from jobs.kinds.statistics.plan.errors import TypeMismatch, UnsupportedSql
from jobs.kinds.statistics.plan.expr import Add, Branch, Case, Col, DatePart, In, Lit, Mul, RowExpr
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import number, value_of

EPOCH = date(1970, 1, 1)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
SHIFTS = (exp.Add, exp.Sub, exp.DateAdd, exp.DateSub)


def constant(node: exp.Expr) -> date | None:
    """The date that a node without columns spells, by months and days from a literal; ``None`` for anything else."""
    node = node.unnest()
    match node:
        case exp.Cast() if node.to.this == exp.DataType.Type.DATE and isinstance(node.this, exp.Literal):
            return _date(str(node.this.this)) if node.this.is_string else None
        case exp.DateFromParts():
            parts = [node.args[name] for name in ("year", "month", "day")]
            if all(isinstance(part, exp.Literal) and str(part.this).isdigit() for part in parts):
                return _made(*(int(str(part.this)) for part in parts))
            return None
        case exp.Add() | exp.Sub() | exp.DateAdd() | exp.DateSub():
            start, step = constant(node.args["this"]), steps(node)
            return None if start is None or step is None else moved(start, *step)
        case _:
            return None


def steps(node: exp.Expr) -> tuple[int, int] | None:
    """Months and days that a sum or difference moves a date by; ``None`` where it is another sum."""
    by, unit = node.args["expression"].unnest(), node.args.get("unit")
    sign = -1 if isinstance(node, exp.Sub | exp.DateSub) else 1
    if isinstance(by, exp.Interval):
        by, unit = by.this, by.args.get("unit")
    elif unit is None:  # DATE + 7
        unit = exp.Var(this="day")
    if isinstance(by, exp.Neg):
        sign, by = -sign, by.this
    if not isinstance(by, exp.Literal) or not str(by.this).lstrip("-").isdigit() or len(str(by.this)) > 6:
        return None
    name, count = str(unit).lower().rstrip("s"), sign * int(str(by.this))
    if name in _MONTHS:
        return count * _MONTHS[name], 0
    return (0, count * _DAYS[name]) if name in _DAYS else None


def moved(start: date, months: int, days: int) -> date:
    """As SQL moves a date: a month has its last day where the day does not exist in it."""
    try:
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        last = monthrange(year, month + 1)[1]
        return date(year, month + 1, min(start.day, last)) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise TypeMismatch("a date beyond the calendar") from None


def has_interval(node: exp.Expr) -> bool:
    return node.find(exp.Interval) is not None


def days(node: exp.Expr, convert: Callable[[exp.Expr], RowExpr], scope: Scope) -> RowExpr | None:
    """The number of days since 1970-01-01 of a date, moved or not; ``None`` where the node is no date."""
    node = node.unnest()
    if (found := constant(node)) is not None:
        return number((found - EPOCH).days)
    if isinstance(node, SHIFTS):
        inner = days(node.args["this"], convert, scope)
        if inner is None or isinstance(inner, Lit):
            return None
        step = steps(node)
        if step is None or step[0]:
            raise UnsupportedSql(
                "a column moved by months or by something that is no literal: move a column by days or weeks, a "
                "literal by anything, or compare DATEDIFF('month', a, b)"
            )
        return Add(args=(inner, number(step[1])))
    if not isinstance(node, exp.Column | exp.Literal | exp.Cast):
        return None
    return day_number(convert(node), scope)


def day_number(expr: RowExpr, scope: Scope) -> RowExpr | None:
    """The same of an expression."""
    if isinstance(expr, Lit):
        text = expr.value[:10]
        if expr.type not in ("date", "timestamp", "string") or _date(text) is None:
            return None
        return number((date.fromisoformat(text) - EPOCH).days)
    if isinstance(expr, Col) and scope.type_of(expr) in ("date", "timestamp"):
        return DatePart(part="epoch_day", arg=expr)
    return None


def difference(unit: str, first: RowExpr, last: RowExpr, scope: Scope) -> RowExpr | None:
    """How many beginnings of a day, month, quarter or year lie between two dates; ``None`` for another unit."""
    if unit == "day":
        ends = [day_number(end, scope) for end in (last, first)]
    elif unit in ("month", "quarter", "year"):
        ends = [_counted(unit, end, scope) for end in (last, first)]
    else:
        return None
    if ends[0] is None or ends[1] is None:
        return None
    return Add(args=(ends[0], Mul(args=(number(-1), ends[1]))))


def _counted(unit: str, end: RowExpr, scope: Scope) -> RowExpr | None:
    """Months, quarters or years since the year 0."""
    per_year = _MONTHS["year"] // _MONTHS[unit]
    if isinstance(end, Lit):
        day = _date(end.value[:10]) if end.type in ("date", "timestamp", "string") else None
        within = {"month": day.month, "quarter": (day.month + 2) // 3, "year": 0}[unit] if day else 0
        return number(day.year * per_year + within) if day else None
    if not isinstance(end, Col) or scope.type_of(end) not in ("date", "timestamp"):
        return None
    year = DatePart(part="year", arg=end)
    if unit == "year":
        return year
    within_year = DatePart(part="month" if unit == "month" else "quarter", arg=end)
    return Add(args=(Mul(args=(number(per_year), year)), within_year))


def named_part(node: exp.Expr, col: Col, scope: Scope) -> RowExpr | None:
    """Sundays as 0, names of days and months: a list of what a date part may be."""
    match node:
        case exp.DayOfWeek():
            part, results = DatePart(part="isodow", arg=col), [number(n % 7) for n in range(1, 8)]
        case exp.Dayname():
            part, results = DatePart(part="isodow", arg=col), [_text(name) for name in _WEEKDAYS]
        case exp.Monthname():
            part, results = DatePart(part="month", arg=col), [_text(name) for name in _NAMES]
        case _:
            return None
    branches = tuple(
        Branch(when=In(arg=part, values=(number(n),)), then=made) for n, made in enumerate(results, start=1)
    )
    return Case(branches=branches) if scope.nullable(col) else Case(branches=branches[:-1], otherwise=results[-1])


def _text(value: str) -> Lit:
    return Lit(type="string", value=value)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _made(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except (ValueError, OverflowError):
        raise TypeMismatch("a date that does not exist") from None


def day_of(lit: Lit) -> date | None:
    """The date of a whole number of days; ``None`` beyond the calendar."""
    value = value_of(lit)
    try:
        return EPOCH + timedelta(days=int(value)) if isinstance(value, Fraction) else None
    except OverflowError:
        return None
