"""Arithmetic in one normal form: a sum of coefficient x product of atoms, so that a+b and b+a are the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from jobs.kinds.statistics.plan.errors import TooLarge, TypeMismatch
from jobs.kinds.statistics.plan.expr import Add, Lit, Mul, RowExpr
from jobs.kinds.statistics.plan.values import number, value_of

MAX_TERMS = 64
Polynomial = dict[tuple[RowExpr, ...], Fraction]
"""Coefficient per sorted product of atoms; the empty product is the constant."""


def expand(expr: RowExpr, key: Callable[[RowExpr], bytes]) -> Polynomial:
    """Multiply out. Raises ``TypeMismatch`` for a literal that is no number, ``TooLarge`` beyond 64 terms."""
    match expr:
        case Lit():
            value = value_of(expr)
            if not isinstance(value, Fraction):
                raise TypeMismatch(f"a {expr.type} where a number is needed")
            return {(): value}
        case Add():
            result: Polynomial = {}
            for arg in expr.args:
                for atoms, factor in expand(arg, key).items():
                    result[atoms] = result.get(atoms, Fraction(0)) + factor
            return _bounded(result)
        case Mul():
            product: Polynomial = {(): Fraction(1)}
            for arg in expr.args:
                product = _times(product, expand(arg, key), key)
            return product
        case _:
            return {(expr,): Fraction(1)}


def collect(terms: Polynomial, key: Callable[[RowExpr], bytes]) -> RowExpr:
    """The expression of a polynomial, terms sorted. A vanished term keeps factor 0: null * 0 is null."""
    parts = [_term(atoms, factor) for atoms, factor in terms.items() if atoms or factor]
    if not parts:
        return number(0)
    parts.sort(key=key)
    return parts[0] if len(parts) == 1 else Add(args=tuple(parts))


def _term(atoms: tuple[RowExpr, ...], factor: Fraction) -> RowExpr:
    if not atoms:
        return number(factor)
    if factor == 1 and len(atoms) == 1:
        return atoms[0]
    return Mul(args=atoms if factor == 1 else (number(factor), *atoms))


def _times(left: Polynomial, right: Polynomial, key: Callable[[RowExpr], bytes]) -> Polynomial:
    result: Polynomial = {}
    for a, x in left.items():
        for b, y in right.items():
            atoms = tuple(sorted((*a, *b), key=key))
            result[atoms] = result.get(atoms, Fraction(0)) + x * y
    return _bounded(result)


def _bounded(terms: Polynomial) -> Polynomial:
    if len(terms) > MAX_TERMS or any(len(atoms) > 6 for atoms in terms):
        raise TooLarge(f"an arithmetic expression has more than {MAX_TERMS} terms or 6 factors")
    return terms
