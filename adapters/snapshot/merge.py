"""The runs of one part as one: blocks of whole units in one order, whichever runs their rows lie in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from adapters.snapshot.order import Int64, UInt64, ranks
from adapters.snapshot.runs import OpenRun

BLOCK_ROWS: Final = 1 << 16
"""Rows that are looked at together: what a core's cache holds of a few columns."""


@dataclass(frozen=True, repr=False)
class Piece:
    """Consecutive rows of one run. ``ranks``, ``counts``: the units that they belong to, and rows of each."""

    run: int
    first: int
    last: int
    ranks: Int64
    counts: Int64

    def rank_of_rows(self) -> Int64:
        return np.repeat(self.ranks, self.counts)


@dataclass(frozen=True, repr=False)
class Block:
    """All rows of the units ``first`` to ``last`` (exclusive), or some rows of one unit larger than a block.

    Read one after the other, the pieces are in the order of units only if there is one piece, or one unit.
    """

    first: int
    last: int
    pieces: tuple[Piece, ...]

    @property
    def in_order(self) -> bool:
        return len(self.pieces) == 1 or self.last - self.first == 1


class Merged:
    """Units of several runs, ranked by their hash."""

    high: UInt64
    low: UInt64
    rows: Int64
    """Of each unit, over all runs."""
    holder: Int64
    """For each unit one entry that holds it, counted over all runs."""
    ranks: list[Int64]
    """Per run, the rank of each of its units: rising."""

    def __init__(self, runs: Sequence[OpenRun]) -> None:
        self.runs = runs
        if len(runs) == 1:
            units = runs[0].units
            self.high, self.low, self.rows = units.high, units.low, units.rows
            self.holder = np.arange(len(self.high), dtype=np.int64)
            self.ranks = [self.holder]
            return
        high = np.concatenate([np.zeros(0, np.uint64), *(run.units.high for run in runs)])
        low = np.concatenate([np.zeros(0, np.uint64), *(run.units.low for run in runs)])
        found, self.holder = ranks(high, low)
        self.ranks = np.split(found, np.cumsum([len(run.units.high) for run in runs])[:-1]) if runs else []
        self.high, self.low = high[self.holder], low[self.holder]
        self.rows = np.zeros(len(self.holder), dtype=np.int64)
        for run, rank in zip(runs, self.ranks, strict=True):
            self.rows[rank] += run.units.rows  # a run has a unit once

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Every row once, in blocks of about ``rows``."""
        ends = np.cumsum(self.rows)
        first = 0
        while first < len(self.rows):
            before = int(ends[first] - self.rows[first])
            last = max(first + 1, int(np.searchsorted(ends, before + rows, side="right")))
            pieces = [piece for number in range(len(self.runs)) for piece in self._pieces(number, first, last, rows)]
            if last - first == 1 and self.rows[first] > rows:
                yield from (Block(first, last, (piece,)) for piece in pieces)
            else:
                yield Block(first, last, tuple(pieces))
            first = last

    def _pieces(self, number: int, first: int, last: int, rows: int) -> Iterator[Piece]:
        rank, run = self.ranks[number], self.runs[number]
        unit_first, unit_last = (int(at) for at in np.searchsorted(rank, (first, last)))
        if unit_first == unit_last:
            return
        counts = run.units.rows[unit_first:unit_last]
        start, end = int(run.ends[unit_first] - counts[0]), int(run.ends[unit_last - 1])
        if end - start <= rows or last - first > 1:
            yield Piece(number, start, end, rank[unit_first:unit_last], counts)
            return
        for at in range(start, end, rows):
            until = min(at + rows, end)
            yield Piece(number, at, until, rank[unit_first:unit_last], np.array([until - at], dtype=np.int64))
