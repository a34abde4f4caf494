"""WIDTH_BUCKET as a CASE over its limits: so a secret column is cut only where its owner says, as by any CASE."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from jobs.kinds.statistics.plan.errors import TypeMismatch
from jobs.kinds.statistics.plan.expr import Branch, Case, Compare, RowExpr
from jobs.kinds.statistics.plan.values import number

MAX_BUCKETS: Final = 200


def width_bucket(value: RowExpr, low: Fraction, high: Fraction, count: Fraction) -> Case:
    """0 below ``low``, 1 to ``count`` between the ends, ``count`` + 1 from ``high`` on; NULL for NULL.

    Raises ``TypeMismatch`` for ends or widths that no decimal number writes.
    """
    if count.denominator != 1 or not 1 <= count <= MAX_BUCKETS or low >= high:
        raise TypeMismatch(f"WIDTH_BUCKET takes a column, its ends in order and at most {MAX_BUCKETS} buckets")
    limits = [low + (high - low) * place / count for place in range(int(count) + 1)]
    if any(10**9 % limit.denominator for limit in limits):
        raise TypeMismatch("WIDTH_BUCKET with a width that is no decimal number: choose another number of buckets")
    branches = [_branch(Compare(op="<", left=value, right=number(at)), place) for place, at in enumerate(limits)]
    last = _branch(Compare(op="<=", left=number(high), right=value), len(limits))
    return Case(branches=(*branches, last))


def _branch(when: RowExpr, place: int) -> Branch:
    return Branch(when=when, then=number(place))
