"""The hub as an ASGI application, and the process that serves it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from jobs.kinds.statistics.tableform import warm_up
from sandbox.hub.api import problem
from sandbox.hub.api.limits import BodyLimit
from sandbox.hub.api.routes import log, nodes, owners, platform, work
from sandbox.hub.core.config import HubConfig, check_listen
from sandbox.hub.core.hub import Hub
from sandbox.hub.core.version import VERSION
from sandbox.hub.running.deadlines import tick

_log = logging.getLogger("unseen.hub")


def create_app(config: HubConfig, hub: Hub | None = None) -> FastAPI:
    """The application over an opened hub (tests), or over one that it opens from the configuration."""
    opened = hub or Hub.open(config)
    app = FastAPI(
        title="unseen hub",
        version=VERSION,
        summary="Usable, not visible: permitted statistics over data that stays with its owners.",
        lifespan=_lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its pages would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.hub = opened
    problem.install(app)
    app.add_middleware(BodyLimit, at_most=config.max_body_bytes)
    for part in (platform, work, owners, nodes, log):
        app.include_router(part.router, prefix="/v1", responses=problem.RESPONSES)
    return app


def serve(config: HubConfig) -> None:
    """Run until interrupted. Raises ``InvalidSpec`` for an address beyond loopback without TLS."""
    check_listen(config.host, config.tls is not None)
    app = create_app(config)
    server = _Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            ssl_certfile=config.tls.certificate if config.tls else None,
            ssl_keyfile=config.tls.key if config.tls else None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    server.run()


class _Server(uvicorn.Server):
    """Answers all long polls when it is told to stop, instead of cutting them off after the grace period."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.hub.notifier.stop()
        await super().shutdown(sockets)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.hub
    await run_in_threadpool(warm_up)
    hub.notifier.start()
    ticker = asyncio.create_task(_ticking(hub))
    try:
        yield
    finally:
        hub.notifier.stop()
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


async def _ticking(hub: Hub) -> None:
    while True:
        try:
            await run_in_threadpool(tick, hub)
        except Exception:  # a failed tick must not end the clock; the next one tries again
            _log.exception("the hub's clock failed once")
        await asyncio.sleep(hub.config.tick_seconds)
