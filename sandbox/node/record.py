"""The owner's own append-only, encrypted record of everything that left the node: plan, data version, cells.

Written before a message is sent, in the same transaction. Each box is ChaCha20-Poly1305 (RFC 8439) under the node's
record key with the sequence number and the previous chain value as associated data; the chain is a hash over all boxes,
so a removed, swapped or altered row is found by ``read``. The differencing audit of later jobs reads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import Connection, insert, select

from jobs.documents import canonical, parse_canonical
from mpc.party import RandomBytes
from sandbox.errors import IntegrityFailure
from sandbox.node.tables import record

START: Final = hashlib.sha256(b"unseen/node-record/v1").digest()
_NONCE: Final = 12


class Record:
    """The record under one key. Holds no state of its own: the caller's transaction does."""

    def __init__(self, key: bytes, rng: RandomBytes = os.urandom) -> None:
        self._box = ChaCha20Poly1305(key)
        self._rng = rng

    def append(self, connection: Connection, entry: Mapping[str, Any]) -> int:
        """Add one entry; returns its sequence number."""
        last = connection.execute(select(record).order_by(record.c.sequence.desc()).limit(1)).first()
        sequence, chain = (last.sequence + 1, last.chain) if last else (1, START)
        nonce = self._rng(_NONCE)
        box = nonce + self._box.encrypt(nonce, canonical(dict(entry)), _bound(sequence, chain))
        row = {"sequence": sequence, "box": box, "chain": _next(chain, box)}
        connection.execute(insert(record).values(row))
        return sequence

    def read(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """Yield all entries in order; raises ``IntegrityFailure`` where one was altered, removed or swapped."""
        chain = START
        for number, row in enumerate(connection.execute(select(record).order_by(record.c.sequence)), start=1):
            if row.sequence != number:
                raise IntegrityFailure(f"the node's record lacks entry {number}")
            try:
                entry = self._box.decrypt(row.box[:_NONCE], row.box[_NONCE:], _bound(number, chain))
            except InvalidTag:
                raise IntegrityFailure(f"entry {number} of the node's record was altered") from None
            chain = _next(chain, row.box)
            if chain != row.chain:
                raise IntegrityFailure(f"entry {number} of the node's record does not link to the one before")
            yield {"sequence": number, **parse_canonical(entry)}

    def __repr__(self) -> str:
        return "Record(key=<redacted>)"


def _bound(sequence: int, chain: bytes) -> bytes:
    return sequence.to_bytes(8, "little") + chain


def _next(chain: bytes, box: bytes) -> bytes:
    return hashlib.sha256(chain + box).digest()
