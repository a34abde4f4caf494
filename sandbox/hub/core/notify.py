"""Wakes long polls: a commit in any thread reaches the waiting coroutines. No polling, no sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.store.notices import EVERYTHING


class Notifier:
    """Made with the loop running; ``tell`` is thread-safe, ``listen`` belongs to the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[Listener] = set()

    def start(self) -> None:
        """Bind to the running loop; wakes before that have nobody to reach."""
        self._loop = asyncio.get_running_loop()

    @property
    def running(self) -> bool:
        """False once the application shuts down: whoever follows should end."""
        return self._loop is not None

    def stop(self) -> None:
        self._loop = None
        for listener in self._listeners:
            listener.wake()

    def tell(self, topics: frozenset[str]) -> None:
        """Wake every listener of one of the topics."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, topics)

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[Listener]:
        """Listen first, then look: whatever commits after the look wakes the listener."""
        listener = Listener(frozenset(topics))
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _wake(self, topics: frozenset[str]) -> None:
        for listener in self._listeners:
            if listener.topics & topics or EVERYTHING in topics:
                listener.wake()


class Listener:
    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._event = asyncio.Event()

    def wake(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """True if woken since the last wait, False when the time is over."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Pace:
    """When a growing log is worth a checkpoint: once it stands still for ``quiet``, or ``interval`` after it grew.

    A job writes a dozen entries in a moment, and each checkpoint makes every follower ask, prove and cosign.
    """

    def __init__(self, interval: float, quiet: float) -> None:
        self._interval, self._quiet = interval, quiet
        self._grew = float("-inf")
        self._unsigned_since: float | None = None

    def grow(self) -> None:
        """The log has grown; may be called from any thread."""
        self._grew = time.monotonic()
        if self._unsigned_since is None:
            self._unsigned_since = self._grew

    def mark(self) -> None:
        """The log was signed."""
        self._unsigned_since = None

    def seconds_left(self) -> float:
        """How long until a checkpoint is due; 0 if it is."""
        since = self._unsigned_since
        due = self._grew + self._quiet
        if since is not None:  # None: nothing is known to have grown since the last one, or it grew at that moment
            due = min(due, since + self._interval)
        return max(0.0, due - time.monotonic())
