"""Watching a job that nobody approves ends at its timeout, however silent the hub is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.client import Client

JOB = b'{"id": "job-1", "state": "needs_approval", "progress": "waiting for EWR"}'


class Silent(BaseHTTPRequestHandler):
    """One event, then an open stream without a word."""

    stop = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if not self.path.endswith("/events"):
            self.wfile.write(JOB)
            return
        self.wfile.write(b"event: state\ndata: {}\n\n")
        self.wfile.flush()
        self.stop.wait(20)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's terminal."""


@pytest.fixture
def address() -> Iterator[str]:
    Silent.stop.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Silent.stop.set()
        server.shutdown()


@pytest.mark.timeout(15)
def test_waiting_ends_at_its_timeout(address: str) -> None:
    with Client(address, "") as client, pytest.raises(TimeoutError, match="waiting for EWR"):
        client.wait("job-1", timeout=0.3)
