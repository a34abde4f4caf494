"""What a kind of job tells the node's gate before anything leaves: which answers rest on which records.

The gate judges only what an attacker could work out himself: which records satisfy a condition over *known* columns
(the *base* of an answer), never a secret value. So its verdict tells nothing (simulatable auditing: Kenthapadi, Mishra
and Nissim, 2005). Every answer that is evaluated is one row over the records of its base, opened or not.

Ports only: the node implements them (``sandbox.node.gate``), a kind's party calls them. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bits = npt.NDArray[np.bool_]
Int32 = npt.NDArray[np.int32]
UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, repr=False)
class Records:
    """The records of one part, put together by unit; a record is known by its unit and its print.

    ``units``: each unit once. Either its two keyed hashes as the snapshot holds them, shape (units, 2), or the values
    themselves, which the node hashes under the unit domain's key. ``rows``: how many records each unit has, in the
    same order. ``prints``: for every record 64 bits of what is no secret of it (``adapters.snapshot.prints``), so that
    it is the same one in another order and beside other rows; records of one unit whose prints are equal are told apart
    by their order. All 0 where rows have none: then by their order alone. ``labels``: per partition of the known, for
    every record the base that it lies in, or -1 for none.
    """

    units: UInt64 | pa.Array = field(repr=False)
    rows: Int32
    prints: UInt64
    labels: tuple[Int32, ...]

    @property
    def count(self) -> int:
        """How many records there are."""
        return int(self.rows.sum(dtype=np.int64))


@dataclass(frozen=True, repr=False)
class Inquiry:
    """One number for each cell, about the records of the cell's base.

    ``subject``: (dataset, column) whose secret values the number depends on; ``None``: which records there are at all.
    A number that depends on several columns is an inquiry about each. ``partition``: which of ``Records.labels``.
    ``bases``: per cell its base in that partition; -1 asks nothing. ``ids``: per cell 16 bytes that are the same only
    for the same number with the same noise: asked again it tells nothing new. ``answers``: how many numbers each
    cell stands for. ``holders``: how many owners may tell of the same, so that each takes a part of the cap.
    ``of_unit``: the secret value is said of the unit and the same in all its records, so that it is one unknown however
    often it stands there; else every record has its own.
    """

    subject: tuple[str, str] | None
    partition: int
    bases: Int32
    ids: Sequence[bytes]
    answers: int = 1
    holders: int = 1
    of_unit: bool = False


@dataclass(frozen=True, repr=False)
class Question:
    """All that one job asks about one kind of individual."""

    unit_domain: str
    records: Records
    inquiries: tuple[Inquiry, ...]

    @property
    def of_units(self) -> frozenset[tuple[str, str] | None]:
        """The subjects that are said of a unit."""
        return frozenset(inquiry.subject for inquiry in self.inquiries if inquiry.of_unit)

    @property
    def holders(self) -> dict[tuple[str, str] | None, int]:
        """Per subject, how many owners may tell of it."""
        found: dict[tuple[str, str] | None, int] = {}
        for inquiry in self.inquiries:
            found[inquiry.subject] = max(inquiry.holders, found.get(inquiry.subject, 1))
        return found


Verdict = Sequence[Sequence[Bits]]
"""Per question, per inquiry: for each cell whether it may be answered. A cell that asks nothing may."""


class Gate(Protocol):
    """What a party is handed for its job."""

    def seeds(self, questions: Sequence[bytes]) -> list[bytes]:
        """32 bytes for each question: a keyed function of it and of the exact rows of this job's data versions.

        Only this node can compute them. The same question about the same rows has the same seed, in every job.
        """
        ...
