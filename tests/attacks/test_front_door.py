"""What strangers, slow connections and greedy tokens try at the hub's port, with raw sockets; each with its control."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.hub.api.calls import Counted
from sandbox.hub.api.door import OPEN, Door
from sandbox.hub.people.tokens import Role, revoke_token
from tests.support.live_hub import CLI, LiveHub, answer, closed_within, live_hub

FLOOD_S = 1.5
SOME_MIB = 16 << 20
"""More than the kernel's buffers of a loopback connection take."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """As it is configured by default, but for shorter times."""
    with live_hub(tmp_path_factory.mktemp("door"), header_seconds=1, body_seconds=1, keep_alive_seconds=1) as made:
        yield made


class ReadFirst:
    """The order that the door exists to avoid: the body, then the question who sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while scope["type"] == "http":
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        await self._app(scope, receive, send)


def head(token: str | None, *lines: str, path: str = "/v1/plans") -> bytes:
    """The header of a POST, complete."""
    known = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: hub", *known, *lines, "", ""]).encode()


def flood(hub: LiveHub, token: str | None) -> tuple[int, bytes]:
    """Send a chunked body without end for a while; how much the other side took, and what it said."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    with hub.connect() as connection:
        connection.sendall(head(token, "Transfer-Encoding: chunked", "Content-Type: application/json"))
        end = time.monotonic() + FLOOD_S
        connection.settimeout(0.3)
        try:
            while time.monotonic() < end and sent < 4 * SOME_MIB:
                sent += connection.send(chunk)
        except (TimeoutError, ConnectionError):
            pass
        return sent, answer(connection, 2)


# strangers and bodies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "unseen_" + "A" * 43], ids=["no token", "an unknown token"])
def test_a_strangers_endless_body_is_not_read(hub: LiveHub, token: str | None) -> None:
    sent, said = flood(hub, token)
    assert sent < SOME_MIB
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b'"code":"not-authenticated"' in said


def test_control_a_server_that_reads_first_takes_it_all(tmp_path: Path) -> None:
    def read_first(app: FastAPI) -> None:
        app.add_middleware(ReadFirst)

    with live_hub(tmp_path, read_first) as unguarded:
        sent, _ = flood(unguarded, None)
    assert sent >= SOME_MIB


def test_a_stranger_is_answered_before_the_first_byte_of_the_body(hub: LiveHub) -> None:
    with hub.connect() as connection:
        connection.sendall(head(None, f"Content-Length: {1 << 40}"[:32], "Expect: 100-continue"))
        said = answer(connection, 5)
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b"100 Continue" not in said
    with hub.connect() as connection:  # control: a known caller is asked for its body
        connection.sendall(head(hub.tokens["acme"].secret, "Content-Length: 2", "Expect: 100-continue"))
        connection.settimeout(5)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert b" 422 " in answer(connection, 0.5)


def test_an_ordinary_client_with_a_large_body_reads_why_it_is_refused(hub: LiveHub) -> None:
    refused = hub.call("POST", "/plans", content=b"x" * (8 << 20))
    assert (refused.status_code, refused.json()["code"]) == (401, "not-authenticated")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    too_large = hub.call("POST", "/plans", "acme", content=b"x" * (8 << 20))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too-large-body")
    fits = hub.call("POST", "/plans", "acme", content=b"x" * (3 << 20))
    assert fits.status_code == 422


@pytest.mark.parametrize("path", sorted(OPEN))
def test_calls_that_anybody_may_make_take_no_body(hub: LiveHub, path: str) -> None:
    path = f"/..{path}"  # from the root: not all of them are under /v1
    refused = hub.call("GET", path, content=b"{}")
    assert (refused.status_code, refused.json()["code"]) == (400, "no-body-taken")
    assert hub.call("GET", path).status_code in (200, 404)
    assert hub.call("GET", path, headers={"Authorization": "Bearer unseen_none"}).status_code in (200, 404)


def test_the_door_opens_to_anybody_exactly_where_no_route_asks_who_calls(hub: LiveHub) -> None:
    document = hub.call("GET", "/openapi.json").json()
    calls = [(path, call) for path, methods in document["paths"].items() for call in methods.items()]
    unasked = {path for path, (method, call) in calls if "security" not in call and method == "get"}
    assert all("security" in call for _, (method, call) in calls if method != "get")
    assert unasked == OPEN - {"/v1/openapi.json", "/docs"}  # these two describe the others


# slow and half requests -------------------------------------------------------------------------------------------

HALVES = {
    "nothing at all": b"",
    "half a header": b"GET /v1/health HTTP/1.1\r\nHost: hub\r\nX-",
    "half a second request": b"GET /v1/health HTTP/1.1\r\nHost: hub\r\n\r\nGET /v1",
}


@pytest.mark.parametrize("half", list(HALVES.values()), ids=list(HALVES))
def test_half_a_request_is_cut_off(hub: LiveHub, half: bytes) -> None:
    with hub.connect() as connection:
        connection.sendall(half)
        assert closed_within(connection, 3)


def test_a_header_that_drips_is_cut_off_and_told(hub: LiveHub) -> None:
    with hub.connect() as connection:
        start = time.monotonic()
        try:
            for byte in b"GET /v1/health HTTP/1.1\r\nX: " + b"y" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        except ConnectionError:
            pass
        assert time.monotonic() - start < 4
    with hub.connect() as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nX: y")
        assert answer(connection, 3).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_cut_off_and_told(hub: LiveHub) -> None:
    with hub.connect() as connection:
        connection.sendall(head(hub.tokens["acme"].secret, "Content-Length: 100") + b"{")
        said = answer(connection, 4)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"slow-request"' in said


def test_control_with_patience_half_requests_stay(tmp_path: Path) -> None:
    with live_hub(tmp_path, header_seconds=60, body_seconds=60, keep_alive_seconds=60) as patient:
        halves = [*HALVES.values(), head(patient.tokens["acme"].secret, "Content-Length: 100") + b"{"]
        connections = [patient.connect() for _ in halves]
        for connection, half in zip(connections, halves, strict=True):
            connection.sendall(half)
        time.sleep(2)
        assert not any(closed_within(connection, 0.1) for connection in connections)
        for connection in connections:
            connection.close()


def test_an_idle_connection_is_closed_and_a_used_one_serves_on(hub: LiveHub) -> None:
    with hub.connect() as connection:
        for _ in range(3):
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: hub\r\n\r\n")
            assert answer(connection, 0.4).startswith(b"HTTP/1.1 200 ")
        assert closed_within(connection, 3)


def test_a_header_without_end_is_refused(hub: LiveHub) -> None:
    with hub.connect() as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nX: " + b"y" * (1 << 15))
        assert answer(connection, 3).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_takes_no_answer_is_cut_off(tmp_path: Path) -> None:
    """It asks for a large document again and again and reads nothing."""
    ask = b"GET /v1/openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n" * 400

    def cut(seconds: float, folder: Path) -> bool:
        with live_hub(folder, write_seconds=seconds, strangers={"per_second": 1000, "burst": 1000}) as made:
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", made.port))
            with connection:
                connection.settimeout(0.2)
                with suppress(TimeoutError):
                    connection.sendall(ask)
                time.sleep(2.5)
                return not made_connections(made)

    assert cut(0.5, tmp_path / "strict")
    assert not cut(60, tmp_path / "patient")  # the control


def made_connections(hub: LiveHub) -> int:
    """How many established connections the hub's port has, as the kernel counts them."""
    suffix = f":{hub.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(suffix) and row[3] == "01" for row in rows)


def test_connections_are_counted_and_the_next_is_told_to_come_later(tmp_path: Path) -> None:
    with live_hub(tmp_path, max_connections_per_address=4) as small:
        held = [small.connect() for _ in range(4)]
        time.sleep(0.2)
        with small.connect() as one_more:
            said = answer(one_more, 3)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in said
        held.pop().close()
        time.sleep(0.2)
        assert small.call("GET", "/health").status_code == 200  # the control: there is a place again
        for connection in held:
            connection.close()


def test_a_long_poll_outlives_every_deadline_for_requests(hub: LiveHub) -> None:
    size = hub.call("GET", "/log/checkpoint", "node-a").json()["size"]
    start = time.monotonic()
    found = hub.call("GET", f"/log/checkpoint?newer_than={size + 1000}&wait=3", "node-a")
    assert found.status_code == 200
    assert time.monotonic() - start >= 2.9


# quotas -----------------------------------------------------------------------------------------------------------


def test_a_token_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with live_hub(tmp_path, people={"per_second": 0.3, "burst": 3}) as strict:
        answers = [strict.call("GET", "/datasets", "acme") for _ in range(3)]
        assert [found.status_code for found in answers] == [404] * 3  # no roster yet: the call itself got through
        refused = until_refused(strict, "acme")
        assert refused.json()["code"] == "too-many-requests"
        assert int(refused.headers["retry-after"]) >= 1
        assert strict.call("GET", "/datasets", "auditor").status_code == 404  # others are not disturbed
        time.sleep(int(refused.headers["retry-after"]))
        assert strict.call("GET", "/datasets", "acme").status_code == 404


def until_refused(hub: LiveHub, who: str | None, path: str = "/datasets") -> Any:
    """The refusal that must come, however slow this machine is at the moment."""
    for _ in range(30):
        found = hub.call("GET", path, who)
        if found.status_code == 429:
            return found
    raise AssertionError("never refused")


def test_a_stranger_that_asks_too_often_does_not_disturb_those_with_a_token(tmp_path: Path) -> None:
    with live_hub(tmp_path, strangers={"per_second": 0.3, "burst": 3}) as strict:
        until_refused(strict, None, "/health")
        assert strict.call("GET", "/health", "acme").status_code == 200


def test_the_places_for_long_polls_are_counted_and_given_back(tmp_path: Path) -> None:
    with live_hub(tmp_path, long_polls=2) as strict:
        waiting = [wait_for(strict, 20) for _ in range(2)]
        time.sleep(0.3)
        refused = strict.call("GET", "/log/checkpoint?newer_than=10000&wait=5", "node-a")
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
        assert strict.call("GET", "/log/checkpoint?wait=0", "node-a").status_code == 200
        for connection in waiting:  # gone without a word: their places are free
            connection.close()
        time.sleep(0.3)
        assert strict.call("GET", "/log/checkpoint?newer_than=10000&wait=1", "node-a").status_code == 200


def wait_for(hub: LiveHub, seconds: float, who: str = "node-a") -> socket.socket:
    connection = hub.connect()
    path = f"/v1/log/checkpoint?newer_than=10000&wait={seconds}"
    token = hub.tokens[who].secret
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return connection


def test_bodies_that_would_fill_the_memory_together_are_told_to_come_later(tmp_path: Path) -> None:
    with live_hub(tmp_path, max_buffered_bytes=1 << 20, body_seconds=5) as small:
        with small.connect() as slow:
            slow.sendall(head(small.tokens["node-a"].secret, f"Content-Length: {1 << 20}") + b"x" * 900_000)
            time.sleep(0.3)
            refused = small.call("POST", "/plans", "acme", content=b"x" * 300_000)
            assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
        time.sleep(0.3)
        assert small.call("POST", "/plans", "acme", content=b"x" * 300_000).status_code == 422


# tokens that end --------------------------------------------------------------------------------------------------


def test_a_revoked_token_ends_at_once_also_where_it_waits(tmp_path: Path) -> None:
    with live_hub(tmp_path, token_seconds=0.2) as strict:
        assert strict.call("GET", "/log/entries", "auditor").status_code == 200
        with wait_for(strict, 25, "auditor") as stays, wait_for(strict, 25, "node-a") as control:
            revoke_token(strict.hub.store, strict.tokens["auditor"].id, CLI)
            refused = strict.call("GET", "/log/entries", "auditor")
            assert (refused.status_code, refused.json()["code"]) == (401, "not-authenticated")
            assert closed_within(stays, 15)  # of the 25 s that it may wait
            assert not closed_within(control, 0.3)


def test_a_token_revoked_by_another_process_ends_within_its_memory(tmp_path: Path) -> None:
    with live_hub(tmp_path, token_seconds=0.5) as strict:
        assert strict.call("GET", "/log/entries", "auditor").status_code == 200
        in_another_process(strict, tmp_path)
        end = time.monotonic() + 3
        while strict.call("GET", "/log/entries", "auditor").status_code != 401:
            assert time.monotonic() < end
            time.sleep(0.1)


def in_another_process(hub: LiveHub, folder: Path) -> None:
    """A second store over the same file: nothing wakes the hub's memory."""
    from sandbox.store.engine import sqlite_url
    from sandbox.store.migrate import open_store

    other = open_store(sqlite_url(folder / "hub.sqlite"), hub.hub.store.now)
    revoke_token(other, hub.tokens["auditor"].id, CLI)
    other.close()


def test_an_expired_token_is_told_so_and_a_fresh_one_serves(hub: LiveHub) -> None:
    hub.issue(Role.OPERATOR, "late", timedelta(seconds=-1))
    refused = hub.call("GET", "/jobs", "late")
    assert (refused.status_code, refused.json()["code"]) == (401, "token-expired")
    hub.issue(Role.OPERATOR, "fresh")
    assert hub.call("GET", "/jobs", "fresh").status_code == 200


def test_nobody_writes_another_address_into_the_log(tmp_path: Path) -> None:
    def logged(proxies: tuple[str, ...], folder: Path) -> str:
        with live_hub(folder, proxies=proxies) as made:
            made.issue(Role.AUTHORITY, "authority")
            published, forged = made.roster().to_json(), {"X-Forwarded-For": "203.0.113.7"}
            assert made.call("POST", "/roster", "authority", json=published, headers=forged).status_code == 201
            found = made.call("GET", "/log/entries?kind=roster.accepted", "auditor").json()["items"]
            return str(found[-1]["origin"]["address"])

    assert logged((), tmp_path / "plain") == "127.0.0.1"
    assert logged(("127.0.0.1",), tmp_path / "proxied") == "203.0.113.7"  # the control: a proxy that is believed


def test_the_door_stands_before_everything(hub: LiveHub) -> None:
    """Nothing else of the application sees a request first, but for what counts answers and reads no request."""
    assert [entry.cls for entry in create(hub).user_middleware] == [Counted, Door]


def create(hub: LiveHub) -> Any:
    from sandbox.hub.api.app import create_app

    return create_app(hub.hub.config, hub.hub)
