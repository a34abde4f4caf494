"""One of our two parties as a process of its own, for ``benchmarks.mpc.psi``: a loop over one TCP connection.

Arguments: rank (0 receiver, 1 sender), input CSV, output CSV, the receiver's port, an unused port. For every line on
stdin it runs once and answers ``=matches sent-bytes peak-memory-bytes``.
"""

from __future__ import annotations

import itertools
import resource
import socket
import struct
import sys
import time
from pathlib import Path

from mpc.party import Party, PartyName, Send
from mpc.psi.kkrt import Receiver, Sender

RECEIVER, SENDER = PartyName("receiver"), PartyName("sender")


def serve(rank: int, path: Path, out: Path, port: int) -> None:
    connection = connect(rank, port)
    for run, _ in enumerate(sys.stdin):
        session = run.to_bytes(16, "little")
        items = path.read_bytes().split(b"\n")[1:-1]
        matches = 0
        if rank == 0:
            receiver = Receiver(RECEIVER, SENDER, session, items)
            sent = drive(receiver, SENDER, connection)
            found = list(itertools.compress(items, receiver.result))
            out.write_bytes(b"id\n" + b"\n".join(found) + b"\n")
            matches = len(found)
        else:
            sent = drive(Sender(SENDER, RECEIVER, session, items), RECEIVER, connection)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sys.stdout.write(f"={matches} {sent} {peak}\n")
        sys.stdout.flush()


def drive(party: Party, peer: PartyName, connection: socket.socket) -> int:
    sent = sum(post(connection, send) for send in party.start())
    while not party.finished:
        size = struct.unpack("<I", read(connection, 4))[0]
        sent += sum(post(connection, send) for send in party.receive(peer, bytes(read(connection, size))))
    return sent


def post(connection: socket.socket, send: Send) -> int:
    connection.sendall(struct.pack("<I", len(send.message)))
    connection.sendall(send.message)
    return len(send.message) + 4


def read(connection: socket.socket, size: int) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise ConnectionError("the other party has gone")
        view = view[count:]
    return buffer


def connect(rank: int, port: int) -> socket.socket:
    if rank == 0:
        with socket.create_server(("127.0.0.1", port)) as server:
            connection, _ = server.accept()
    else:
        for _ in range(300):
            try:
                connection = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        else:
            raise ConnectionError("the receiver does not listen")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
