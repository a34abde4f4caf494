"""HTTP/1.1 connections that cannot be held by who sends slowly, sends half, or does not read.

uvicorn bounds the header's size and the idle time after an answer. It has no deadline for the first header, for a
half-sent later one, or for an answer that nobody takes, and no limit by address: these are here. Times of a body are
the middleware's, which knows the caller (``sandbox.hub.api.limits``).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.hub.core.front_door import FrontDoor

_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def guarded(limits: FrontDoor) -> type[asyncio.Protocol]:
    """The protocol class for ``uvicorn.Config(http=...)``, with these limits."""

    class Guarded(GuardedProtocol):
        front_door = limits

    return Guarded


class GuardedProtocol(H11Protocol):
    """One connection. ``front_door`` comes from ``guarded``."""

    front_door: FrontDoor

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        limits, address = self.front_door, self.client[0] if self.client else None
        mates = [other for other in self.connections if isinstance(other, H11Protocol) and other.client]
        same = sum(1 for other in mates if other.client and other.client[0] == address)
        if len(self.connections) > limits.max_connections or same > limits.max_connections_per_address:
            self._end(_FULL)
            return
        self._watch_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            if self.timeout_keep_alive_task is None:  # blank or half a header came, and no answer is on its way
                self._watch_header()
        else:
            self._header_timer = _stopped(self._header_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_timer, self._write_timer = _stopped(self._header_timer), _stopped(self._write_timer)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._watch_answer()

    def resume_writing(self) -> None:
        self._write_timer = _stopped(self._write_timer)
        super().resume_writing()

    def shutdown(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _watch_answer(self) -> None:
        """Look again later: an answer may be large and the line slow, but something must have gone."""
        left = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.front_door.write_seconds, self._answer_late, left)

    def _answer_late(self, left: int) -> None:
        if self.transport.get_write_buffer_size() >= left:
            self.transport.abort()
        else:
            self._watch_answer()

    def _watch_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.front_door.header_seconds, self._header_late)

    def _header_late(self) -> None:
        begun = bool(self.conn.trailing_data[0])
        self._end(_SLOW if begun else b"")

    def _end(self, answer: bytes) -> None:
        """Say why, close, and be gone even if the client takes neither."""
        if self.transport.is_closing():
            return
        self.conn.send_failed()
        if answer:
            self.transport.write(answer)
        self.transport.close()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """What to keep instead of the timer."""
    if timer is not None:
        timer.cancel()
    return None
