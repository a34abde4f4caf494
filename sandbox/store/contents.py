"""Content that can go while the evidence stays: encrypted beside the log, under one key for each job.

    put(change, job, "csv", data)      # with the job's own change; the key is made with the first content
    get(connection, job, "csv")        # ``ContentDestroyed`` once the key is gone
    destroy(change, job, actor)        # the key, and with it every copy of the boxes, also those in backups

ChaCha20-Poly1305 (RFC 8439) with a random nonce; scope and name are associated data, so no box passes for another. Log
leaves, receipts and signed documents hold only digests and salted commitments of what lies here. The keys are in the
same database: a backup that holds ``content_keys`` brings the contents back, so back that table up apart and not for
longer than contents may live.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import Connection, delete, insert, select, update

from jobs.documents import moment_text
from sandbox.errors import ContentDestroyed, IntegrityFailure, NotFound
from sandbox.store.event import Actor, Event
from sandbox.store.store import Change
from sandbox.store.tables import content_keys, contents

DESTROYED: Final = "content.destroyed"
"""The event of a destruction: its subject is the scope."""
_NONCE: Final = 12
_KEY: Final = 32


def put(change: Change, scope: str, name: str, data: bytes) -> None:
    """Store one content of a job, once. Raises ``ContentDestroyed`` for a job whose contents were destroyed."""
    key = _key(change.connection, scope)
    if key is None:
        key = os.urandom(_KEY)
        change.execute(insert(content_keys).values(scope=scope, key=key))
    change.execute(insert(contents).values(scope=scope, name=name, box=_seal(key, scope, name, data)))


def get(connection: Connection, scope: str, name: str) -> bytes:
    """The content again. Raises ``ContentDestroyed``, ``NotFound``, or ``IntegrityFailure`` for an altered box."""
    key = _key(connection, scope)
    where = (contents.c.scope == scope) & (contents.c.name == name)
    box = connection.execute(select(contents.c.box).where(where)).scalar()
    if key is None or box is None:
        raise NotFound(f"no content {name} of {scope} is stored")
    return _open(key, scope, name, bytes(box))


def destroy(change: Change, scope: str, actor: Actor) -> int:
    """Destroy the key and the boxes and say so in the log; returns how many contents went.

    Raises ``NotFound`` if there is nothing, ``ContentDestroyed`` if it was done before. Call ``Store.scrub`` after the
    commit: until then the database may hold the key's bytes in places that no query reads.
    """
    if _key(change.connection, scope) is None:
        raise NotFound(f"no content of {scope} is stored")
    gone = change.execute(delete(contents).where(contents.c.scope == scope)).rowcount
    done = update(content_keys).where(content_keys.c.scope == scope)
    change.execute(done.values(key=None, destroyed=moment_text(change.now)))
    change.also(Event(DESTROYED, actor, subject=scope, facts={"contents": gone}))
    return gone


def _key(connection: Connection, scope: str) -> bytes | None:
    """The scope's key, ``None`` before its first content; raises ``ContentDestroyed``."""
    row = connection.execute(select(content_keys).where(content_keys.c.scope == scope)).first()
    if row is not None and row.key is None:
        raise ContentDestroyed(f"the contents of {scope} were destroyed on {row.destroyed[:10]}")
    return None if row is None else bytes(row.key)


def _seal(key: bytes, scope: str, name: str, data: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, data, _bound(scope, name))


def _open(key: bytes, scope: str, name: str, box: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(box[:_NONCE], box[_NONCE:], _bound(scope, name))
    except (InvalidTag, ValueError):
        raise IntegrityFailure(f"the stored content {name} of {scope} was altered") from None


def _bound(scope: str, name: str) -> bytes:
    return f"{scope}\n{name}".encode()
