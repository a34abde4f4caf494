"""The hub's part in a joint statistic as a pure step: messages held so far in, what follows out. No store, no clock.

Semi-honest: the hub learns pass bits, then totals of passing cells, from sums of masked vectors; it can falsify a
result, which receipts and the auditor's own addition show, but not open a cell that a node flagged. Of a job with
one owner it learns pass bits and rounded numbers: exact totals are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from jobs.documents import Permit, SentRecord, Verified
from jobs.kinds.statistics.opening import Bits, Opening, flag_count, opening, pass_digest
from jobs.kinds.statistics.plan.types import Plan
from mpc.errors import MalformedMessage, UnknownParty, WrongRound, WrongSession
from mpc.masks import check_public
from mpc.ring import Z64, Ring, Vector
from sandbox.errors import IntegrityFailure
from sandbox.messages import (
    Abort,
    Destroyed,
    Flags,
    Gated,
    Key,
    NodeMessage,
    Values,
    Words,
    keys_digest,
    permit_bytes,
    session_of,
)

ROUND: Final[dict[type[NodeMessage] | type[SentRecord], str]] = {
    Key: "key",
    Flags: "flags",
    Values: "values",
    Gated: "values",
    SentRecord: "sent",
    Abort: "abort",
    Destroyed: "destroyed",
}
COUNTED: Final = ("key", "flags", "values")
"""The rounds that a node lists in its ``SentRecord``."""


@dataclass(frozen=True)
class Joint:
    """One job as the coordinator sees it. ``passed`` is None until all flags were added."""

    permit: Verified[Permit]
    plan: Plan
    passed: Bits | None

    @property
    def participants(self) -> tuple[str, ...]:
        return self.permit.document.participants

    @property
    def has_one_owner(self) -> bool:
        """One participant, whose own node applies the whole gate."""
        return len(self.participants) == 1


@dataclass(frozen=True)
class Totals:
    """Exact sums per channel and cell, ``None`` where nothing was opened."""

    rows: tuple[tuple[int | None, ...], ...]


def check_message(joint: Joint, node: str, message: NodeMessage, publics: Mapping[str, bytes]) -> None:
    """Refuse what is not this node's message of this job and round; ``publics`` are the mask keys held so far.

    Raises ``UnknownParty``, ``WrongSession``, ``WrongRound``, ``MalformedMessage`` (shape, or a kind that this job
    does not have) or ``IntegrityFailure`` (masked under other keys, or values for another opened set).
    """
    permit = joint.permit
    if node not in joint.participants or message.node != node:
        raise UnknownParty("the message names another node than the one that sends it, or one that takes no part")
    if message.session != session_of(permit.document.nonce) or message.permit != permit_bytes(permit.digest):
        raise WrongSession("the message belongs to another permit")
    match message:
        case Key():
            check_public(message.public)
            if any(other != node and key == message.public for other, key in publics.items()):
                raise IntegrityFailure("another node has offered the same mask key")
        case Flags():
            if set(publics) != set(joint.participants):
                raise WrongRound("flags before all mask keys were there")
            if message.keys != keys_digest(publics):
                raise IntegrityFailure("the flags were masked under other mask keys than the hub passed on")
            _check_shape(message.vector, flag_count(joint.plan), 1)
        case Values():
            if joint.has_one_owner:
                raise MalformedMessage("unmasked totals: the only owner's node rounds before anything leaves it")
            passed = _passed(joint, message)
            _check_shape(message.vector, len(opening(joint.plan, passed)), joint.plan.ring_bits // 64)
        case Gated():
            if not joint.has_one_owner:
                raise MalformedMessage("a part of a joint statistic is masked, not rounded")
            if len(message.numbers) != int(_passed(joint, message).sum()):
                raise MalformedMessage("another count of numbers than of pairs that passed")


def _passed(joint: Joint, message: Values | Gated) -> Bits:
    if joint.passed is None:
        raise WrongRound("values before any cell was opened")
    if message.passed != pass_digest(joint.passed):
        raise IntegrityFailure("the values are for other cells than those that passed")
    return joint.passed


def check_sent(joint: Joint, node: str, record: SentRecord, payloads: Mapping[str, str]) -> None:
    """Refuse a sent record that does not list exactly this job's messages; ``payloads``: round -> payload digest.

    Raises ``UnknownParty``, ``WrongSession`` or ``IntegrityFailure``.
    """
    if record.node != node or node not in joint.participants:
        raise UnknownParty("the sent record is another node's")
    if (record.permit, record.nonce) != (joint.permit.digest, joint.permit.document.nonce):
        raise WrongSession("the sent record belongs to another permit")
    listed = [(message.round, message.digest) for message in record.messages]
    if listed != [(name, payloads.get(name)) for name in COUNTED]:
        raise IntegrityFailure("the sent record does not list the key, flags and values that the hub received")


def add_flags(joint: Joint, flags: Sequence[Flags]) -> Bits:
    """Pass bits, shape (aggregates, cells): nobody flagged a failure, and somebody has data."""
    total = _sum(Z64, [message.vector.reshape(-1) for message in flags])
    fail, present = total[0::2], total[1::2]
    passed: Bits = (fail == 0) & (present != 0)
    return passed.reshape(len(joint.plan.aggregates), joint.plan.cells)


def add_values(joint: Joint, passed: Bits, values: Sequence[Values]) -> Totals:
    """Totals of the opened (channel, cell) pairs in the plan's ring, signed; the range proof excludes wraps."""
    ring = Ring(joint.plan.ring_bits)
    width = joint.plan.ring_bits // 64
    parts = [message.vector.reshape(-1) if width == 1 else message.vector for message in values]
    numbers = ring.decode_signed(_sum(ring, parts))
    return Totals(_spread(joint.plan, opening(joint.plan, passed), numbers))


def _spread(plan: Plan, opened: Opening, numbers: Sequence[int]) -> tuple[tuple[int | None, ...], ...]:
    table: list[list[int | None]] = [[None] * plan.cells for _ in plan.channels]
    for channel, cell, number in zip(opened.channel.tolist(), opened.cell.tolist(), numbers, strict=True):
        table[channel][cell] = number
    return tuple(map(tuple, table))


def _sum(ring: Ring, vectors: Sequence[Vector]) -> Vector:
    total = np.array(vectors[0], dtype=ring.dtype)
    for vector in vectors[1:]:
        ring.add_into(total, vector)
    return total


def _check_shape(vector: Words, elements: int, words: int) -> None:
    if vector.shape != (elements, words):
        raise MalformedMessage(f"{vector.shape[0]} ring elements where the plan has {elements}")
