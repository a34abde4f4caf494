"""Which of the new rows may be answered: as many as no unit is harmed by, large bases before small ones.

Leverage only grows with rows, so a unit that all rows together leave within its limit is never looked at again. Of the
others each names the smallest base that matters to it: at least half as much as the one that matters most. It need not
contain the unit, since the base without it may be what tells of it. The smallest of them is taken out, and the rest is
judged again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.bounds import bounds
from sandbox.node.gate.exact import Suspects, at_most, largest, past, reduced
from sandbox.node.gate.kernels import Float64, Int32
from sandbox.node.gate.partitions import Partitions
from sandbox.node.gate.places import Places
from sandbox.node.gate.system import Extension

RESERVE: Final = 0.30
"""The last part of the cap ..."""
LITTLE: Final = 0.02
"""... is for questions that add at most this part of it to a unit. So pairs on one target stop earlier, and ordinary
tables go on after somebody tried."""
_NOTHING: Final = 1e-9
"""An increase that is none: rounding of the float64 algebra."""
_AT_ONCE: Final = 8
_SQUARINGS: Final = 4
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Settled:
    """``kept`` (new rows,); by them ``increments`` (columns,) and at most ``added`` (units,).

    ``units``: whose leverage is then at most ``exact``.
    """

    kept: Bits
    increments: Float64
    added: Float64
    units: Int32
    exact: Float64


def settle(extension: Extension, places: Places, partitions: Partitions, cap: float) -> Settled:
    """Judge all new rows of one system; ``cap`` is of one unit, between 0 and 1."""
    kept = np.ones(len(extension.rows), bool)
    increments = extension.increments(kept)
    added = bounds(extension, places, kept, increments)
    suspects = _suspects(extension, places, added, cap)
    done: list[tuple[Int32, Float64]] = []
    harmed: list[_Harmed] = []
    for some in _batches(suspects, extension):
        most, beyond = _judged(extension, partitions, some, cap)
        done.append((some.units, most))
        if len(beyond.suspects):
            harmed.append(beyond)
    if harmed:
        kept = _without(extension, harmed, cap)
        increments = extension.increments(kept)
        added = bounds(extension, places, kept, increments)
    units = np.concatenate([units for units, _ in done]) if done else np.zeros(0, np.int32)
    exact = np.concatenate([after for _, after in done]) if done else np.zeros(0)
    return Settled(kept, increments, added, units, exact)


def _batches(suspects: Suspects, extension: Extension) -> Iterator[Suspects]:
    """Units of one column apart from the others: theirs needs no matrices."""
    alone = np.diff(suspects.starts) == 1
    for which, rows in ((alone, 0), (~alone, len(extension.system.rows))):
        some, _ = suspects.chosen(np.flatnonzero(which))
        for batch in some.batches(rows + len(extension.rows)):
            yield some.chosen(batch)[0]


def _judged(extension: Extension, partitions: Partitions, suspects: Suspects, cap: float) -> tuple[Float64, _Harmed]:
    """Of these units the leverage at most with all new rows, and which of them are harmed; exact where it matters."""
    kept = np.ones(len(extension.rows), bool)
    inverse = extension.inverse(kept)
    judged = _Harmed.of(extension, partitions, suspects)
    most = judged.at_most(inverse, kept)
    unclear = np.flatnonzero(most > (1 - RESERVE) * cap)
    judged = judged.chosen(unclear)
    most[unclear] = judged.after(inverse, kept)
    return most, judged.chosen(np.flatnonzero(_beyond(judged.before, most[unclear], cap))).smaller()


def _beyond(before: Float64, after: Float64, cap: float) -> Bits:
    much = (after > (1 - RESERVE) * cap) & (after - before > LITTLE * cap)
    return np.asarray(((after > cap) | much) & (after - before > _NOTHING))


def _suspects(extension: Extension, places: Places, added: Float64, cap: float) -> Suspects:
    """Units whose bound does not show that they are within."""
    bound = extension.system.bound + added
    units = np.flatnonzero((bound > (1 - RESERVE) * cap) & (added > _NOTHING)).astype(np.int32)
    return Suspects.of(extension.system, units, places, extension.atoms)


@dataclass(frozen=True, repr=False)
class _Harmed:
    """Units with what stands about them (``past``; of one column each: their leverage, ``alone``) and what the new rows
    add (``residuals``: columns, rows)."""

    suspects: Suspects
    residuals: Float64
    alone: Float64 | None
    past: tuple[Float64, ...] = ()

    @classmethod
    def of(cls, extension: Extension, partitions: Partitions, suspects: Suspects) -> _Harmed:
        residuals = extension.residuals(suspects.first) * suspects.scale[:, None]
        if len(suspects.first) == len(suspects):
            return cls(suspects, residuals, extension.system.leverage[suspects.first] * suspects.scale**2)
        return cls(suspects, residuals, None, tuple(past(extension.system, partitions, suspects)))

    @cached_property
    def before(self) -> Float64:
        """Exact leverage without any new row."""
        return largest(self.past) if self.alone is None else self.alone

    def chosen(self, which: npt.NDArray[Any]) -> _Harmed:
        some, columns = self.suspects.chosen(which)
        if self.alone is not None:
            return _Harmed(some, self.residuals[columns], self.alone[which])
        return _Harmed(some, self.residuals[columns], None, tuple(self.past[n] for n in which))

    def smaller(self) -> _Harmed:
        return replace(self, past=tuple(reduced(block) for block in self.past))

    def after(self, inverse: Float64, kept: Bits) -> Float64:
        """Exact leverage with the kept rows."""
        return largest(self._blocks(inverse, kept)) if self.alone is None else self._lengths(inverse, kept)

    def at_most(self, inverse: Float64, kept: Bits) -> Float64:
        return at_most(self._blocks(inverse, kept), _SQUARINGS) if self.alone is None else self._lengths(inverse, kept)

    def _lengths(self, inverse: Float64, kept: Bits) -> Float64:
        added = self.residuals[:, kept] @ inverse.T
        return np.asarray(self.before + np.einsum("ij,ij->i", added, added))

    def _blocks(self, inverse: Float64, kept: Bits) -> list[Float64]:
        """Per unit a matrix W, so that W'W is its block with the kept rows."""
        added = (self.residuals[:, kept] @ inverse.T).T
        starts = self.suspects.starts
        return [np.vstack([p, added[:, starts[n] : starts[n + 1]]]) for n, p in enumerate(self.past)]

    def culprits(self, extension: Extension, kept: Bits) -> Bits:
        """Of each unit the smallest base among those that matter to it."""
        effects = np.square(self.residuals) / np.diagonal(extension.schur)
        effects = np.add.reduceat(effects, self.suspects.starts[:-1], axis=0)
        effects[:, ~kept] = 0.0
        matters = (effects > 0) & (effects >= effects.max(axis=1, keepdims=True) / 2)
        smallest = np.where(matters, extension.sizes, np.inf).argmin(axis=1)
        out = np.zeros(len(kept), bool)
        out[smallest[matters.any(axis=1)]] = True
        return out


def _without(extension: Extension, harmed: list[_Harmed], cap: float) -> Bits:
    """Take out bases until nobody is harmed: in every round the smallest, of many at most an eighth."""
    kept = np.ones(len(extension.rows), bool)
    while harmed:
        culprits = np.flatnonzero(np.logical_or.reduce([group.culprits(extension, kept) for group in harmed]))
        smallest = culprits[np.argsort(extension.sizes[culprits], kind="stable")]
        kept[smallest[: max(1, int(kept.sum()) // _AT_ONCE)]] = False
        if not kept.any():
            break
        inverse, left = extension.inverse(kept), []
        for group in harmed:
            beyond = np.flatnonzero(_beyond(group.before, group.after(inverse, kept), cap))
            if len(beyond):
                left.append(group.chosen(beyond))
        harmed = left
    return kept
