"""Many small signed integers in one plaintext, with guard bits for a stated number of additions.

A plaintext is the integer sum of value[j] * 2^(width * j) with signed values. Width counts the value, the additions
(or the sum of absolute weights) it must survive, and a sign: no carry ever crosses into the neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, OutOfRange

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packing:
    """How values lie in a plaintext. Every party of a job uses the same; it is public.

    ``value_bits``: every value v has |v| < 2^value_bits (1..62). ``growth``: an upper bound for the number of vectors
    added up, or for the sum of absolute weights in a dot product. ``plain_bits``: bits of the modulus. ``per``: at most
    so many values in one ciphertext (0: as many as fit).
    """

    value_bits: int
    growth: int
    plain_bits: int
    per: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.value_bits <= 62:
            raise BadParameters("value_bits must be 1 to 62: encode wider values as several columns")
        if not 1 <= self.growth < 1 << 128:
            raise BadParameters("growth must be at least 1: the number of additions to survive")
        if not 0 <= self.per < 1 << 16:
            raise BadParameters("per must be 0 (as many as fit) to 65535")
        if self.fits < 1:
            raise BadParameters(f"a slot needs {self.width} bits; the modulus has {self.plain_bits}")

    @property
    def width(self) -> int:
        """Bits of one slot: |v| * growth < 2^(width - 1)."""
        return self.value_bits + self.growth.bit_length() + 1

    @property
    def fits(self) -> int:
        # two bits stay free: plaintexts are signed and must stay below n / 2
        return (self.plain_bits - 2) // self.width

    @property
    def slots(self) -> int:
        return min(self.per, self.fits) if self.per else self.fits

    def blocks(self, count: int) -> int:
        """Ciphertexts that ``count`` values take."""
        return -(-count // self.slots)

    def pack(self, values: Integers) -> list[int]:
        """Plaintexts for a vector of int64; raises ``OutOfRange`` if a value needs more than ``value_bits``."""
        if values.ndim != 1 or values.dtype != np.int64:
            raise BadParameters("pack takes a one-dimensional int64 array")
        limit = 1 << self.value_bits
        if values.size and not (values.min() > -limit and values.max() < limit):
            raise OutOfRange(f"a value needs more than the declared {self.value_bits} bits")
        # shift into the unsigned, lay the bits side by side, and take the shift off again as one integer
        count, take = self.blocks(values.size), self.value_bits + 1
        padded = np.zeros(count * self.slots, dtype=np.uint64)
        padded[: values.size] = (values + np.int64(limit)).astype(np.uint64)
        padded[values.size :] = limit
        bits = np.unpackbits(padded.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        slots = np.zeros((padded.size, self.width), dtype=np.uint8)
        slots[:, :take] = bits[:, :take]
        rows = np.packbits(slots.reshape(count, -1), axis=1, bitorder="little")
        shift = self._constant(limit)
        return [int.from_bytes(row.tobytes(), "little") - shift for row in rows]

    def unpack(self, plaintexts: Sequence[int], count: int) -> npt.NDArray[Any]:
        """The ``count`` values, int64 if a slot fits, Python integers otherwise.

        Raises ``OutOfRange`` for a plaintext that no permitted computation yields.
        """
        if len(plaintexts) != self.blocks(count):
            raise BadParameters(f"{count} values take {self.blocks(count)} plaintexts, not {len(plaintexts)}")
        half, size = 1 << (self.width - 1), (self.width * self.slots + 7) // 8
        shift, end = self._constant(half), 1 << (self.width * self.slots)
        shifted = [plain + shift for plain in plaintexts]
        if any(not 0 <= plain < end for plain in shifted):
            raise OutOfRange("a plaintext outside the packing: wrong key, wrong packing, or too many additions")
        if self.width > 63:
            mask = (1 << self.width) - 1
            wide = [(p >> (self.width * j) & mask) - half for p in shifted for j in range(self.slots)]
            return np.array(wide[:count], dtype=object)
        raw = np.frombuffer(b"".join(p.to_bytes(size, "little") for p in shifted), dtype=np.uint8)
        bits = np.unpackbits(raw.reshape(-1, size), axis=1, bitorder="little")[:, : self.width * self.slots]
        slots = np.zeros((bits.shape[0] * self.slots, 64), dtype=np.uint8)
        slots[:, : self.width] = bits.reshape(-1, self.width)
        values = np.packbits(slots, axis=1, bitorder="little").view("<u8").reshape(-1).astype(np.int64)
        return values[:count] - np.int64(half)

    def _constant(self, value: int) -> int:
        return sum(value << (self.width * j) for j in range(self.slots))
