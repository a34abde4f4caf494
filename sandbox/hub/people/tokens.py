"""Bearer tokens: 256 random bits, stored as their SHA-256 only. A token stands for one role and one party.

A fast hash is enough because nobody can enumerate 256-bit secrets; a slow one would only slow every request down.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from jobs.documents import Roster, moment_text
from mpc.party import RandomBytes
from sandbox.errors import NotFound
from sandbox.hub.core.errors import NotAuthenticated, TokenExpired
from sandbox.store.event import Actor, Event
from sandbox.store.store import Store
from sandbox.store.tables import tokens

PREFIX: Final = "unseen_"
TOKEN_BYTES: Final = 32
REVOKED_TOPIC: Final = "token-revoked"


class Role(StrEnum):
    OPERATOR = "operator"
    OWNER = "owner"
    AUDITOR = "auditor"
    AUTHORITY = "authority"
    NODE = "node"
    WITNESS = "witness"
    MONITOR = "monitor"
    """Reads ``/metrics``, and nothing that needs a token beside."""


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


@dataclass(frozen=True)
class Issued:
    """A fresh token. ``secret`` goes to its holder and is stored nowhere here."""

    id: str
    secret: str = field(repr=False)
    expires: datetime


def issue_token(store: Store, role: Role, subject: str, by: Actor, rng: RandomBytes, expires: datetime) -> Issued:
    """Make a token for ``subject`` and return it: the only moment at which it exists in the clear.

    Run by ``unseen hub token`` on the hub's own machine. The log names the token's id, role, subject and end.
    """
    secret = PREFIX + base64.urlsafe_b64encode(rng(TOKEN_BYTES)).decode().rstrip("=")
    token_id = "t-" + rng(8).hex()
    row = {"hash": _hash(secret), "id": token_id, "role": role, "subject": subject, "expires": moment_text(expires)}
    facts = {"role": role.value, "subject": subject, "expires": row["expires"]}
    with store.change(Event("token.issued", by, subject=token_id, facts=facts)) as change:
        change.execute(insert(tokens).values(row))
    return Issued(token_id, secret, expires)


def revoke_token(store: Store, token_id: str, by: Actor) -> None:
    """End a token at once; raises ``NotFound``."""
    with store.change(Event("token.revoked", by, subject=token_id)) as change:
        statement = update(tokens).where(tokens.c.id == token_id).values(revoked=moment_text(change.now))
        if change.execute(statement).rowcount != 1:
            raise NotFound(f"there is no token {token_id}")
        change.wake(REVOKED_TOPIC)


def list_tokens(store: Store, by: Actor) -> list[dict[str, str | None]]:
    """All tokens by role and subject, without their secrets, which nobody has. That somebody looked is logged."""
    columns = (tokens.c.id, tokens.c.role, tokens.c.subject, tokens.c.expires, tokens.c.revoked)
    query = select(*columns).order_by(tokens.c.role, tokens.c.subject, tokens.c.expires, tokens.c.id)
    with store.change(Event("token.listed", by)) as change:
        return [dict(row._asdict()) for row in change.execute(query)]


def without_token(store: Store, roster: Roster, by: Actor) -> list[tuple[Role, str]]:
    """Who of the roster, and of the platform's own roles, has no token that still holds."""
    wanted = [(Role.AUTHORITY, "authority"), (Role.AUDITOR, "auditor"), (Role.MONITOR, "monitor")]
    wanted += [(Role.OWNER, owner.id) for owner in roster.owners]
    wanted += [(Role.NODE, node.id) for owner in roster.owners for node in owner.nodes]
    wanted += [(Role.WITNESS, witness.name) for witness in roster.witnesses]
    wanted += [(Role.OPERATOR, operator.id) for operator in roster.operators]
    now = moment_text(store.now())
    held = {
        (token["role"], token["subject"])
        for token in list_tokens(store, by)
        if token["revoked"] is None and (token["expires"] or "") > now
    }
    return [party for party in wanted if party not in held]


class KnownTokens:
    """Whose token is this? Remembers the answer for ``seconds``, so that most calls need neither thread nor database.

    A revocation in this process empties the memory at once (``REVOKED_TOPIC``); one in another process is noticed when
    the memory ends. Thread-safe: look-ups run in threads, a change may come between read and write of one.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self._found: dict[bytes, tuple[float, Row[Any]]] = {}
        self._emptied = 0
        self._lock = threading.Lock()
        store.follow(lambda topics: self._empty() if REVOKED_TOPIC in topics else None)

    def remembered(self, authorization: str | None, address: str) -> Caller | None:
        """The caller if it is known without a look-up; raises ``NotAuthenticated`` like ``look_up``."""
        until, row = self._found.get(_hash(_secret(authorization)), (0.0, None))
        if row is None or until <= time.monotonic():
            return None
        return _checked(row, address, self._store.now())

    def look_up(self, authorization: str | None, address: str) -> Caller:
        """Ask the database; raises ``TokenExpired``, or ``NotAuthenticated`` without saying what else is wrong."""
        hashed = _hash(_secret(authorization))
        emptied = self._emptied
        with self._store.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.hash == hashed)).first()
        caller = _checked(row, address, self._store.now())
        with self._lock:
            if emptied == self._emptied and row is not None:
                self._found[hashed] = (time.monotonic() + self._seconds, row)
        return caller

    def _empty(self) -> None:
        with self._lock:
            self._emptied += 1
            self._found = {}


def _checked(row: Row[Any] | None, address: str, now: datetime) -> Caller:
    if row is None or row.revoked is not None:
        raise NotAuthenticated("this token is unknown or revoked")
    if (row.expires or "") <= moment_text(now):
        raise TokenExpired(f"this token expired on {row.expires}")
    return Caller(Role(row.role), row.subject, row.id, address)


def _secret(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.startswith(PREFIX) or len(secret) > 100:
        raise NotAuthenticated("a bearer token is needed")
    return secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
