"""The audit at rest: encrypted pieces that are only ever appended, one chain over all unit domains.

A piece is ChaCha20-Poly1305 (RFC 8439) under the node's record key, bound to its number, its unit domain, its kind and
the chain before it. The chain is a hash over all that, so a piece that was altered, swapped or taken out is found; that
the last ones were taken out is found by the head, which the settings hold too. An older copy of the whole database is
consistent in itself: what shows it is the state digest in every message.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import Connection, insert, select, update

from jobs.schema import Digest
from mpc.party import RandomBytes
from sandbox.errors import IntegrityFailure
from sandbox.node.tables import audit, settings

ROWS: Final = "rows"
VETOES: Final = "vetoes"
EVENTS: Final = "events"
START: Final = hashlib.sha256(b"unseen/audit/v1").digest()
_HEAD: Final = "audit_head"
_NONCE: Final = 12


def state_digest(connection: Connection) -> Digest:
    """Of all that the audit holds, of every unit domain: what a message says about the state that it came from."""
    return Digest(f"sha256:{_head(connection)[1].hex()}")


class Pieces:
    """The pieces under one key; remembers only how far the chain was checked."""

    def __init__(self, key: bytes, rng: RandomBytes = os.urandom) -> None:
        self._box = ChaCha20Poly1305(key)
        self._rng = rng
        self._checked = (0, START)

    def append(self, connection: Connection, domain: str, kind: str, content: bytes) -> int:
        """Store one piece in the caller's transaction; returns its number."""
        last, before = _head(connection)
        sequence, nonce = last + 1, self._rng(_NONCE)
        box = nonce + self._box.encrypt(nonce, content, _bound(sequence, before, domain, kind))
        digest = hashlib.sha256(box).digest()
        chain = _next(sequence, before, domain, kind, digest)
        row = {"sequence": sequence, "unit_domain": domain, "kind": kind, "box": box, "digest": digest, "chain": chain}
        connection.execute(insert(audit).values(row))
        _set_head(connection, sequence, chain)
        return sequence

    def read(self, connection: Connection, domain: str, kind: str, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Number and content of a domain's pieces, in order; raises ``IntegrityFailure`` for one that was altered."""
        where = (audit.c.unit_domain == domain) & (audit.c.kind == kind) & (audit.c.sequence > after)
        numbers = connection.execute(select(audit.c.sequence).where(where).order_by(audit.c.sequence)).scalars().all()
        for number in numbers:
            row = connection.execute(select(audit).where(audit.c.sequence == number)).one()
            before = START if number == 1 else self._chain(connection, number - 1)
            box = bytes(row.box)
            if hashlib.sha256(box).digest() != bytes(row.digest):
                raise IntegrityFailure(f"piece {number} of the audit was altered")
            try:
                content = self._box.decrypt(box[:_NONCE], box[_NONCE:], _bound(number, before, domain, kind))
            except (InvalidTag, ValueError):
                raise IntegrityFailure(f"piece {number} of the audit was altered, or its key is another") from None
            yield number, content

    def check(self, connection: Connection) -> None:
        """That no piece is missing, swapped or altered; raises ``IntegrityFailure``. Cheap where little is new."""
        done, chain = self._checked
        if done and self._chain(connection, done) != chain:
            raise IntegrityFailure("the audit is another one than a moment ago")
        columns = select(audit.c.sequence, audit.c.unit_domain, audit.c.kind, audit.c.digest, audit.c.chain)
        for row in connection.execute(columns.where(audit.c.sequence > done).order_by(audit.c.sequence)):
            done += 1
            if row.sequence != done:
                raise IntegrityFailure(f"the audit lacks piece {done}")
            chain = _next(done, chain, row.unit_domain, row.kind, bytes(row.digest))
            if chain != bytes(row.chain):
                raise IntegrityFailure(f"piece {done} of the audit does not link to the one before")
        if _head(connection) != (done, chain):
            raise IntegrityFailure("the last pieces of the audit are missing")
        self._checked = done, chain

    def last(self, connection: Connection, domain: str, kind: str) -> int:
        """The number of the domain's last piece, 0 if there is none."""
        where = (audit.c.unit_domain == domain) & (audit.c.kind == kind)
        found = select(audit.c.sequence).where(where).order_by(audit.c.sequence.desc()).limit(1)
        return int(connection.execute(found).scalar_one_or_none() or 0)

    def _chain(self, connection: Connection, number: int) -> bytes:
        found = connection.execute(select(audit.c.chain).where(audit.c.sequence == number)).scalar_one_or_none()
        if found is None:
            raise IntegrityFailure(f"the audit lacks piece {number}")
        return bytes(found)

    def __repr__(self) -> str:
        return "Pieces(key=<redacted>)"


def _head(connection: Connection) -> tuple[int, bytes]:
    stored = connection.execute(select(settings.c.value).where(settings.c.name == _HEAD)).scalar_one_or_none()
    return (0, START) if stored is None else (int.from_bytes(stored[:8], "little"), bytes(stored[8:]))


def _set_head(connection: Connection, sequence: int, chain: bytes) -> None:
    value = sequence.to_bytes(8, "little") + chain
    changed = connection.execute(update(settings).where(settings.c.name == _HEAD).values(value=value))
    if not changed.rowcount:
        connection.execute(insert(settings).values(name=_HEAD, value=value))


def _bound(sequence: int, before: bytes, domain: str, kind: str) -> bytes:
    name = domain.encode()
    return (
        b"unseen/audit/v1 "
        + sequence.to_bytes(8, "little")
        + before
        + len(name).to_bytes(4, "little")
        + name
        + kind.encode()
    )


def _next(sequence: int, before: bytes, domain: str, kind: str, digest: bytes) -> bytes:
    return hashlib.sha256(_bound(sequence, before, domain, kind) + digest).digest()
