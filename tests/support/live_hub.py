"""The real hub behind the real server, in a thread on loopback, with people's tokens; no roster, no nodes."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from jobs.documents import Envelope, HubEntry, OwnerEntry, RootKeys, Roster, SigningKey, WitnessEntry
from sandbox.hub.api.app import create_app, make_server
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.front_door import FrontDoor
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Issued, Role, issue_token
from sandbox.keys import Trust
from sandbox.store.engine import sqlite_url
from sandbox.store.event import Actor
from sandbox.store.migrate import open_store

CLI = Actor("hub", "cli")
ROOT_KEY = SigningKey.from_seed(b"\x01" * 32)


@dataclass
class LiveHub:
    """``port`` is a loopback port; ``hub`` is the object that the server runs."""

    hub: Hub
    port: int
    tokens: dict[str, Issued] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def issue(self, role: Role, subject: str, life: timedelta = timedelta(days=1)) -> Issued:
        end = datetime.now(UTC) + life
        self.tokens[subject] = issue_token(self.hub.store, role, subject, CLI, secrets.token_bytes, end)
        return self.tokens[subject]

    def roster(self) -> Envelope:
        """A first roster that this hub takes: one owner without nodes, one witness."""
        now = datetime.now(UTC)
        publics = [SigningKey.from_seed(bytes((n,)) * 32).public.text for n in range(3, 6)]
        return Roster(
            version=1,
            issued=now - timedelta(hours=1),
            expires=now + timedelta(days=1),
            origin=self.hub.trust.origin,
            root=self.hub.trust.root,
            hub=HubEntry(id="hub", key=self.hub.key.public.text),
            status_key=publics[0],
            owners=(OwnerEntry(id="owner", name="Owner", keys=(publics[1],), threshold=1, nodes=()),),
            witnesses=(WitnessEntry(name="witness", key=publics[2]),),
        ).sign(ROOT_KEY)

    def header(self, who: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who].secret}"} if who else {}

    def call(self, method: str, path: str, who: str | None = None, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | self.header(who)
        # no certificates are loaded for each call: it is plain http
        plain: dict[str, Any] = {"verify": False, "trust_env": False, "timeout": 20}
        return httpx.request(method, f"{self.url}/v1{path}", headers=headers, **plain, **options)

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


Wrap = Callable[[FastAPI], None]
"""Changes the application before it is served: how a control takes a defence off."""


@contextmanager
def live_hub(
    folder: Path, wrap: Wrap | None = None, config: dict[str, Any] | None = None, **door: Any
) -> Iterator[LiveHub]:
    """Serve a fresh hub with these front-door settings; an operator, an auditor and a node have tokens."""
    settings = HubConfig(
        state=folder, trust=folder / "trust.json", port=0, front_door=FrontDoor(**door), **(config or {})
    )
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(sqlite_url(folder / "hub.sqlite"), lambda: datetime.now(UTC))
    trust = Trust(root=RootKeys(keys=(ROOT_KEY.public.text,), threshold=1), origin="log.example")
    hub = Hub(settings, store, SigningKey.from_seed(b"\x02" * 32), trust)
    app = create_app(settings, hub)
    if wrap is not None:
        wrap(app)
    server = make_server(settings, app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        made = LiveHub(hub, _port(server))
        made.issue(Role.OPERATOR, "acme")
        made.issue(Role.AUDITOR, "auditor")
        made.issue(Role.NODE, "node-a")
        yield made
    finally:
        server.should_exit = True
        thread.join(20)
        store.close()


def _port(server: uvicorn.Server) -> int:
    end = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > end:
            raise TimeoutError("the server did not start")
        time.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


def answer(connection: socket.socket, seconds: float = 10.0) -> bytes:
    """All that comes until the other side closes, or ``seconds`` pass without a byte."""
    connection.settimeout(seconds)
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except (TimeoutError, ConnectionError):
        pass
    return b"".join(parts)


def closed_within(connection: socket.socket, seconds: float) -> bool:
    """Does the other side close the connection in this time? What it says before is thrown away."""
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False
