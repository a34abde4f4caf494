"""The hub as an ASGI application, and the process that serves it."""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from jobs.kinds.registry import add, kind_of, names, referee_of
from sandbox.errors import InvalidSpec
from sandbox.hub.api import problem
from sandbox.hub.api.calls import Counted
from sandbox.hub.api.door import Door
from sandbox.hub.api.protocol import guarded
from sandbox.hub.api.routes import docs, log, metrics, nodes, owners, platform, work
from sandbox.hub.api.workers import serve_workers
from sandbox.hub.core.config import HubConfig, check_listen
from sandbox.hub.core.hub import Hub
from sandbox.hub.core.version import VERSION
from sandbox.hub.log.signing import keep_signed
from sandbox.hub.running.deadlines import tick
from sandbox.logs import facts, set_up

_log = logging.getLogger("unseen.hub")
_OWN_DESCRIPTORS: Final = 256
"""Database, log files, threads: what the hub opens besides its connections."""


def create_app(config: HubConfig, hub: Hub | None = None) -> FastAPI:
    """The application over an opened hub (tests), or over one that it opens from the configuration."""
    for package in config.kinds:
        add(package)
    opened = hub or Hub.open(config)
    app = FastAPI(
        title="unseen hub",
        version=VERSION,
        summary="Usable, not visible: permitted statistics over data that stays with its owners.",
        lifespan=_lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its pages would load scripts from elsewhere: routes/docs.py
        redoc_url=None,
    )
    app.state.hub = opened
    problem.install(app)
    app.add_middleware(Door, hub=opened)
    app.add_middleware(Counted, hub=opened)  # the outermost: it counts what the door refuses
    for part in (platform, work, owners, nodes, log):
        app.include_router(part.router, prefix="/v1", responses=problem.RESPONSES)
    for page in (metrics, docs):
        app.include_router(page.router)
    return app


def serve(config: HubConfig) -> None:
    """Run until interrupted. Raises ``InvalidSpec`` for an address beyond loopback without TLS."""
    set_up(config.log)
    check_listen(config.host, config.tls is not None)
    if config.workers == 1:
        make_server(config, create_app(config)).run()
        return
    Hub.open(config).store.close()  # what would stop every worker stops here: files, key, database, migration
    serve_workers(config, serve_shared)


def serve_shared(config: HubConfig, shared: socket.socket) -> None:
    """One of several workers, serving the parent's socket."""
    set_up(config.log)
    make_server(config, create_app(config)).run(sockets=[shared])


def make_server(config: HubConfig, app: FastAPI) -> uvicorn.Server:
    """The server around the application, its connections bounded; raises ``InvalidSpec`` for too few descriptors."""
    door = config.front_door
    allow_descriptors(door.max_connections + _OWN_DESCRIPTORS)
    return _Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            http=guarded(door),
            ws="none",
            ssl_certfile=config.tls.certificate if config.tls else None,
            ssl_keyfile=config.tls.key if config.tls else None,
            log_config=None,  # its lines are ours: sandbox.logs
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(door.proxies),
            forwarded_allow_ips=list(door.proxies),
            timeout_graceful_shutdown=2,
            timeout_keep_alive=math.ceil(door.keep_alive_seconds),
            h11_max_incomplete_event_size=door.max_header_bytes,
        )
    )


def allow_descriptors(needed: int) -> None:
    """Raise this process's limit of open files: when it is reached nobody can connect, however few are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise InvalidSpec(f"front_door.max_connections needs {needed} open files, this process may have {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


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
    for name in names():
        await run_in_threadpool(referee_of(kind_of(name)).warm)
    hub.notifier.start()
    listens = facts(event="hub.ready", version=VERSION, tls=hub.config.tls is not None, port=hub.config.port)
    _log.info("the hub of %s is ready", hub.trust.origin, extra=listens)
    tasks = [asyncio.create_task(_ticking(hub)), asyncio.create_task(keep_signed(hub))]
    try:
        yield
    finally:
        hub.notifier.stop()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        _log.info("the hub ends as it was told", extra=facts(event="hub.ended"))


async def _ticking(hub: Hub) -> None:
    while True:
        try:
            await run_in_threadpool(tick, hub)
        except Exception:  # a failed tick must not end the clock; the next one tries again
            _log.exception("the hub's clock failed once")
        await asyncio.sleep(hub.config.tick_seconds)
