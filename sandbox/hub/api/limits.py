"""Refuses oversized bodies before anything reads them, by what is announced and by what really comes."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.hub.api.problem import problem
from sandbox.hub.core.errors import TooLargeBody


class BodyLimit:
    """ASGI middleware. ``at_most`` bytes for a whole request body."""

    def __init__(self, app: ASGIApp, at_most: int) -> None:
        self._app = app
        self._at_most = at_most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced[:20]) > self._at_most:
            await problem(self._error())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._at_most:
                raise self._error()
            return message

        await self._app(scope, counted, send)

    def _error(self) -> TooLargeBody:
        return TooLargeBody(f"a request body has at most {self._at_most} bytes")
