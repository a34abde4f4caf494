"""Multiplication triples, each used once, and where they come from: a source is always named, never a default."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mpc.errors import BadParameters, KeyPolicyViolation
from mpc.party import RandomBytes
from mpc.ring import Ring, Vector
from mpc.sharing.additive import AdditiveShare, split

BATCH_BYTES: Final = 16


class TripleSource(Enum):
    """Who made the triples, which is whom the multiplication trusts. Every consumer states the one it accepts."""

    TRUSTED_DEALER = "trusted dealer"
    OBLIVIOUS_TRANSFER = "oblivious transfer"


@dataclass(frozen=True, eq=False)
class Triples:
    """One party's shares of n triples (a, b, a * b) with random a and b.

    ``batch`` (16 bytes, the same at all parties) and ``first`` (place of the first one in it) tell which triples they
    are: shares of different triples multiply to something else.
    """

    source: TripleSource
    a: AdditiveShare
    b: AdditiveShare
    c: AdditiveShare
    batch: bytes
    first: int = 0

    def __post_init__(self) -> None:
        self.a.check_same(self.b)
        self.a.check_same(self.c)
        if len(self.batch) != BATCH_BYTES or self.first < 0:
            raise BadParameters(f"a batch of triples has an id of {BATCH_BYTES} bytes, and places from 0")
        if not len(self.a.vector) == len(self.b.vector) == len(self.c.vector):
            raise BadParameters("a triple has three parts of one length")

    def __len__(self) -> int:
        return len(self.a.vector)

    def __repr__(self) -> str:
        return f"Triples({len(self)} from {self.source.value}, <redacted>)"


class TripleStock:
    """A party's store of triples, handed out front to back and never twice.

    All parties take in the same order: a multiplication refuses triples from different places.
    """

    def __init__(self, triples: Triples) -> None:
        self._triples = triples
        self._taken = 0

    def __len__(self) -> int:
        return len(self._triples) - self._taken

    @property
    def source(self) -> TripleSource:
        return self._triples.source

    def take(self, n: int) -> Triples:
        """Hand out the next n triples; ``KeyPolicyViolation`` if fewer are left: a used triple reveals inputs."""
        if n < 0 or n > len(self):
            raise KeyPolicyViolation(f"{n} triples are needed and {len(self)} are left: make more before the job")
        part = slice(self._taken, self._taken + n)
        self._taken += n
        a, b, c = (_cut(share, part) for share in (self._triples.a, self._triples.b, self._triples.c))
        return Triples(self.source, a, b, c, self._triples.batch, self._triples.first + part.start)


def from_trusted_dealer(ring: Ring, n: int, parties: int, rng: RandomBytes) -> list[Triples]:
    """Run by a DEALER, whom all parties must trust: it knows every triple.

    Whoever has the dealer's triples and sees the opened values of a multiplication reads the inputs. So the dealer is
    no party, sends each party its share over a sealed channel, sees nothing of the run, and forgets. Where nobody can
    be trusted so, use ``mpc.sharing.ot_triples``.
    """
    a, b = ring.random(n, rng), ring.random(n, rng)
    first, second, product = (split(ring, vector, parties, rng) for vector in (a, b, ring.mul(a, b)))
    batch = rng(BATCH_BYTES)
    return [Triples(TripleSource.TRUSTED_DEALER, *shares, batch) for shares in zip(first, second, product, strict=True)]


def _cut(share: AdditiveShare, part: slice) -> AdditiveShare:
    vector: Vector = share.vector[part]
    return AdditiveShare(share.ring, share.index, share.parties, vector)
