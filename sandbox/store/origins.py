"""Where an event came from: evidence for the auditor, not for everybody who may read the entry, and not for ever.

The leaf holds a salted commitment to the network address; address and salt lie beside it, encrypted under the key of
their month (``contents.destroy(change, "addresses-2026-11", ...)`` ends a month). The entry verifies with and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from jobs.documents import digest, salted_commitment
from jobs.documents.canonical import SALT_BYTES
from jobs.schema import Digest
from mpc.party import RandomBytes
from sandbox.errors import ContentDestroyed
from sandbox.store.boxes import key_for, key_of, seal, unseal


@dataclass(frozen=True)
class Origin:
    """``salted_commitment(salt, digest(address))`` is the entry's ``origin``."""

    address: str
    salt: bytes

    @property
    def commitment(self) -> Digest:
        return salted_commitment(self.salt, digest(self.address.encode()))

    @classmethod
    def of(cls, address: str, rng: RandomBytes) -> Origin:
        return cls(address, rng(SALT_BYTES))

    def sealed(self, connection: Connection, index: int, at: datetime) -> bytes | None:
        """The box beside entry ``index``; ``None`` in a month whose addresses were destroyed before it was over."""
        scope = month_of(at)
        try:
            key = key_for(connection, scope)
        except ContentDestroyed:
            return None
        return seal(key, scope, str(index), self.salt + self.address.encode())


class OriginReader:
    """Opens the boxes of many entries with one look-up for each month."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys: dict[str, bytes | None] = {}

    def read(self, index: int, at: datetime, box: bytes) -> Origin | None:
        """The address beside an entry, ``None`` if it was destroyed; raises ``IntegrityFailure``."""
        scope = month_of(at)
        if scope not in self._keys:
            try:
                self._keys[scope] = key_of(self._connection, scope)
            except ContentDestroyed:
                self._keys[scope] = None
        key = self._keys[scope]
        if key is None:
            return None
        content = unseal(key, scope, str(index), box)
        return Origin(content[SALT_BYTES:].decode(), content[:SALT_BYTES])


def month_of(at: datetime) -> str:
    """The scope whose key the addresses of this month share."""
    return f"addresses-{at:%Y-%m}"
