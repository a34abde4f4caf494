"""What a name means inside one statement: the datasets behind table numbers, types, nullability and proven ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from jobs.kinds.statistics.plan.errors import (
    InvalidPlan,
    MissingDeclaration,
    RoleForbids,
    TooLarge,
    TypeMismatch,
    UnknownName,
)
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
    ValueType,
    children,
    columns_of,
)
from jobs.kinds.statistics.plan.types import Join
from jobs.kinds.statistics.plan.values import TYPE_OF, bounds_of, value_of
from jobs.schema import Column, ColumnType, Dataset, Role

MAX_DEPTH = 8
_BIGINT = 2**62
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Number:
    """A numeric expression as a scaled integer: value = integer / 10^scale, integer in [low, high] if bounded."""

    scale: int
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Scope:
    """``tables[0]`` is the statement's dataset, ``tables[n]`` that of ``joins[n - 1]``."""

    tables: tuple[Dataset, ...]
    joins: tuple[Join, ...] = ()

    def column(self, col: Col) -> Column:
        """The declared column; raises ``UnknownName``."""
        if col.table >= len(self.tables):
            raise InvalidPlan("an expression names a table that the plan does not join")
        try:
            return self.tables[col.table].column(col.name)
        except KeyError:
            raise UnknownName(f"dataset {self.tables[col.table].name} has no column {col.name}") from None

    def nullable(self, col: Col) -> bool:
        """Whether the column can be null in the joined row; a unit never is, by the dataset's rule."""
        if self._outer(col.table):
            return True
        column = self.column(col)
        return column.nullable and column.role is not Role.UNIT

    def _outer(self, table: int) -> bool:
        if table == 0:
            return False
        join = self.joins[table - 1]
        return join.side == "left"

    def type_of(self, expr: RowExpr) -> ValueType:
        """The type of an expression; raises ``TypeMismatch``, ``UnknownName``."""
        match expr:
            case Lit():
                value_of(expr)
                return expr.type
            case Par():
                raise TypeMismatch(f"parameter :{expr.name} must stand alone on one side of a comparison")
            case Col():
                return TYPE_OF[self.column(expr).type]
            case Add() | Mul():
                for arg in expr.args:
                    self._expect(arg, "number")
                return "number"
            case FloorDiv():
                self._expect(expr.arg, "number")
                return "number"
            case DatePart() | DateTrunc():
                type_ = self.type_of(expr.arg)
                if type_ not in ("date", "timestamp"):
                    raise TypeMismatch(f"a date part of column {expr.arg.name}, which is a {type_}")
                if isinstance(expr, DatePart) and expr.part == "hour" and type_ == "date":
                    raise TypeMismatch(f"column {expr.arg.name} is a date and has no hour")
                return "number" if isinstance(expr, DatePart) else "date"
            case Compare():
                self._comparable(expr.left, expr.right)
                return "bool"
            case In():
                for value in expr.values:
                    self._comparable(expr.arg, value)
                if isinstance(expr.arg, Par | Lit):
                    raise TypeMismatch("IN compares a column expression with values")
                self.type_of(expr.arg)
                return "bool"
            case IsNull():
                if isinstance(expr.arg, Compare | In | IsNull | Not | And | Or):
                    raise TypeMismatch("IS NULL of a condition: test the columns instead")
                self.type_of(expr.arg)
                return "bool"
            case Not():
                self._expect(expr.arg, "bool")
                return "bool"
            case And() | Or():
                for arg in expr.args:
                    self._expect(arg, "bool")
                return "bool"
            case Case():
                return self._case_type(expr)

    def _case_type(self, expr: Case) -> ValueType:
        types = {branch.then.type for branch in expr.branches} | ({expr.otherwise.type} if expr.otherwise else set())
        if len(types) != 1:
            raise TypeMismatch("the results of one CASE have different types")
        for branch in expr.branches:
            self._expect(branch.when, "bool")
            value_of(branch.then)
        return types.pop()

    def _expect(self, expr: RowExpr, type_: ValueType) -> None:
        found = self.type_of(expr)
        if found != type_:
            raise TypeMismatch(f"a {found} where a {type_} is needed")

    def _comparable(self, left: RowExpr, right: RowExpr) -> None:
        if isinstance(left, Par) or isinstance(right, Par):
            other = right if isinstance(left, Par) else left
            if isinstance(other, Par | Lit):
                raise TypeMismatch("a parameter is compared with a column expression")
            self.type_of(other)
            return
        types = (self.type_of(left), self.type_of(right))
        if types[0] != types[1]:
            raise TypeMismatch(f"a {types[0]} compared with a {types[1]}")

    def number(self, expr: RowExpr) -> Number:
        """Scale and range of a numeric expression; raises ``MissingDeclaration`` where arithmetic has no bounds."""
        match expr:
            case Lit():
                value = value_of(expr)
                if not isinstance(value, Fraction):
                    raise TypeMismatch(f"a {expr.type} where a number is needed")
                scale = len(expr.value.partition(".")[2])
                scaled = int(value * 10**scale)
                return Number(scale, scaled, scaled)
            case Col():
                return self._column_number(expr)
            case DatePart():
                low, high = part_range(expr, self)
                return Number(0, low, high)
            case FloorDiv():
                arg = self.bounded(expr.arg)
                width = Fraction(expr.width) * 10 ** arg[0]
                return Number(0, int(arg[1] // width), int(arg[2] // width))
            case Add():
                parts = [self.bounded(arg) for arg in expr.args]
                scale = max(part[0] for part in parts)
                return _checked(
                    scale,
                    sum(low * 10 ** (scale - s) for s, low, _ in parts),
                    sum(high * 10 ** (scale - s) for s, _, high in parts),
                )
            case Mul():
                scale, low, high = 0, 1, 1
                for s, a, b in (self.bounded(arg) for arg in expr.args):
                    ends = (low * a, low * b, high * a, high * b)
                    scale, low, high = scale + s, min(ends), max(ends)
                return _checked(scale, low, high)
            case Case():
                results = [self.number(b.then) for b in expr.branches]
                results += [self.number(expr.otherwise)] if expr.otherwise else []
                return Number(max(result.scale for result in results))
            case _:
                raise TypeMismatch("arithmetic on something that is no number")

    def bounded(self, expr: RowExpr) -> tuple[int, int, int]:
        """(scale, low, high); raises ``MissingDeclaration`` for a column without bounds."""
        found = self.number(expr)
        if found.low is None or found.high is None:
            names = ", ".join(sorted(col.name for col in columns_of(expr)))
            raise MissingDeclaration(f"arithmetic needs declared bounds: declare bounds for {names}")
        return found.scale, found.low, found.high

    def _column_number(self, col: Col) -> Number:
        column = self.column(col)
        if column.type not in (ColumnType.INT, ColumnType.DECIMAL):
            raise TypeMismatch(f"column {column.name} is a {column.type.value}, not a number")
        if column.bounds is None:
            return Number(column.decimals)
        low, high = bounds_of(column)
        if not isinstance(low, Fraction) or not isinstance(high, Fraction):
            raise TypeMismatch(f"column {column.name} has bounds that are no numbers")
        unit = 10**column.decimals
        return _checked(column.decimals, int(-(-low * unit // 1)), int(high * unit // 1))


def _checked(scale: int, low: int, high: int) -> Number:
    if scale > 18 or low < -_BIGINT or high > _BIGINT:
        raise TooLarge("an arithmetic expression may exceed 62 bits or 18 decimals: narrow the declared bounds")
    return Number(scale, low, high)


def part_range(expr: DatePart, scope: Scope) -> tuple[int, int]:
    """The range of a date part; only the year and the number of days need declared bounds."""
    fixed = {"quarter": (1, 4), "month": (1, 12), "day": (1, 31), "isodow": (1, 7), "hour": (0, 23)}
    if expr.part in fixed:
        return fixed[expr.part]
    low, high = bounds_of(scope.column(expr.arg))
    if not isinstance(low, date) or not isinstance(high, date):
        raise TypeMismatch(f"column {expr.arg.name} is no date")
    if expr.part == "year":
        return low.year, high.year
    return low.toordinal() - _EPOCH, high.toordinal() - _EPOCH


def check_depth(expr: RowExpr, left: int = MAX_DEPTH) -> None:
    """Refuse deep nesting: documents allow 32 levels of JSON, and a reader far fewer."""
    if left == 0:
        raise TooLarge(f"an expression nests more than {MAX_DEPTH} levels deep")
    for child in children(expr):
        check_depth(child, left - 1)


def check_condition(expr: RowExpr, scope: Scope) -> None:
    """A condition on rows: boolean, ranges proven, and no column that names or counts individuals."""
    if scope.type_of(expr) != "bool":
        raise TypeMismatch("a condition must be true or false")
    check_roles(expr, scope)
    check_numbers(expr, scope)


def check_roles(expr: RowExpr, scope: Scope) -> None:
    for col in sorted(columns_of(expr), key=lambda c: (c.table, c.name)):
        role = scope.column(col).role
        if role is Role.IDENTIFIER:
            raise RoleForbids(f"column {col.name} identifies individuals: it may only be a join key")
        if role is Role.UNIT:
            raise RoleForbids(f"column {col.name} is a privacy unit: it may only stand in COUNT(DISTINCT {col.name})")


def check_numbers(expr: RowExpr, scope: Scope) -> None:
    """Prove that no arithmetic inside the expression overflows."""
    if isinstance(expr, Add | Mul | FloorDiv):
        scope.number(expr)
    for child in children(expr):
        check_numbers(child, scope)
