"""One node's part in a statistic, sans-I/O: mask key, scan, questions to the node's gate, flags, values.

Every number gets its noise before it is masked, and the gate has judged, and remembers, what is asked before a flag
leaves. Semi-honest participants; masks hide a part from the hub unless it colludes with all other participants
(``mpc.masks``), and then it sees a noisy part that this node's own rules allow. Every mask is bound to the transcript
of all that was relayed to everybody, keys and opened set included: a hub that opens one set to some and another to
others adds up noise. A pair that this node flagged is never opened here. With one participant it is the same walk;
nothing can be masked, and the hub reads the noisy part.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from jobs.disclosure.gate import Verdict
from jobs.disclosure.part import PartVerdict, decide_part
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Act, Ask, Compute, Done, Incoming, Party, Seat, Send
from jobs.kinds.statistics.asking import bases_of, evidence_of, questions_of, refused_by
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.messages import FLAGS, VALUES, decode_key, decode_open, encode_key, encode_vector
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.opening import Bits, flag_count, opening, pack
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.step import ScanStep
from mpc.masks import MaskKey, check_publics, pairwise_masks
from mpc.party import PartyName
from mpc.ring import Z64, Ring, Vector


def make_party(seat: Seat, checkpoint: bytes | None = None) -> Party:
    """A mask key never touches a disk, so there is no checkpoint to go on from."""
    if checkpoint is not None:
        raise ProtocolViolation("a statistic writes no checkpoint")
    return StatisticsParty(seat, Masked(seat) if len(seat.case.participants) > 1 else Unmasked(seat))


class Masking(Protocol):
    """What a vector is added to before it leaves."""

    public: bytes

    def hear(self, keys: Incoming) -> None:
        """Judge every participant's mask key as soon as it is relayed; raises a typed error."""
        ...

    def mask(self, ring: Ring, length: int, seen: Incoming) -> Vector:
        """One for each message, bound to what was seen before it."""
        ...

    def destroy(self) -> None: ...


@dataclass(frozen=True, repr=False)
class Judged:
    """What is left of a part once the rules have seen it. ``values``: with noise."""

    keys: Incoming
    verdict: PartVerdict
    values: tuple[list[int], ...] = field(repr=False)


class StatisticsParty:
    """Made from an accepted permit. Scans while the keys travel; asks; sends flags, then what was opened, once each."""

    def __init__(self, seat: Seat, masking: Masking) -> None:
        self._seat, self._case, self._plan, self._masking = seat, seat.case, _plan(seat), masking
        self._keys: Incoming | None = None
        self._result: LocalResult | None = None
        self._asked: Judged | None = None
        self._sent: Judged | None = None

    def start(self) -> Sequence[Act]:
        key = Send("key", encode_key(self._case, self._masking.public))
        return [key, Compute(ScanStep(self._plan, dict(self._case.parameters)))]

    def computed(self, result: LocalResult) -> Sequence[Act]:
        if self._keys is None:
            self._result = result
            return ()
        return self._ask(self._keys, result)

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        match incoming.round:
            case "key" if self._keys is None:
                self._masking.hear(incoming)  # at once, whatever the scan is doing: a bad key ends the job here
                acts = () if self._result is None else self._ask(incoming, self._result)
                self._keys = incoming
                return acts
            case "open" if self._sent is not None:
                return self._values(incoming, self._sent)
        raise ProtocolViolation(f"the hub relays round {incoming.round!r} at a moment when it has no place")

    def judged(self, verdict: Verdict) -> Sequence[Act]:
        """The flags: where a rule fails, or the gate refuses one of an aggregate's channels."""
        asked = self._asked
        if asked is None:
            raise ProtocolViolation("a verdict where nothing was asked")
        final = asked.verdict.refused(refused_by(self._plan, verdict))
        body = self._masked_flags(asked.keys, final.fail)
        self._asked, self._sent = None, Judged(asked.keys, final, asked.values)
        kept = {**self._entry(~final.fail), "failed": dict(final.by_rule)}
        return [Send("flags", body, record=kept)]

    def resume(self) -> Sequence[Compute]:
        return ()

    def checkpoint(self) -> bytes | None:
        return None

    def destroy(self) -> None:
        self._masking.destroy()
        self._keys, self._result, self._asked, self._sent = None, None, None, None

    def _ask(self, keys: Incoming, result: LocalResult) -> Sequence[Act]:
        plan, profile = self._plan, self._case.profile
        noisy = add_noise(plan, self._case.parameters, profile, self._seat.gate, result)
        bases = bases_of(plan, profile, result)
        verdict = decide_part(evidence_of(plan, result, noisy, bases), profile)
        questions = questions_of(plan, profile, result, noisy, bases)
        self._asked, self._result = Judged(keys, verdict, noisy.values), None  # no exact number is kept
        return [Ask(questions, verdict.vetoes)]

    def _masked_flags(self, keys: Incoming, fail: Bits) -> bytes:
        """A failing pair is a fresh non-zero element, so the sum tells only whether any failed."""
        vector = Z64.zeros(flag_count(self._plan))
        marked = np.flatnonzero(fail.reshape(-1))
        vector[marked] = Z64.random_nonzero(len(marked), self._seat.rng)
        mask = self._masking.mask(Z64, len(vector), keys)
        return encode_vector(self._case, FLAGS, Z64, Z64.add(vector, mask))

    def _values(self, opened: Incoming, sent: Judged) -> Sequence[Act]:
        """Raises ``OutOfRange`` if a value does not fit the plan's ring (which the range proof excludes)."""
        passed = decode_open(self._case, opened.body)
        if (passed & sent.verdict.fail).any():
            raise ProtocolViolation("the hub opens a cell that this node flagged; nothing of it leaves")
        ring, pairs = Ring(self._plan.ring_bits), opening(self._plan, passed)
        places = zip(pairs.channel.tolist(), pairs.cell.tolist(), strict=True)
        vector = ring.encode([sent.values[channel][cell] for channel, cell in places])
        masked = ring.add(vector, self._masking.mask(ring, len(vector), opened))
        body = encode_vector(self._case, VALUES, ring, masked)
        self._sent = None  # one opening, one message
        entry, metered = self._entry(passed), {"cells": int(passed.sum())}
        return [Send("values", body, record=entry, metered=metered, part=vector.tobytes()), Done()]

    def _entry(self, cells: Bits) -> dict[str, Any]:
        """Which (aggregate, cell) pairs a message is about, for the owner's own record."""
        packed = base64.b64encode(pack(cells)).decode()
        return {"aggregates": len(self._plan.aggregates), "cells": packed, "count": int(cells.sum())}


class Masked:
    """Among others: the masks of all participants of one round add up to nothing."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._key: MaskKey | None = MaskKey.generate(seat.rng)
        self._publics: dict[PartyName, bytes] = {}
        self.public = self._key.public

    def hear(self, keys: Incoming) -> None:
        """Raises ``ProtocolViolation`` unless the keys are those of all participants, ``MpcError`` for a bad one."""
        publics = _publics(self._seat, keys, self.public)
        check_publics(self._held(), PartyName(self._seat.own), publics)
        self._publics = publics

    def mask(self, ring: Ring, length: int, seen: Incoming) -> Vector:
        """Flags follow the keys, values follow what was opened; raises ``KeyPolicyViolation`` for a second mask."""
        round = "flags" if seen.round == "key" else "values"
        own = PartyName(self._seat.own)
        return pairwise_masks(self._held(), own, self._publics, seen.transcript, round, ring, length)

    def destroy(self) -> None:
        self._key = None
        self._publics.clear()

    def _held(self) -> MaskKey:
        if self._key is None:
            raise ProtocolViolation("this job's mask key has been destroyed")
        return self._key


class Unmasked:
    """An only owner: there is nobody to hide among, and nothing exact to hide."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self.public = MaskKey.generate(seat.rng).public
        """What the walk begins with; its private half is dropped at once, for it masks nothing."""
        self._destroyed = False

    def hear(self, keys: Incoming) -> None:
        """Raises ``ProtocolViolation`` unless the hub relays this node's own key and no other."""
        _publics(self._seat, keys, self.public)

    def mask(self, ring: Ring, length: int, seen: Incoming) -> Vector:
        if self._destroyed:
            raise ProtocolViolation("this job's part has been destroyed")
        return ring.zeros(length)

    def destroy(self) -> None:
        self._destroyed = True


def _publics(seat: Seat, keys: Incoming, own: bytes) -> dict[PartyName, bytes]:
    """Every participant's mask key, own as sent."""
    if set(keys.bodies) != set(seat.case.participants):
        raise ProtocolViolation("the mask keys are not those of the permit's participants")
    found: Mapping[str, bytes] = {node: decode_key(seat.case, body) for node, body in keys.bodies.items()}
    if found[seat.own] != own:
        raise ProtocolViolation("the hub relays another mask key as this node's than it sent")
    return {PartyName(node): public for node, public in found.items()}


def _plan(seat: Seat) -> Plan:
    plan: Plan = seat.case.plan
    return plan
