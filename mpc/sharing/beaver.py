"""Multiplication of additively shared vectors with Beaver triples (Beaver 1991, section 2), n parties, one round.

Roles: all parties are ``Multiplier``s. Pre-conditions: shares x, y of one sharing, and one fresh triple per element
from the same source at all parties. Each sends d = x - a and e = y - b to all others; then z = c + d*b + e*a (+ d*e at
the first party) is a share of x*y. Each says which triples it used (batch and place), and others are refused. What is
learnt: d and e, which are uniform; nothing of x, y or x*y. Semi-honest: a wrong d or e makes the product wrong
unnoticed. With a trusted dealer's triples the dealer must not see d and e.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from mpc.errors import BadParameters, DuplicateMessage, UnknownParty, WrongRound, WrongSession
from mpc.party import PartyName, Send
from mpc.ring import Ring, Vector
from mpc.sharing.additive import AdditiveShare
from mpc.sharing.triples import BATCH_BYTES, TripleSource, TripleStock
from mpc.wire import SESSION_BYTES, Reader, Writer

PROTOCOL: Final = 2


class Multiplier:
    """One party of a multiplication. ``source`` is the origin of triples that this party accepts.

    Takes as many triples from ``stock`` as there are elements. Raises ``BadParameters`` for shares that do not belong
    together or another source, ``KeyPolicyViolation`` if the stock is too small. ``result`` is a share of x * y.
    """

    def __init__(
        self,
        session: bytes,
        name: PartyName,
        parties: Sequence[PartyName],
        x: AdditiveShare,
        y: AdditiveShare,
        stock: TripleStock,
        source: TripleSource,
    ) -> None:
        x.check_same(y)
        if len(session) != SESSION_BYTES or len(set(parties)) != len(parties) or len(parties) != x.parties:
            raise BadParameters("a session id of 16 bytes and as many distinct parties as shares are needed")
        if name not in parties or parties.index(name) != x.index:
            raise BadParameters("this party's place among the parties must be that of its shares")
        if len(x.vector) != len(y.vector) or not len(x.vector):
            raise BadParameters("the factors have different lengths, or none")
        if stock.source is not source:
            raise BadParameters(f"the triples come from {stock.source.value}; this party accepts {source.value}")
        triples = stock.take(len(x.vector))
        triples.a.check_same(x)
        self.name = name
        self._session = session
        self._others = [party for party in parties if party != name]
        self._triples = triples
        self._d, self._e = x - triples.a, y - triples.b
        self._opened_d, self._opened_e = self._d.vector.copy(), self._e.vector.copy()
        self._heard: set[PartyName] = set()
        self._started = False

    @property
    def finished(self) -> bool:
        return self._started and len(self._heard) == len(self._others)

    @property
    def result(self) -> AdditiveShare:
        """This party's share of the product; ``WrongRound`` before the end."""
        if not self.finished:
            raise WrongRound("the multiplication has not finished")
        ring, d, e, t = self._d.ring, self._opened_d, self._opened_e, self._triples
        return (t.c + t.b.scale(d) + t.a.scale(e)).add_public(ring.mul(d, e))

    def start(self) -> Iterable[Send]:
        if self._started:
            raise WrongRound("this party has already started: an opening is sent once")
        self._started = True
        used = self._triples
        message = Opening(used.batch, used.first, self._d.vector, self._e.vector).encode(self._session, self._d.ring)
        return [Send(party, message) for party in self._others]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender not in self._others:
            raise UnknownParty("not another party of this multiplication")
        ring = self._d.ring
        opening = Opening.decode(message, self._session, ring, len(self._opened_d))
        if sender in self._heard:
            raise DuplicateMessage(f"{sender} has already opened its values")
        if (opening.batch, opening.first) != (self._triples.batch, self._triples.first):
            raise WrongSession(f"{sender} multiplies with other triples: all take from one batch in one order")
        self._heard.add(sender)
        ring.add_into(self._opened_d, opening.d)
        ring.add_into(self._opened_e, opening.e)
        return []

    def __repr__(self) -> str:
        return f"Multiplier({self.name}, {len(self._opened_d)} products, shares redacted)"


@dataclass(frozen=True, eq=False)
class Opening:
    """One party's shares of d = x - a and e = y - b and which triples they are under, to every other party."""

    KIND: ClassVar[int] = 1
    batch: bytes
    first: int
    d: Vector
    e: Vector

    def encode(self, session: bytes, ring: Ring) -> bytes:
        writer = Writer(PROTOCOL, self.KIND, session).raw(self.batch).u64(self.first)
        return writer.blob(ring.to_bytes(self.d)).blob(ring.to_bytes(self.e)).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes, ring: Ring, n: int) -> Self:
        reader = Reader(message).expect(PROTOCOL, cls.KIND, session)
        batch, first = reader.raw(BATCH_BYTES), reader.u64()
        size = n * ring.element_bytes
        d, e = reader.blob(size), reader.blob(size)
        reader.end()
        return cls(batch, first, ring.from_bytes(d, n), ring.from_bytes(e, n))
