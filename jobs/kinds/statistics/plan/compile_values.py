"""From parsed SQL to values of one row: columns, literals, arithmetic, ranges, dates, CASE. A closed list."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import get_args

from sqlglot import exp

from jobs.kinds.statistics.plan.certain import is_
from jobs.kinds.statistics.plan.dates import day_number, difference, named_part
from jobs.kinds.statistics.plan.errors import UnknownName, UnsupportedSql
from jobs.kinds.statistics.plan.expr import (
    Add,
    Branch,
    Case,
    Col,
    DatePart,
    DatePartName,
    DateTrunc,
    FloorDiv,
    Lit,
    Mul,
    Par,
    RowExpr,
    TruncUnit,
    ValueType,
    columns_of,
)
from jobs.kinds.statistics.plan.monotone import Monotone, ranges
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.source import Source, construct
from jobs.kinds.statistics.plan.values import canonical_literal, number, truth
from jobs.legible import fault
from jobs.near import nearest

NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{0,18})?|\.[0-9]{1,18}")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PART_CLASSES: dict[type[exp.Expr], str] = {
    exp.Year: "year", exp.Quarter: "quarter", exp.Month: "month", exp.Day: "day",
    exp.DayOfMonth: "day", exp.DayOfWeekIso: "isodow", exp.Hour: "hour",
}  # fmt: skip
_PARTS: dict[str, DatePartName] = {name: name for name in get_args(DatePartName) if name != "epoch_day"}
_UNITS: dict[str, TruncUnit] = {name: name for name in get_args(TruncUnit)}
_WHOLE = {exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.TINYINT}
_BROAD = _WHOLE | {exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT, exp.DataType.Type.DECIMAL}
_TEXT = {exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR}
_MOMENT = {exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ}


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


def monotone(node: exp.Expr) -> tuple[Monotone, exp.Expr] | None:
    """A logarithm or square root, and what it is taken of."""
    match node:
        case exp.Ln():
            return "ln", node.this
        case exp.Sqrt():
            return "sqrt", node.this
        case exp.Log() if node.args.get("expression") is None:
            return "log10", node.this
        case exp.Log() if isinstance(node.this, exp.Literal) and str(node.this.this) in ("2", "10"):
            return ("log2" if str(node.this.this) == "2" else "log10"), node.args["expression"]
        case _:
            return None


@dataclass
class Values:
    """Converts values of one statement's rows. ``names``: table name or alias, lower case, to table number."""

    source: Source
    scope: Scope
    names: dict[str, int]
    merged: dict[str, Col] = field(default_factory=dict)
    """Columns that USING made one."""

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
            case exp.Neg():
                return Mul(args=(number(-1), self.convert(node.this)))
            case exp.Add() | exp.Sub() | exp.Mul():
                return self._arithmetic(node)
            case exp.Floor() | exp.IntDiv() | exp.Ceil() | exp.Round() | exp.Trunc() | exp.Mod():
                return self._bucket(node)
            case exp.Case() | exp.If():
                return self._case(node)
            case exp.Cast():
                return self._cast(node)
            case _ if type(node) in _PART_CLASSES:
                self.source.only(node, "this")
                return self._part(node, _PART_CLASSES[type(node)], node.this)
            case _:
                return self._dates(node)

    def column(self, node: exp.Column) -> Col:
        """A column by name, or by table and name; raises ``UnknownName``."""
        self.source.only(node, "this", "table")
        if not isinstance(node.this, exp.Identifier):
            raise self.source.refuse(node, f"{construct(node.this)} in place of a column")
        name, table = str(node.this.this).lower(), node.args.get("table")
        if table is not None:
            number_ = self.names.get(str(table.this).lower())
            if number_ is None:
                raise self.source.refuse(
                    node, f"unknown table {str(table.this)[:64]!r}{nearest(str(table.this), self.names)}", UnknownName
                )
            found = [number_] if self._has(number_, name) else []
        elif name in self.merged:
            return self.merged[name]
        else:
            found = [number_ for number_ in range(len(self.scope.tables)) if self._has(number_, name)]
        if not found:
            known = [column.name for dataset in self.scope.tables for column in dataset.columns]
            raise self.source.refuse(node, f"unknown column {name[:64]!r}{nearest(name, known)}", UnknownName)
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
        if isinstance(node, exp.Sub) and self._is_date(left) and self._is_date(right):
            ends = day_number(left, self.scope), day_number(right, self.scope)
            if ends[0] is not None and ends[1] is not None:
                return Add(args=(ends[0], Mul(args=(number(-1), ends[1]))))
        return Add(args=(left, Mul(args=(number(-1), right)) if isinstance(node, exp.Sub) else right))

    def _is_date(self, expr: RowExpr) -> bool:
        return isinstance(expr, Lit | Col) and self.scope.type_of(expr) == "date"

    def _bucket(self, node: exp.Expr) -> RowExpr:
        match node:
            case exp.IntDiv():
                arg, width = self.convert(node.args["this"]), self.convert(node.args["expression"])
                self._not_negative(node, arg, "//", "FLOOR(x / width)")
                return self._floor(node, arg, width)
            case exp.Floor() | exp.Ceil() | exp.Trunc():
                self.source.only(node, "this")
                inner = node.this.unnest()
                if isinstance(node, exp.Floor) and (found := monotone(inner)) is not None:
                    return ranges(found[0], self.convert(found[1]), self.scope)
                if not isinstance(inner, exp.Div):
                    arg, width = self.convert(inner), number(1)
                else:
                    arg, width = self.convert(inner.left), self.convert(inner.right)
                if isinstance(node, exp.Ceil):
                    below = self._floor(node, Mul(args=(number(-1), arg)), width)
                    return Mul(args=(number(-1), below))
                if isinstance(node, exp.Trunc):
                    self._not_negative(node, arg, "TRUNC", "FLOOR(x)")
                return self._floor(node, arg, width)
            case exp.Mod():
                arg, width = self.convert(node.args["this"]), self.convert(node.args["expression"])
                self._not_negative(node, arg, "%", "x - width * FLOOR(x / width)")
                whole = self._floor(node, arg, width)
                return Add(args=(arg, Mul(args=(number(-1), width, whole))))
            case _:
                return self._rounded(node)

    def _floor(self, node: exp.Expr, arg: RowExpr, width: RowExpr) -> RowExpr:
        if not isinstance(width, Lit) or width.type != "number" or not 0 < float(width.value) < 1e15:
            raise self.source.refuse(node, "the width of a bucket is a positive number, written as a literal")
        return FloorDiv(arg=arg, width=width.value)

    def _not_negative(self, node: exp.Expr, arg: RowExpr, what: str, instead: str) -> None:
        with self.source.at(node):
            if self.scope.bounded(arg)[1] < 0:
                raise UnsupportedSql(f"{what} of a value that may be negative", instead=instead)

    def _rounded(self, node: exp.Expr) -> RowExpr:
        """To the nearest step, halves up: proven not to be negative, where halves would go down."""
        self.source.only(node, "this", "decimals")
        arg, decimals = self.convert(node.this), node.args.get("decimals")
        digits = number(0) if decimals is None else self.constant(decimals)
        if not isinstance(digits, Lit) or digits.type != "number" or not digits.value.lstrip("-").isdigit():
            raise self.source.refuse(node, "ROUND takes a number of digits written as a literal")
        if not -9 <= int(digits.value) <= 9:
            raise self.source.refuse(node, "ROUND takes a number of digits from -9 to 9")
        self._not_negative(node, arg, "ROUND", "FLOOR(x / step + 0.5) * step")
        if self.scope.number(arg).scale <= int(digits.value):
            return arg
        step = Fraction(10) ** -int(digits.value)
        nearest_ = FloorDiv(arg=Add(args=(arg, number(step / 2))), width=number(step).value)
        return Mul(args=(number(step), nearest_))

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

    def constant(self, node: exp.Expr) -> RowExpr:
        """A value of its own, negative ones as one literal."""
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            inner = text_literal(self.source, node.this)
            if inner.type == "number":
                return canonical_literal(Lit(type="number", value=f"-{inner.value}"))
        return self.convert(node)

    def _case(self, node: exp.Case | exp.If) -> RowExpr:
        branches = []
        subject = None if isinstance(node, exp.If) else node.this
        if isinstance(node, exp.If):
            self.source.only(node, "this", "true", "false")
            items, default = [node], node.args.get("false")
        else:
            self.source.only(node, "this", "ifs", "default")
            items, default = node.args["ifs"], node.args.get("default")
        otherwise = None if default is None or isinstance(default, exp.Null) else self._result(default)
        for item in items:
            test = exp.EQ(this=subject.copy(), expression=item.this.copy()) if subject else item.this
            if isinstance(item.args["true"], exp.Null):
                raise self.source.refuse(
                    node, "a CASE whose result is NULL", instead="the condition last, without ELSE"
                )
            branches.append(Branch(when=self.convert(test), then=self._result(item.args["true"])))
        return Case(branches=tuple(branches), otherwise=otherwise)

    def group(self, node: exp.Expr) -> RowExpr:
        """A grouping expression: a condition stands for its values true, false and, where it may be unknown, null."""
        made = self.convert(node)
        if self.scope.type_of(made) != "bool" or isinstance(made, Col | Case | Lit):
            return made
        holds = Branch(when=made, then=truth(True))
        if not any(self.scope.nullable(col) for col in columns_of(made)):
            return Case(branches=(holds,), otherwise=truth(False))
        return Case(branches=(holds, Branch(when=is_(made, False, self.scope), then=truth(False))))

    def _result(self, node: exp.Expr) -> Lit:
        value = self.constant(node)
        if not isinstance(value, Lit):
            raise self.source.refuse(node, "the results of CASE are literals")
        return value

    def _cast(self, node: exp.Cast) -> RowExpr:
        self.source.only(node, "this", "to", "action", "safe")
        target, inner = node.to.this, node.this.unnest()
        if isinstance(inner, exp.Literal) and inner.is_string and not isinstance(node, exp.TryCast):
            if target == exp.DataType.Type.DATE:
                with self.source.at(node):
                    return self._dated(str(inner.this), "date")
            if target in _MOMENT:
                with self.source.at(node):
                    return self._dated(str(inner.this), "timestamp")
        return self._exactly(node, target, self.convert(inner))

    def _exactly(self, node: exp.Cast, target: object, made: RowExpr) -> RowExpr:
        """A cast that changes no value: within one type, from truth to 1 and 0, from a time to its day."""
        type_ = self.scope.type_of(made)
        if type_ == "number":
            whole = self.scope.number(made).scale == 0
            if (whole and target in _BROAD) or target in _BROAD - _WHOLE - {exp.DataType.Type.DECIMAL}:
                return made
        if (type_ == "string" and target in _TEXT) or (type_ == "date" and target == exp.DataType.Type.DATE):
            return made
        if type_ == "timestamp" and isinstance(made, Col) and target == exp.DataType.Type.DATE:
            return DateTrunc(unit="day", arg=made)
        if type_ == "timestamp" and target in _MOMENT:
            return made
        if type_ == "bool" and target in _BROAD:
            return Case(
                branches=(
                    Branch(when=made, then=number(1)),
                    Branch(when=is_(made, False, self.scope), then=number(0)),
                )
            )
        raise self.source.refuse(node, f"CAST of a {type_} to {node.to.sql(dialect='duckdb')}, which may change values")

    def _dates(self, node: exp.Expr) -> RowExpr:
        match node:
            case exp.Extract():
                self.source.only(node, "this", "expression")
                return self._part(node, str(node.this.this).lower(), node.expression)
            case exp.TimestampTrunc() | exp.DateTrunc():
                self.source.only(node, "this", "unit")
                unit = str(node.args["unit"].this).lower()
                arg = self.convert(node.this)
                if unit not in _UNITS or not isinstance(arg, Col):
                    raise self.source.refuse(node, f"DATE_TRUNC takes one of {', '.join(sorted(_UNITS))} and a column")
                return DateTrunc(unit=_UNITS[unit], arg=arg)
            case exp.DateDiff():
                return self._difference(node)
            case exp.DayOfWeek() | exp.Dayname() | exp.Monthname():
                return self._named(node, node.this)
            case exp.Anonymous() if str(node.this).lower() in ("date_part", "datepart") and len(node.expressions) == 2:
                part, of = node.expressions
                if isinstance(part, exp.Literal):
                    return self._part(node, str(part.this).lower(), of)
        raise self.source.unknown(node)

    def _difference(self, node: exp.DateDiff) -> RowExpr:
        self.source.only(node, "this", "expression", "unit", "date_part_boundary")
        unit = str(node.args.get("unit") or "day").lower().strip("'").rstrip("s")
        found = difference(unit, self.convert(node.expression), self.convert(node.this), self.scope)
        if found is None:
            raise self.source.refuse(
                node, "DATEDIFF takes 'day', 'month', 'quarter' or 'year', and dates or columns of dates"
            )
        return found

    def _named(self, node: exp.Expr, of: exp.Expr) -> RowExpr:
        col = self.convert(of)
        made = named_part(node, col, self.scope) if isinstance(col, Col) else None
        if made is None:
            raise self.source.refuse(node, f"{construct(node)} takes a column")
        return made

    def _part(self, node: exp.Expr, part: str, of: exp.Expr) -> RowExpr:
        if part in ("dow", "dayofweek", "weekday"):
            return self._named(exp.DayOfWeek(this=of), of)
        arg = self.convert(of)
        if part == "week":
            raise self.source.refuse(node, "weeks are grouped by their Mondays", instead="DATE_TRUNC('week', column)")
        if part not in _PARTS or not isinstance(arg, Col):
            raise self.source.refuse(node, f"a date part is one of {', '.join(sorted(_PARTS))}, of a column")
        return DatePart(part=_PARTS[part], arg=arg)
