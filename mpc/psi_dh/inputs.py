"""What both protocols do with their own items before the first message."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

from mpc.errors import BadParameters
from mpc.psi_dh.curve25519 import Points, Scalar, encode, multiply
from mpc.wire import SESSION_BYTES

_TAG: Final = b"unseen-psi-dh-v1-curve25519_XMD:SHA-512_ELL2_NU_-"


def masked_items(items: Sequence[bytes], scalar: Scalar, session: bytes, executor: Executor | None) -> Points:
    """H(item) under the scalar, row by row. Both parties must write an item with exactly the same bytes.

    The session is part of the hash's domain, so values of two sessions are unrelated. Raises ``BadParameters`` for an
    item given twice.
    """
    if len(session) != SESSION_BYTES:
        raise BadParameters(f"a session id has {SESSION_BYTES} bytes")
    items = tuple(items)  # a column of a table answers to labels, and these are positions
    if len(set(items)) != len(items):
        raise BadParameters("an item occurs twice: hand in a set")
    return multiply(encode(items, _TAG + session, executor), scalar, executor)
