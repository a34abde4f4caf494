"""Wakes long polls: a commit in any thread reaches the waiting coroutines. No polling, no sleeping."""

from __future__ import annotations

import asyncio
import threading
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

    def waiting(self, prefix: str) -> int:
        """How many topics with this beginning somebody listens to now."""
        return len({topic for held in tuple(self._listeners) for topic in held.topics if topic.startswith(prefix)})

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
            async with asyncio.timeout(seconds):  # ``wait_for`` swallows a cancellation that meets the event
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Pace:
    """When a growing log is worth a checkpoint: at the end of a job, or once it stands still for ``quiet`` seconds, or
    ``interval`` after it grew; never two within ``gap``. Each one makes every follower prove, store and cosign.
    """

    def __init__(self, interval: float, quiet: float, gap: float) -> None:
        self._interval, self._quiet, self._gap = interval, quiet, gap
        self._lock = threading.Lock()
        self._signed = float("-inf")
        self._grew: float | None = None
        self._since: float | None = None
        self._closed = False

    def grow(self, closed: bool = False) -> None:
        """The log has grown, with ``closed`` by the end of a job; may be called from any thread."""
        with self._lock:
            self._grew = time.monotonic()
            self._since = self._grew if self._since is None else self._since
            self._closed |= closed

    def take(self) -> None:
        """The log is signed from now on: what grows later asks for another checkpoint."""
        with self._lock:
            self._signed, self._grew, self._since, self._closed = time.monotonic(), None, None, False

    def seconds_left(self) -> float | None:
        """How long until a checkpoint is due, 0 if it is; ``None`` if nothing has grown since the last."""
        with self._lock:
            if self._grew is None or self._since is None:
                return None
            due = self._grew if self._closed else min(self._grew + self._quiet, self._since + self._interval)
            return max(0.0, max(due, self._signed + self._gap) - time.monotonic())
