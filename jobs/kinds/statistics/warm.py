"""Loads and compiles what a scan needs, over a few rows, so that no job pays for it. Run by a worker when it starts.

Compiled code is kept beside the sources, or in the user's cache folder where those are read-only (numba's ``cache``):
the first worker of an installation takes seconds, later ones a part of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.snapshot.order import by_rank
from jobs.kinds.base import Limits
from jobs.kinds.statistics import scan  # noqa: F401 - loaded for what it brings
from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.kernel import KIND_SUMSQ, Columns, per_unit
from jobs.kinds.statistics.lookup import Table
from jobs.kinds.statistics.unit_kernel import UnitSums


@dataclass(frozen=True)
class _One:
    """One row of one column, for ``lookup.Rows``."""

    stored: npt.NDArray[Any]
    nulls: npt.NDArray[np.bool_] | None

    def __len__(self) -> int:
        return 1

    def integers(self, name: str) -> npt.NDArray[Any]:
        return self.stored

    def known(self, name: str) -> npt.NDArray[np.bool_] | None:
        return self.nulls


def warm() -> None:
    unit, cell = np.arange(3), np.zeros(3, dtype=np.int32)
    values = np.ones((2, 3), dtype=np.int64)
    channels = np.array([[KIND_SUMSQ, 0, 0]])
    for wide in (False, True):
        sums = UnitSums(1, channels, wide)
        sums.add(unit, cell, np.ones(3, dtype=np.uint32), values)
        sums.next_part()
    by_rank(unit, 3)
    for stored in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64):
        for table in (Table("", 0, np.zeros(2, np.int32)), Table("", 0, np.zeros(2, np.bool_))):
            for known in (None, np.ones(1, dtype=np.bool_)):
                table.look_up(_One(np.zeros(1, dtype=stored), known))
    for columns in (values[:1], values):
        flags = np.ones(3, dtype=np.uint8)
        per_unit(Columns(cell, unit.astype(np.int32), flags, tuple(columns)), 3, 1, channels, 1)
    with Engine(Limits(memory_bytes=64 << 20, threads=1)) as engine:
        engine.run("SELECT 1")
