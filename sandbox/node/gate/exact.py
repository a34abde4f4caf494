"""Largest eigenvalues of units' blocks, for the few units whose bound is above what is asked.

A unit's records that lie alike count as one column times the root of how many they are: the eigenvalue is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.kernels import Float64, Int32, Int64
from sandbox.node.gate.partitions import Atoms, Partitions
from sandbox.node.gate.places import Places
from sandbox.node.gate.system import System

_ENTRIES: Final = 1 << 23
"""Entries of dense columns at a time: 64 MB."""
_STACK: Final = 1 << 18
_SIDE: Final = 8
_ROUNDING: Final = 1 + 1e-9


@dataclass(frozen=True, repr=False)
class Suspects:
    """Columns of some units, put together by unit: ``starts`` (units + 1,), ``first`` a record, ``scale`` the root.

    Where columns are units, ``first`` is the unit.
    """

    units: Int32
    starts: Int64
    first: Int32
    scale: Float64

    @classmethod
    def of(cls, system: System, units: Int32, places: Places, atoms: Atoms) -> Suspects:
        if system.of_units:
            return cls(units, np.arange(len(units) + 1), units, np.ones(len(units)))
        chosen = np.zeros(places.units, bool)
        chosen[units] = True
        records = np.flatnonzero(chosen[places.owner])
        pairs = places.owner[records].astype(np.int64) * len(atoms.first) + atoms.of[records]
        found, counts = np.unique(pairs, return_counts=True)
        owner = found // len(atoms.first)
        inside = np.unique(owner)
        starts = np.append(np.searchsorted(owner, inside), len(owner)).astype(np.int64)
        first = atoms.first[found % len(atoms.first)]
        return cls(inside.astype(np.int32), starts, first, np.sqrt(counts.astype(np.float64)))

    def __len__(self) -> int:
        return len(self.units)

    def chosen(self, which: npt.NDArray[Any]) -> tuple[Suspects, npt.NDArray[Any]]:
        """Those at ``which`` (ascending), and which columns they have."""
        widths = np.diff(self.starts)
        columns = np.flatnonzero(np.repeat(np.isin(np.arange(len(self)), which), widths))
        starts = np.concatenate([[0], np.cumsum(widths[which])]).astype(np.int64)
        return Suspects(self.units[which], starts, self.first[columns], self.scale[columns]), columns

    def batches(self, rows: int) -> list[npt.NDArray[Any]]:
        """Which to take at once so that dense columns of so many rows stay small; one unit is never divided."""
        limit = max(1, _ENTRIES // max(1, rows))
        made: list[npt.NDArray[Any]] = []
        at = 0
        while at < len(self):
            end = max(at + 1, int(np.searchsorted(self.starts, self.starts[at] + limit, side="right")) - 1)
            made.append(np.arange(at, end))
            at = end
        return made


def past(system: System, partitions: Partitions, suspects: Suspects) -> list[Float64]:
    """Per unit a matrix R with R'R = its block of ``A'(AA' + LAMBDA I)^-1 A`` of the rows that stand."""
    widths = np.diff(suspects.starts)
    several = np.flatnonzero(widths > 1)
    lengths = np.sqrt(system.leverage[suspects.first[suspects.starts[:-1]]]) * suspects.scale[suspects.starts[:-1]]
    made = [np.full((1, 1), length) for length in lengths]  # of one column the length is all
    if len(several):
        some, _ = suspects.chosen(several)
        solved = system.solve(system.columns(partitions, some.first) * some.scale)
        for unit, at, end in zip(several, some.starts[:-1], some.starts[1:], strict=True):
            made[unit] = solved[:, at:end]
    return made


def reduced(block: Float64) -> Float64:
    """A matrix with the same product W'W and no more rows than columns."""
    return np.asarray(np.linalg.qr(block, mode="r")) if block.shape[0] > block.shape[1] else block.copy()


def largest(blocks: Sequence[Float64]) -> Float64:
    """The largest eigenvalue of W'W for each W."""
    out = np.zeros(len(blocks))
    for places, grams in _grams(blocks):
        out[places] = np.linalg.eigvalsh(grams)[:, -1] if grams.shape[1] > 1 else grams[:, 0, 0]
    return np.maximum(out, 0.0)


def at_most(blocks: Sequence[Float64], squarings: int = 1) -> Float64:
    """A bound from above for ``largest``, G = W'W: the largest absolute row sum (Gershgorin), or with p = 2^squarings
    the p-th root of trace(G^p), whichever is lower. The second is at most side^(1/p) times too high."""
    out = np.zeros(len(blocks))
    for places, grams in _grams(blocks):
        trace = np.trace(grams, axis1=1, axis2=2)
        power = grams / np.where(trace > 0, trace, 1.0)[:, None, None]
        sums = np.abs(power).sum(axis=2).max(axis=1)
        for _ in range(squarings - 1):
            power = power @ power
        roots = np.square(power).sum(axis=(1, 2)) ** (0.5**squarings)
        out[places] = trace * np.minimum(sums, roots) * _ROUNDING
    return out


def _grams(blocks: Sequence[Float64]) -> Iterator[tuple[npt.NDArray[Any], Float64]]:
    """Products of the smaller sides, those of about one size together, padded with zeros: which blocks, (n, s, s)."""
    sides = np.array([min(block.shape) for block in blocks], dtype=np.int64)
    padded = np.where(sides > 1, -(-sides // _SIDE) * _SIDE, sides)
    for side in np.unique(padded[padded > 0]):
        same = np.flatnonzero(padded == side)
        step = max(1, _STACK // int(side) ** 2)
        for at in range(0, len(same), step):
            places = same[at : at + step]
            stack = np.zeros((len(places), side, side))
            for n, place in enumerate(places):
                block = blocks[place]
                gram = block @ block.T if block.shape[0] <= block.shape[1] else block.T @ block
                stack[n, : len(gram), : len(gram)] = gram
            yield places, stack
