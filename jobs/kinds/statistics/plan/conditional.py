"""Aggregates of CASE, IF, COALESCE and of conditions, written as aggregates of columns with FILTER.

``SUM(CASE WHEN c THEN x ELSE 0 END)`` is ``COALESCE(SUM(x) FILTER (WHERE c), 0)``, ``AVG(CASE WHEN c THEN 1 ELSE 0
END)`` a share, ``COUNT_IF(c)`` a count. Parsed SQL in, parsed SQL out: roles, ranges and the separation of known and
secret conditions are judged on the result, as if a person had written it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from jobs.kinds.statistics.plan.certain import is_unknown
from jobs.kinds.statistics.plan.compile_rows import Rows
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.expr import Col, Lit
from jobs.kinds.statistics.plan.values import number, truth, value_of

_CONDITIONS = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is, exp.Like,
    exp.ILike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.StartsWith, exp.EndsWith, exp.Contains,
)  # fmt: skip


def filtered(select: exp.Select, rows: Rows) -> None:
    """Rewrite every aggregate of outputs, HAVING and ORDER BY in place."""
    places = [*select.expressions, select.args.get("having"), select.args.get("order")]
    for node in [found for place in places if place is not None for found in place.find_all(exp.AggFunc)]:
        outer = node.parent if isinstance(node.parent, exp.Filter) else node
        filter_ = outer.args["expression"].this if isinstance(outer, exp.Filter) else None
        made = _rewritten(node, filter_, rows)
        if made is not None:
            outer.replace(exp.Paren(this=made))


@dataclass(frozen=True)
class _Branch:
    """Rows where ``when`` is true (all that remain: none) contribute ``value``: a column, a constant, or null."""

    when: exp.Expr | None
    value: exp.Expr | None


@dataclass(frozen=True)
class _Choice:
    """Branches of which each row takes exactly one. ``whole``: every row contributes something, or every one where
    ``present`` is true."""

    branches: tuple[_Branch, ...]
    whole: bool = False
    present: exp.Expr | None = None


def _rewritten(node: exp.AggFunc, filter_: exp.Expr | None, rows: Rows) -> exp.Expr | None:
    if isinstance(node, exp.CountIf):
        return _count(_and(filter_, node.this))
    distinct = node.this if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct) else None
    of = distinct.expressions[0] if distinct is not None and len(distinct.expressions) == 1 else node.this
    choice = _choice(of, rows) if isinstance(of, exp.Expr) else None
    if choice is None:
        return None
    valued = [branch for branch in choice.branches if branch.value is not None]
    if not valued:
        raise rows.source.refuse(node, "an aggregate of nothing but NULL")
    if len(valued) == 1 and isinstance(valued[0].value, exp.Column):
        inner: exp.Expr = valued[0].value.copy()
        made = node.copy()
        made.set("this", exp.Distinct(expressions=[inner]) if distinct is not None else inner)
        return _with(made, _and(filter_, valued[0].when))
    if distinct is not None or not isinstance(node, exp.Count | exp.Sum | exp.Avg):
        return None
    counted = (
        _count(_and(filter_, choice.present))
        if choice.whole
        else _sum([_present(branch, filter_) for branch in valued])
    )
    if isinstance(node, exp.Count):
        return counted
    plain = choice.whole or len(valued) > 1 or isinstance(node, exp.Avg)  # divided by no rows, a mean is NULL anyway
    terms = [term for branch in valued if (term := _total(branch, filter_, plain, rows)) is not None]
    total = _sum(terms) if terms else exp.Mul(this=exp.Literal.number(0), expression=counted.copy())
    if isinstance(node, exp.Avg):
        return exp.Div(this=exp.Paren(this=total), expression=exp.Paren(this=counted))
    return total


def _choice(node: exp.Expr, rows: Rows) -> _Choice | None:
    node = node.unnest()
    if (
        isinstance(node, exp.Cast)
        and not isinstance(node.this.unnest(), exp.Literal)
        and _is_condition(node.this, rows)
    ):
        return _as_number(node.this, rows)
    match node:
        case exp.Case():
            tests = [
                (
                    exp.EQ(this=node.this.copy(), expression=item.this.copy()) if node.this else item.this,
                    item.args["true"],
                )
                for item in node.args["ifs"]
            ]
            default = node.args.get("default")
        case exp.If():
            tests, default = [(node.this, node.args["true"])], node.args.get("false")
        case exp.Coalesce() if len(node.expressions) == 1:
            missing = exp.Is(this=node.this.copy(), expression=exp.Null())
            if not _never_null(node.this, rows):
                tests, default = [(missing, node.expressions[0])], node.this
            else:
                tests, default = [(exp.Boolean(this=False), exp.Null())], node.this
        case exp.Nullif():
            tests = [(exp.EQ(this=node.this.copy(), expression=node.expression.copy()), exp.Null())]
            default = node.this
        case _:
            return None
    branches: list[_Branch] = []
    before: list[exp.Expr] = []
    for when, value in tests:
        found = _value(value, rows)
        if found is _IMPOSSIBLE:
            return None
        branches.append(_Branch(_and(when, *before), found))
        before.append(
            exp.Not(this=exp.Paren(this=exp.Is(this=exp.Paren(this=when.copy()), expression=exp.Boolean(this=True))))
        )
    rest = None if default is None else _value(default, rows)
    if rest is _IMPOSSIBLE:
        return None
    branches.append(_Branch(_and(*before), rest))
    if isinstance(node, exp.Coalesce):  # where x is missing its aggregates skip the row anyway
        branches[-1] = _Branch(None, branches[-1].value)
        return _Choice(tuple(branches), branches[0].value is not None)
    return _Choice(tuple(branches), all(_never_null(branch.value, rows) for branch in branches))


def _as_number(node: exp.Expr, rows: Rows) -> _Choice:
    """A condition as 1 and 0, nothing where it is unknown."""
    test = node.unnest()
    unknown = is_unknown(rows.convert(test), rows.scope)
    present = (
        None
        if unknown == truth(False)
        else exp.Not(this=exp.Is(this=exp.Paren(this=test.copy()), expression=exp.Null()))
    )
    not_ = exp.Not(this=exp.Paren(this=test.copy()))
    return _Choice((_Branch(test, exp.Literal.number(1)), _Branch(not_, exp.Literal.number(0))), True, present)


def _is_condition(node: exp.Expr, rows: Rows) -> bool:
    node = node.unnest()
    if isinstance(node, _CONDITIONS):
        return True
    if not isinstance(node, exp.Column):
        return False
    try:
        return rows.scope.type_of(rows.column(node)) == "bool"
    except PlanError:
        return False


_IMPOSSIBLE = exp.Var(this="impossible")


def _value(node: exp.Expr, rows: Rows) -> exp.Expr | None:
    """A column or constant; ``None`` for NULL."""
    node = node.unnest()
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Column | exp.Literal | exp.Boolean) or (
        isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal)
    ):
        return node
    return _IMPOSSIBLE


def _never_null(value: exp.Expr | None, rows: Rows) -> bool:
    if not isinstance(value, exp.Column):
        return value is not None
    found = rows.convert(value)
    return isinstance(found, Col) and not rows.scope.nullable(found)


def _total(branch: _Branch, filter_: exp.Expr | None, plain: bool, rows: Rows) -> exp.Expr | None:
    """What a branch adds to the sum; ``None`` for nothing."""
    if branch.value is None:
        return None
    if isinstance(branch.value, exp.Column):
        summed = _with(exp.Sum(this=branch.value.copy()), _and(filter_, branch.when))
        return exp.Coalesce(this=summed, expressions=[exp.Literal.number(0)])
    constant = rows.constant(branch.value)
    factor = value_of(constant) if isinstance(constant, Lit) else None
    if isinstance(factor, bool):
        factor = Fraction(int(factor))
    if not isinstance(factor, Fraction):
        raise rows.source.refuse(branch.value, "a text in a sum")
    if factor == 0:
        return None
    counted = _count(_and(filter_, branch.when))
    if not plain:  # SUM of nothing is NULL
        counted = exp.Nullif(this=counted, expression=exp.Literal.number(0))
    if factor == 1:
        return counted
    return exp.Mul(this=_literal(factor), expression=counted)


def _literal(value: Fraction) -> exp.Expr:
    text = number(abs(value)).value
    made = exp.Literal.number(text)
    return exp.Paren(this=exp.Neg(this=made)) if value < 0 else made


def _present(branch: _Branch, filter_: exp.Expr | None) -> exp.Expr:
    when = _and(filter_, branch.when)
    if isinstance(branch.value, exp.Column):
        return _with(exp.Count(this=branch.value.copy(), big_int=True), when)
    return _count(when)


def _count(filter_: exp.Expr | None) -> exp.Expr:
    return _with(exp.Count(this=exp.Star(), big_int=True), filter_)


def _with(aggregate: exp.Expr, filter_: exp.Expr | None) -> exp.Expr:
    return aggregate if filter_ is None else exp.Filter(this=aggregate, expression=exp.Where(this=filter_))


def _sum(terms: list[exp.Expr]) -> exp.Expr:
    total = terms[0]
    for term in terms[1:]:
        total = exp.Add(this=total, expression=term)
    return total


def _and(*parts: exp.Expr | None) -> exp.Expr | None:
    found: exp.Expr | None = None
    for part in parts:
        if part is not None:
            one = exp.Paren(this=part.copy())
            found = one if found is None else exp.And(this=found, expression=one)
    return found
