"""AND triples from a helper that both parties name: fast, and safe as long as the helper colludes with neither.

The helper draws two seeds; the first party's shares are all pseudorandom from its seed, the second's too, except c,
which the helper sends (the usual compression of a semi-honest dealer, as in Riazi et al., "Chameleon", AsiaCCS 2018).
The helper sees nothing of the inputs and takes no part in the comparison; together with one party it
learns the other's counts. The hub may be the helper of two nodes: the plan in words then says so.
"""

from __future__ import annotations

import numpy as np

from mpc.comparison.script import Await, ScriptedParty, Steps
from mpc.comparison.triples import Triple, TripleShares
from mpc.comparison.words import SEED_BYTES, WIDTHS, stages, stream, word_type
from mpc.errors import BadParameters
from mpc.party import PartyName, RandomBytes

_A, _B, _C = 0, 1, 2
_DEAL = 0


class Helper(ScriptedParty[None]):
    """Deals triples for ``count`` words of ``width`` bits to two parties and is done."""

    def __init__(
        self,
        name: PartyName,
        takers: tuple[PartyName, PartyName],
        session: bytes,
        width: int,
        count: int,
        random_bytes: RandomBytes,
    ) -> None:
        _check(takers, name, width, count)
        self._takers, self._width, self._count, self._random = takers, width, count, random_bytes
        super().__init__(name, session, ("helper", name, *takers, width, count), {})

    def _script(self) -> Steps[None]:
        first, second = self._random(SEED_BYTES), self._random(SEED_BYTES)
        yield self._send(self._takers[0], _DEAL, first)
        corrections = [second]
        for stage, width in enumerate(stages(self._width)):
            one, two = (_expanded(seed, stage, width, self._count) for seed in (first, second))
            c = ((one.a ^ two.a) & (one.b ^ two.b)) ^ one.c
            corrections.append(c.tobytes())
        yield self._send(self._takers[1], _DEAL, b"".join(corrections))


class Taker(ScriptedParty[TripleShares]):
    """Receives the shares of one of the two parties; ``result`` goes into ``two.Contributor``."""

    def __init__(
        self,
        name: PartyName,
        helper: PartyName,
        takers: tuple[PartyName, PartyName],
        session: bytes,
        width: int,
        count: int,
    ) -> None:
        _check(takers, helper, width, count)
        if name not in takers:
            raise BadParameters("a taker must be one of the two")
        self._helper, self._width, self._count, self._first = helper, width, count, name == takers[0]
        size = SEED_BYTES
        if not self._first:
            size += sum(count * np.dtype(word_type(w)).itemsize for w in stages(width))
        super().__init__(name, session, ("helper", helper, *takers, width, count), {(helper, _DEAL): size})

    def _script(self) -> Steps[TripleShares]:
        dealt = yield Await(self._helper, _DEAL)
        seed, at, shares = dealt[:SEED_BYTES], SEED_BYTES, []
        for stage, width in enumerate(stages(self._width)):
            triple = _expanded(seed, stage, width, self._count)
            if not self._first:
                c = np.frombuffer(dealt, triple.c.dtype, self._count, at).copy()
                triple, at = triple._replace(c=c), at + c.nbytes
            shares.append(triple)
        return TripleShares(f"helper {self._helper}", self.session, self._width, self._count, shares)


def _expanded(seed: bytes, stage: int, width: int, count: int) -> Triple:
    kind = word_type(width)
    a, b, c = (stream(seed, 4 * stage + part, count, kind) for part in (_A, _B, _C))
    return Triple(a, b, c)


def _check(takers: tuple[PartyName, PartyName], helper: PartyName, width: int, count: int) -> None:
    if len({*takers, helper}) != 3:
        raise BadParameters("two different parties and a helper that is neither")
    if width not in WIDTHS or count < 1:
        raise BadParameters(f"words of {WIDTHS} bits, at least one")
