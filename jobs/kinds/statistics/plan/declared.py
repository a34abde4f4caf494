"""Values that a statement names, held against those that are declared: a slip of the pen is refused before it costs.

A value that no row can have would be planned, signed and run, and its empty cell would look like a withheld one.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.kinds.statistics.plan.errors import UnknownValue
from jobs.kinds.statistics.plan.expr import Case, Col, Lit, RowExpr, columns_of
from jobs.kinds.statistics.plan.images import possible
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import Value, scalar, value_of
from jobs.near import nearest
from jobs.schema import Scalar

_LISTED = 6
_LONGEST = 64


def check_declared(arg: RowExpr, value: RowExpr, scope: Scope) -> None:
    """Raise ``UnknownValue`` for a literal that the expression beside it never equals: a column with a declared
    domain, or what a function or CASE makes of one. Anything else passes.
    """
    known = _values(arg, scope)
    if not isinstance(value, Lit) or known is None or value.type != scope.type_of(arg):
        return  # another type is refused as such
    if value_of(value) not in known:
        names = ", ".join(sorted({col.name for col in columns_of(arg)}))
        what = (
            f"column {names} has no declared value" if isinstance(arg, Col) else f"no declared value of {names} gives"
        )
        raise UnknownValue(f"{what} {value.value[:_LONGEST]!r}{offered(value.value, map(scalar, known))}")


def offered(text: str, known: Iterable[Scalar | None]) -> str:
    """``, did you mean x?`` where a declared text is near; else the first of what is declared."""
    values = list(dict.fromkeys(known))
    names = [str(value)[:_LONGEST] for value in values]
    more = ", ..." if len(names) > _LISTED else ""
    near = nearest(text, [value[:_LONGEST] for value in values if isinstance(value, str)])
    return near or f"; declared: {', '.join(name or repr(name) for name in names[:_LISTED])}{more}"


def _values(arg: RowExpr, scope: Scope) -> list[Value] | None:
    """``None`` where any value may come out."""
    match arg:
        case Col():
            found = possible(arg, scope)
            return None if found is None else [value for value in found if value is not None]
        case Case():
            results = [branch.then for branch in arg.branches] + ([arg.otherwise] if arg.otherwise else [])
            return [value_of(result) for result in results]
        case _:
            return None
