"""Bearer tokens: 256 random bits, stored as their SHA-256 only. A token stands for one role and one party.

A fast hash is enough because nobody can enumerate 256-bit secrets; a slow one would only slow every request down.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, insert, select, update

from jobs.documents import moment_text
from mpc.party import RandomBytes
from sandbox.errors import NotFound
from sandbox.hub.core.errors import NotAuthenticated
from sandbox.store.event import Actor, Event
from sandbox.store.store import Store
from sandbox.store.tables import tokens

PREFIX: Final = "unseen_"
TOKEN_BYTES: Final = 32


class Role(StrEnum):
    OPERATOR = "operator"
    OWNER = "owner"
    AUDITOR = "auditor"
    AUTHORITY = "authority"
    NODE = "node"
    WITNESS = "witness"


@dataclass(frozen=True)
class Caller:
    """Who a request comes from, by its token and network address."""

    role: Role
    subject: str
    token: str
    address: str

    @property
    def actor(self) -> Actor:
        return Actor(self.role, self.subject, self.address)


def issue_token(
    store: Store, role: Role, subject: str, by: Actor, rng: RandomBytes, expires: datetime | None = None
) -> str:
    """Make a token for ``subject`` and return it: the only moment at which it exists in the clear.

    Run by ``unseen hub token`` on the hub's own machine. The log names the token's id, role and subject.
    """
    secret = PREFIX + base64.urlsafe_b64encode(rng(TOKEN_BYTES)).decode().rstrip("=")
    token_id = "t-" + rng(8).hex()
    row = {
        "hash": _hash(secret),
        "id": token_id,
        "role": role,
        "subject": subject,
        "expires": moment_text(expires) if expires else None,
    }
    facts = {"role": role.value, "subject": subject, "expires": row["expires"]}
    with store.change(Event("token.issued", by, subject=token_id, facts=facts)) as change:
        change.execute(insert(tokens).values(row))
    return secret


def revoke_token(store: Store, token_id: str, by: Actor) -> None:
    """End a token at once; raises ``NotFound``."""
    with store.change(Event("token.revoked", by, subject=token_id)) as change:
        statement = update(tokens).where(tokens.c.id == token_id).values(revoked=moment_text(change.now))
        if change.execute(statement).rowcount != 1:
            raise NotFound(f"there is no token {token_id}")


def authenticate(connection: Connection, authorization: str | None, address: str, now: datetime) -> Caller:
    """Return whose token the header carries; raises ``NotAuthenticated`` without saying which check failed."""
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.startswith(PREFIX) or len(secret) > 100:
        raise NotAuthenticated("a bearer token is needed")
    row = connection.execute(select(tokens).where(tokens.c.hash == _hash(secret))).first()
    if row is None or row.revoked is not None or (row.expires is not None and row.expires <= moment_text(now)):
        raise NotAuthenticated("this token is unknown, expired or revoked")
    return Caller(Role(row.role), row.subject, row.id, address)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
