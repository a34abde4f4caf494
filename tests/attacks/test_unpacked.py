"""A hub, or whoever answers in its name, that fills its callers' memory with few bytes: node, witness, SDK and CLI.

``Content-Encoding: gzip, gzip`` packs a gigabyte into three kilobytes, and a client that unpacks asks no limit first.
"""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from jobs.documents import digest
from jobs.documents.message import ALL, Header
from sandbox.hub_http import HubAway, HubHttp
from sandbox.messages import INLINE_BYTES
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents
from tests.support.signed import key

NODE = "node-ewr"
UNPACKED = 64 << 20


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = Federation(tmp_path)
    yield made
    made.close()


def packed_twice(size: int) -> bytes:
    once = zlib.compressobj(9, zlib.DEFLATED, 31)
    return gzip.compress(b"".join(once.compress(bytes(1 << 20)) for _ in range(size >> 20)) + once.flush())


@contextmanager
def answering(head: str, body: bytes) -> Iterator[str]:
    """A server that answers every request with this."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    asked = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{head}\r\n"
                    connection.sendall(asked.encode() + body)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("head", ["Content-Encoding: gzip, gzip\r\n", "Content-Encoding: gzip\r\n"])
def test_a_packed_answer_is_refused_unread(head: str) -> None:
    with answering(head, packed_twice(UNPACKED)) as url, pytest.raises(HubAway, match="packed"):
        HubHttp(url, "token").content("GET", "/roster")


def test_control_a_client_that_unpacks_takes_it_all() -> None:
    body = packed_twice(UNPACKED)
    assert len(body) < 4096
    with answering("Content-Encoding: gzip, gzip\r\n", body) as url:
        assert len(httpx.get(url).content) == UNPACKED


def test_control_a_plain_answer_is_read() -> None:
    with answering("", b"7") as url:
        assert HubHttp(url, "token").json("GET", "/roster") == 7


@pytest.mark.parametrize("too_much", [True, False])
def test_a_piece_larger_than_the_header_says_is_not_followed_by_the_next(
    federation: Federation, too_much: bool
) -> None:
    """A hub that names a gigabyte and answers with more in each piece: a node looks before it asks for another.

    ``too_much`` False is the control: of a body in right pieces all are asked for, then its digest is compared.
    """
    hub, asked = federation.hub, []
    hub.hold.add("flags")
    documents = Documents()
    hub.order(documents)
    federation.drive(lambda: "flags" in hub.rounds(NODE))

    def piece(given: bytes) -> bytes:
        asked.append(len(given))
        return bytes(INLINE_BYTES + too_much)

    hub.bend_piece = piece
    header = Header(
        permit=documents.permit.digest, round="open", sequence=0, sender="hub", receiver=ALL, size=1 << 24,
        body=digest(b"never"), transcript=digest(b"any"), state=None, salt="00" * 16,
    )  # fmt: skip
    carried = {"header": header.sign(key("hub")).to_json(), "body": None}
    hub.put(NODE, "messages", documents.job, {"messages": [carried]})
    federation.drive(lambda: [state for state, _ in federation.states(NODE)] == ["failed"])
    assert len(asked) == (1 if too_much else 16)
