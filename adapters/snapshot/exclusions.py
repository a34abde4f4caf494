"""Units whose rows no scan may see any more (consent withdrawn): keyed hashes only, in a set that only grows.

A version's identity covers them: the same files with one more exclusion are another version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.snapshot.order import UInt64, isin
from adapters.snapshot.units import hash_units

HASH_BYTES = 16


@dataclass(frozen=True)
class Exclusions:
    """A set of units of one unit domain, by hash. Two sets are equal exactly if their hashes are."""

    hashes: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, units: pa.Array, key: bytes) -> Exclusions:
        """The units themselves, in the column's stored type, under the domain's key."""
        high, low = hash_units(units, key)
        return cls(frozenset(a.tobytes() + b.tobytes() for a, b in zip(high, low, strict=True)))

    @classmethod
    def from_bytes(cls, hashes: Iterable[bytes]) -> Exclusions:
        found = frozenset(hashes)
        if any(len(item) != HASH_BYTES for item in found):
            raise ValueError("an exclusion is a hash of 16 bytes")
        return cls(found)

    def __or__(self, other: Exclusions) -> Exclusions:
        return Exclusions(self.hashes | other.hashes)

    def __le__(self, other: Exclusions) -> bool:
        return self.hashes <= other.hashes

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def digest(self) -> str:
        """Over the sorted hashes; of no exclusion the empty text, so that a version without any is its files alone."""
        if not self.hashes:
            return ""
        return "sha256:" + hashlib.sha256(b"unseen/exclusions/v1" + b"".join(sorted(self.hashes))).hexdigest()

    def arrays(self) -> tuple[UInt64, UInt64]:
        words = np.frombuffer(b"".join(sorted(self.hashes)), dtype=np.uint64).reshape(-1, 2)
        return words[:, 0].copy(), words[:, 1].copy()


def excluded(high: UInt64, low: UInt64, batch: pa.RecordBatch | None) -> npt.NDArray[np.bool_] | None:
    """Which units the stored exclusions (columns ``high``, ``low``) leave out; ``None`` for none at all."""
    if batch is None or not batch.num_rows:
        return None
    found = isin(high, low, batch.column("high").to_numpy(), batch.column("low").to_numpy())
    return found if found.any() else None
