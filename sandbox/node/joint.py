"""One node's part in a joint statistic, sans-I/O: mask key, masked flags, masked values. One mask, one message.

Security model: semi-honest participants and hub; masks hide a part from the hub unless it colludes with all other
participants (``mpc.masks``). A hub that lies about pass bits gains nothing: a flagged pair is never opened here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from jobs.disclosure.part import PartVerdict
from jobs.kinds.statistics.opening import Bits, flag_count, opening, pass_digest
from jobs.kinds.statistics.plan.types import Plan
from mpc.masks import MaskKey, pairwise_masks
from mpc.party import PartyName, RandomBytes
from mpc.ring import Z64, Ring, Vector
from sandbox.errors import IntegrityFailure
from sandbox.messages import Flags, Key, Values, keys_digest, mask_context, permit_bytes, session_of


class JointParty:
    """Made from an accepted permit; asked for ``key``, then ``flags``, then ``values``, each once."""

    def __init__(self, own: str, permit: str, nonce: str, plan: Plan, participants: Sequence[str], rng: RandomBytes):
        self._own, self._plan, self._rng = own, plan, rng
        self._session, self._permit = session_of(nonce), permit_bytes(permit)
        self._context = mask_context(permit, plan.digest(), participants)
        self._participants = tuple(participants)
        self._key: MaskKey | None = MaskKey.generate(rng)
        self._publics: dict[PartyName, bytes] = {}
        self._verdict: PartVerdict | None = None

    def key(self) -> Key:
        """Round 1: the public half of this job's mask key."""
        return Key(self._session, self._own, self._permit, self._mask_key().public)

    def flags(self, publics: Mapping[str, bytes], verdict: PartVerdict) -> Flags:
        """Round 2: masked (fail, present) for every aggregate and cell.

        ``publics`` must name exactly the participants. Raises ``IntegrityFailure`` otherwise, and ``MpcError`` for a
        bad key. A failing or present pair is a fresh non-zero element, so that the sum tells only whether any was.
        """
        if sorted(publics) != sorted(self._participants):
            raise IntegrityFailure("the mask keys are not those of the permit's participants")
        self._publics = {PartyName(node): public for node, public in publics.items()}
        self._verdict = verdict
        flat = np.stack([verdict.fail.reshape(-1), verdict.present.reshape(-1)], axis=1).reshape(-1)
        vector = Z64.zeros(flag_count(self._plan))
        marked = np.flatnonzero(flat)
        vector[marked] = Z64.random_nonzero(len(marked), self._rng)
        masked = self._masked(Z64, vector, "flags")
        return Flags(self._session, self._own, self._permit, keys_digest(publics), masked)

    def values(self, passed: Bits, values: Sequence[Sequence[int]]) -> Values:
        """Round 3: masked values of the opened (channel, cell) pairs; ``values[channel][cell]`` are exact integers.

        Raises ``IntegrityFailure`` if the hub opens a pair that this node flagged, and ``OutOfRange`` if a value does
        not fit the plan's ring (which the range proof excludes).
        """
        if self._verdict is None:
            raise IntegrityFailure("values were asked for before the flags")
        if (passed & self._verdict.fail).any():
            raise IntegrityFailure("the hub opens a cell that this node flagged; nothing of it leaves")
        ring = Ring(self._plan.ring_bits)
        opened = opening(self._plan, passed)
        vector = ring.encode([values[channel][cell] for channel, cell in zip(opened.channel, opened.cell, strict=True)])
        masked = self._masked(ring, vector, "values")
        return Values(self._session, self._own, self._permit, pass_digest(passed), masked)

    def destroy(self) -> None:
        """Forget the mask key and all intermediates; nothing can be masked or opened after it."""
        self._key, self._verdict = None, None
        self._publics.clear()

    def _masked(self, ring: Ring, vector: Vector, round: str) -> npt.NDArray[np.uint64]:
        own = PartyName(self._own)
        mask = pairwise_masks(self._mask_key(), own, self._publics, self._context, round, ring, len(vector))
        return ring.add(vector, mask).reshape(len(vector), ring.bits // 64).astype(np.uint64, copy=False)

    def _mask_key(self) -> MaskKey:
        if self._key is None:
            raise IntegrityFailure("this job's mask key has been destroyed")
        return self._key
