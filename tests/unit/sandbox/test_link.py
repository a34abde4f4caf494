"""What a node or witness makes of a hub's answers: away, refused, or bounded content; never another exception."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sandbox.hub_http import MAX_BYTES, HubAway, HubHttp, HubRefused
from sandbox.log_link import Cosignature, Inclusion, LogLink, News


class Answering(HTTPServer):
    """A server on the loopback that gives every request the same ``answer``, ``piece`` bytes after each ``pause``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.answer, self.piece, self.pause = (200, b"{}"), 1 << 20, 0.0
        self.asked: list[str] = []
        self.elsewhere = f"http://127.0.0.1:{self.server_port}/elsewhere"


@pytest.fixture
def hub() -> Iterator[Answering]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", server.elsewhere)
            self.end_headers()
            server.asked.append(self.path)
            for place in range(0, len(body), server.piece):
                self.wfile.write(body[place : place + server.piece])
                time.sleep(server.pause)

        do_POST = do_GET

        def log_message(self, *_: str) -> None:
            return

    server = Answering()
    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def link(hub: Answering) -> Iterator[LogLink]:
    made = LogLink(f"http://127.0.0.1:{hub.server_port}", "token")
    yield made
    made.close()


def follow(link: LogLink, cosignature: Cosignature | None = None) -> News | None:
    return link.follow(3, False, ("sha256:00",), 0, cosignature)


GOOD = {"note": "log\n5\nroot\n", "size": 5, "consistency": ["AAAA"],
        "inclusions": [{"index": 4, "entry": "e30=", "proof": ["BBBB"]}]}  # fmt: skip
BENT: tuple[dict[str, Any], ...] = (
    {"note": 7},
    {"note": None},
    {"consistency": 7},
    {"consistency": [7]},
    {"consistency": ["!"]},
    {"inclusions": {}},
    {"inclusions": [7]},
    {"inclusions": [{"index": "4", "entry": "e30=", "proof": []}]},
    {"inclusions": [{"index": True, "entry": "e30=", "proof": []}]},
    {"inclusions": [{"index": 4, "entry": None, "proof": []}]},
    {"inclusions": [{"index": 4, "hash": "e30=", "proof": []}]},
)
ODD = [b"", b"null", b"[]", b"7", b"{", b"\xff"]
ODD += [json.dumps({**GOOD, **bent}).encode() for bent in BENT]


@pytest.mark.parametrize("body", ODD)
def test_an_answer_that_is_none_means_that_the_hub_is_away(hub: Answering, link: LogLink, body: bytes) -> None:
    hub.answer = (200, body)
    for call in (follow, LogLink.rosters):
        with pytest.raises(HubAway):
            call(link)


def test_news_are_handed_over_as_they_came(hub: Answering, link: LogLink) -> None:
    hub.answer = (200, json.dumps(GOOD).encode())
    news = follow(link, Cosignature(3, "line"))
    assert news == News(b"log\n5\nroot\n", (b"\0\0\0",), (Inclusion(4, b"{}", (b"\x04\x10A",)),))
    assert hub.asked == ["/v1/log/follow?wait=0"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_try_later(hub: Answering, link: LogLink, status: int) -> None:
    hub.answer = (status, b"{}")
    with pytest.raises(HubAway):
        follow(link)


@pytest.mark.parametrize(("body", "code"), [(b'{"code": "not-found", "detail": "no"}', "not-found"), (b"[]", "404")])
def test_a_refusal_is_typed(hub: Answering, link: LogLink, body: bytes, code: str) -> None:
    hub.answer = (404, body)
    with pytest.raises(HubRefused) as refused:
        follow(link)
    assert refused.value.code == code


def test_nobody_there() -> None:
    link = LogLink("http://127.0.0.1:1", "token")
    with pytest.raises(HubAway):
        link.rosters()
    link.close()


def test_an_answer_beyond_every_limit_is_not_read_to_its_end(hub: Answering, link: LogLink) -> None:
    hub.answer = (200, b" " * (MAX_BYTES + 1))
    with pytest.raises(HubAway, match="larger than any"):
        link.rosters()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_token_does_not_follow_a_redirect(hub: Answering, link: LogLink, status: int) -> None:
    hub.answer = (status, b"")
    with pytest.raises(HubRefused, match=f"status {status}"):
        link.rosters()
    assert [path for path in hub.asked if "elsewhere" in path] == []


def test_a_token_does_not_go_through_a_proxy_of_the_environment(
    hub: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    http = HubHttp(f"http://127.0.0.1:{hub.server_port}", "token")
    assert http.json("GET", "/anything") == {}
    http.close()


def test_a_silent_hub_is_away(hub: Answering) -> None:
    hub.answer, hub.piece, hub.pause = (200, b"{}"), 1, 0.5
    http = HubHttp(f"http://127.0.0.1:{hub.server_port}", "token", timeout=0.1)
    with pytest.raises(HubAway, match="ReadTimeout"):
        http.json("GET", "/anything")
    http.close()


def test_a_dripping_answer_ends(hub: Answering) -> None:
    """Each byte comes within the read timeout; only a limit on the whole ends it."""
    hub.answer, hub.piece, hub.pause = (200, b" " * 100), 1, 0.05
    http = HubHttp(f"http://127.0.0.1:{hub.server_port}", "token", timeout=1.0, whole=0.2)
    start = time.monotonic()
    with pytest.raises(HubAway, match="takes longer"):
        http.json("GET", "/anything")
    assert time.monotonic() - start < 2
    http.close()


def test_lines_come_as_they_are_and_none_is_endless(hub: Answering) -> None:
    http = HubHttp(f"http://127.0.0.1:{hub.server_port}", "token")
    hub.answer, hub.piece = (200, b"data: 1\r\n\n: word\ndata: 2\nrest"), 3
    assert list(http.lines("/stream", 1.0)) == ["data: 1", "", ": word", "data: 2"]
    hub.answer, hub.piece = (200, b"x" * (3 << 20)), 1 << 20
    with pytest.raises(HubAway, match="line larger"):
        list(http.lines("/stream", 1.0))
    hub.answer = (404, b'{"code": "not-found", "detail": "no job", "advice": "look"}')
    with pytest.raises(HubRefused, match="no job look"):
        list(http.lines("/stream", 1.0))
    http.close()


def test_a_busy_hub_says_why(hub: Answering, link: LogLink) -> None:
    hub.answer = (429, b'{"code": "too-many", "detail": "40 calls a second", "advice": "Slow down."}')
    with pytest.raises(HubAway) as away:
        link.rosters()
    assert (away.value.status, away.value.code, str(away.value)) == (429, "too-many", "40 calls a second Slow down.")
