"""How many rows an exclusion takes out of a snapshot, and whose: told by the units' own entries, no column is read."""

from __future__ import annotations

from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.order import isin
from adapters.snapshot.read import Snapshot
from adapters.snapshot.ref import SnapshotRef


def changed_rows(ref: SnapshotRef, left_out: Exclusions) -> int:
    """Rows of these units that the snapshot's own exclusions do not leave out yet. Raises ``SnapshotDamaged``."""
    snapshot, (high, low), found = Snapshot(ref), left_out.arrays(), 0
    for number in range(snapshot.index.parts):
        part = snapshot.part(number)
        gone = isin(part.merged.high, part.merged.low, high, low)
        if part.excluded is not None:
            gone &= ~part.excluded
        found += int(part.merged.rows[gone].sum())
        part.check()
    return found


def units_here(ref: SnapshotRef, named: Exclusions) -> frozenset[bytes]:
    """Which of these units have rows in the snapshot, excluded or not, by their hashes. Raises ``SnapshotDamaged``."""
    snapshot, found = Snapshot(ref), []
    if not named:
        return frozenset()
    high, low = named.arrays()
    for number in range(snapshot.index.parts):
        merged = snapshot.part(number).merged
        same = isin(merged.high, merged.low, high, low)
        found += [a.tobytes() + b.tobytes() for a, b in zip(merged.high[same], merged.low[same], strict=True)]
    return frozenset(found)
