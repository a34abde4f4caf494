"""Remembers documents that were verified under a roster, so that each is parsed and verified once a process.

Safe because verification without a clock depends on the bytes and the roster alone, and both are in the key. What
depends on the clock (a period, the freshness of a status list) is judged anew on every use.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from jobs.documents.approval import Commitment, Grant
from jobs.documents.base import Document, Verified
from jobs.documents.data import DatasetRecord
from jobs.documents.envelope import Envelope
from jobs.documents.roster import Roster
from jobs.documents.status import StatusList, check_fresh, check_latest
from jobs.documents.verify import (
    check_period,
    verify_commitment,
    verify_dataset_record,
    verify_grant,
    verify_status,
)

D = TypeVar("D", bound=Document)
CAPACITY: Final = 4096


class VerifiedOnce:
    """At most ``capacity`` documents, the least recently used go first. Thread-safe."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._found: OrderedDict[tuple[str, bytes, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    def verified(
        self,
        verify: Callable[[bytes | Envelope, Verified[Roster]], Verified[D]],
        data: bytes | Envelope,
        roster: Verified[Roster],
    ) -> Verified[D]:
        """``verify(data, roster)``, or what it returned for the same bytes and roster; a refusal is not remembered."""
        encoded = data.encode() if isinstance(data, Envelope) else data
        key = (verify.__name__, hashlib.sha256(encoded).digest(), roster.digest)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                known: Verified[D] = self._found[key]
                return known
        fresh = verify(data, roster)
        with self._lock:
            self._found[key] = fresh
            while len(self._found) > self._capacity:
                self._found.popitem(last=False)
        return fresh

    def grant(self, data: bytes | Envelope, roster: Verified[Roster], now: datetime) -> Verified[Grant]:
        """Like ``verify_grant`` with ``now``."""
        found = self.verified(verify_grant, data, roster)
        check_period(found.document.period, now, f"grant {found.document.id}")
        return found

    def commitment(self, data: bytes | Envelope, roster: Verified[Roster], now: datetime) -> Verified[Commitment]:
        """Like ``verify_commitment`` with ``now``."""
        found = self.verified(verify_commitment, data, roster)
        check_period(found.document.period, now, f"commitment {found.document.id}")
        return found

    def record(self, data: bytes | Envelope, roster: Verified[Roster]) -> Verified[DatasetRecord]:
        """Like ``verify_dataset_record``."""
        return self.verified(verify_dataset_record, data, roster)

    def status(self, data: bytes | Envelope, roster: Verified[Roster], now: datetime) -> Verified[StatusList]:
        """Like ``verify_status`` with ``now``."""
        found = self.verified(verify_status, data, roster)
        check_fresh(found.document, now)
        check_latest(found.document, roster)
        return found
