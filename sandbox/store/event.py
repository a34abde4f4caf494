"""What the log says about one change: who, from where, what, about which job and documents. Never a data value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jobs.schema import Digest
from sandbox.audit.entry import LogEntry

LOCAL: Final = "local"
"""The address of events that the hub itself or its own command line causes."""


@dataclass(frozen=True)
class Actor:
    """Who acts and the network address the request came from (evidence: identity, time, address, operation)."""

    role: str
    id: str
    address: str = LOCAL

    @property
    def name(self) -> str:
        return f"{self.role}:{self.id}"


@dataclass(frozen=True)
class Event:
    """``kind`` is ``noun.verb``; ``subject`` names what it is about, the job if nothing else is said."""

    kind: str
    actor: Actor
    job: str | None = None
    subject: str | None = None
    digests: tuple[Digest, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def entry(self, at: datetime, salt: bytes, origin: Digest | None) -> LogEntry:
        """The leaf of this event; raises ``ValidationError`` for an id or fact that no leaf can hold."""
        facts = self.facts if self.job is None else {**self.facts, "job": self.job}
        return LogEntry(
            salt=salt.hex(),
            event=self.kind,
            at=at,
            actor=self.actor.name,
            subject=self.subject or self.job or self.actor.id,
            digests=self.digests,
            facts=facts,
            origin=origin,
        )
