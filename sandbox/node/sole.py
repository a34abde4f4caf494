"""The part of the only owner in a statistic that nobody else contributes to, sans-I/O: the whole gate is applied here.

With one participant no mask hides anything, so nothing leaves that the operator may not read: pass bits, then rounded
numbers of the pairs that passed. Exact totals stay in this process. Same walk and same calls as ``JointParty``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jobs.disclosure.part import PartVerdict
from jobs.disclosure.profile import Profile
from jobs.kinds.statistics.gated import gate_own
from jobs.kinds.statistics.opening import Bits, flag_count, pass_digest
from jobs.kinds.statistics.plan.types import Plan
from mpc.masks import MaskKey
from mpc.party import RandomBytes
from mpc.ring import Z64
from sandbox.errors import IntegrityFailure
from sandbox.messages import SALT_BYTES, Flags, Gated, Key, keys_digest, permit_bytes, session_of


class SoleParty:
    """Made from an accepted permit that names no other participant; asked for ``key``, ``flags``, ``values``."""

    def __init__(self, own: str, permit: str, nonce: str, plan: Plan, profile: Profile, rng: RandomBytes):
        self._own, self._plan, self._profile, self._rng = own, plan, profile, rng
        self._session, self._permit = session_of(nonce), permit_bytes(permit)
        self._public = MaskKey.generate(rng).public
        """What the walk begins with; its private half is dropped at once, for it masks nothing. As the flags bind it,
        nobody who sees their digest in log or receipt can guess the pass bits."""
        self._passed: Bits | None = None

    def key(self) -> Key:
        """Round 1: the node accepts the permit."""
        return Key(self._session, self._own, self._permit, self._public)

    def flags(self, publics: Mapping[str, bytes], verdict: PartVerdict) -> Flags:
        """Round 2: the pass bits, and not whether a closed pair is small or empty; shape (pairs, fail and present).

        ``publics`` must name this node's key alone; raises ``IntegrityFailure`` otherwise.
        """
        if dict(publics) != {self._own: self._public}:
            raise IntegrityFailure("the mask keys are not those of the permit's participants")
        self._passed = verdict.present & ~verdict.fail
        vector = Z64.zeros(flag_count(self._plan))
        vector[1::2] = self._passed.reshape(-1)
        return Flags(self._session, self._own, self._permit, keys_digest(publics), vector.reshape(-1, 1))

    def values(self, passed: Bits, values: Sequence[Sequence[int]]) -> Gated:
        """Round 3: rounded numbers of the pairs that passed; ``values[channel][cell]`` are exact integers.

        Raises ``IntegrityFailure`` if the hub opens other pairs than those.
        """
        if self._passed is None:
            raise IntegrityFailure("values were asked for before the flags")
        if not np.array_equal(passed, self._passed):
            raise IntegrityFailure("the hub opens other cells than those that passed here; nothing of them leaves")
        numbers = gate_own(self._plan, self._profile, passed, values)
        return Gated(self._session, self._own, self._permit, pass_digest(passed), self._rng(SALT_BYTES), numbers)

    def destroy(self) -> None:
        """Forget what was decided; nothing can be opened after it."""
        self._passed = None
