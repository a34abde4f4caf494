"""One of our parties as a process: ``kind rank count threshold port0 port1 port2``; one comparison per line of input.

Kind "three": three contributors. Kind "two": ranks 0 and 1 compare, rank 2 deals their triples anew each time. Kind
"oblivious": ranks 0 and 1 make triples by oblivious transfer and compare, nobody else.
"""

from __future__ import annotations

import queue
import secrets
import socket
import sys
import threading
import time
from typing import Any

import numpy as np

from mpc.comparison import three, two
from mpc.comparison.helper import Helper, Taker
from mpc.comparison.oblivious import TriplePartner
from mpc.party import Party, PartyName

NAMES = tuple(PartyName(f"p{i}") for i in range(3))
Inbox = queue.Queue[tuple[PartyName, bytes]]


def main() -> None:
    kind, rank, count, threshold = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    parties = 2 if kind == "oblivious" else 3
    inboxes: dict[int, Inbox] = {}
    links = mesh(rank, [int(port) for port in sys.argv[5 : 5 + parties]], inboxes)
    columns = [(np.arange(count) * (n + 3) % 11).astype(np.uint64) for n in range(3 if kind == "three" else 2)]
    expected = sum(columns) >= np.uint64(threshold)
    for number, _ in enumerate(sys.stdin):
        session = [(2 * number + part).to_bytes(16, "little") for part in (0, 1)]
        bits = compare(kind, rank, columns, threshold, session, lambda party: drive(party, links, inboxes))
        right = bits is None or bool(np.array_equal(bits, expected))
        sys.stdout.write(f"\n={right}\n")
        sys.stdout.flush()


def compare(kind: str, rank: int, columns: list[Any], threshold: int, session: list[bytes], go: Any) -> Any:
    name, pair, count = NAMES[rank], NAMES[:2], len(columns[0])
    if kind == "three":
        return go(three.Contributor(name, NAMES, session[0], columns[rank], threshold, secrets.token_bytes))
    if kind == "two" and rank == 2:
        go(Helper(name, pair, session[0], 64, count, secrets.token_bytes))
        return None
    if kind == "two":
        triples = go(Taker(name, NAMES[2], pair, session[0], 64, count))
    else:
        triples = go(TriplePartner(name, pair, session[0], 64, count, secrets.token_bytes))
    return go(two.Contributor(name, pair, session[1], columns[rank], threshold, triples))


def drive(party: Party, links: dict[PartyName, socket.socket], inboxes: dict[int, Inbox]) -> Any:
    """Run one party to its end; messages of a later session wait for their own party."""
    for send in party.start():
        deliver(links[send.to], send.message)
    inbox = inboxes[0]
    early = []
    while not party.finished:
        sender, message = inbox.get()
        if message[5:21] != party.session:  # type: ignore[attr-defined]
            early.append((sender, message))
            continue
        for send in party.receive(sender, message):
            deliver(links[send.to], send.message)
    for item in early:
        inbox.put(item)
    return party.result  # type: ignore[attr-defined]


def mesh(rank: int, ports: list[int], inboxes: dict[int, Inbox]) -> dict[PartyName, socket.socket]:
    """Connect every two parties once: the lower rank listens. One reading thread per link."""
    inbox: Inbox = queue.Queue()
    inboxes[0] = inbox
    links: dict[PartyName, socket.socket] = {}
    with socket.create_server(("127.0.0.1", ports[rank])) as server:
        for other in range(rank):
            link = connect(ports[other])
            link.sendall(bytes((rank,)))
            links[NAMES[other]] = link
        for _ in range(rank + 1, len(ports)):
            link, _ = server.accept()
            links[NAMES[link.recv(1)[0]]] = link
    for name, link in links.items():
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=read, args=(name, link, inbox), daemon=True).start()
    return links


def connect(port: int) -> socket.socket:
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("the other party does not listen")


def deliver(link: socket.socket, message: bytes) -> None:
    link.sendall(len(message).to_bytes(8, "little"))
    link.sendall(message)


def read(name: PartyName, link: socket.socket, inbox: Inbox) -> None:
    while True:
        head = exactly(link, 8)
        if head is None:
            return
        body = exactly(link, int.from_bytes(head, "little"))
        if body is None:
            return
        inbox.put((name, bytes(body)))


def exactly(link: socket.socket, size: int) -> bytearray | None:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = link.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return data


if __name__ == "__main__":
    main()
