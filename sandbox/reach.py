"""Whether the hub answers: one line when it is gone, one when it is back, and how long to wait in between.

One object for all threads of a node or witness. The wait grows with the time that the hub is away, so threads need no
counters of their own, and is spread, so that all nodes do not come back at the same instant.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sandbox.hub_http import HubAway, HubRefused
from sandbox.logs import facts

_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 10.0
_ASKED_AT_MOST_S: Final = 60.0
_REFUSED_S: Final = 5.0
_LATER: Final = (408, 425, 429)
"""Statuses of a hub that is there and asks to be called later."""


class Reach:
    """Thread-safe. ``clock`` is monotonic, in seconds."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._since: float | None = None
        """When the hub was first found away; ``None`` while it answers."""
        self._failed = clock()
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around a call, or several, to the hub; what it raises goes on."""
        began = self._clock()
        try:
            yield
        except HubAway as away:
            if away.status not in _LATER:
                self._away(away)
            raise
        except HubRefused as refused:
            self._answered(began)
            self._refuses(refused)
            raise
        self._answered(began)

    def pause(self, error: HubAway | HubRefused) -> float:
        """Seconds until the next try: half of the time that it has been away, within bounds, or what the hub asks."""
        if isinstance(error, HubRefused):
            return _REFUSED_S
        with self._lock:
            away = 0.0 if self._since is None else self._clock() - self._since
        longest = min(max(away / 2, _SHORTEST_S), _LONGEST_S)
        return max(longest * random.uniform(0.75, 1.0), min(error.retry_after, _ASKED_AT_MOST_S))  # noqa: S311

    def _away(self, away: HubAway) -> None:
        with self._lock:
            self._failed = self._clock()
            if self._since is not None:
                return
            self._since = self._failed
        self._log.warning("the hub is away: %s", away, extra=facts(event="hub.away", code=away.code))

    def _answered(self, began: float) -> None:
        """A call that began before the last failure says nothing of now: long polls end when their hub does."""
        with self._lock:
            if self._since is None or began < self._failed:
                return
            seconds, self._since = self._clock() - self._since, None
            self._refused.clear()
        self._log.info("the hub is back", extra=facts(event="hub.back", away_seconds=round(seconds, 1)))

    def _refuses(self, refused: HubRefused) -> None:
        with self._lock:
            if refused.code in self._refused:
                return
            self._refused.add(refused.code)
        self._log.error("the hub refuses: %s", refused, extra=facts(event="hub.refuses", code=refused.code))
