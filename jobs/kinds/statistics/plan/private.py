"""Differential privacy of a plan: the noise that its price buys, what is refused for it, and the events of one run.

Run by compiler and node from the dataset's declarations, so no price or noise can be forged. The price of a question is
fixed (``Privacy.rho_per_question``); what it asks for decides how large the noise is.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from jobs.disclosure.profile import Privacy, load_profile
from jobs.disclosure.zcdp import Event, Spend, bound, question_events
from jobs.errors import InvalidRequest
from jobs.kinds.statistics.plan.errors import MissingDeclaration, TooLarge, UnsupportedSql
from jobs.kinds.statistics.plan.types import Plan, UnitColumn
from jobs.schema import Dataset


def private_noise(
    privacy: Privacy, dataset: Dataset, unit: UnitColumn, largest: Sequence[int], holders: int, cells: int
) -> list[tuple[Event, int]]:
    """Per channel its event, and what the noise of one part never exceeds. ``largest``: what one record contributes.

    Joins are many-to-one, so a row of ``dataset`` is one record of the plan and lies in one cell of a channel: one
    individual moves all cells together by at most ``rows_per_unit * largest``. Raises ``MissingDeclaration``, and
    ``TooLarge`` where the noise does not fit 64 bits.
    """
    if dataset.rows_per_unit is None:
        raise MissingDeclaration(
            f"dataset {dataset.name} needs rows_per_unit under {dataset.profile}: declare how many rows one individual "
            "has at most"
        )
    price = privacy.rho_per_question / parts_of(unit, holders)
    try:
        events = question_events(price, [dataset.rows_per_unit * cut for cut in largest], privacy.truncation)
        return [(event, bound(event.sigma, cells, event.truncation)) for event in events]
    except InvalidRequest as refused:
        raise TooLarge(str(refused)) from None


def check_private(dataset: Dataset, units: Sequence[UnitColumn]) -> None:
    """Refuse what the promise does not cover. Raises ``UnsupportedSql``."""
    if load_profile(dataset.profile).privacy is None:
        return
    if len(units) > 1:
        raise UnsupportedSql(
            f"under {dataset.profile} a statement has one unit column, and this one has {len(units)}: "
            f"{', '.join(unit.column.name for unit in units)}. Join on the unit column, or leave the join out"
        )
    if dataset.colluding_owners is not None:
        raise UnsupportedSql(
            f"under {dataset.profile} noise suffices at each owner alone: dataset {dataset.name} may not declare "
            "colluding_owners"
        )


def parts_of(unit: UnitColumn, holders: int) -> int:
    """How many owners may hold the same individual."""
    return 1 if unit.disjoint else holders


def events_of(plan: Plan) -> tuple[Event, ...]:
    """One for each channel of a plan under differential privacy, in their order; else none."""
    privacy = load_profile(plan.profile).privacy
    if privacy is None:
        return ()
    truncation = privacy.truncation / len(plan.channels)
    return tuple(
        Event(sensitivity=channel.sensitivity, sigma=Fraction(channel.noise), truncation=truncation)
        for channel in plan.channels
    )


def spends(plan: Plan) -> tuple[Spend, ...]:
    """What one run costs the individuals that it is about; nothing without differential privacy."""
    events = events_of(plan)
    if not events:
        return ()
    (unit,) = plan.unit_columns
    return (Spend(unit_domain=unit.unit_domain, parts=parts_of(unit, plan.holders), events=events),)
