"""One system of rows over records, and what rows more would do to everybody's leverage.

A row is one answer: 1 at the records of its base, times the root of how many answers it stands for. Where a column's
values are said of the unit, the same in all its records, a column of A is a unit and holds its number of records in the
base: it is one unknown, and where it has many records it stands out by all of them. With A all rows,
a record's leverage is its diagonal entry of ``A'(AA' + LAMBDA I)^-1 A``, the ridge leverage score (Alaoui and Mahoney,
2015): the share of a linear attacker's uncertainty about it that all answers remove, LAMBDA being the variance of the
noise over that of what he does not know. Rows are only ever added, so the inverse Cholesky factor of
``AA' + LAMBDA I`` grows by rows and none of it changes; float64 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.kernels import Float64, Int32, Int64, gather
from sandbox.node.gate.partitions import Atoms, Partitions
from sandbox.node.gate.places import Places

LAMBDA: Final = 36.0
"""(noise of 3 over an uncertainty of 1/2)^2: a secret yes or no that the attacker has no idea of."""
_COLUMNS: Final = 32
_ENTRIES: Final = 1 << 16
_UNITS: Final = 1 << 12
"""Units whose records are looked at in one go."""
_THREADS: Final = 2


@dataclass(frozen=True, repr=False)
class Block:
    """The rows of one question: (rows, all rows until then) of the inverse Cholesky factor, and the job."""

    factor: Float64
    job: str


@dataclass(frozen=True, repr=False)
class Rows:
    """Answers as rows: the partition and the base of each, and for how many answers it stands."""

    partition: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    base: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    answers: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    def __len__(self) -> int:
        return len(self.base)

    def __add__(self, other: Rows) -> Rows:
        pairs = zip(self.arrays, other.arrays, strict=True)
        return Rows(*(np.concatenate([a, b]) for a, b in pairs))

    def __getitem__(self, which: npt.NDArray[Any]) -> Rows:
        return Rows(*(array[which] for array in self.arrays))

    @property
    def arrays(self) -> tuple[Int32, Int32, Int32]:
        return self.partition, self.base, self.answers

    @property
    def scale(self) -> Float64:
        return np.sqrt(self.answers.astype(np.float64))

    @property
    def used(self) -> set[int]:
        return set(np.unique(self.partition).tolist())

    def cells(self, partitions: Partitions) -> Int64:
        """The number of each row's base among all bases of all partitions."""
        return np.asarray(partitions.offsets[self.partition] + self.base, dtype=np.int64)


@dataclass(frozen=True, repr=False)
class System:
    """``leverage`` (columns,), of records or (``of_units``) units; ``bound`` (units,) at least the leverage of each.

    ``ids``: of all that was answered.
    """

    rows: Rows = field(default_factory=Rows)
    blocks: tuple[Block, ...] = ()
    leverage: Float64 = field(default_factory=lambda: np.zeros(0))
    bound: Float64 = field(default_factory=lambda: np.zeros(0))
    ids: frozenset[bytes] = frozenset()
    of_units: bool = False

    def grown(self, places: Places) -> System:
        """Room for records and units that were appended: no answer was about them yet."""
        columns = places.units if self.of_units else places.records
        leverage = np.concatenate([self.leverage, np.zeros(columns - len(self.leverage))])
        bound = np.concatenate([self.bound, np.zeros(places.units - len(self.bound))])
        return replace(self, leverage=leverage, bound=bound)

    def columns(self, partitions: Partitions, records: npt.NDArray[Any]) -> Float64:
        """Columns of A as they are: (rows, these records). A unit's own column is the sum of its records'."""
        dense = np.zeros((len(self.rows), len(records)))
        for number in self.rows.used:
            labels = partitions.labels(number, records)
            own = np.flatnonzero(self.rows.partition == number)
            dense[own] = (self.rows.base[own][:, None] == labels[None, :]) * self.rows.scale[own][:, None]
        return dense

    def solve(self, right: Float64) -> Float64:
        """The inverse factor times (rows, columns)."""
        parts = [block.factor @ right[: block.factor.shape[1]] for block in self.blocks]
        return np.vstack(parts) if parts else np.zeros((0, right.shape[1]))

    def solve_transposed(self, right: Float64) -> Float64:
        """(rows, columns) transposed, times the inverse factor."""
        out, at = np.zeros((right.shape[1], len(self.rows))), 0
        for block in self.blocks:
            rows, width = block.factor.shape
            out[:, :width] += right[at : at + rows].T @ block.factor
            at += rows
        return out


class Extension:
    """What new rows do to a system. ``partitions`` and ``atoms`` include the rows' own; nothing here changes any."""

    def __init__(
        self,
        system: System,
        rows: Rows,
        partitions: Partitions,
        atoms: Atoms,
        places: Places,
        counts: Callable[[int], Float64],
    ) -> None:
        """``counts(partition)``: columns in each of all bases and in each base of that partition, each with both its
        entries."""
        self.system, self.rows, self.atoms, self.places, self._partitions = system, rows, atoms, places, partitions
        self._used = system.rows.used | rows.used
        old, new = system.rows.cells(partitions), rows.cells(partitions)
        together = np.empty((len(old) + len(new), len(rows)))
        for number in rows.used:
            own = np.flatnonzero(rows.partition == number)
            together[:, own] = counts(number)[np.concatenate([old, new])][:, rows.base[own]]
        self.sizes: Float64 = np.diagonal(together[len(old) :]).copy()
        together *= np.concatenate([system.rows.scale, rows.scale])[:, None] * rows.scale[None, :]
        known = system.solve(together[: len(old)])
        schur = together[len(old) :] - known.T @ known
        self.schur: Float64 = (schur + schur.T) / 2 + LAMBDA * np.eye(len(rows))
        self._given = system.solve_transposed(known)
        self._values = np.zeros((int(partitions.offsets[-1]), len(rows)))
        np.add.at(self._values, old, -self._given.T * system.rows.scale[:, None])
        self._values[new, np.arange(len(rows))] += rows.scale

    def inverse(self, kept: npt.NDArray[Any]) -> Float64:
        """The inverse Cholesky factor of the Schur complement of the kept rows."""
        return np.asarray(np.tril(np.linalg.inv(np.linalg.cholesky(self.schur[np.ix_(kept, kept)]))))

    def increments(self, kept: npt.NDArray[Any]) -> Float64:
        """(columns,): what the kept rows add to the leverage of each."""
        values = self._values[:, kept] @ self.inverse(kept).T
        if self.system.of_units and not self.places.single:
            return self._units_squares(values)
        return sum_squares(self._partitions, self._used, values, self.atoms.first)[self.atoms.of]

    def residuals(self, columns: Int32) -> Float64:
        """(columns, rows): what each row says of a column beyond what the rows before have said."""
        if not self.system.of_units:
            return self._gathered(self._values, columns)
        records, starts = self.places.records_of(columns)
        return np.add.reduceat(self._gathered(self._values, records), starts, axis=0)

    def weights(self, records: Int32, kept: npt.NDArray[Any], inverse: Float64) -> Float64:
        """(records, kept rows): their residuals through the inverse factor; the squares add up to the increments."""
        return self._gathered(self._values[:, kept] @ inverse.T, records)

    def _units_squares(self, values: Float64) -> Float64:
        """Of each unit the squared length of the sum over its records."""
        out = np.zeros(self.places.units)
        for at in range(0, len(out), _UNITS):
            units = np.arange(at, min(at + _UNITS, len(out)), dtype=np.int32)
            records, starts = self.places.records_of(units)
            for column in range(0, values.shape[1], _COLUMNS):
                sums = np.add.reduceat(self._gathered(values[:, column : column + _COLUMNS], records), starts, axis=0)
                out[units] += np.einsum("ij,ij->i", sums, sums)
        return out

    def _gathered(self, values: Float64, records: npt.NDArray[Any]) -> Float64:
        out = np.empty((len(records), values.shape[1]))
        for at in range(0, values.shape[1], _COLUMNS):
            part = values[:, at : at + _COLUMNS]
            out[:, at : at + _COLUMNS] = gathered(self._partitions.tables(part, self._used), records, part.shape[1])
        return out

    def block(self, kept: npt.NDArray[Any], job: str) -> Block:
        inverse = self.inverse(kept)
        return Block(np.hstack([-inverse @ self._given[kept], inverse]), job)


def sum_squares(partitions: Partitions, used: set[int], values: Float64, records: Int32) -> Float64:
    """Of each record the squared length of the sum of its bases' ``values``; by columns, so that memory is bounded."""
    out = np.zeros(len(records))
    step = max(64, _ENTRIES // max(1, min(_COLUMNS, values.shape[1])))
    starts = range(0, len(records), step)
    for at in range(0, values.shape[1], _COLUMNS):
        part = values[:, at : at + _COLUMNS]
        tables = partitions.tables(part, used)

        def add(start: int, tables: Any = tables, columns: int = part.shape[1]) -> None:
            found = gathered(tables, records[start : start + step], columns)
            out[start : start + step] += np.einsum("ij,ij->i", found, found)

        if len(starts) == 1:
            add(0)
        else:
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(add, starts))
    return out


def gathered(tables: list[tuple[npt.NDArray[Any], Float64]], records: npt.NDArray[Any], columns: int) -> Float64:
    out = np.zeros((len(records), columns))
    for codes, table in tables:
        gather(codes, records, table, out)
    return out
