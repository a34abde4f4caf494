"""Does a signed list of sent messages make a whole walk of its kind? Pure: run by hub, nodes and offline verifiers."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.documents import CheckWalk, Permit, SentRecord
from jobs.documents.message import ALL
from jobs.errors import OutOfScope
from jobs.kinds.base import Kind, Receiver, Round


def walk_check(kind: Kind, hub: str) -> CheckWalk:
    """``check_walk`` for one kind, as ``jobs.documents.check_sent`` takes it."""

    def check(permit: Permit, record: SentRecord) -> None:
        check_walk(kind, record, permit.participants, hub)

    return check


def check_walk(kind: Kind, record: SentRecord, participants: Sequence[str], hub: str) -> None:
    """Raise ``OutOfScope`` unless each round is there as often and for whom the kind's table says, and nothing else."""
    rounds = {row.name: row for row in kind.rounds if not row.by_hub}
    found: dict[tuple[str, str], int] = {}
    for message in record.messages:
        if message.round not in rounds:
            raise OutOfScope("sent", f"{record.node} sent a message of a round that a {kind.name} job has not")
        place = (message.round, message.receiver)
        found[place] = found.get(place, 0) + 1
    for row in rounds.values():
        _check_round(row, record, found, participants, hub)


def _check_round(
    row: Round, record: SentRecord, found: dict[tuple[str, str], int], participants: Sequence[str], hub: str
) -> None:
    others = {node for node in participants if node != record.node}
    expected = {Receiver.HUB: {hub}, Receiver.ALL: {ALL}, Receiver.NODE: others}[row.receiver]
    counts = {receiver: count for (name, receiver), count in found.items() if name == row.name}
    if set(counts) - expected:
        raise OutOfScope("sent", f"{record.node} sent a message of round {row.name} to somebody whom it is not for")
    if any(count > row.repeats for count in counts.values()):
        raise OutOfScope("sent", f"{record.node} sent more messages of round {row.name} than the kind has")
    if not row.optional and row.receiver is not Receiver.NODE and not counts:
        raise OutOfScope("sent", f"{record.node} sent no message of round {row.name}")
