"""Additive n-of-n secret sharing over a ring: all shares sum to the secret, any n - 1 are uniform.

Run by whoever holds a vector. All shares but the last are 32-byte seeds (``mpc.prg``), so sharing a million numbers
among n parties sends n - 2 times 32 bytes and one vector to the others. Linear operations are local; multiplication is
``mpc.sharing.beaver``. Semi-honest: a wrong share changes the sum unnoticed. Shares of sums are only as secret as the
fewest parties that refuse to pool theirs: one honest party suffices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpc.errors import BadParameters, TooFewParties
from mpc.party import RandomBytes
from mpc.prg import SEED_BYTES, Signed, add_streams, expand
from mpc.ring import Ring, Vector


def split(ring: Ring, secret: Vector, parties: int, rng: RandomBytes) -> list[AdditiveShare]:
    """Share a vector among ``parties`` parties; raises ``BadParameters`` below two."""
    seeds, last = split_compact(ring, secret, parties, rng)
    vectors = [expand(seed, ring, len(secret)) for seed in seeds]
    return [AdditiveShare(ring, i, parties, vector) for i, vector in enumerate([*vectors, last])]


def split_compact(ring: Ring, secret: Vector, parties: int, rng: RandomBytes) -> tuple[list[bytes], Vector]:
    """As ``split``, with all shares but the last as seeds for ``from_seed``."""
    if parties < 2:
        raise BadParameters("a secret is shared among at least two parties")
    ring.check(secret)
    seeds = [rng(SEED_BYTES) for _ in range(parties - 1)]
    last = secret.copy()
    add_streams(ring, last, [Signed(seed, -1) for seed in seeds])
    return seeds, last


def from_seed(ring: Ring, index: int, parties: int, seed: bytes, n: int) -> AdditiveShare:
    """Expand a share of n elements that was sent as a seed."""
    return AdditiveShare(ring, index, parties, expand(seed, ring, n))


def combine(shares: Iterable[AdditiveShare]) -> Vector:
    """Open a sharing. Raises ``TooFewParties`` unless every party's share is there exactly once."""
    given = list(shares)
    if not given or sorted(share.index for share in given) != list(range(given[0].parties)):
        raise TooFewParties("an additive sharing opens only with the one share of every party")
    total = given[0].vector.copy()
    for share in given[1:]:
        given[0].check_same(share, any_index=True)
        given[0].ring.add_into(total, share.vector)
    return total


@dataclass(frozen=True, eq=False)
class AdditiveShare:
    """The share of party ``index`` among ``parties``; +, - and * by public integers act on the shared secret."""

    ring: Ring
    index: int
    parties: int
    vector: Vector

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.parties:
            raise BadParameters("a share belongs to one of its parties")
        self.ring.check(self.vector)

    def __add__(self, other: AdditiveShare) -> AdditiveShare:
        self.check_same(other)
        return self._with(self.ring.add(self.vector, other.vector))

    def __sub__(self, other: AdditiveShare) -> AdditiveShare:
        self.check_same(other)
        return self._with(self.ring.sub(self.vector, other.vector))

    def scale(self, factors: Vector) -> AdditiveShare:
        """Multiply the secrets by public elements."""
        return self._with(self.ring.mul(self.vector, factors))

    def add_public(self, values: Vector) -> AdditiveShare:
        """Add public elements: every party calls this, the first one adds."""
        self.ring.check(self.vector, values)
        return self._with(self.ring.add(self.vector, values)) if self.index == 0 else self

    def refresh(self, zeros: Iterable[AdditiveShare]) -> AdditiveShare:
        """Re-randomise with one share of zero from each party (``split`` of zeros); one honest party suffices."""
        share = self
        for zero in zeros:
            share = share + zero
        return share

    def check_same(self, other: AdditiveShare, any_index: bool = False) -> None:
        """Raise ``BadParameters`` unless both belong to the same party (or ``any_index``) of one kind of sharing."""
        alike = (self.ring, self.parties) == (other.ring, other.parties)
        if not alike or not (any_index or self.index == other.index):
            raise BadParameters("shares of different rings, parties or groups do not add up")

    def _with(self, vector: Vector) -> AdditiveShare:
        return AdditiveShare(self.ring, self.index, self.parties, vector)

    def __repr__(self) -> str:
        return f"AdditiveShare(party {self.index} of {self.parties}, {self.ring.bits} bits, vector=<redacted>)"
