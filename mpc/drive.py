"""Runs parties to the end in one process: used by tests, benchmarks and jobs alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from mpc.errors import BadParameters, TooFewParties, UnknownParty
from mpc.party import Party, PartyName


def run(parties: Iterable[Party]) -> int:
    """Deliver all messages in order until none is left; return the number of bytes sent.

    Raises ``UnknownParty`` for a message to nobody, ``TooFewParties`` if a party still waits when all is delivered
    (a hang without a word is what this refuses), ``BadParameters`` if two parties have one name, and whatever
    ``MpcError`` a party raises.
    """
    taking_part = list(parties)
    by_name = {party.name: party for party in taking_part}
    if len(by_name) != len(taking_part):
        raise BadParameters("every party of a run has a name of its own")
    queue = deque((name, send) for name, party in by_name.items() for send in party.start())
    total = 0
    while queue:
        sender, send = queue.popleft()
        if send.to not in by_name:
            raise UnknownParty(f"{sender} wrote to {send.to}, who does not take part")
        total += len(send.message)
        receiver = by_name[send.to]
        queue.extend((receiver.name, answer) for answer in receiver.receive(sender, send.message))
    waiting = [PartyName(name) for name, party in by_name.items() if not party.finished]
    if waiting:
        raise TooFewParties(f"still waiting when every message was delivered: {', '.join(waiting)}")
    return total
