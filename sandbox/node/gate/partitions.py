"""Which base each record lies in, for all partitions that were asked about; systems of one unit domain share them.

Several small partitions are kept as one code per record (mixed radix), so that a pass over all records reads a few
tables that fit a processor's cache instead of many columns (the method of four Russians: Arlazarov et al., 1970).
Records that lie alike in all partitions are one *atom*; passes go over the first record of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.kernels import Float64, Int32, Int64, pairs, refine, together
from sandbox.node.gate.places import Places

CODES: Final = 8192
"""Codes of one group at most, unless one partition alone has more: 20 columns of float64 are 1.3 MB."""
_COUNTS: Final = 1 << 22
"""Entries of one table of counts at most, before a group is counted partition by partition."""


@dataclass(frozen=True, repr=False)
class Group:
    """``codes`` (records,): the sum of (label + 1) * stride. ``members``: its partitions, first digit first."""

    codes: npt.NDArray[Any]
    members: tuple[int, ...]
    size: int


@dataclass(frozen=True, repr=False)
class Atoms:
    """``of`` (records,) the atom of each; ``first`` (atoms,) a record of each, ascending; ``weights`` their sizes."""

    of: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    first: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    weights: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def grown(self, records: int) -> Atoms:
        """Appended records lie in no base yet: one more atom."""
        extra = records - len(self.of)
        if not extra:
            return self
        of = np.concatenate([self.of, np.full(extra, len(self.first), np.int32)])
        first = np.append(self.first, np.int32(len(self.of)))
        return Atoms(of, first, np.append(self.weights, np.int64(extra)))

    def refined(self, labels: Int32, bases: int) -> Atoms:
        if len(self.first) == len(self.of):
            return self
        slots = np.full(1 << max(4, (2 * min(len(self.of), len(self.first) * (bases + 1))).bit_length()), -1, np.int32)
        keys = np.empty(len(slots), np.int64)
        of, first = np.empty(len(self.of), np.int32), np.empty(len(self.of), np.int32)
        count = refine(self.of, labels, np.int64(bases + 1), slots, keys, of, first)
        return Atoms(of, first[:count].copy(), np.bincount(of, minlength=count).astype(np.int64))


@dataclass(frozen=True, repr=False)
class Partitions:
    """``bases``: how many each partition has; ``digests``: of its labels, to know one that comes again."""

    groups: tuple[Group, ...] = ()
    bases: tuple[int, ...] = ()
    digests: tuple[bytes, ...] = ()

    @cached_property
    def offsets(self) -> Int64:
        """Where each partition's bases begin, if all bases of all partitions are counted on."""
        return np.concatenate([[0], np.cumsum(self.bases, dtype=np.int64)]).astype(np.int64)

    def grown(self, records: int) -> Partitions:
        return replace(self, groups=tuple(replace(g, codes=_padded(g.codes, records)) for g in self.groups))

    def with_partition(self, labels: Int32, bases: int) -> Partitions:
        """One more, into the last group if it still fits."""
        number = len(self.bases)
        last = self.groups[-1] if self.groups else None
        if last is not None and last.size * (bases + 1) <= CODES:
            codes = last.codes + ((labels + 1) * last.size).astype(last.codes.dtype)
            group = Group(codes, (*last.members, number), last.size * (bases + 1))
            groups = (*self.groups[:-1], group)
        else:
            kind = np.uint16 if bases + 1 < 1 << 16 else np.int32
            groups = (*self.groups, Group((labels + 1).astype(kind), (number,), bases + 1))
        return Partitions(groups, (*self.bases, bases), (*self.digests, labels_digest(labels)))

    def labels(self, number: int, records: npt.NDArray[Any]) -> Int32:
        """The base of some records in one partition, -1 for none."""
        group = next(g for g in self.groups if number in g.members)
        stride = 1
        for member in group.members[: group.members.index(number)]:
            stride *= self.bases[member] + 1
        digits = (group.codes[records].astype(np.int64) // stride) % (self.bases[number] + 1)
        return np.asarray(digits - 1, dtype=np.int32)

    def counts(self, labels: Int32, bases: int, atoms: Atoms, used: set[int]) -> Float64:
        """Records in both: shape (all bases, ``bases``). Columns of partitions that are not ``used`` stay zero."""
        out = np.zeros((int(self.offsets[-1]), bases))
        for group in self.groups:
            if used.isdisjoint(group.members):
                continue
            for members, stride, size in self._parts(group, bases):
                table = np.zeros((bases + 1, size), np.int64)
                together(group.codes, stride, size, labels, atoms.first, atoms.weights, table)
                self._reduce(table[1:], members, out)
        return out

    def pairs(self, labels: Int32, bases: int, places: Places, used: set[int]) -> Float64:
        """Like ``counts``, of units instead of records: the sum over units of their records in one base times those in
        the other."""
        out = np.zeros((int(self.offsets[-1]), bases))
        order, starts = places.by_unit
        mine = labels[order]
        for number in sorted(used):
            at = int(self.offsets[number])
            pairs(starts, mine, self.labels(number, order), out[at : at + self.bases[number]])
        return out

    def _parts(self, group: Group, bases: int) -> list[tuple[tuple[int, ...], int, int]]:
        if (bases + 1) * group.size <= _COUNTS:
            return [(group.members, 1, group.size)]
        parts: list[tuple[tuple[int, ...], int, int]] = []
        stride = 1
        for member in group.members:
            parts.append(((member,), stride, self.bases[member] + 1))
            stride *= self.bases[member] + 1
        return parts

    def _reduce(self, table: Int64, members: Sequence[int], out: Float64) -> None:
        """Sum a table over all digits but one, for each; the first digit runs fastest."""
        shaped = table.reshape(len(table), *(self.bases[m] + 1 for m in reversed(members)))
        for place, member in enumerate(members):
            axis = len(members) - place
            others = tuple(a for a in range(1, len(members) + 1) if a != axis)
            start = int(self.offsets[member])
            out[start : start + self.bases[member]] = shaped.sum(axis=others)[:, 1:].T

    def tables(self, values: Float64, used: set[int]) -> list[tuple[npt.NDArray[Any], Float64]]:
        """From a value per base (all bases, columns) to one per code, for each group: what ``gather`` reads."""
        made = []
        for group in self.groups:
            if used.isdisjoint(group.members):
                continue
            table = np.zeros((1, values.shape[1]))
            for member in group.members:
                start = int(self.offsets[member])
                own = np.vstack([np.zeros((1, values.shape[1])), values[start : start + self.bases[member]]])
                table = (own[:, None, :] + table[None, :, :]).reshape(-1, values.shape[1])
            made.append((group.codes, table))
        return made


def labels_digest(labels: Int32) -> bytes:
    """Of labels numbered by first record; records after the last that has one do not count."""
    inside = np.flatnonzero(labels >= 0)
    end = int(inside[-1]) + 1 if len(inside) else 0
    return hashlib.blake2b(np.ascontiguousarray(labels[:end]).tobytes(), digest_size=32).digest()


def _padded(codes: npt.NDArray[Any], records: int) -> npt.NDArray[Any]:
    extra = records - len(codes)
    return np.concatenate([codes, np.zeros(extra, codes.dtype)]) if extra else codes
