"""Two owners' declarations of one dataset: where they differ, and one that both can sign.

Registration wants the same text from all holders, and drafts of different data differ. What follows from data is
widened to hold at both; where one choice is the more careful one, it is proposed; the rest people have to agree on, and
the proposal keeps what stands here. Every owner checks its data against the proposal again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from jobs.schema import Bounds, Column, ColumnType, Dataset, Grade, Model, Role
from sandbox.errors import InvalidSpec


@dataclass(frozen=True)
class Difference:
    """``place``: ``rows_per_unit``, ``cost.bounds``, or a column's name where only one side has it.

    ``settled``: the proposal follows from both; else people decide, and it is what stands ``here``. ``None``: it is
    not there.
    """

    place: str
    here: Any
    there: Any
    proposed: Any
    settled: bool


@dataclass(frozen=True)
class Agreement:
    differences: tuple[Difference, ...]
    proposal: Dataset


def agree(here: Dataset, there: Dataset) -> Agreement:
    """Compare two declarations; columns are matched by name. The proposal has the columns that both have."""
    differences, common = _settle(here, there, _DATASET, "")
    names, others = [c.name for c in here.columns], {c.name: c for c in there.columns}
    columns, found = [], []
    for column in here.columns:
        if column.name in others:
            more, merged = _column(column, others[column.name])
            found += more
            columns.append(merged)
    found += [_lonely(column, None) for column in here.columns if column.name not in others]
    found += [_lonely(None, column) for column in there.columns if column.name not in names]
    both = [name for name in names if name in others]
    if both != (order := [name for name in others if name in names]):
        found.append(Difference("order of columns", tuple(both), tuple(order), tuple(both), settled=False))
    shared = {**common, "columns": tuple(columns), **_left_keys(common.get("unique_keys", here.unique_keys), both)}
    if (proposal := _validated(here, shared)) is not None:
        return Agreement((*differences, *found), proposal)
    if (proposal := _validated(here, {"columns": tuple(columns)})) is None:
        raise NoCommonColumns(f"{here.name}: unit, keys or said_of name columns that only one of the two has")
    return Agreement((*map(_undecided, differences), *found), proposal)


class NoCommonColumns(InvalidSpec):
    code = "no-common-columns"
    advice = "All holders of one dataset have the same columns: add them, or name a unit that both have."


def _column(here: Column, there: Column) -> tuple[list[Difference], Column]:
    found, values = _settle(here, there, _COLUMN, f"{here.name}.")
    if values.get("domain", here.domain) is not None:
        values["cut_points"] = ()  # they are of columns without a domain
    merged = _validated(here, values)
    return (found, merged) if merged is not None else ([_undecided(item) for item in found], here)


def _lonely(here: Column | None, there: Column | None) -> Difference:
    return Difference((here or there).name, here, there, None, settled=True)  # type: ignore[union-attr]


def _left_keys(keys: tuple[tuple[str, ...], ...], names: Sequence[str]) -> dict[str, Any]:
    return {"unique_keys": tuple(key for key in keys if set(key) <= set(names))}


Rule = Callable[[Any, Any], Any]
"""What holds at both sides, of two values that differ; raises ``_PeopleDecide``."""


class _PeopleDecide(Exception):
    """Neither value follows from the other."""


def _settle(
    here: Model, there: Model, rules: Mapping[str, Rule], before: str
) -> tuple[list[Difference], dict[str, Any]]:
    found, values = [], {}
    for name in type(here).model_fields:
        mine, other = getattr(here, name), getattr(there, name)
        if name == "columns" or mine == other:
            continue
        try:
            values[name], settled = rules.get(name, _people)(mine, other), True
        except _PeopleDecide:
            values[name], settled = mine, False
        found.append(Difference(f"{before}{name}", mine, other, values[name], settled))
    return found, values


def _validated(model: Any, changed: Mapping[str, Any]) -> Any:
    """The model with these fields; ``None`` if they do not fit together."""
    try:
        return type(model).model_validate({**dict(model), **changed})
    except ValidationError:
        return None


def _undecided(item: Difference) -> Difference:
    return Difference(item.place, item.here, item.there, item.here, settled=False)


def _people(here: Any, there: Any) -> Any:
    raise _PeopleDecide


def _either(here: bool, there: bool) -> bool:
    return here or there


def _both(here: bool, there: bool) -> bool:
    return here and there


def _later(order: Sequence[Any]) -> Rule:
    """The one that comes later in this order; a value that is not in it is for people."""

    def rule(here: Any, there: Any) -> Any:
        if here not in order or there not in order:
            raise _PeopleDecide
        return max(here, there, key=order.index)

    return rule


def _wider(here: int | None, there: int | None) -> int | None:
    """The larger number; without one at some side, none."""
    return None if here is None or there is None else max(here, there)


def _domain(here: tuple[Any, ...] | None, there: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """The union; ascending where both are, else what is new there stands behind. None where one side names none."""
    if here is None or there is None:
        return None
    union = (*here, *(value for value in there if not any(_same(value, known) for known in here)))
    if len({type(value) for value in union}) == 1 and list(here) == sorted(here) and list(there) == sorted(there):
        return tuple(sorted(union))
    return union


def _same(value: Any, other: Any) -> bool:
    """``True`` is not 1 in a domain."""
    return type(value) is type(other) and value == other


def _bounds(here: Bounds | None, there: Bounds | None) -> Bounds | None:
    """The wider ones; a side without any has declared no value."""
    if here is None or there is None:
        return here or there
    if here.temporal != there.temporal:
        raise _PeopleDecide
    low = min(here.low, there.low, key=_place)
    return Bounds(low=low, high=max(here.high, there.high, key=_place))


def _points(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    """All of both, if they are few enough and of one kind."""
    try:
        union = sorted({_place(point): point for point in (*there, *here)}.items())
    except TypeError:
        raise _PeopleDecide from None
    return tuple(point for _, point in union)


def _place(text: str) -> Any:
    return datetime.fromisoformat(text) if "-" in text[1:] else Decimal(text)


def _common(here: tuple[Any, ...], there: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item for item in here if item in there)


def _union(here: tuple[Any, ...], there: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*here, *there)))


_NUMBERS: Final = (ColumnType.INT, ColumnType.DECIMAL)
_GRADES: Final = (Grade.GENERAL, Grade.SENSITIVE_PERSONAL, Grade.IMPORTANT, Grade.CORE)
_ROLES: Final = (Role.KNOWN, Role.SENSITIVE, Role.MEASURE, Role.IDENTIFIER)
_COLUMN: Final[Mapping[str, Rule]] = {
    "type": _later(_NUMBERS),
    "role": _later(_ROLES),
    "grade": _later(_GRADES),
    "nullable": _either,
    "decimals": max,
    "rounded": _either,
    "fold": _either,
    "domain": _domain,
    "bounds": _bounds,
    "cut_points": _points,
    "said_of": _union,  # a side where it does not hold is told so when it checks its data
}
_DATASET: Final[Mapping[str, Rule]] = {
    "null_units": _later(("refuse", "exclude")),
    "units_disjoint": _both,
    "records_disjoint": _both,
    "joint_minimum": _both,
    "colluding_owners": _wider,
    "rows_per_unit": _wider,
    "unique_keys": _common,
    "grade": _later(_GRADES),
    "security_level": max,
    "open_attribute": _later(("unconditional", "conditional", "not_open")),
    "scenarios": _union,
}
