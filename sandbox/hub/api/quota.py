"""Fair shares: how often a token or an address may call, and how many of its calls may wait. One process's memory."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sandbox.hub.core.errors import TooManyRequests
from sandbox.hub.core.front_door import FrontDoor, Rate
from sandbox.hub.people.tokens import Caller, Role

_MACHINES: Final = (Role.NODE, Role.WITNESS)
_POLL_RETRY_S: Final = 5.0
_REMEMBERED: Final = 8192


class Quotas:
    """Belongs to the event loop: nothing here waits or locks."""

    def __init__(self, limits: FrontDoor, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._people, self._machines, self._strangers = (
            Buckets(rate, clock) for rate in (limits.people, limits.machines, limits.strangers)
        )
        self._waiting: Counter[str] = Counter()

    def charge(self, caller: Caller | None, address: str) -> None:
        """Count one call; raises ``TooManyRequests``."""
        if caller is None:
            self._strangers.take(address)
        else:
            (self._machines if caller.role in _MACHINES else self._people).take(caller.token)

    @contextmanager
    def waiting(self, caller: Caller) -> Iterator[None]:
        """Hold one of the token's places for long polls; raises ``TooManyRequests``."""
        if self._waiting[caller.token] >= self._limits.long_polls:
            raise TooManyRequests(f"{self._limits.long_polls} calls of this token are waiting already", _POLL_RETRY_S)
        self._waiting[caller.token] += 1
        try:
            yield
        finally:
            self._waiting[caller.token] -= 1
            if not self._waiting[caller.token]:
                del self._waiting[caller.token]


class Buckets:
    """A token bucket for each key; the least recently used go first, and come back full."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """One call of ``key``; raises ``TooManyRequests``."""
        now, rate = self._clock(), self._rate
        left, before = self._left.get(key, (float(rate.burst), now))
        left = min(float(rate.burst), left + (now - before) * rate.per_second)
        refused = left < 1
        self._left[key] = (left if refused else left - 1, now)
        self._left.move_to_end(key)
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        if refused:
            text = f"at most {rate.per_second:g} calls a second, {rate.burst} at once"
            raise TooManyRequests(text, (1 - left) / rate.per_second)
