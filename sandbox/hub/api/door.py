"""The front door: who calls is known, and may call, before a byte of a body is read. ASGI middleware.

Order: token (memory, then database), quota, body within size and time, application. ``scope[CALLER]`` is the
``Caller``, or ``None`` on the calls that anybody may make; the routes look nothing up again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final
from urllib.parse import parse_qs

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.errors import SandboxError
from sandbox.hub.api.limits import Bodies, ClientGone, announced_bytes, check_no_body, replay
from sandbox.hub.api.problem import problem
from sandbox.hub.api.quota import Quotas
from sandbox.hub.core.errors import NotAuthenticated
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller, KnownTokens, Role

CALLER: Final = "unseen.caller"
OPEN: Final = frozenset({"/docs", "/v1/health", "/v1/roster", "/v1/rosters", "/v1/status", "/v1/openapi.json"})
"""What anybody may read. A test compares this with the routes that ask for no caller."""
_READS: Final = ("GET", "HEAD")
_LOOK_UPS: Final = 4
"""Threads for tokens that are not remembered: a flood of strangers leaves the others to the routes."""
_LINGER_S, _LINGER_BYTES = 1.0, 1 << 16
"""After a refusal a little of the unread body is thrown away, so that a polite client can read why."""


class Door:
    """One for each application."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app, self._hub = app, hub
        self._limits = hub.config.front_door
        self._tokens = KnownTokens(hub.store, self._limits.token_seconds)
        self._quotas, self._bodies = Quotas(self._limits), Bodies(self._limits)
        self._threads: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
            self._quotas.charge(caller, _address(scope))
            body = await self._body(caller, scope, receive)
        except ClientGone:
            return
        except SandboxError as error:
            await _refuse(error, scope, receive, send)
            return
        scope[CALLER] = caller
        given = receive if body is None else replay(body, receive)
        if caller is None or not _waits(scope):
            await self._app(scope, given, send)
            return
        try:
            with self._quotas.waiting(caller):
                await self._while_welcome(scope, given, receive, send)
        except SandboxError as error:
            await _refuse(error, scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller | None:
        authorization = _authorization(scope)
        if scope["path"] in OPEN and scope["method"] in _READS:
            check_no_body(scope)
            try:
                return await self._known(authorization, scope) if authorization else None
            except NotAuthenticated:
                return None
        return await self._known(authorization, scope)

    async def _known(self, authorization: str | None, scope: Scope) -> Caller:
        address = _address(scope)
        found = self._tokens.remembered(authorization, address)
        if found is None:
            self._threads = self._threads or CapacityLimiter(_LOOK_UPS)
            found = await run_sync(self._tokens.look_up, authorization, address, limiter=self._threads)
        return found

    async def _body(self, caller: Caller | None, scope: Scope, receive: Receive) -> bytes | None:
        if announced_bytes(scope) == 0:
            return None
        if caller is None or scope["method"] in _READS:
            check_no_body(scope)
            return None
        most = self._hub.config.max_body_bytes
        if caller.role is not Role.NODE:
            most = min(most, self._limits.max_document_bytes)
        return await self._bodies.read(scope, receive, most)

    async def _while_welcome(self, scope: Scope, given: Receive, receive: Receive, send: Send) -> None:
        """A long poll ends when its client goes, or when its token ends."""
        shown = Shown(send)
        work = asyncio.ensure_future(self._app(scope, given, shown))
        gone = None if _streams(scope) else asyncio.ensure_future(_gone(receive))  # a stream listens itself
        try:
            while not work.done():
                tasks = {work} if gone is None else {work, gone}
                period = max(self._limits.token_seconds, 0.1)
                await asyncio.wait(tasks, timeout=period, return_when=asyncio.FIRST_COMPLETED)
                if gone is not None and gone.done():
                    return
                if not work.done() and not await self._still_known(scope):
                    return
            await work
        finally:
            for task in (work, gone):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait({task})
            await shown.finish()

    async def _still_known(self, scope: Scope) -> bool:
        try:
            await self._known(_authorization(scope), scope)
        except NotAuthenticated:
            return False
        return True


class Shown:
    """A ``send`` that knows whether an answer was begun and not ended."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open = False

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        self._open = message["type"] == "http.response.start" or bool(message.get("more_body", False))

    async def finish(self) -> None:
        if self._open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(error: SandboxError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem first, whatever the client still sends; then close if a body was left unread."""
    try:
        unread = announced_bytes(scope) != 0
    except SandboxError:
        unread = True
    if not unread:
        await problem(error)(scope, receive, send)
        return
    response = problem(error)
    response.headers["Connection"] = "close"

    async def slowly(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await _linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await response(scope, receive, slowly)


async def _linger(receive: Receive) -> None:
    end, left = time.monotonic() + _LINGER_S, _LINGER_BYTES
    try:
        async with asyncio.timeout(max(end - time.monotonic(), 0)):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            text: str = value.decode("latin-1")
            return text
    return None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _streams(scope: Scope) -> bool:
    return bool(scope["path"].endswith("/events"))


def _waits(scope: Scope) -> bool:
    """A long poll (``wait`` in its query) or an event stream."""
    if _streams(scope):
        return True
    query = scope["query_string"]
    return b"wait=" in query and parse_qs(query.decode("latin-1")).get("wait", ["0"])[-1] not in ("0", "0.0")
