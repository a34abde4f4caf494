"""Encryption of what may be destroyed: one random key for each scope, ChaCha20-Poly1305 (RFC 8439), random nonces.

Scope and name are associated data, so no box passes for another.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import Connection, insert, select

from sandbox.errors import ContentDestroyed, IntegrityFailure
from sandbox.store.tables import content_keys

_NONCE: Final = 12
_KEY: Final = 32


def key_of(connection: Connection, scope: str) -> bytes | None:
    """The scope's key, ``None`` before its first content; raises ``ContentDestroyed``."""
    row = connection.execute(select(content_keys).where(content_keys.c.scope == scope)).first()
    if row is None:
        return None
    check_alive(scope, row.key, row.destroyed)
    return bytes(row.key)


def check_alive(scope: str, key: bytes | None, destroyed: str | None) -> None:
    """Raise ``ContentDestroyed`` for a scope whose key is gone."""
    if key is None:
        raise ContentDestroyed(f"the contents of {scope} were destroyed on {(destroyed or '')[:10]}")


def key_for(connection: Connection, scope: str) -> bytes:
    """The scope's key, made if there is none yet; raises ``ContentDestroyed``."""
    key = key_of(connection, scope)
    if key is None:
        key = os.urandom(_KEY)
        connection.execute(insert(content_keys).values(scope=scope, key=key))
    return key


def seal(key: bytes, scope: str, name: str, data: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, data, _bound(scope, name))


def unseal(key: bytes, scope: str, name: str, box: bytes) -> bytes:
    """The content; raises ``IntegrityFailure`` for a box that was altered or belongs elsewhere."""
    try:
        return ChaCha20Poly1305(key).decrypt(box[:_NONCE], box[_NONCE:], _bound(scope, name))
    except (InvalidTag, ValueError):
        raise IntegrityFailure(f"the stored content {name} of {scope} was altered") from None


def _bound(scope: str, name: str) -> bytes:
    return f"{scope}\n{name}".encode()
