"""One form per meaning: what SQL lets a person write in many ways becomes the same expression, hence the same digest.

Every rewrite holds in SQL's three-valued logic. ``normal`` is idempotent: a node re-normalises a plan it receives.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction

from jobs.documents.canonical import canonical
from jobs.kinds.statistics.plan.expr import (
    Add,
    And,
    Branch,
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
    columns_of,
)
from jobs.kinds.statistics.plan.images import possible
from jobs.kinds.statistics.plan.polynomial import Polynomial, collect, expand
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import canonical_literal, literal, number, number_text, truth, value_of
from jobs.schema import Model

TRUE, FALSE = truth(True), truth(False)
_EPOCH = date(1970, 1, 1).toordinal()


def sort_key(model: Model) -> bytes:
    """Canonical bytes: the order of everything that has no order of its own."""
    return canonical(model.model_dump(mode="json"))


def normal(expr: RowExpr, scope: Scope) -> RowExpr:
    """The one form of an expression's meaning. The expression must already be well typed."""
    match expr:
        case Lit():
            return canonical_literal(expr)
        case Par() | Col() | DatePart() | DateTrunc():
            return expr
        case Add() | Mul():
            args = tuple(normal(arg, scope) for arg in expr.args)
            return collect(expand(type(expr)(args=args), sort_key), sort_key)
        case FloorDiv():
            return FloorDiv(arg=normal(expr.arg, scope), width=number_text(Fraction(expr.width)))
        case Case():
            return _case(expr, scope)
        case _:
            return condition(expr, scope)


def condition(expr: RowExpr, scope: Scope, negated: bool = False) -> RowExpr:
    """A boolean expression with NOT pushed down to its leaves."""
    match expr:
        case Lit():
            return truth((canonical_literal(expr) == TRUE) != negated)
        case Not():
            return condition(expr.arg, scope, not negated)
        case And() | Or():
            args = [condition(arg, scope, negated) for arg in expr.args]
            return _junction(args, isinstance(expr, And) != negated, scope)
        case IsNull():
            return _is_null(normal(expr.arg, scope), scope, negated)
        case In():
            return _in(normal(expr.arg, scope), expr.values, scope, negated)
        case Compare():
            return _compare(expr, scope, negated)
        case _:  # a boolean column, or a CASE with boolean results
            return _in(normal(expr, scope), (TRUE,), scope, negated)


def _compare(expr: Compare, scope: Scope, negated: bool) -> RowExpr:
    left, right = normal(expr.left, scope), normal(expr.right, scope)
    if expr.op == "=":
        for one, other in ((left, right), (right, left)):
            if isinstance(other, Lit | Par) and not isinstance(one, Lit):
                return _in(one, (other,), scope, negated)
        first, second = sorted((left, right), key=sort_key)
        equal: RowExpr = truth(left == right) if _constant(left, right) else Compare(op="=", left=first, right=second)
        return _not(equal) if negated else equal
    strict = (expr.op == "<") != negated
    if negated:
        left, right = right, left
    if isinstance(left, Lit) and isinstance(right, Lit):
        a, b = value_of(left), value_of(right)
        return truth(a < b if strict else a <= b)  # type: ignore[operator]
    if isinstance(left, Lit):
        return _bound(right, left, strict, True, scope)
    if isinstance(right, Lit):
        return _bound(left, right, strict, False, scope)
    return Compare(op="<" if strict else "<=", left=left, right=right)


def _bound(arg: RowExpr, lit: Lit, strict: bool, below: bool, scope: Scope) -> RowExpr:
    """``lit < arg`` (below) or ``arg < lit``, as an inclusive bound at the argument's own resolution."""
    if isinstance(arg, Par):
        pair = (lit, arg) if below else (arg, lit)
        return Compare(op="<" if strict else "<=", left=pair[0], right=pair[1])
    value = value_of(lit)
    if isinstance(value, Fraction):
        arg, value, flipped = _isolate(arg, value)
        below = below != flipped
        step = Fraction(1, 10 ** scope.number(arg).scale)
        if below:
            value = (value // step + 1 if strict else -(-value // step)) * step
        else:
            value = (-(-value // step) - 1 if strict else value // step) * step
        bound, strict = number(value), False
        if isinstance(arg, DatePart) and (limit := _day_limit(arg, int(value), below, scope)) is not None:
            return limit
    elif lit.type == "date" and isinstance(value, date) and strict and date.min < value < date.max:
        bound, strict = literal("date", value + timedelta(days=1 if below else -1)), False
    else:
        bound = lit
    left, right = (bound, arg) if below else (arg, bound)
    return Compare(op="<" if strict else "<=", left=left, right=right)


def _day_limit(arg: DatePart, day: int, below: bool, scope: Scope) -> RowExpr | None:
    """A limit on the days since 1970-01-01 is one on the date; a timestamp's last day ends where the next begins."""
    moment = scope.type_of(arg.arg) == "timestamp"
    limit = _day(arg, day + (moment and not below), scope)
    if limit is None:
        return None
    if below:
        return Compare(op="<=", left=limit, right=arg.arg)
    return Compare(op="<" if moment else "<=", left=arg.arg, right=limit)


def _day(arg: DatePart, day: int, scope: Scope) -> Lit | None:
    """The beginning of a day by its number, in the type of the date part's column; ``None`` for another part."""
    if arg.part != "epoch_day" or not 0 < day + _EPOCH <= date.max.toordinal():
        return None
    start = date.fromordinal(day + _EPOCH)
    if scope.type_of(arg.arg) == "date":
        return literal("date", start)
    return literal("timestamp", datetime(start.year, start.month, start.day))


def _isolate(arg: RowExpr, value: Fraction) -> tuple[RowExpr, Fraction, bool]:
    """Move constants to the literal's side: 60*x + 1 against 121 is x against 2. Says whether the sides flip."""
    terms: Polynomial = expand(arg, sort_key)
    value -= terms.pop((), Fraction(0))
    if len(terms) == 1:
        atoms, factor = next(iter(terms.items()))
        if factor:
            return collect({atoms: Fraction(1)}, sort_key), value / factor, factor < 0
    return collect(terms, sort_key), value, False


def _in(arg: RowExpr, values: tuple[Lit | Par, ...], scope: Scope, negated: bool) -> RowExpr:
    if isinstance(arg, Lit):
        return truth((arg in [canonical_literal(v) for v in values if isinstance(v, Lit)]) != negated)
    literals = {canonical_literal(value) for value in values if isinstance(value, Lit)}
    parameters = {value for value in values if isinstance(value, Par)}
    if literals and next(iter(literals)).type == "number" and not parameters:
        arg, literals = _isolated_values(arg, literals, scope)
        if isinstance(arg, DatePart) and scope.type_of(arg.arg) == "date":
            days = [_day(arg, int(value), scope) for lit in literals if isinstance(value := value_of(lit), Fraction)]
            if literals and None not in days:
                arg, literals = arg.arg, {day for day in days if day is not None}
    if isinstance(arg, Col) and (known := possible(arg, scope)) is not None:
        literals = {lit for lit in literals if value_of(lit) in known}
    if literals and literals <= {TRUE, FALSE} and not parameters:
        if negated:
            negated, literals = False, {TRUE, FALSE} - literals
        if literals == {TRUE, FALSE}:
            return _is_null(arg, scope, True) if not _nullable(arg, scope) else In(arg=arg, values=(FALSE, TRUE))
    if not literals and not parameters and not _nullable(arg, scope):
        return truth(negated)
    result = In(arg=arg, values=tuple(sorted((*literals, *parameters), key=sort_key)))
    return Not(arg=result) if negated else result


def _isolated_values(arg: RowExpr, literals: set[Lit], scope: Scope) -> tuple[RowExpr, set[Lit]]:
    moved = [_isolate(arg, value) for lit in literals if isinstance(value := value_of(lit), Fraction)]
    arg = moved[0][0]
    unit = 10 ** scope.number(arg).scale
    return arg, {number(value) for _, value, _ in moved if (value * unit).denominator == 1}


def _is_null(arg: RowExpr, scope: Scope, negated: bool) -> RowExpr:
    """Arithmetic and date parts are null where one of their columns is; a CASE is kept as it stands."""
    if isinstance(arg, Case):
        return Not(arg=IsNull(arg=arg)) if negated else IsNull(arg=arg)
    nullable = sorted((col for col in columns_of(arg) if scope.nullable(col)), key=sort_key)
    parts: list[RowExpr] = [Not(arg=IsNull(arg=col)) if negated else IsNull(arg=col) for col in nullable]
    return _junction(parts, negated, scope)


def _nullable(arg: RowExpr, scope: Scope) -> bool:
    if isinstance(arg, Case):
        return True
    return any(scope.nullable(col) for col in columns_of(arg))


def _not(expr: RowExpr) -> RowExpr:
    if isinstance(expr, Lit):
        return FALSE if expr == TRUE else TRUE
    return Not(arg=expr)


def _constant(left: RowExpr, right: RowExpr) -> bool:
    return isinstance(left, Lit) and isinstance(right, Lit)


def _junction(args: list[RowExpr], is_and: bool, scope: Scope) -> RowExpr:
    """AND / OR without order, repetition or constants; equalities on one argument are merged into one list."""
    kind, neutral, absorbing = (And, TRUE, FALSE) if is_and else (Or, FALSE, TRUE)
    flat: list[RowExpr] = []
    for arg in args:
        flat.extend(arg.args if isinstance(arg, kind) else (arg,))
    merged = _merge_lists(flat, is_and, scope)
    if absorbing in merged:
        return absorbing
    unique = sorted(set(merged) - {neutral}, key=sort_key)
    if not unique:
        return neutral
    return unique[0] if len(unique) == 1 else kind(args=tuple(unique))


def _merge_lists(args: list[RowExpr], is_and: bool, scope: Scope) -> list[RowExpr]:
    """x=1 OR x=2 is x IN (1,2); x<>1 AND x<>2 is NOT x IN (1,2)."""
    lists: dict[RowExpr, set[Lit | Par]] = {}
    rest: list[RowExpr] = []
    for arg in args:
        inner = arg.arg if is_and and isinstance(arg, Not) else arg
        if isinstance(inner, In) and is_and == isinstance(arg, Not):
            lists.setdefault(inner.arg, set()).update(inner.values)
        else:
            rest.append(arg)
    rest.extend(_in(arg, tuple(values), scope, is_and) for arg, values in lists.items())
    return rest


def _case(expr: Case, scope: Scope) -> RowExpr:
    otherwise = canonical_literal(expr.otherwise) if expr.otherwise else None
    branches: list[Branch] = []
    for branch in expr.branches:
        when, then = condition(branch.when, scope), canonical_literal(branch.then)
        if when == FALSE:
            continue
        if when == TRUE:
            otherwise = then
            break
        if branches and branches[-1].then == then:
            branches[-1] = Branch(when=_junction([branches[-1].when, when], False, scope), then=then)
        else:
            branches.append(Branch(when=when, then=then))
    while branches and branches[-1].then == otherwise:
        branches.pop()
    if not branches and otherwise is not None:
        return otherwise
    if not branches:  # only conditions that are never true, and no ELSE: always null
        return Case(branches=(Branch(when=FALSE, then=canonical_literal(expr.branches[0].then)),))
    return Case(branches=tuple(branches), otherwise=otherwise)
