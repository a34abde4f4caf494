"""From parsed SQL to expressions over one row: conditions, buckets, date parts. A closed list; the rest is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from sqlglot import exp

from jobs.kinds.statistics.plan.buckets import width_bucket
from jobs.kinds.statistics.plan.canonical import normal
from jobs.kinds.statistics.plan.errors import MissingDeclaration, UnknownName, UnsupportedSql
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
    ValueType,
)
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.source import Source, construct
from jobs.kinds.statistics.plan.values import canonical_literal, number, truth
from jobs.legible import fault

NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{0,18})?|\.[0-9]{1,18}")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PART_CLASSES: dict[type[exp.Expr], str] = {
    exp.Year: "year", exp.Quarter: "quarter", exp.Month: "month", exp.Day: "day",
    exp.DayOfMonth: "day", exp.DayOfWeekIso: "isodow", exp.Hour: "hour",
}  # fmt: skip
_PARTS = {"year", "quarter", "month", "day", "isodow", "hour"}
_UNITS = {"year", "quarter", "month", "week", "day"}


def text_literal(source: Source, node: exp.Literal) -> Lit:
    """A string or plain decimal literal."""
    text = str(node.this)
    if node.is_string:
        if len(text) > 200:
            raise source.refuse(node, "a text literal of more than 200 characters")
        if why := fault(text):
            raise source.refuse(node, f"a text literal that cannot be read as it is: {why}")
        with source.at(node):
            return canonical_literal(Lit(type="string", value=text))
    if not NUMBER.fullmatch(text):
        raise source.refuse(node, "a number that is not written as plain decimal digits")
    return canonical_literal(Lit(type="number", value=text.rstrip(".") if text[0] != "." else f"0{text}"))


@dataclass
class Rows:
    """Converts row expressions of one statement. ``names``: table name or alias, lower case, to table number."""

    source: Source
    scope: Scope
    names: dict[str, int]
    merged: dict[str, Col] = field(default_factory=dict)
    """Columns that USING made one."""

    COMPARISONS: ClassVar[tuple[type[exp.Expr], ...]] = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)

    def convert(self, node: exp.Expr) -> RowExpr:
        """The expression of a node, typed; raises a refusal with the node's position."""
        with self.source.at(node):
            made = self._convert(node)
            if not isinstance(made, Par):
                self.scope.type_of(made)
        return made

    def _convert(self, node: exp.Expr) -> RowExpr:
        match node:
            case exp.Paren():
                return self.convert(node.this)
            case exp.Column():
                return self.column(node)
            case exp.Literal():
                return text_literal(self.source, node)
            case exp.Boolean():
                return truth(bool(node.this))
            case exp.Placeholder():
                return self.parameter(node)
            case exp.And() | exp.Or():
                args = tuple(self.convert(part) for part in node.flatten())
                return And(args=args) if isinstance(node, exp.And) else Or(args=args)
            case exp.Not():
                return Not(arg=self.convert(node.this))
            case exp.Neg():
                return Mul(args=(number(-1), self.convert(node.this)))
            case exp.Add() | exp.Sub() | exp.Mul():
                return self._arithmetic(node)
            case exp.Floor() | exp.IntDiv():
                return self._bucket(node)
            case exp.WidthBucket():
                return self._width_bucket(node)
            case exp.Between():
                return self._between(node)
            case exp.In():
                return self._in(node)
            case exp.Is():
                return self._is(node)
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.Case():
                return self._case(node)
            case exp.Cast():
                return self._cast(node)
            case exp.Extract() | exp.Anonymous() | exp.TimestampTrunc() | exp.DateTrunc():
                return self._dates(node)
            case _ if isinstance(node, self.COMPARISONS):
                return self._compare(node, node.args["this"], node.args["expression"])
            case _ if type(node) in _PART_CLASSES:
                self.source.only(node, "this")
                return self._part(node, _PART_CLASSES[type(node)], node.this)
            case _:
                raise self.source.refuse(node, f"{construct(node)} is not part of the SQL subset")

    def _width_bucket(self, node: exp.WidthBucket) -> Case:
        self.source.only(node, "this", "min_value", "max_value", "num_buckets")
        found = []
        for name in ("min_value", "max_value", "num_buckets"):
            value = normal(self.convert(node.args[name]), self.scope)
            if not isinstance(value, Lit) or value.type != "number":
                raise self.source.refuse(node, "the ends and the number of buckets of WIDTH_BUCKET are literals")
            found.append(Fraction(value.value))
        with self.source.at(node):
            return width_bucket(self.convert(node.this), *found)

    def column(self, node: exp.Column) -> Col:
        """A column by name, or by table and name; raises ``UnknownName``."""
        self.source.only(node, "this", "table")
        if not isinstance(node.this, exp.Identifier):
            raise self.source.refuse(node, f"{construct(node.this)} in place of a column")
        name, table = str(node.this.this).lower(), node.args.get("table")
        if table is not None:
            number_ = self.names.get(str(table.this).lower())
            if number_ is None:
                raise self.source.refuse(node, "an unknown table name before the column", UnknownName)
            found = [number_] if self._has(number_, name) else []
        elif name in self.merged:
            return self.merged[name]
        else:
            found = [number_ for number_ in range(len(self.scope.tables)) if self._has(number_, name)]
        if not found:
            raise self.source.refuse(node, f"unknown column {name[:64]!r}", UnknownName)
        if len(found) > 1:
            raise self.source.refuse(node, f"column {name} exists in several tables: write table.{name}", UnknownName)
        return Col(table=found[0], name=name)

    def _has(self, table: int, name: str) -> bool:
        return any(column.name == name for column in self.scope.tables[table].columns)

    def parameter(self, node: exp.Placeholder) -> Par:
        self.source.only(node, "this")
        if not isinstance(node.this, str) or not NAME.fullmatch(node.this):
            raise self.source.refuse(node, "a parameter is written :name, in lower case")
        return Par(name=node.this)

    def _arithmetic(self, node: exp.Expr) -> RowExpr:
        left, right = self.convert(node.args["this"]), self.convert(node.args["expression"])
        if isinstance(node, exp.Mul):
            return Mul(args=(left, right))
        return Add(args=(left, Mul(args=(number(-1), right)) if isinstance(node, exp.Sub) else right))

    def _bucket(self, node: exp.Floor | exp.IntDiv) -> RowExpr:
        if isinstance(node, exp.IntDiv):
            arg, width = self.convert(node.args["this"]), self.convert(node.args["expression"])
            with self.source.at(node):
                if self.scope.bounded(arg)[1] < 0:
                    raise UnsupportedSql("// of a value that may be negative: use FLOOR(x / width)")
        else:
            self.source.only(node, "this")
            inner = node.this.unnest()
            if not isinstance(inner, exp.Div):
                arg, width = self.convert(inner), number(1)
            else:
                arg, width = self.convert(inner.left), self.convert(inner.right)
        if not isinstance(width, Lit) or width.type != "number" or not 0 < float(width.value) < 1e15:
            raise self.source.refuse(node, "the width of a bucket is a positive number, written as a literal")
        return FloorDiv(arg=arg, width=width.value)

    def _compare(self, node: exp.Expr, first: exp.Expr, second: exp.Expr) -> RowExpr:
        left, right = self._pair(self.convert(first), self.convert(second))
        match node:
            case exp.EQ() | exp.NEQ():
                equal = Compare(op="=", left=left, right=right)
                return Not(arg=equal) if isinstance(node, exp.NEQ) else equal
            case exp.GT() | exp.GTE():
                return Compare(op="<" if isinstance(node, exp.GT) else "<=", left=right, right=left)
            case _:
                return Compare(op="<" if isinstance(node, exp.LT) else "<=", left=left, right=right)

    def _pair(self, left: RowExpr, right: RowExpr) -> tuple[RowExpr, RowExpr]:
        """A text literal beside a date is a date; a date literal beside a timestamp is its midnight."""
        return self._as(left, right), self._as(right, left)

    def _as(self, value: RowExpr, beside: RowExpr) -> RowExpr:
        if not isinstance(value, Lit) or isinstance(beside, Lit | Par):
            return value
        type_ = self.scope.type_of(beside)
        dated = value.type == "string" and type_ in ("date", "timestamp")
        return self._dated(value.value, type_) if dated or (value.type, type_) == ("date", "timestamp") else value

    def _dated(self, text: str, type_: ValueType) -> Lit:
        if type_ == "timestamp":
            text = text.strip().replace(" ", "T", 1)
            text = text if "T" in text else f"{text}T00:00:00"
        return canonical_literal(Lit(type=type_, value=text))

    def _between(self, node: exp.Between) -> RowExpr:
        self.source.only(node, "this", "low", "high")
        arg = self.convert(node.this)
        low = self._as(self.convert(node.args["low"]), arg)
        high = self._as(self.convert(node.args["high"]), arg)
        return And(args=(Compare(op="<=", left=low, right=arg), Compare(op="<=", left=arg, right=high)))

    def _in(self, node: exp.In) -> RowExpr:
        self.source.only(node, "this", "expressions")
        arg = self.convert(node.this)
        values = []
        for item in node.expressions:
            value = self._as(self._constant(item), arg)
            if not isinstance(value, Lit | Par):
                raise self.source.refuse(item, "IN lists literals and parameters only")
            values.append(value)
        if len(values) > 1000:
            raise self.source.refuse(node, "IN lists at most 1000 values")
        return In(arg=arg, values=tuple(values))

    def _constant(self, node: exp.Expr) -> RowExpr:
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            inner = text_literal(self.source, node.this)
            if inner.type == "number":
                return canonical_literal(Lit(type="number", value=f"-{inner.value}"))
        return self.convert(node)

    def _is(self, node: exp.Is) -> RowExpr:
        arg = self.convert(node.this)
        if isinstance(node.expression, exp.Null):
            return IsNull(arg=arg)
        if isinstance(node.expression, exp.Boolean) and isinstance(arg, Col):
            return And(args=(In(arg=arg, values=(truth(bool(node.expression.this)),)), Not(arg=IsNull(arg=arg))))
        raise self.source.refuse(node, "IS with something else than NULL, or TRUE / FALSE for a column")

    def _like(self, node: exp.Like | exp.ILike) -> RowExpr:
        """Decided now, on the declared domain: the pattern never reaches a database."""
        self.source.only(node, "this", "expression")
        arg, pattern = self.convert(node.this), node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string:
            raise self.source.refuse(node, "LIKE needs a pattern written as a literal")
        column = self.scope.column(arg) if isinstance(arg, Col) else None
        if column is None or column.domain is None or self.scope.type_of(arg) != "string":
            raise self.source.refuse(
                node, "LIKE is possible on text columns with a declared domain", MissingDeclaration
            )
        flags = re.DOTALL | (re.IGNORECASE if isinstance(node, exp.ILike) else re.NOFLAG)
        parts = [{"%": ".*", "_": "."}.get(c, re.escape(c)) for c in re.sub("%+", "%", str(pattern.this))]
        if parts.count(".*") > 4:
            raise self.source.refuse(node, "a LIKE pattern has at most 4 wildcards %")
        like = re.compile("".join(parts), flags)
        return In(
            arg=arg, values=tuple(Lit(type="string", value=str(v)) for v in column.domain if like.fullmatch(str(v)))
        )

    def _case(self, node: exp.Case) -> RowExpr:
        self.source.only(node, "this", "ifs", "default")
        branches = []
        for item in node.args["ifs"]:
            self.source.only(item, "this", "true")
            test = self._compare(exp.EQ(), node.this, item.this) if node.this else self.convert(item.this)
            branches.append(Branch(when=test, then=self._result(item.args["true"])))
        default = node.args.get("default")
        otherwise = None if default is None or isinstance(default, exp.Null) else self._result(default)
        return Case(branches=tuple(branches), otherwise=otherwise)

    def _result(self, node: exp.Expr) -> Lit:
        value = self._constant(node)
        if not isinstance(value, Lit):
            raise self.source.refuse(node, "the results of CASE are literals")
        return value

    def _cast(self, node: exp.Cast) -> RowExpr:
        self.source.only(node, "this", "to", "action", "safe")
        target = node.to.this
        if isinstance(node.this, exp.Literal) and node.this.is_string and not isinstance(node, exp.TryCast):
            if target == exp.DataType.Type.DATE:
                with self.source.at(node):
                    return self._dated(str(node.this.this), "date")
            if target in (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ):
                with self.source.at(node):
                    return self._dated(str(node.this.this), "timestamp")
        raise self.source.refuse(node, "CAST of something else than a literal to DATE or TIMESTAMP")

    def _dates(self, node: exp.Expr) -> RowExpr:
        if isinstance(node, exp.Extract):
            self.source.only(node, "this", "expression")
            return self._part(node, str(node.this.this).lower(), node.expression)
        if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
            self.source.only(node, "this", "unit")
            unit = str(node.args["unit"].this).lower()
            arg = self.convert(node.this)
            if unit not in _UNITS or not isinstance(arg, Col):
                raise self.source.refuse(node, f"DATE_TRUNC takes one of {', '.join(sorted(_UNITS))} and a column")
            return DateTrunc(unit=unit, arg=arg)  # type: ignore[arg-type]
        args = node.expressions
        if str(node.this).lower() in ("date_part", "datepart") and len(args) == 2 and isinstance(args[0], exp.Literal):
            return self._part(node, str(args[0].this).lower(), args[1])
        raise self.source.refuse(node, f"{construct(node)} is not part of the SQL subset")

    def _part(self, node: exp.Expr, part: str, of: exp.Expr) -> RowExpr:
        arg = self.convert(of)
        if part not in _PARTS or not isinstance(arg, Col):
            raise self.source.refuse(node, f"a date part is one of {', '.join(sorted(_PARTS))}, of a column")
        return DatePart(part=part, arg=arg)  # type: ignore[arg-type]
