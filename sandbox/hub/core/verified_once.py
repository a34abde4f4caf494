"""Remembers stored documents that were verified under a roster, so that each is parsed and verified once a process.

Safe because verification without a clock depends on the bytes and the roster alone, and both are in the key.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from jobs.documents import Document, Roster, Verified

D = TypeVar("D", bound=Document)
CAPACITY: Final = 4096


class VerifiedOnce:
    """At most ``CAPACITY`` documents, the least recently used go first. Thread-safe."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, bytes, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def verified(
        self, verify: Callable[[bytes, Verified[Roster]], Verified[D]], data: bytes, roster: Verified[Roster]
    ) -> Verified[D]:
        """``verify(data, roster)``, or what it returned for the same bytes and roster; a refusal is not remembered."""
        key = (verify.__name__, hashlib.sha256(data).digest(), roster.digest)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                known: Verified[D] = self._found[key]
                return known
        fresh = verify(data, roster)
        with self._lock:
            self._found[key] = fresh
            while len(self._found) > CAPACITY:
                self._found.popitem(last=False)
        return fresh
