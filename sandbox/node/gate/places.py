"""Stable places: a unit is its keyed hash, a record is (unit, ordinal among the unit's), never its value.

So a changed row or a new data version adds answers about the same records; nothing starts afresh. Immutable: growing
makes another one, which shares nothing that changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sandbox.node.gate.kernels import Int32, Int64, UInt64, enter, find


@dataclass(frozen=True, repr=False)
class Growth:
    """What a question adds: units that were not known, and for units (by place) how many records more."""

    hashes: UInt64
    units: Int32
    more: Int32

    def __bool__(self) -> bool:
        return len(self.units) > 0


@dataclass(frozen=True, repr=False)
class Places:
    """``hashes`` (units, 2), ``counts`` (units,) records of each, ``owner`` (records,) the unit of each record."""

    hashes: UInt64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    counts: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    owner: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

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

    def growth(self, hashes: UInt64, rows: Int32) -> Growth:
        """What these units with so many records each would add. Raises ``ValueError`` for a unit that comes twice."""
        if hashes.shape != (len(rows), 2) or (len(rows) and int(rows.min()) < 0):
            raise ValueError("each unit has two hashes and a number of rows")
        hashes, rows = hashes[rows > 0], rows[rows > 0]
        found = self.find(hashes)
        new = found < 0
        known = found[~new]
        if len(known) and int(np.bincount(known).max()) > 1:
            raise ValueError("a unit comes twice in one part")
        units = found.copy()
        units[new] = self.units + np.arange(int(new.sum()), dtype=np.int32)
        before = np.zeros(len(rows), np.int32)
        before[~new] = self.counts[known]
        more = np.maximum(rows - before, 0).astype(np.int32)
        grows = more > 0
        return Growth(np.ascontiguousarray(hashes[new]), units[grows], more[grows])

    def grown(self, growth: Growth) -> Places:
        """Records are appended in the order of ``growth``. Raises ``ValueError`` for a unit that comes twice."""
        if not growth:
            return self
        hashes = np.concatenate([self.hashes, growth.hashes])
        counts = np.concatenate([self.counts, np.zeros(len(growth.hashes), np.int32)])
        np.add.at(counts, growth.units, growth.more)
        made = Places(hashes, counts, np.concatenate([self.owner, np.repeat(growth.units, growth.more)]))
        made._slots  # noqa: B018 (now, so that a unit that comes twice is found before anything rests on it)
        return made

    def find(self, hashes: UInt64) -> Int32:
        """The unit's place, -1 for one that is not known."""
        out = np.empty(len(hashes), np.int32)
        find(self.hashes, self._slots, np.ascontiguousarray(hashes), out)
        return out

    def where(self, hashes: UInt64, rows: Int32) -> Int32:
        """The place of every record of these units, by unit and ordinal; all must be there."""
        units = self.find(hashes)
        total = int(rows.sum(dtype=np.int64))
        starts = np.cumsum(rows, dtype=np.int64) - rows
        ordinals = np.arange(total, dtype=np.int64) - np.repeat(starts, rows)
        order, starts = self.by_unit
        return np.asarray(order[np.repeat(starts[units], rows) + ordinals], dtype=np.int32)

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
        slots = np.full(1 << max(4, (2 * self.units).bit_length()), -1, np.int32)
        if enter(self.hashes, 0, slots):
            raise ValueError("a unit comes twice in one part")
        return slots
