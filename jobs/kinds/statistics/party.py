"""One node's part in a statistic, sans-I/O: mask key, scan, flags, values. One mask, one message.

Semi-honest participants; masks hide a part from the hub unless it colludes with all other participants
(``mpc.masks``). Every mask is bound to the transcript of all that was relayed to everybody, keys and opened set
included: a hub that opens one set to some and another to others adds up noise. A pair that this node flagged is never
opened here. With one participant nothing can be masked, so nothing leaves that the operator may not read.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from jobs.disclosure.part import PartVerdict, decide_part
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Act, Compute, Done, Incoming, Party, Seat, Send
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.gated import gate_own
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    Words,
    decode_key,
    decode_open,
    encode_key,
    encode_numbers,
    encode_words,
)
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
    return StatisticsParty(seat, MaskedPart(seat) if len(seat.case.participants) > 1 else OnlyPart(seat))


class Part(Protocol):
    """How this node's flags and numbers are written: masked among others, rounded when alone."""

    public: bytes

    def hear(self, keys: Incoming) -> None:
        """Judge every participant's mask key as soon as it is relayed; raises a typed error."""
        ...

    def flags(self, keys: Incoming, verdict: PartVerdict) -> bytes: ...

    def values(self, opened: Incoming, passed: Bits, values: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
        """The body, and what stands behind it before masking."""
        ...

    def destroy(self) -> None: ...


class StatisticsParty:
    """Made from an accepted permit. Scans while the keys travel; sends flags, then what was opened, once each."""

    def __init__(self, seat: Seat, part: Part) -> None:
        self._case, self._plan, self._part = seat.case, _plan(seat), part
        self._keys: Incoming | None = None
        self._result: LocalResult | None = None
        self._verdict: PartVerdict | None = None

    def start(self) -> Sequence[Act]:
        key = Send("key", encode_key(self._case, self._part.public))
        return [key, Compute(ScanStep(self._plan, dict(self._case.parameters)))]

    def computed(self, result: LocalResult) -> Sequence[Act]:
        acts = self._flags(self._keys, result)
        self._result = result
        return acts

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        match incoming.round:
            case "key" if self._keys is None:
                self._part.hear(incoming)  # at once, whatever the scan is doing: a bad key ends the job here
                acts = self._flags(incoming, self._result)
                self._keys = incoming
                return acts
            case "open" if self._verdict is not None and self._result is not None:
                return self._values(incoming, self._verdict, self._result)
        raise ProtocolViolation(f"the hub relays round {incoming.round!r} at a moment when it has no place")

    def resume(self) -> Sequence[Compute]:
        return ()

    def checkpoint(self) -> bytes | None:
        return None

    def destroy(self) -> None:
        self._part.destroy()
        self._keys, self._result, self._verdict = None, None, None

    def _flags(self, keys: Incoming | None, result: LocalResult | None) -> Sequence[Act]:
        if keys is None or result is None:
            return ()
        functions = [aggregate.function for aggregate in self._plan.aggregates]
        verdict = decide_part(functions, result.evidence, self._case.profile)
        body = self._part.flags(keys, verdict)
        self._verdict = verdict
        kept = {**self._entry(verdict.present | verdict.fail), "failed": verdict.by_rule}
        return [Send("flags", body, record=kept)]

    def _values(self, opened: Incoming, verdict: PartVerdict, result: LocalResult) -> Sequence[Act]:
        passed = decode_open(self._case, opened.body)
        if (passed & verdict.fail).any():
            raise ProtocolViolation("the hub opens a cell that this node flagged; nothing of it leaves")
        body, part = self._part.values(opened, passed, result.values)
        self._verdict = None  # one opening, one message
        metered = {"cells": int(passed.sum())}
        return [Send("values", body, record=self._entry(passed), metered=metered, part=part), Done()]

    def _entry(self, cells: Bits) -> dict[str, Any]:
        """Which (aggregate, cell) pairs a message is about; the differencing audit of later jobs reads it."""
        packed = base64.b64encode(pack(cells)).decode()
        return {"aggregates": len(self._plan.aggregates), "cells": packed, "count": int(cells.sum())}


class MaskedPart:
    """Among others: a failing or present pair is a fresh non-zero element, so the sum tells only whether any was."""

    def __init__(self, seat: Seat) -> None:
        self._seat, self._plan = seat, _plan(seat)
        self._key: MaskKey | None = MaskKey.generate(seat.rng)
        self._publics: dict[PartyName, bytes] = {}
        self.public = self._key.public

    def hear(self, keys: Incoming) -> None:
        """Raises ``ProtocolViolation`` unless the keys are those of all participants, ``MpcError`` for a bad one."""
        publics = _publics(self._seat, keys, self.public)
        check_publics(self._held(), PartyName(self._seat.own), publics)
        self._publics = publics

    def flags(self, keys: Incoming, verdict: PartVerdict) -> bytes:
        flat = np.stack([verdict.fail.reshape(-1), verdict.present.reshape(-1)], axis=1).reshape(-1)
        vector = Z64.zeros(flag_count(self._plan))
        marked = np.flatnonzero(flat)
        vector[marked] = Z64.random_nonzero(len(marked), self._seat.rng)
        return encode_words(self._seat.case, FLAGS, self._masked(Z64, vector, keys, "flags"))

    def values(self, opened: Incoming, passed: Bits, values: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
        """Raises ``OutOfRange`` if a value does not fit the plan's ring (which the range proof excludes)."""
        ring, pairs = Ring(self._plan.ring_bits), opening(self._plan, passed)
        vector = ring.encode([values[channel][cell] for channel, cell in zip(pairs.channel, pairs.cell, strict=True)])
        body = encode_words(self._seat.case, VALUES, self._masked(ring, vector, opened, "values"))
        return body, vector.tobytes()

    def destroy(self) -> None:
        self._key = None
        self._publics.clear()

    def _masked(self, ring: Ring, vector: Vector, seen: Incoming, round: str) -> Words:
        own = PartyName(self._seat.own)
        mask = pairwise_masks(self._held(), own, self._publics, seen.transcript, round, ring, len(vector))
        return ring.add(vector, mask).reshape(len(vector), ring.bits // 64).astype(np.uint64, copy=False)

    def _held(self) -> MaskKey:
        if self._key is None:
            raise ProtocolViolation("this job's mask key has been destroyed")
        return self._key


class OnlyPart:
    """The part of an only owner: pass bits and not why a pair is closed, then rounded numbers; the gate is here."""

    def __init__(self, seat: Seat) -> None:
        self._seat, self._plan = seat, _plan(seat)
        self.public = MaskKey.generate(seat.rng).public
        """What the walk begins with; its private half is dropped at once, for it masks nothing."""
        self._passed: Bits | None = None

    def hear(self, keys: Incoming) -> None:
        """Raises ``ProtocolViolation`` unless the hub relays this node's own key and no other."""
        _publics(self._seat, keys, self.public)

    def flags(self, keys: Incoming, verdict: PartVerdict) -> bytes:
        self._passed = verdict.present & ~verdict.fail
        vector = Z64.zeros(flag_count(self._plan))
        vector[1::2] = self._passed.reshape(-1)
        return encode_words(self._seat.case, FLAGS, vector.reshape(-1, 1))

    def values(self, opened: Incoming, passed: Bits, values: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
        """Raises ``ProtocolViolation`` if the hub opens other pairs than those that passed here."""
        if self._passed is None or not np.array_equal(passed, self._passed):
            raise ProtocolViolation("the hub opens other cells than those that passed here; nothing of them leaves")
        body = encode_numbers(self._seat.case, gate_own(self._plan, self._seat.case.profile, passed, values))
        return body, "\n".join(",".join(map(str, row)) for row in values).encode()

    def destroy(self) -> None:
        self._passed = None


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
