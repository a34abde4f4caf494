"""From parsed SQL to conditions on one row: comparisons, lists, patterns, logic. A closed list; the rest is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import ClassVar

from sqlglot import exp

from jobs.kinds.statistics.plan.buckets import width_bucket
from jobs.kinds.statistics.plan.canonical import FALSE, TRUE, condition, normal
from jobs.kinds.statistics.plan.certain import is_, is_unknown
from jobs.kinds.statistics.plan.compile_values import Values, monotone, text_literal
from jobs.kinds.statistics.plan.dates import SHIFTS, constant, days, has_interval
from jobs.kinds.statistics.plan.declared import check_declared, offered
from jobs.kinds.statistics.plan.errors import MissingDeclaration, UnknownValue
from jobs.kinds.statistics.plan.expr import And, Col, Compare, In, IsNull, Lit, Mul, Not, Or, Par, RowExpr
from jobs.kinds.statistics.plan.images import FUNCTIONS, by_value, image
from jobs.kinds.statistics.plan.monotone import Comparison, compared
from jobs.kinds.statistics.plan.values import literal, number, truth, value_of

__all__ = ["Rows", "text_literal"]
_SIGNS: dict[type[exp.Expr], Comparison] = {exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_TURNED: dict[Comparison, Comparison] = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONDITIONS = (Compare, In, IsNull, Not, And, Or)


@dataclass
class Rows(Values):
    """Converts row expressions of one statement."""

    COMPARISONS: ClassVar[tuple[type[exp.Expr], ...]] = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)

    def _convert(self, node: exp.Expr) -> RowExpr:
        match node:
            case exp.And() | exp.Or():
                args = tuple(self.convert(part) for part in node.flatten())
                return And(args=args) if isinstance(node, exp.And) else Or(args=args)
            case exp.Not():
                return Not(arg=self.convert(node.this))
            case exp.WidthBucket():
                return self._width_bucket(node)
            case exp.Between():
                return self._between(node)
            case exp.In():
                return self._in(node)
            case exp.Is():
                return self._is(node)
            case exp.NullSafeEQ() | exp.NullSafeNEQ():
                return self._distinct(node)
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.StartsWith() | exp.EndsWith() | exp.Contains():
                return self._holds(node, node.this, node.expression)
            case exp.Anonymous() if str(node.this).lower() in ("prefix", "suffix") and len(node.expressions) == 2:
                return self._holds(node, *node.expressions)
            case _ if isinstance(node, self.COMPARISONS):
                return self._compare(node, node.args["this"], node.args["expression"])
            case _ if isinstance(node, FUNCTIONS):
                found = image(node, self.convert, self.scope)
                made = None if found is None else found.expression(self.scope)
                return super()._convert(node) if made is None else made
            case _ if isinstance(node, (*SHIFTS, exp.DateFromParts)) and (day := constant(node)) is not None:
                return literal("date", day)
            case _:
                return super()._convert(node)

    def _width_bucket(self, node: exp.WidthBucket) -> RowExpr:
        self.source.only(node, "this", "min_value", "max_value", "num_buckets")
        found = []
        for name in ("min_value", "max_value", "num_buckets"):
            value = normal(self.convert(node.args[name]), self.scope)
            if not isinstance(value, Lit) or value.type != "number":
                raise self.source.refuse(node, "the ends and the number of buckets of WIDTH_BUCKET are literals")
            found.append(Fraction(value.value))
        with self.source.at(node):
            return width_bucket(self.convert(node.this), *found)

    def _compare(self, node: exp.Expr, first: exp.Expr, second: exp.Expr) -> RowExpr:
        if isinstance(node, exp.NEQ):
            return Not(arg=self._ordered("=", first, second))
        return self._ordered(_SIGNS[type(node)], first, second)

    def _ordered(self, op: Comparison, first: exp.Expr, second: exp.Expr) -> RowExpr:
        """``first op second``; a function on a side becomes a limit on its argument, moved dates numbers of days."""
        for one, other, sign in ((first.unnest(), second, op), (second.unnest(), first, _TURNED[op])):
            if isinstance(one, exp.Coalesce) and image(one, self.convert, self.scope) is None:
                return self._with_default(one, partial(self._beside, sign, other))
            if isinstance(one, exp.Abs):
                return self._absolute(sign, self.convert(one.this), self.convert(other))
            if isinstance(one, exp.Greatest | exp.Least):
                return self._extreme(one, sign, other)
            found = monotone(one)
            if found is not None:
                limit = self.constant(other)
                if not isinstance(limit, Lit) or not isinstance(value := value_of(limit), Fraction):
                    raise self.source.refuse(one, "a logarithm or root is compared with a number, written as a literal")
                return compared(found[0], self.convert(found[1]), sign, value, self.scope)
        if self._moves(first) or self._moves(second):
            for now in (*first.find_all(exp.CurrentDate), *second.find_all(exp.CurrentDate)):
                raise self.source.unknown(now)
            ends = [days(side, self.convert, self.scope) for side in (first, second)]
            if ends[0] is None or ends[1] is None:
                raise self.source.refuse(first, "a date that is moved is compared with a date or a column of dates")
            return self._related(op, ends[0], ends[1])
        left, right = self.convert(first), self.convert(second)
        if op == "=":
            self._declared(left, right, second)
            self._declared(right, left, first)
        return self._related(op, left, right)

    def _declared(self, arg: RowExpr, value: RowExpr, node: exp.Expr) -> None:
        """Raise ``UnknownValue``, at the literal, where ``arg`` never equals it."""
        with self.source.at(node):
            if isinstance(value, Lit):
                check_declared(arg, self._as(value, arg), self.scope)

    def _beside(self, op: Comparison, other: exp.Expr, arg: RowExpr) -> RowExpr:
        return self._related(op, arg, self.convert(other))

    def _moves(self, node: exp.Expr) -> bool:
        """Whether a column of dates is moved by days."""
        node = node.unnest()
        if not isinstance(node, SHIFTS) or constant(node) is not None:
            return False
        if has_interval(node) or isinstance(node, exp.DateAdd | exp.DateSub):
            return True
        left, right = node.args["this"].unnest(), node.args["expression"].unnest()
        return isinstance(left, exp.Column) and isinstance(right, exp.Literal) and self._is_date(self.convert(left))

    def _related(self, op: Comparison, left: RowExpr, right: RowExpr) -> RowExpr:
        left, right = self._as(left, right), self._as(right, left)
        match op:
            case "=":
                made = Compare(op="=", left=left, right=right)
            case ">" | ">=":
                made = Compare(op="<" if op == ">" else "<=", left=right, right=left)
            case _:
                made = Compare(op=op, left=left, right=right)
        self.scope.type_of(made)
        return by_value(made, self.scope)

    def _with_default(self, node: exp.Coalesce, test: Callable[[RowExpr], RowExpr]) -> RowExpr:
        """A condition on the first of several values that is present."""
        self.source.only(node, "this", "expressions", "is_nvl", "is_null")
        arg, rest = self.convert(node.this), list(node.expressions)
        if isinstance(arg, Lit):
            return self._settled(test(arg))
        holds = test(arg)
        if not rest or not self._may_miss(arg):
            return holds
        other = self._with_default(exp.Coalesce(this=rest[0], expressions=rest[1:]), lambda e: test(self._as(e, arg)))
        if other == TRUE:
            return Or(args=(holds, IsNull(arg=arg)))
        present = And(args=(holds, Not(arg=IsNull(arg=arg))))
        return present if other == FALSE else Or(args=(present, And(args=(IsNull(arg=arg), other))))

    def _may_miss(self, arg: RowExpr) -> bool:
        return is_unknown(In(arg=arg, values=()), self.scope) != truth(False)

    def _settled(self, test: RowExpr) -> RowExpr:
        self.scope.type_of(test)
        return condition(test, self.scope)

    def _absolute(self, op: Comparison, arg: RowExpr, limit: RowExpr) -> RowExpr:
        negated = Mul(args=(number(-1), limit))
        match op:
            case "=":
                return Or(args=(Compare(op="=", left=arg, right=limit), Compare(op="=", left=arg, right=negated)))
            case "<" | "<=":
                return And(args=(Compare(op=op, left=negated, right=arg), Compare(op=op, left=arg, right=limit)))
            case _:
                ends = ((arg, negated), (limit, arg))
                return Or(args=tuple(Compare(op="<" if op == ">" else "<=", left=a, right=b) for a, b in ends))

    def _extreme(self, node: exp.Expr, op: Comparison, other: exp.Expr) -> RowExpr:
        """The largest of several is above a limit where one of them is, below it where all are."""
        parts = [node.this, *node.expressions]
        if op == "=" or any(self._may_miss(self.convert(part)) for part in parts):
            raise self.source.refuse(
                node, "GREATEST and LEAST are compared by < <= > >=, of values that are never missing",
                instead="the comparisons with AND and OR",
            )  # fmt: skip
        args = tuple(self._ordered(op, part, other) for part in parts)
        some = isinstance(node, exp.Greatest) == (op in (">", ">="))
        return Or(args=args) if some else And(args=args)

    def _between(self, node: exp.Between) -> RowExpr:
        self.source.only(node, "this", "low", "high")
        return And(
            args=(self._ordered(">=", node.this, node.args["low"]), self._ordered("<=", node.this, node.args["high"]))
        )

    def _in(self, node: exp.In) -> RowExpr:
        self.source.only(node, "this", "expressions")
        if len(node.expressions) > 1000:
            raise self.source.refuse(node, "IN lists at most 1000 values")
        inner = node.this.unnest()
        if isinstance(inner, exp.Coalesce) and image(inner, self.convert, self.scope) is None:
            return self._with_default(inner, lambda arg: self._listed(arg, node))
        return self._listed(self.convert(inner), node)

    def _listed(self, arg: RowExpr, node: exp.In) -> RowExpr:
        values = []
        for item in node.expressions:
            value = self._as(self.constant(item), arg)
            if not isinstance(value, Lit | Par):
                raise self.source.refuse(item, "IN lists literals and parameters only")
            self._declared(arg, value, item)
            values.append(value)
        if isinstance(arg, Lit):
            tests = tuple(Compare(op="=", left=arg, right=value) for value in values)
            return tests[0] if len(tests) == 1 else Or(args=tests)
        made = In(arg=arg, values=tuple(values))
        self.scope.type_of(made)
        return by_value(made, self.scope)

    def _is(self, node: exp.Is) -> RowExpr:
        arg = self.convert(node.this)
        if isinstance(node.expression, exp.Null):
            return is_unknown(arg, self.scope) if isinstance(arg, _CONDITIONS) else IsNull(arg=arg)
        if isinstance(node.expression, exp.Boolean):
            wanted = bool(node.expression.this)
            if isinstance(arg, Col):
                return And(args=(In(arg=arg, values=(truth(wanted),)), Not(arg=IsNull(arg=arg))))
            if self.scope.type_of(arg) == "bool":
                return is_(arg, wanted, self.scope)
        raise self.source.refuse(node, "IS with something else than NULL, TRUE or FALSE")

    def _distinct(self, node: exp.NullSafeEQ | exp.NullSafeNEQ) -> RowExpr:
        """Equality for which a missing value is a value."""
        first, second = node.this, node.expression
        if isinstance(first, exp.Null):
            first, second = second, first
        arg = self.convert(first)
        if isinstance(second, exp.Null):
            same: RowExpr = IsNull(arg=arg)
        else:
            other = self.convert(second)
            self._declared(arg, other, second)
            self._declared(other, arg, first)
            same = is_(self._related("=", arg, other), True, self.scope)
            if not isinstance(other, Lit | Par) and self._may_miss(arg) and self._may_miss(other):
                same = Or(args=(same, And(args=(IsNull(arg=arg), IsNull(arg=other)))))
        return same if isinstance(node, exp.NullSafeEQ) else Not(arg=same)

    def _like(self, node: exp.Like | exp.ILike) -> RowExpr:
        self.source.only(node, "this", "expression", "negate")
        pattern = node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string:
            raise self.source.refuse(node, "LIKE needs a pattern written as a literal")
        flags = re.DOTALL | (re.IGNORECASE if isinstance(node, exp.ILike) else re.NOFLAG)
        text = re.sub("%+", "%", str(pattern.this))
        parts = [{"%": ".*", "_": "."}.get(c, re.escape(c)) for c in text]
        if parts.count(".*") > 4:
            raise self.source.refuse(node, "a LIKE pattern has at most 4 wildcards %")
        like = re.compile("".join(parts), flags)
        found = self._chosen(node, node.this, "LIKE", text, lambda value: like.fullmatch(value) is not None)
        return Not(arg=found) if node.args.get("negate") else found

    def _holds(self, node: exp.Expr, of: exp.Expr, text: exp.Expr) -> RowExpr:
        """A beginning, an end, a part of a text."""
        if not isinstance(text, exp.Literal) or not text.is_string:
            raise self.source.refuse(node, "the text to be found is written as a literal")
        sought, name = str(text.this), type(node).__name__
        if isinstance(node, exp.StartsWith) or (isinstance(node, exp.Anonymous) and str(node.this).lower() == "prefix"):
            return self._chosen(node, of, "STARTS_WITH", sought, lambda value: value.startswith(sought))
        if isinstance(node, exp.Contains):
            return self._chosen(node, of, "CONTAINS", sought, lambda value: sought in value)
        return self._chosen(
            node, of, "ENDS_WITH" if name == "EndsWith" else "SUFFIX", sought, lambda value: value.endswith(sought)
        )

    def _chosen(self, node: exp.Expr, of: exp.Expr, what: str, text: str, chosen: Callable[[str], bool]) -> RowExpr:
        """Decided now, on the declared domain: the pattern never reaches a database. ``text``: what is looked for."""
        arg = self.convert(of)
        column = self.scope.column(arg) if isinstance(arg, Col) else None
        if column is None or column.domain is None or self.scope.type_of(arg) != "string":
            raise self.source.refuse(
                node, f"{what} is possible on text columns with a declared domain", MissingDeclaration
            )
        values = [str(value) for value in column.domain if chosen(str(value))]
        if not values:
            said = f"{what} {text[:64]!r} finds no declared value of column {column.name}"
            raise self.source.refuse(node, said + offered(text.strip("%"), column.domain), UnknownValue)
        return In(arg=arg, values=tuple(Lit(type="string", value=value) for value in values))
