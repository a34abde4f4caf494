"""What private join-and-compute needs of an additively homomorphic encryption: two small roles, any scheme.

A *row* is one item's values (``columns`` numbers, each 0 <= value < 2^value_bits, or |value| < 2^value_bits where
signed values are agreed); a ciphertext row is a fixed number of bytes. ``elgamal`` implements this for totals that can
be searched, ``paillier_scheme`` for all others, and ``scheme`` chooses. A scheme must be IND-CPA, and ``total`` must
return a ciphertext distributed independently of which rows went in (re-randomised), or the key-holder could recognise
them. ``public`` starts with a byte that names the scheme.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mpc.errors import OutOfRange
from mpc.party import RandomBytes

Rows = npt.NDArray[np.uint8]
"""Shape (n, ciphertext_bytes)."""
Values = npt.NDArray[np.int64]
"""Shape (n, columns)."""


class KeyHolder(Protocol):
    """Party 2's half: encrypts its own rows, decrypts totals."""

    @property
    def public(self) -> bytes:
        """What party 1 needs to compute on ciphertexts: key and shape."""
        ...

    @property
    def ciphertext_bytes(self) -> int: ...

    def encrypt(self, values: Values) -> Rows:
        """One ciphertext row per row of values. Raises ``OutOfRange`` for a value or possible total that is too big."""
        ...

    def decrypt(self, total: bytes) -> tuple[int, ...]:
        """The column sums. Raises ``OutOfRange`` or ``MalformedMessage`` if it cannot be a total of own rows."""
        ...


class Evaluator(Protocol):
    """Party 1's half: adds ciphertext rows without a key."""

    @property
    def ciphertext_bytes(self) -> int: ...

    def total(self, rows: Rows) -> bytes:
        """The re-randomised sum of the rows (of zero rows: a fresh encryption of zero). Raises ``MalformedMessage``."""
        ...


OpenEvaluator = Callable[[bytes, RandomBytes], Evaluator]
"""Builds party 1's half from party 2's public bytes; raises ``MalformedMessage`` or ``BadParameters`` for bad ones."""


def check_values(values: Values, columns: int, value_bits: int, signed: bool = False) -> Values:
    """Return the values if they have the declared shape and range; raises ``OutOfRange`` otherwise."""
    if values.ndim != 2 or values.shape[1] != columns or values.dtype != np.int64:
        raise OutOfRange(f"values are an int64 array of shape (items, {columns})")
    least = 1 - (1 << value_bits) if signed else 0
    if values.size and (int(values.min()) < least or int(values.max()) >= 1 << value_bits):
        span = f"(-2^{value_bits}, 2^{value_bits})" if signed else f"[0, 2^{value_bits})"
        raise OutOfRange(f"values must lie in {span}: shift or scale them first")
    return values


def in_slots(values: Values, groups: npt.NDArray[np.int64], count: int) -> Values:
    """Spread one column over ``count`` columns by party 2's own group numbers, for sums per group of either side.

    ``values`` has shape (n, 1). The group a row belongs to is then hidden from party 1 in the ciphertext.
    """
    if values.ndim != 2 or values.shape[1] != 1 or groups.shape != (len(values),):
        raise OutOfRange("one value and one group number per item")
    if groups.size and not 0 <= int(groups.min()) <= int(groups.max()) < count:
        raise OutOfRange(f"group numbers must lie in [0, {count})")
    spread = np.zeros((len(values), count), np.int64)
    spread[np.arange(len(values)), groups] = values[:, 0]
    return spread
