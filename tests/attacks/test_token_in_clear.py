"""A token never leaves in the clear, nor to an address that an answer names."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.client import Client
from sandbox.errors import InvalidSpec
from sandbox.hub_http import HubAway, HubRefused
from sandbox.log_link import LogLink
from sandbox.node.hub_link import HubLink
from tests.support.cli import Person
from tests.support.live_hub import LiveHub, live_hub

SECRET = "unseen_" + "S" * 43
NO_LOOPBACK = "0.0.0.0"  # noqa: S104 - connecting to it reaches this machine, though it is no loopback address
EVERYBODY: dict[str, Callable[[str], Any]] = {
    "the SDK": lambda url: Client(url, SECRET).health(),
    "a node": lambda url: HubLink(url, "node-a", SECRET).inbox(0, 0, 0),
    "a witness": lambda url: LogLink(url, SECRET).rosters(),
}


@dataclass
class Wire:
    """What somebody on the way sees. Listens on the loopback; 0.0.0.0 reaches it too, as no loopback address."""

    port: int = 0
    seen: list[str] = field(default_factory=list)
    redirect: str | None = None

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"


@contextmanager
def wire() -> Iterator[Wire]:
    tapped = Wire()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tapped.seen.append(str(self.headers))
            self.send_response(307 if tapped.redirect else 200)
            if tapped.redirect:
                self.send_header("Location", tapped.redirect + self.path)
            body = json.dumps({"items": [], "rosters": [], "name": "hub"}).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tapped.port = int(server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield tapped
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("who", list(EVERYBODY))
def test_nobody_sends_a_token_beyond_this_machine_without_tls(who: str) -> None:
    with wire() as tapped:
        with pytest.raises(InvalidSpec, match="in the clear"):
            EVERYBODY[who](tapped.url(NO_LOOPBACK))
        assert tapped.seen == []
        EVERYBODY[who](tapped.url())  # the control: over the loopback it goes, and is seen
        assert SECRET in tapped.seen[0]


def test_control_that_address_carries_whatever_is_sent_to_it() -> None:
    with wire() as tapped:
        httpx.get(
            tapped.url(NO_LOOPBACK) + "/v1/health", headers={"Authorization": f"Bearer {SECRET}"}, trust_env=False
        )
        assert SECRET in tapped.seen[0]


def test_neither_does_the_command_line(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(SECRET)
    with wire() as tapped:
        refused = Person({"UNSEEN_HUB": tapped.url(NO_LOOPBACK), "UNSEEN_TOKEN_FILE": str(token)})(
            "data", "list", code=1
        )
        assert "in the clear" in refused.err
        assert tapped.seen == []
        Person({"UNSEEN_HUB": tapped.url(), "UNSEEN_TOKEN_FILE": str(token)})("data", "list")
        assert SECRET in tapped.seen[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example", "http://localhost.hub.example", "http://127.0.0.1.hub.example", "http://127.0.0.1@hub.example",
        "http://192.0.2.1", "http://2130706433", "http://[2001:db8::1]:8440", "HTTP://hub.example", "ftp://127.0.0.1",
        "hub.example", "//hub.example", "", "http://", "https://", "https://acme:secret@hub.example", "http://\x00",
    ],
)  # fmt: skip
def test_odd_addresses_are_refused_without_a_byte(url: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        Client(url, SECRET)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://hub.example", "http://localhost:1", "http://[::1]:1", "http://127.8.9.1:1"])
def test_these_are_fine(url: str) -> None:
    Client(url, SECRET).close()


@pytest.mark.parametrize("who", list(EVERYBODY))
def test_a_redirect_does_not_get_the_token(who: str) -> None:
    with wire() as asked, wire() as elsewhere:
        asked.redirect = elsewhere.url()
        with pytest.raises((HubRefused, HubAway)):
            EVERYBODY[who](asked.url())
        assert SECRET in asked.seen[0]
        assert elsewhere.seen == []
        # the control: a client that follows hands it over
        followed = urllib.request.Request(asked.url() + "/v1/health", headers={"Authorization": f"Bearer {SECRET}"})
        urllib.request.urlopen(followed, timeout=5).read()
        assert SECRET in elsewhere.seen[0]


@pytest.mark.parametrize("who", list(EVERYBODY))
def test_a_proxy_of_the_environment_does_not_get_the_token(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with wire() as hub, wire() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.delenv("no_proxy", raising=False)
        EVERYBODY[who](hub.url())
        assert proxy.seen == []
        httpx.get(hub.url() + "/v1/health", headers={"Authorization": f"Bearer {SECRET}"})  # the control
        assert SECRET in proxy.seen[0]


def test_the_sdk_waits_for_its_turn_and_says_so_when_it_would_take_too_long(tmp_path: Path) -> None:
    with live_hub(tmp_path, people={"per_second": 1, "burst": 2}) as strict, sdk(strict) as client:
        start = datetime.now(UTC)
        for _ in range(4):
            assert list(client.jobs()) == []
        assert (datetime.now(UTC) - start).total_seconds() > 1
    with live_hub(tmp_path / "slower", people={"per_second": 0.001, "burst": 1}) as strict, sdk(strict) as client:
        list(client.jobs())
        with pytest.raises(HubAway) as refused:
            list(client.jobs())
        assert (refused.value.status, refused.value.code) == (429, "too-many-requests")
        assert refused.value.retry_after > 100


def sdk(hub: LiveHub) -> Client:
    return Client(hub.url, hub.tokens["acme"].secret)
