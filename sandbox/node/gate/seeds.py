"""The noise key, and what a party is handed to make noise: a seed for each question about exact rows.

A keyed function of the question, not of who contributes: equal answers prove nothing about equal sets. HMAC-SHA256 (RFC
2104) is the pseudorandom function.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert, select

from mpc.party import RandomBytes
from sandbox.errors import IntegrityFailure
from sandbox.node.tables import settings

KEY_BYTES: Final = 32
_NAME: Final = "noise_key"
_LABEL: Final = b"unseen/noise/v1"
_DIGEST: Final = 32


class Seeds:
    """``jobs.disclosure.gate.Gate`` for one job: ``rows_digest`` is over its data versions, 32 bytes."""

    def __init__(self, key: bytes, rows_digest: bytes) -> None:
        if len(key) != KEY_BYTES or len(rows_digest) != _DIGEST:
            raise ValueError("a noise key and a digest of rows have 32 bytes")
        self._start = hmac.new(key, _LABEL + rows_digest, hashlib.sha256)

    def seeds(self, questions: Sequence[bytes]) -> list[bytes]:
        made = []
        for question in questions:
            one = self._start.copy()
            one.update(question)
            made.append(one.digest())
        return made

    def __repr__(self) -> str:
        return "Seeds(key=<redacted>)"


def noise_key(connection: Connection, rng: RandomBytes = secrets.token_bytes) -> bytes:
    """The node's noise key, made once, in the caller's transaction.

    Raises ``IntegrityFailure`` if it is gone or damaged while the audit holds answers: other noise for the same
    questions would average away, so that is a restored state.
    """
    found = connection.execute(select(settings.c.value).where(settings.c.name == _NAME)).scalar_one_or_none()
    if found is None:
        if _asked_before(connection):
            raise IntegrityFailure("the noise key is missing though answers were given with it")
        found = rng(KEY_BYTES)
        connection.execute(insert(settings).values(name=_NAME, value=found))
    if len(found) != KEY_BYTES:
        raise IntegrityFailure("the noise key is damaged")
    return bytes(found)


def _asked_before(connection: Connection) -> bool:
    head = select(settings.c.name).where(settings.c.name == "audit_head")
    return connection.execute(head).first() is not None
