"""Drive an aggregation with dropouts in one process: for tests, benchmarks and simulations of federated training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpc.party import PartyName, Send
from mpc.secagg.client import Client
from mpc.secagg.server import Server
from mpc.wire import header


def run(server: Server, clients: Iterable[Client], lost: Mapping[PartyName, int] | None = None) -> int:
    """Run all rounds; return the bytes sent. ``lost`` names the first message kind that a client no longer sends.

    Each answer reaches the server before the next client is asked, so one masked input is in memory at a time. Raises
    what the parties raise, ``TooFewParties`` above all.
    """
    lost = lost or {}
    by_name = {client.name: client for client in clients}
    total = 0

    def deliver(name: PartyName, answers: Iterable[Send]) -> list[Send]:
        nonlocal total
        following: list[Send] = []
        for answer in answers:
            if header(answer.message).kind < lost.get(name, 256):
                total += len(answer.message)
                following.extend(server.receive(name, answer.message))
        return following

    pending = [send for name, client in by_name.items() for send in deliver(name, client.start())]
    while not server.finished:
        if not pending:
            pending = server.close_round()
        following: list[Send] = []
        for send in pending:
            total += len(send.message)
            following.extend(deliver(send.to, by_name[send.to].receive(server.name, send.message)))
        pending = following
    return total
