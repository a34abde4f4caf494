"""A note to everybody else; the mark, once a note of everybody else has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.disclosure.gate import Verdict
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Act, Compute, Done, Incoming, Party, Seat, Send


def make_party(seat: Seat, checkpoint: bytes | None = None) -> Party:
    return NoteParty(seat)


class NoteParty:
    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._others = [node for node in seat.case.participants if node != seat.own]
        self.heard: dict[str, list[bytes]] = {}

    def start(self) -> Sequence[Act]:
        return [Send("note", f"from {self._seat.own}".encode(), receiver=node) for node in self._others]

    def computed(self, result: Any) -> Sequence[Act]:
        return ()

    def judged(self, verdict: Verdict) -> Sequence[Act]:
        raise ProtocolViolation("notes ask the gate nothing")

    def resume(self) -> Sequence[Compute]:
        return ()

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        ((sender, body),) = incoming.bodies.items()
        first = sender not in self.heard
        self.heard.setdefault(sender, []).append(body)
        if not first or set(self.heard) != set(self._others):
            return ()
        return [Send("mark", b"mark", metered={"marks": 1}, part=b"mark"), Done()]

    def checkpoint(self) -> bytes | None:
        return None

    def destroy(self) -> None:
        self.heard = {}
