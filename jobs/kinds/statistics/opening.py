"""Which ring elements travel in which round of a joint statistic: the one place where hub and nodes must agree.

Round ``flags``: for every aggregate, then every cell, one element of Z_2^64: zero, or not where a rule fails.
Round ``values``: for every channel, then every cell, one element of the plan's ring, but only where some aggregate
that needs the channel passed in that cell. Shapes are pure functions of plan and pass bits; nothing else is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.kinds.statistics.plan.types import Plan

Bits = npt.NDArray[np.bool_]


def flag_count(plan: Plan) -> int:
    """Number of ring elements in one ``flags`` message."""
    return len(plan.aggregates) * plan.cells


@dataclass(frozen=True)
class Opening:
    """The opened (channel, cell) pairs, in sending order."""

    channel: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.channel)


def opening(plan: Plan, passed: Bits) -> Opening:
    """What the ``values`` round carries. ``passed`` has shape (aggregates, cells)."""
    needed = np.zeros((len(plan.channels), plan.cells), dtype=np.bool_)
    for row, aggregate in zip(passed, plan.aggregates, strict=True):
        for channel in aggregate.channels:
            needed[channel] |= row
    channels, cells = np.nonzero(needed)
    return Opening(channels.astype(np.int64), cells.astype(np.int64))


def pack(passed: Bits) -> bytes:
    """Pass bits as bytes, aggregates then cells."""
    return np.packbits(passed.reshape(-1)).tobytes()


def unpack(plan: Plan, data: bytes) -> Bits:
    """Inverse of ``pack``; raises ``ValueError`` on another length or a set padding bit."""
    count = len(plan.aggregates) * plan.cells
    if len(data) != (count + 7) // 8:
        raise ValueError("pass bits of another plan")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).astype(np.bool_)
    if bits[count:].any():
        raise ValueError("pass bits with padding set")
    return bits[:count].reshape(len(plan.aggregates), plan.cells)
