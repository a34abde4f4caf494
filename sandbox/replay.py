"""The referee's walk again, from the signed messages that it was made of: what participants and auditors recompute.

Pure: whoever calls it has verified the messages. Run by a node before it signs a release, and by an auditor's client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.documents import digest
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Case, Kind, Output, Receiver
from jobs.kinds.registry import referee_of
from jobs.schema import Digest
from sandbox.messages import Message, bodies_of, round_of


@dataclass(frozen=True)
class Replayed:
    """``said``: the digest of each body that the referee says on the way, by ``round sequence``."""

    output: Output
    said: Mapping[str, Digest]


def replay(kind: Kind, case: Case, messages: Sequence[Message]) -> Replayed:
    """All messages to the hub, in the order in which it took them. Raises ``ProtocolViolation``, or what the referee
    refuses a message for."""
    referee = referee_of(kind)
    state: bytes | None = None
    groups: dict[tuple[str, int], list[Message]] = {}
    said: dict[str, Digest] = {}
    for message in messages:
        header = message.header
        if round_of(kind, header.round).receiver is not Receiver.HUB:
            raise ProtocolViolation("the hub shows a message that the output is not computed from")
        group = groups.setdefault((header.round, header.sequence), [])
        referee.check(case, state, header.round, header.sequence, header.sender, message.body)
        group.append(message)
        if len(group) < len(case.participants):
            continue
        if len({m.header.sender for m in group}) != len(case.participants):
            raise ProtocolViolation("the hub shows two messages of one participant for one place")
        turn = referee.advance(case, state, header.round, header.sequence, bodies_of(group))
        state = turn.state if turn.state is not None else state
        said |= {f"{say.round} {say.sequence}": digest(say.body) for say in turn.say}
        if turn.output is not None:
            return Replayed(turn.output, said)
    raise ProtocolViolation("the messages that the hub shows give no output")
