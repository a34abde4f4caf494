"""A small HTTP proxy between nodes and hub that can stop at a precise step: hold a request, or an answer; drop; repeat.

What passes is named by what it carries: a post by the rounds of its messages (``key``, ``flags``, ``values``, ...),
an inbox answer by the kinds of its items (``permit``, ``keys``, ``open``, ...).
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from jobs.documents import Envelope, SentRecord, Vouch
from jobs.documents.message import Destroyed, Header, Stop

When = Literal["before", "after"]
_PATIENCE_S = 60.0


@dataclass
class Gate:
    """Closes when ``node`` sends (``before``), or is answered (``after``), something that carries ``what``."""

    node: str
    what: str
    when: When
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    drop: bool = False

    def wait(self) -> None:
        """Until somebody stands before the gate."""
        if not self.reached.wait(_PATIENCE_S):
            raise TimeoutError(f"{self.node} never came to {self.what} ({self.when})")

    def open(self, *, drop: bool = False) -> None:
        """Let it pass, or close its connection without an answer; from now on this gate holds nobody."""
        self.drop = drop
        self.opened.set()


@dataclass(frozen=True)
class Post:
    """One post of messages as it passed."""

    node: str
    rounds: tuple[str, ...]
    body: bytes
    headers: dict[str, str]


class Proxy:
    """``url`` is what nodes take for the hub. Gates and repetitions can be set at any time."""

    def __init__(self, hub_port: int) -> None:
        self._hub_port = hub_port
        self._gates: list[Gate] = []
        self.posts: list[Post] = []
        self.repeat: set[str] = set()
        """Rounds whose posts reach the hub twice."""
        self.edit: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
        """What a lying hub makes of an inbox item for this node."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        for gate in self._gates:
            gate.open(drop=True)
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def gate(self, node: str, what: str, when: When) -> Iterator[Gate]:
        made = Gate(node, what, when)
        self._gates.append(made)
        try:
            yield made
        finally:
            made.open(drop=made.drop)
            self._gates.remove(made)

    def pass_on(self, handler: BaseHTTPRequestHandler, method: str, body: bytes) -> None:
        """One request: named, held if a gate says so, forwarded, named again by its answer, answered."""
        node, carried = _carried(handler.path, body)
        if method == "POST" and carried:
            self.posts.append(Post(node, carried, body, dict(handler.headers)))
        if not self._may_pass(node, carried, "before"):
            handler.close_connection = True
            return
        answer = None
        for _ in range(2 if self.repeat & {*carried} else 1):
            answer = self.forward(method, handler.path, body, dict(handler.headers))
        if answer is None:
            handler.close_connection = True
            return
        status, headers, content = answer
        if method == "GET" and status == 200:
            carried = _kinds(handler.path, content)
            if self.edit is not None and carried:
                items = [self.edit(node, item) for item in json.loads(content)["items"]]
                content = json.dumps({"items": items}).encode()
        if not self._may_pass(node, carried, "after"):
            handler.close_connection = True
            return
        handler.send_response(status)
        handler.send_header("content-type", headers.get("content-type", "application/json"))
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def forward(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes] | None:
        """Ask the hub; ``None`` if it does not answer."""
        kept = {name: value for name, value in headers.items() if name.lower() in ("authorization", "content-type")}
        connection = http.client.HTTPConnection("127.0.0.1", self._hub_port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path, body or None, kept)
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _may_pass(self, node: str, carried: tuple[str, ...], when: When) -> bool:
        for gate in self._gates:
            if (gate.node, gate.when) == (node, when) and gate.what in carried and not gate.opened.is_set():
                gate.reached.set()
                gate.opened.wait(_PATIENCE_S)
                return not gate.drop
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked was killed: that is what the tests do. Anything else is a mistake of a test."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    owner: Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass_on("GET")

    def do_POST(self) -> None:
        self._pass_on("POST")

    def _pass_on(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self.owner.pass_on(self, method, body)
        except OSError:  # who asked was killed meanwhile
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


def _carried(path: str, body: bytes) -> tuple[str, tuple[str, ...]]:
    parts = path.split("?")[0].split("/")
    if len(parts) != 5 or parts[2] != "nodes":
        return "", ()
    return parts[3], _rounds(body) if parts[4] == "messages" else ()


def _rounds(body: bytes) -> tuple[str, ...]:
    return tuple(round_of(Envelope.from_json(value["envelope"])) for value in json.loads(body)["messages"])


def round_of(envelope: Envelope) -> str:
    """A message by its round; a node's word about a job by its kind."""
    for kind, name in ((SentRecord, "sent"), (Stop, "stop"), (Destroyed, "destroyed"), (Vouch, "vouch")):
        if envelope.payload_type == kind.payload_type():
            return name
    return Header.open(envelope).round


def _kinds(path: str, content: bytes) -> tuple[str, ...]:
    """Inbox items by kind; relayed messages as ``told ROUND``."""
    if "/inbox" not in path:
        return ()
    return tuple(map(told, json.loads(content).get("items", ())))


def told(item: dict[str, Any]) -> str:
    if item["kind"] != "messages" or not item["body"]["messages"]:
        return str(item["kind"])
    return "told " + round_of(Envelope.from_json(item["body"]["messages"][0]["header"]))
