"""The authority's side: rosters from the parties' cards, and status lists. Both are signed on its own machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, TypeVar

from pydantic import ValidationError

from jobs.documents import (
    Envelope,
    ForbiddenUse,
    OperatorEntry,
    OwnerEntry,
    Roster,
    SigningKey,
    StatusEntry,
    StatusList,
    Verified,
    WitnessEntry,
)
from jobs.documents.base import faults
from sandbox.errors import InvalidSpec
from sandbox.keys.card import Card
from sandbox.keys.trust import Trust

_BEFORE: Final = timedelta(minutes=1)
"""A roster counts from a little earlier on: clocks differ."""


def build_roster(
    cards: Iterable[Card],
    trust: Trust,
    status_key: str,
    now: datetime,
    life: timedelta,
    previous: Roster | None = None,
    left_out: Collection[str] = (),
) -> Roster:
    """Return the roster after ``previous``: its parties but those ``left_out`` (``owner:north``), and the cards'.

    A card replaces the entry of the same role and id. Raises ``InvalidSpec`` for what no roster can hold.
    """
    given = list(cards)
    found = {
        role: [getattr(card, role) for card in given if getattr(card, role) is not None]
        for role in ("hub", "owner", "witness", "operator")
    }
    kept = (previous.owners, previous.witnesses, previous.operators) if previous else ((), (), ())
    hubs = found["hub"] or ([previous.hub] if previous else [])
    if len(hubs) != 1:
        raise InvalidSpec(f"a roster has the card of one hub; given are {len(hubs)}")
    try:
        return Roster(
            version=previous.version + 1 if previous else 1,
            issued=now - _BEFORE,
            expires=now + life,
            origin=trust.origin,
            root=trust.root,
            hub=hubs[0],
            status_key=status_key,
            owners=_merged("owner", kept[0], found["owner"], left_out),
            witnesses=_merged("witness", kept[1], found["witness"], left_out),
            operators=_merged("operator", kept[2], found["operator"], left_out),
        )
    except ValidationError as error:
        raise InvalidSpec(f"these cards make no roster: {faults(error)}") from None


E = TypeVar("E", OwnerEntry, WitnessEntry, OperatorEntry)


def _merged(role: str, kept: Iterable[E], given: Iterable[E], left_out: Collection[str]) -> tuple[E, ...]:
    entries = {name_of(entry): entry for entry in chain(kept, given)}
    return tuple(entry for name, entry in entries.items() if f"{role}:{name}" not in left_out)


def name_of(entry: OwnerEntry | WitnessEntry | OperatorEntry) -> str:
    return entry.name if isinstance(entry, WitnessEntry) else entry.id


def build_status(
    roster: Verified[Roster],
    key: SigningKey,
    now: datetime,
    life: timedelta,
    previous: StatusList | None = None,
    *,
    stopped: Sequence[StatusEntry] | None = None,
    forbidden: Sequence[ForbiddenUse] | None = None,
) -> Envelope:
    """Return the list that follows ``previous``, naming ``roster`` as the latest, valid for ``life`` (7 days at most).

    What is not given stays as it was: without entries this is a refresh. Raises ``ValueError`` for a life too long.
    """
    kept = (previous.stopped, previous.forbidden) if previous else ((), ())
    return StatusList(
        number=previous.number + 1 if previous else 1,
        issued=now,
        expires=now + life,
        roster=roster.digest,
        roster_version=roster.document.version,
        stopped=kept[0] if stopped is None else tuple(stopped),
        forbidden=kept[1] if forbidden is None else tuple(forbidden),
    ).sign(key)
