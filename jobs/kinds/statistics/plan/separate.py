"""What a condition on secret columns may look like: apart from known columns, and cut only where its owner says.

A node judges an answer by its *base*, the records that satisfy the conditions on known columns: a verdict that looks
at nothing else tells nothing (simulatable auditing: Kenthapadi, Mishra and Nissim, 2005). So conditions have the form
K AND S, K over known columns and S over the others. And a threshold that sweeps over a secret number finds the number,
so it may only stand where the owner declared a cut point. Data under an exact profile has nothing to hide, and
differential privacy holds for any condition: no limits.

Run by compiler and node on normalised expressions (``plan.canonical``). Errors name columns, never values of data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.plan.domains import periods
from jobs.kinds.statistics.plan.draft import DraftAggregate
from jobs.kinds.statistics.plan.errors import MissingDeclaration, NotSeparable, RoleForbids
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
    children,
    columns_of,
)
from jobs.kinds.statistics.plan.scope import Scope, part_range
from jobs.kinds.statistics.plan.values import TYPE_OF, Value, literal, parse, value_of
from jobs.schema import Column, ColumnType, Role

_COUNTED: Final = frozenset({"count_rows", "count", "count_distinct_unit"})


def check_conjuncts(whole: RowExpr, scope: Scope) -> None:
    """Check a normalised condition of WHERE or FILTER, part by part. Raises ``NotSeparable``, ``RoleForbids`` and
    ``MissingDeclaration``."""
    if not restricted(scope):
        return
    for part in whole.args if isinstance(whole, And) else (whole,):
        _check_apart(part, scope)
        if secrets(part, scope):
            _check_condition(part, scope)


def check_group(expr: RowExpr, scope: Scope) -> None:
    """Check a normalised group. Raises as ``check_conjuncts``."""
    if not restricted(scope):
        return
    _check_apart(expr, scope)
    if secrets(expr, scope):
        for atom in _atoms(expr):
            _check_value(atom, scope)


def check_known_sums(draft: DraftAggregate, conditions: Iterable[RowExpr], scope: Scope) -> None:
    """Refuse the sum, mean or variance of a known column where ``conditions`` (WHERE, groups) or its own FILTER select
    by secret columns, and its product with a secret column: such a number weighs secrets by known values, and those no
    audit weighs. Of somebody who alone has a large weight it would tell as much as a question about him alone."""
    if draft.function in _COUNTED or not restricted(scope):
        return
    measured = columns_of(draft.column) | columns_of(draft.other)
    known = sorted(col.name for col in measured - secrets(draft.column, scope) - secrets(draft.other, scope))
    if not known:
        return
    beside = sorted(col.name for col in measured if col.name not in known)
    if beside:
        raise RoleForbids(
            f"{draft.function} of known column {known[0]} with secret column {beside[0]}: known values as weights are "
            f"not audited. Group by {known[0]}, or ask its owners to declare it a measure"
        )
    selecting = sorted({col.name for c in (*conditions, draft.filter) for col in secrets(c, scope)})
    if selecting:
        raise RoleForbids(
            f"{draft.function} of known column {known[0]} over rows that secret column {selecting[0]} selects"
            ": known values as weights are not audited. Count the rows, or group by the known column"
        )


def restricted(scope: Scope) -> bool:
    """Whether the datasets' one profile judges answers by their bases. Open data has nothing to hide, and under
    differential privacy the noise suffices for any condition."""
    return load_profile(scope.tables[0].profile).judged


def secrets(expr: RowExpr | None, scope: Scope) -> frozenset[Col]:
    """The columns of an expression whose values an outsider must not learn."""
    return frozenset(col for col in columns_of(expr) if scope.column(col).role is not Role.KNOWN)


def cut_values(column: Column) -> tuple[Value, ...] | None:
    """What a condition may compare a secret column with; ``None``: any value of its declared domain."""
    if column.domain is not None or column.type is ColumnType.BOOL:
        return None
    return tuple(parse(TYPE_OF[column.type], text) for text in column.cut_points)


def _check_apart(expr: RowExpr, scope: Scope) -> None:
    secret = secrets(expr, scope)
    known = columns_of(expr) - secret
    if secret and known:
        one, other = min(col.name for col in known), min(col.name for col in secret)
        raise NotSeparable(
            f"known column {one} and secret column {other} in one condition: the rules judge an answer by its known "
            "conditions alone",
            instead=f"(condition on {one}) AND (condition on {other}), or GROUP BY each of them",
        )


def _check_condition(expr: RowExpr, scope: Scope) -> None:
    match expr:
        case And() | Or():
            for arg in expr.args:
                _check_condition(arg, scope)
        case Not():
            _check_condition(expr.arg, scope)
        case IsNull():
            if isinstance(expr.arg, Case):
                _check_value(expr.arg, scope)
        case In():
            if isinstance(expr.arg, Col):
                _check_equality(expr.arg, scope)
            else:
                _check_value(expr.arg, scope)
        case Compare():
            _check_comparison(expr, scope)


def _check_comparison(expr: Compare, scope: Scope) -> None:
    left, right = expr.left, expr.right
    constant = left if isinstance(left, Lit | Par) else right
    arg = right if constant is left else left
    if not isinstance(constant, Lit | Par):
        both = sorted({col.name for col in secrets(expr, scope)})
        raise RoleForbids(f"{' and '.join(both)}: secret columns are compared with a literal or a parameter only")
    if not isinstance(arg, Col):
        _check_value(arg, scope)
        return
    cuts = cut_values(scope.column(arg))
    if cuts is None or (isinstance(constant, Par) and cuts):  # the value of a parameter is checked when it is given
        return
    _check_possible(arg, scope)
    below = constant is left
    if isinstance(constant, Par) or not _declared(value_of(constant), below, arg, cuts, scope):
        raise MissingDeclaration(
            f"secret column {arg.name} is compared with a value that is no declared cut point ({_listed(arg, scope)}): "
            "use one of them, or ask the owners to declare more",
            instead=_nearest(arg, constant, below, cuts, scope),
        )


def _nearest(col: Col, constant: Lit | Par, below: bool, cuts: tuple[Value, ...], scope: Scope) -> str:
    """The comparison at the nearest declared point."""
    value = value_of(constant) if isinstance(constant, Lit) else None
    if value is None or not cuts:
        return ""
    near: Any = min(cuts, key=lambda cut: abs(cut - value))  # type: ignore[operator]
    text = literal(scope.type_of(col), near).value
    return f"{col.name} {'>=' if below else '<='} {text if isinstance(near, Fraction) else repr(text)}"


def _check_equality(col: Col, scope: Scope) -> None:
    column = scope.column(col)
    if cut_values(column) is not None:
        raise MissingDeclaration(
            f"secret column {col.name} is compared with single values, and has no declared domain: "
            + ("declare it" if column.type is ColumnType.STRING else "compare it with < or >= at a declared cut point")
        )


def _check_value(expr: RowExpr, scope: Scope) -> None:
    """A value made of secret columns, to group by or to compare: every limit between two of its values is declared."""
    match expr:
        case Case():
            for branch in expr.branches:
                _check_condition(branch.when, scope)
        case FloorDiv(arg=Col() as col):
            _check_limits(col, _multiples(expr, scope), scope)
        case DatePart(part="year"):
            low, high = part_range(expr, scope)
            _check_limits(expr.arg, (date(year, 1, 1) for year in range(low + 1, high + 1)), scope)
        case DatePart(part="epoch_day"):
            raise RoleForbids(
                f"a number of days from or to secret date {expr.arg.name}: compare the column alone with a date at a "
                "cut point"
            )
        case DateTrunc():
            _check_limits(expr.arg, (day for day in periods(expr, scope)[1:] if isinstance(day, date)), scope)
        case Add() | Mul() | FloorDiv():
            atoms = [atom for atom in _atoms(expr) if not isinstance(atom, Lit)]
            if len(atoms) == 1 and isinstance(atoms[0], DatePart | FloorDiv) and atoms[0] != expr:
                _check_value(atoms[0], scope)
                return
            names = ", ".join(sorted(col.name for col in secrets(expr, scope)))
            raise RoleForbids(f"arithmetic on secret columns in a condition ({names}): compare each column alone")


def _check_limits(col: Col, limits: Iterable[Value], scope: Scope) -> None:
    cuts = cut_values(scope.column(col))
    if cuts is None:
        return
    for limit in limits:
        if isinstance(limit, date) and scope.type_of(col) == "timestamp":
            limit = datetime(limit.year, limit.month, limit.day)
        if not _declared(limit, True, col, cuts, scope):
            raise MissingDeclaration(
                f"ranges of secret column {col.name} meet where no cut point is declared ({_listed(col, scope)}): use "
                "CASE with conditions at cut points, or ask the owners to declare more"
            )


def _multiples(expr: FloorDiv, scope: Scope) -> Iterator[Fraction]:
    """Where buckets begin, but for the first: at the column's own resolution."""
    number, width = scope.number(expr), Fraction(expr.width)
    unit = 10 ** scope.number(expr.arg).scale
    if number.low is not None and number.high is not None:
        yield from (Fraction(-(-n * width * unit // 1), unit) for n in range(number.low + 1, number.high + 1))


def _declared(value: Value, below: bool, col: Col, cuts: tuple[Value, ...], scope: Scope) -> bool:
    """Whether ``value <= col`` (below) or ``col <= value`` cuts at a declared point c: at c, or one step beside it."""
    return value in cuts or _beside(value, -1 if below else 1, col, scope) in cuts


def _beside(value: Value, direction: int, col: Col, scope: Scope) -> Value | None:
    """The next value that the column can hold; ``x < c`` is normalised to ``x <= c - step``."""
    if isinstance(value, Fraction):
        return value + Fraction(direction, 10 ** scope.number(col).scale)
    if isinstance(value, date) and not isinstance(value, datetime) and date.min < value < date.max:
        return value + timedelta(days=direction)
    return None


def _check_possible(col: Col, scope: Scope) -> None:
    if scope.type_of(col) == "string":
        raise MissingDeclaration(f"secret column {col.name} is text without a declared domain: declare it")


def _listed(col: Col, scope: Scope) -> str:
    cuts = scope.column(col).cut_points
    return f"declared: {', '.join(cuts)}" if cuts else "it has none"


def _atoms(expr: RowExpr) -> list[RowExpr]:
    """What a linear function of one bucket is made of, such as ``FLOOR(x / 10) * 10``."""
    if isinstance(expr, Add | Mul):
        return [atom for part in children(expr) for atom in _atoms(part)]
    return [expr]
