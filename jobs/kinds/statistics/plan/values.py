"""Values of the five types and their one canonical text: ``1.50`` and ``1.5`` are one number, and have one spelling."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from jobs.kinds.statistics.plan.errors import MissingDeclaration, TypeMismatch
from jobs.kinds.statistics.plan.expr import Lit, ValueType
from jobs.schema import Column, ColumnType, Scalar

Value = Fraction | str | bool | date | datetime

TYPE_OF: dict[ColumnType, ValueType] = {
    ColumnType.INT: "number",
    ColumnType.DECIMAL: "number",
    ColumnType.STRING: "string",
    ColumnType.BOOL: "bool",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp",
}

_WRITTEN: dict[ValueType, str] = {
    "date": ": it is written 'YYYY-MM-DD'",
    "timestamp": ": it is written 'YYYY-MM-DD HH:MM:SS'",
}


def number_text(value: Fraction | int) -> str:
    """The shortest decimal text; raises ``TypeMismatch`` for a fraction without one."""
    value = Fraction(value)
    scale, rest = 0, value.denominator
    while rest != 1:
        if scale > 30:
            raise TypeMismatch("a number without a finite decimal form")
        scale += 1
        rest = (value * 10**scale).denominator
    digits = str(abs(value.numerator * 10**scale // value.denominator)).rjust(scale + 1, "0")
    text = digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"
    if len(text) > 60:
        raise TypeMismatch("a number with too many digits")
    return f"-{text}" if value < 0 else text


def number(value: Fraction | int) -> Lit:
    return Lit(type="number", value=number_text(value))


def truth(value: bool) -> Lit:
    return Lit(type="bool", value="true" if value else "false")


def value_of(lit: Lit) -> Value:
    """The Python value of a literal; raises ``TypeMismatch`` if its text is no value of its type."""
    return parse(lit.type, lit.value)


def parse(type_: ValueType, text: str) -> Value:
    """Read the text of a value; raises ``TypeMismatch`` without quoting it."""
    try:
        match type_:
            case "number":
                if not set(text) <= set("0123456789.-") or len(text) > 60:
                    raise TypeMismatch("a literal that is no plain decimal number")
                return Fraction(Decimal(text))
            case "bool":
                return {"true": True, "false": False}[text]
            case "date":
                return date.fromisoformat(text)
            case "timestamp":
                moment = datetime.fromisoformat(text)
                if moment.tzinfo is not None or moment.microsecond:
                    raise TypeMismatch("a timestamp is written without zone and in whole seconds")
                return moment
            case "string":
                if "\0" in text:
                    raise TypeMismatch("a string literal contains a zero byte")
                text.encode()
                return text
    except (ValueError, KeyError, InvalidOperation):
        raise TypeMismatch(f"a literal that is no {type_}{_WRITTEN.get(type_, '')}") from None


def literal(type_: ValueType, value: Value) -> Lit:
    """The canonical literal of a Python value."""
    if isinstance(value, Fraction):
        return number(value)
    if isinstance(value, bool):
        return truth(value)
    return Lit(type=type_, value=value if isinstance(value, str) else value.isoformat())


def canonical_literal(lit: Lit) -> Lit:
    return literal(lit.type, value_of(lit))


def scalar(value: Value | None) -> Scalar | None:
    """A value as it stands in a domain: whole numbers as integers, other numbers and dates as text."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 and abs(value) < 2**53 else number_text(value)
    if value is None or isinstance(value, str | bool):
        return value
    return value.isoformat()


def from_scalar(type_: ValueType, value: Scalar | None) -> Value | None:
    """A domain value as the value of an expression; raises ``TypeMismatch``."""
    if value is None:
        return None
    if type_ == "bool" or isinstance(value, bool):
        if type_ != "bool" or not isinstance(value, bool):
            raise TypeMismatch(f"a value that is no {type_}")
        return value
    if isinstance(value, int):
        if type_ != "number":
            raise TypeMismatch(f"a value that is no {type_}")
        return Fraction(value)
    return parse(type_, value)


def bounds_of(column: Column) -> tuple[Value, Value]:
    """Declared bounds as values; raises ``MissingDeclaration``."""
    if column.bounds is None:
        raise MissingDeclaration(
            f"column {column.name} has no declared bounds: declare bounds to aggregate or bucket it"
        )
    type_ = TYPE_OF[column.type]
    low, high = column.bounds.low, column.bounds.high
    if type_ == "date":
        low, high = low[:10], high[:10]
    return parse(type_, low), parse(type_, high)
