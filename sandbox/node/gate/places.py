"""Stable places: a unit is its keyed hash, a record is its unit and its print, never a secret value.

So a new data version adds answers about the same records, in whatever order its rows stand; what was taken away keeps
its place, and a new row gets one. Of equal prints of one unit each is told apart by its order among them: they are
alike in all that can put a row into a base, so whichever of them stands first, no row of A is another one.

Where none of a unit's prints is known (its rows have changed, a column has become known, a statement begins with
another table) its records are matched by their order: nothing starts afresh because it is called otherwise. A record
then has several names.

Immutable: growing makes another one, which shares nothing that changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.kernels import Int32, Int64, UInt64, enter, find

_NEXT: Final = np.uint64(0xD1B54A32D192ED03)
"""Added to a print whose record another row of the same question is: odd, so that it comes back to none."""


@dataclass(frozen=True, repr=False)
class Growth:
    """What a question adds: units that were not known, for units (by place) how many records more, and names of records
    (``Places``), new and old ones."""

    hashes: UInt64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    units: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    more: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    names: UInt64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    named: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    def __bool__(self) -> bool:
        return len(self.names) > 0  # a new record has a new name


@dataclass(frozen=True, repr=False)
class Places:
    """``hashes`` (units, 2), ``counts`` (units,) records of each, ``owner`` (records,) the unit of each record.

    ``names`` (names, 2): unit, print and order among the unit's equal prints, mixed (``_names``); ``named`` (names,):
    the record that each is of.
    """

    hashes: UInt64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    counts: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    owner: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    names: UInt64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    named: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def units(self) -> int:
        return len(self.counts)

    @property
    def records(self) -> int:
        return len(self.owner)

    @cached_property
    def single(self) -> bool:
        """Whether every unit has one record, at the unit's own place."""
        return self.units == self.records and bool((self.owner == np.arange(self.units)).all())

    def growth(self, hashes: UInt64, rows: Int32, prints: UInt64) -> tuple[Growth, Int32]:
        """What these units with so many records each would add, and the place of every record when they are there.

        Raises ``ValueError`` for a unit that comes twice.
        """
        if hashes.shape != (len(rows), 2) or (len(rows) and int(rows.min()) < 0):
            raise ValueError("each unit has two hashes and a number of rows")
        if len(prints) != int(rows.sum(dtype=np.int64)):
            raise ValueError("each record has a print")
        hashes, rows = hashes[rows > 0], rows[rows > 0]
        if not len(rows):
            return Growth(), np.zeros(0, np.int32)
        units = self.find(hashes)
        new = units < 0
        known = units[~new]
        if len(known) and int(np.bincount(known).max()) > 1:
            raise ValueError("a unit comes twice in one part")
        units[new] = self.units + np.arange(int(new.sum()), dtype=np.int32)
        of, starts = np.repeat(units, rows), np.cumsum(rows, dtype=np.int64) - rows
        names, where = self._matched(of, prints, rows)
        unnamed = where < 0
        self._match_by_order(where, of, rows, starts, new | np.logical_or.reduceat(~unnamed, starts))
        fresh = where < 0
        where[fresh] = self.records + np.arange(int(fresh.sum()), dtype=np.int32)
        more = np.add.reduceat(fresh, starts, dtype=np.int32)
        grows = more > 0
        added = np.ascontiguousarray(hashes[new])
        return Growth(added, units[grows], more[grows], names[unnamed], where[unnamed]), where

    def _matched(self, of: Int32, prints: UInt64, rows: Int32) -> tuple[UInt64, Int32]:
        """The name of every record, and its place by that, -1 for one that is not known; no two have one place."""
        names = _names(of, prints, _order_among_equals(prints, rows))
        where = self._by_name(names)
        while len(again := _taken(where, names)):
            # two names of one record, one of which it got by order: what stands beside it is another one
            names[again, 0] += _NEXT
            where[again] = self._by_name(names[again])
        return names, where

    def _match_by_order(
        self, where: Int32, of: Int32, rows: Int32, starts: Int64, known: npt.NDArray[np.bool_]
    ) -> None:
        """Give the rows of units that are not ``known`` by a print the places of the unit's records, one by one."""
        if known.all():
            return
        ordinals = np.arange(len(of), dtype=np.int64) - np.repeat(starts, rows)
        chosen = np.flatnonzero(np.repeat(~known, rows))
        chosen = chosen[ordinals[chosen] < self.counts[of[chosen]]]
        order, begins = self.by_unit
        where[chosen] = order[begins[of[chosen]] + ordinals[chosen]]

    def grown(self, growth: Growth) -> Places:
        """Records are appended in the order of ``growth``. Raises ``ValueError`` for a unit that comes twice."""
        if not growth:
            return self
        hashes = np.concatenate([self.hashes, growth.hashes])
        counts = np.concatenate([self.counts, np.zeros(len(growth.hashes), np.int32)])
        np.add.at(counts, growth.units, growth.more)
        owner = np.concatenate([self.owner, np.repeat(growth.units, growth.more)])
        names, named = np.concatenate([self.names, growth.names]), np.concatenate([self.named, growth.named])
        made = Places(hashes, counts, owner, names, named)
        made._slots  # noqa: B018 (now, so that a unit that comes twice is found before anything rests on it)
        return made

    def find(self, hashes: UInt64) -> Int32:
        """The unit's place, -1 for one that is not known."""
        out = np.empty(len(hashes), np.int32)
        find(self.hashes, self._slots, np.ascontiguousarray(hashes), out)
        return out

    def _by_name(self, names: UInt64) -> Int32:
        """The record's place, -1 for a name that is not known."""
        out = np.empty(len(names), np.int32)
        find(self.names, self._name_slots, names, out)
        known = out >= 0
        out[known] = self.named[out[known]]
        return out

    @cached_property
    def by_unit(self) -> tuple[Int64, Int64]:
        """(records,) put together by unit, and (units + 1,) where each unit's begin in that."""
        order = np.argsort(self.owner, kind="stable")
        return order, np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)]).astype(np.int64)

    def records_of(self, units: Int32) -> tuple[Int64, Int64]:
        """The records of these units, one unit after the other, and (units,) where each one's begin."""
        order, starts = self.by_unit
        counts = self.counts[units].astype(np.int64)
        first = np.cumsum(counts) - counts
        return order[np.repeat(starts[units] - first, counts) + np.arange(int(counts.sum()))], first

    @cached_property
    def _slots(self) -> Int32:
        return _slots_of(self.hashes, "a unit comes twice in one part")

    @cached_property
    def _name_slots(self) -> Int32:
        return _slots_of(self.names, "a record's name comes twice")


def _slots_of(keys: UInt64, twice: str) -> Int32:
    slots = np.full(1 << max(4, (2 * len(keys)).bit_length()), -1, np.int32)
    if enter(keys, 0, slots):
        raise ValueError(twice)
    return slots


def _names(of: Int32, prints: UInt64, ordinals: Int64) -> UInt64:
    """(records, 2): the second word is unit and order, the first the print mixed with it.

    So the table's slots are spread where many units have one print (the finalizer of SplitMix64: Steele, Lea and
    Flood, 2014).
    """
    second = (of.astype(np.uint64) << np.uint64(32)) | ordinals.astype(np.uint64)
    mixed = (second ^ (second >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.stack([prints ^ mixed ^ (mixed >> np.uint64(31)), second], axis=1)


def _order_among_equals(prints: UInt64, rows: Int32) -> Int64:
    """Of each record how many before it have the same unit and the same print."""
    found = np.zeros(len(prints), np.int64)
    if len(rows) == len(prints):
        return found
    unit = np.repeat(np.arange(len(rows)), rows)
    order = np.lexsort((prints, unit))  # equals stay in their order
    new = np.ones(len(order), np.bool_)
    new[1:] = (unit[order[1:]] != unit[order[:-1]]) | (prints[order[1:]] != prints[order[:-1]])
    first = np.flatnonzero(new)
    found[order] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return found


def _taken(where: Int32, names: UInt64) -> Int64:
    """The records whose place another one has too, but for the one of lowest name: whatever order they stand in."""
    known = np.flatnonzero(where >= 0)
    if not len(known) or int(np.bincount(where[known]).max()) == 1:
        return np.zeros(0, np.int64)
    order = known[np.lexsort((names[known, 0], where[known]))]
    return np.asarray(order[1:][where[order[1:]] == where[order[:-1]]], dtype=np.int64)
