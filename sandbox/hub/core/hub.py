"""What every part of the hub works with: store, key, clock, trusted roster, and who waits for news."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from jobs.documents import Roster, SigningKey, TrustedRoster, Verified, VerifiedOnce
from mpc.party import RandomBytes
from sandbox.errors import NotFound
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.notify import Notifier, Pace
from sandbox.hub.core.remembered import Remembered
from sandbox.hub.core.uploads import Uploads
from sandbox.keys.files import create_key, load_key
from sandbox.keys.passphrase import given_passphrase
from sandbox.keys.trust import Trust
from sandbox.store.engine import sqlite_url
from sandbox.store.event import Actor
from sandbox.store.migrate import open_store
from sandbox.store.notices import EVERYTHING
from sandbox.store.store import CLOSED_TOPIC, LOG_TOPIC, Store
from sandbox.store.tables import rosters

HUB: Final = Actor("hub", "hub")
"""The actor of what the hub does by itself."""
HUB_KEY: Final = "hub.key"
_CATALOGUES: Final = 8
_COMPILED: Final = 512
"""Of these so many are remembered; ``sandbox.hub.requests`` makes them."""


class Hub:
    """One hub in one process. ``open`` makes it from its configuration; tests pass the parts."""

    def __init__(
        self, config: HubConfig, store: Store, key: SigningKey, trust: Trust, rng: RandomBytes = secrets.token_bytes
    ) -> None:
        self.config = config
        self.store = store
        self.key = key
        self.trust = trust
        self.rng = rng
        self.notifier = Notifier()
        self.verified_once = VerifiedOnce()
        self.catalogues: Remembered[Any, Any] = Remembered(_CATALOGUES)
        self.compiled: Remembered[Any, Any] = Remembered(_COMPILED)
        self.uploads = Uploads(config.state / "uploads", config.upload_bytes)
        self.pace = Pace(config.checkpoint_seconds, config.checkpoint_quiet_seconds, config.checkpoint_gap_seconds)
        self.read_to: dict[str, int] = {}
        """How far each node said last that it has read, so that the same again asks no database."""
        self.calls: Counter[tuple[str, str, int]] = Counter()
        """Calls that this process answered, by method, route and status; kept by ``sandbox.hub.api.calls``."""
        self.scrubbed = store.now()
        """When the store was last cleared of destroyed keys."""
        self._trusted: TrustedRoster | None = None
        self._accepted: dict[str, Verified[Roster]] = {}
        self._lock = threading.Lock()
        store.follow(self._grow)  # before anybody is woken: the task that signs looks at the pace when it wakes
        store.follow(self.notifier.tell)
        self.load_rosters()

    @classmethod
    def open(cls, config: HubConfig, clock: Callable[[], datetime] | None = None) -> Hub:
        """Open (or create) the state folder: database migrated, key loaded. Raises what the files are refused for."""
        config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = open_store(config.database or sqlite_url(config.state / "hub.sqlite"), clock or utc_now)
        return cls(config, store, open_key(config), Trust.load(config.trust))

    def roster(self) -> Verified[Roster]:
        """The roster in force; raises ``NotFound`` before the first and ``Expired`` after its period.

        Where other workers share the store, the newest that any of them accepted: it may have removed a key.
        """
        if self.store.is_shared:
            self._follow_rosters()
        with self._lock:
            trusted = self._trusted
        if trusted is None:
            raise NotFound("the authority has not published a roster yet")
        return trusted.current(self.store.now())

    def roster_of(self, digest: str) -> Verified[Roster]:
        """The roster that a job runs under, also after a newer one was accepted; raises ``NotFound``."""
        with self._lock:
            found = self._accepted.get(digest)
        if found is None and self.store.is_shared:
            self._follow_rosters()
            with self._lock:
                found = self._accepted.get(digest)
        if found is None:
            raise NotFound("the roster of this job is not stored")
        return found

    def load_rosters(self) -> None:
        """Take the stored chain again: at the start, and after one was added."""
        with self.store.read() as connection:
            chain = stored_rosters(connection)
        trusted = self.trust.rosters()
        accepted: dict[str, Verified[Roster]] = {verified.digest: verified for verified in map(trusted.update, chain)}
        with self._lock:
            self._trusted, self._accepted = (trusted if chain else None), accepted

    def _follow_rosters(self) -> None:
        with self.store.read() as connection:
            newest = connection.execute(select(func.max(rosters.c.version))).scalar()
        with self._lock:
            known = self._trusted.last.document.version if self._trusted is not None else None
        if newest != known:
            self.load_rosters()

    def _grow(self, topics: frozenset[str]) -> None:
        if topics & {LOG_TOPIC, EVERYTHING}:
            self.pace.grow(closed=CLOSED_TOPIC in topics)

    def random_id(self, prefix: str) -> str:
        return f"{prefix}-{self.rng(8).hex()}"


def stored_rosters(connection: Connection) -> list[bytes]:
    """All accepted rosters, oldest first."""
    return [bytes(row) for row in connection.execute(select(rosters.c.envelope).order_by(rosters.c.version)).scalars()]


def open_key(config: HubConfig, passphrase: bytes | None = None) -> SigningKey:
    """The hub's signing key from ``state/hub.key``, made on the first start. Its public half goes into the roster."""
    file = config.state / HUB_KEY
    if file.exists():
        return load_key(file)
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return create_key(file, secrets.token_bytes, passphrase or given_passphrase())


def utc_now() -> datetime:
    return datetime.now(UTC)
