"""Reads a request's body whole, or refuses it: by what is announced, by what really comes, and by how slowly."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.types import Message, Receive, Scope

from sandbox.hub.core.errors import NoBodyTaken, SlowRequest, TooLargeBody, TooManyRequests
from sandbox.hub.core.front_door import FrontDoor

_RETRY_S: Final = 5.0


class ClientGone(Exception):
    """The connection ended before the body did: nobody is there to be answered."""


class Bodies:
    """All bodies that are being received in this process."""

    def __init__(self, limits: FrontDoor) -> None:
        self._limits = limits
        self._held = 0

    async def read(self, scope: Scope, receive: Receive, at_most: int) -> bytes:
        """The body, complete; raises ``TooLargeBody``, ``SlowRequest``, ``TooManyRequests`` or ``ClientGone``."""
        announced = announced_bytes(scope)
        if announced is not None and announced > at_most:
            raise _too_large(at_most)
        start, body = time.monotonic(), bytearray()
        try:
            while True:
                allowed = self._limits.body_seconds + len(body) / self._limits.body_bytes_per_second
                message = await _within(receive, start + allowed - time.monotonic())
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                if len(body) + len(part) > at_most:
                    raise _too_large(at_most)
                if self._held + len(part) > self._limits.max_buffered_bytes:
                    raise TooManyRequests("the hub is receiving as many bodies as it can hold", _RETRY_S)
                self._held += len(part)
                body += part
                if not message.get("more_body", False):
                    return bytes(body)
        finally:
            self._held -= len(body)


def announced_bytes(scope: Scope) -> int | None:
    """What the header says: 0 without a body, ``None`` for a chunked one; raises ``TooLargeBody`` for nonsense."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        raise TooLargeBody("the announced length is no length")
    return int(length)


def check_no_body(scope: Scope) -> None:
    """Raise ``NoBodyTaken`` if the header announces one."""
    if announced_bytes(scope) != 0:
        raise NoBodyTaken(f"{scope['method']} {scope['path']} takes no body")


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that hands the body over, then whatever comes on the connection."""
    told = False

    async def next_message() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


async def _within(receive: Receive, seconds: float) -> Message:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            return await receive()
    except TimeoutError:
        raise SlowRequest("the body did not come in time") from None


def _too_large(at_most: int) -> TooLargeBody:
    return TooLargeBody(f"a request body has at most {at_most} bytes")
