"""Counts what the hub answers, and logs what it refuses to callers that it knows. ASGI middleware around the door."""

from __future__ import annotations

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.hub.api.door import CALLER
from sandbox.hub.api.problem import CODE
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.logs import facts

_LOG: Final = logging.getLogger("unseen.hub")
_NONE: Final = "none"
"""Route and method of calls that no route takes: both are whatever a stranger writes."""


class Counted:
    """One for each application. Strangers are counted only: their refusals could fill any log."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app, self._calls = app, hub.calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"])
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)

    def _note(self, scope: Scope, status: int) -> None:
        route = getattr(scope.get("route"), "path", _NONE)
        method = _NONE if route == _NONE else scope["method"]
        self._calls[method, route, status] += 1
        caller = scope.get(CALLER)
        if status >= 400 and isinstance(caller, Caller):
            named = {"actor": caller.actor.name, "status": status, "code": scope.get(CODE)}
            _LOG.info("a call is refused", extra=facts(event="call.refused", method=method, route=route, **named))
