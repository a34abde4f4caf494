"""The print of a row: 64 bits of all in it that is no secret, by which the node's audit knows it in every version.

The sum over the unit and these columns of keyed SipHash-2-4 values (``units``): of the stored integer, of the text
itself where a code is stored, of the key alone for a null. Each column has its own key, of its name and declaration
under the key of the unit domain: rows of one individual that are not alike have the same print by chance only (2^-64 a
pair), and nobody without the key can look for such rows. It depends on no library and on no file's format or order.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.units import UInt64, hash_units

PRINT: Final = StoredColumn(name="unseen print", kind="int", nullable=False)
"""How a snapshot stores it, as a signed integer. No declared name has a space in it."""


def prints_of(stored: Mapping[str, pa.Array], columns: Sequence[StoredColumn], rows: int, key: bytes) -> UInt64:
    """Of so many rows, from these columns of them as they are stored. ``key``: the unit domain's, 32 bytes."""
    found = np.zeros(rows, np.uint64)
    for column in columns:
        found += _hashed(stored[column.name], column, key)
    return found


def _hashed(array: pa.Array, column: StoredColumn, key: bytes) -> UInt64:
    # a number's digits are part of the key: 5 and 0.5 are stored alike
    own = hmac.digest(key, f"unseen/print/v1 {column.name} {column.kind} {column.decimals}".encode(), hashlib.sha256)
    found = np.full(len(array), np.frombuffer(own, "<u8")[0])
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    held = array.drop_null()
    if column.values is None:
        found[valid] = hash_units(held, own)[0]
    else:
        found[valid] = hash_units(pa.array(column.values, pa.large_utf8()), own)[0][held.to_numpy()]
    return found
