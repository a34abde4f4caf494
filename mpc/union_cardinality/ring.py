"""Exact union cardinality of n >= 2 parties: every set travels round a ring and takes on everybody's mask.

The ring of Vaidya and Clifton, "Secure set intersection cardinality with application to association rule mining"
(Journal of Computer Security 13(4), 2005), with Curve25519 as the commutative cipher: each *member* masks
its set and hands it on; each next member adds its mask and sorts; after n masks the set goes to the *counter*, where
equal units are equal points. Vaidya and Clifton count the points that all sets have; here the distinct ones count.

Model: semi-honest, random oracle, DDH on Curve25519. The counter holds no items (the hub, say).

Who learns what beyond the result. The **counter**: the size of every set and, since it sees the n fully masked sets
apart, the size of every intersection of them, pairwise and higher; never an item. A **member**: the other sets' sizes.
**Members that collude**, up to n-1 without the counter: the sizes of the intersections of each one's set with the
last one's (inherent for n = 2, a leak beyond). **The counter with up to n-1 members**: the same sizes; the honest
member's secret mask still hides its items, as nobody else can mask a guessed item with it. Not malicious-secure: a
member that puts in sets of its own choosing learns by their sizes, as in every protocol of this kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import Final

from mpc.errors import BadParameters, DuplicateMessage, UnknownParty, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi_dh.curve25519 import Points, Scalar, as_keys, encode, in_value_order, multiply
from mpc.union_cardinality.messages import FullyMasked, Travelling
from mpc.wire import SESSION_BYTES

_TAG: Final = b"unseen-union-cardinality-v1-curve25519_XMD:SHA-512_ELL2_NU_-"


class Member:
    """Holds a set. Masks its own set first and each of the others once; finished when all have passed."""

    def __init__(
        self,
        name: PartyName,
        ring: Sequence[PartyName],
        counter: PartyName,
        session: bytes,
        items: Sequence[bytes],
        random_bytes: RandomBytes,
        executor: Executor | None = None,
    ) -> None:
        """``ring``: all members in the same agreed order. Members must write one unit with exactly the same bytes."""
        _check_ring(ring, counter, session)
        if name not in ring:
            raise BadParameters("a member must be in the ring")
        if len(set(items)) != len(items):
            raise BadParameters("an item occurs twice: hand in a set")
        self.name = name
        self._ring, self._counter, self._session, self._items = tuple(ring), counter, session, items
        self._place = self._ring.index(name)
        self._scalar, self._executor = Scalar(random_bytes), executor
        self._started = False
        self._passed: set[int] = set()

    def __repr__(self) -> str:
        return f"Member({self.name!r}, place={self._place}, items={len(self._items)})"

    @property
    def finished(self) -> bool:
        return self._started and len(self._passed) == len(self._ring) - 1

    def start(self) -> Iterable[Send]:
        if self._started:
            raise WrongRound("already started")
        self._started = True
        points = self._masked(encode(self._items, _TAG + self._session, self._executor))
        yield Send(self._next, Travelling(self._session, self._place, 1, points).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._ring[self._place - 1]:
            raise UnknownParty("only the member before writes to a member")
        travelling = Travelling.decode(message, self._session)
        if not self._started:
            raise WrongRound("a set before the start")
        size = len(self._ring)
        # a set of origin o has passed o, o+1, ..., so its number of masks follows from where it is
        if travelling.origin >= size or travelling.masks != (self._place - travelling.origin) % size:
            raise WrongRound("this set cannot be here with this number of masks")
        if travelling.origin in self._passed:
            raise DuplicateMessage("this member's set has passed already")
        points = self._masked(travelling.points)
        self._passed.add(travelling.origin)
        if travelling.masks + 1 == size:
            return [Send(self._counter, FullyMasked(self._session, points).encode())]
        onward = Travelling(self._session, travelling.origin, travelling.masks + 1, points)
        return [Send(self._next, onward.encode())]

    @property
    def _next(self) -> PartyName:
        return self._ring[(self._place + 1) % len(self._ring)]

    def _masked(self, points: Points) -> Points:
        masked = multiply(points, self._scalar, self._executor)
        return masked[in_value_order(masked)]


class Counter:
    """Holds no items; counts the distinct points of all fully masked sets."""

    def __init__(self, name: PartyName, ring: Sequence[PartyName], session: bytes) -> None:
        _check_ring(ring, name, session)
        self.name = name
        self._ring, self._session = tuple(ring), session
        self._from: set[PartyName] = set()
        self._seen: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Counter({self.name!r}, sets={len(self._from)} of {len(self._ring)})"

    @property
    def finished(self) -> bool:
        return len(self._from) == len(self._ring)

    @property
    def result(self) -> int:
        """The number of distinct items of all members. Raises ``WrongRound`` before the end."""
        if not self.finished:
            raise WrongRound("not all sets have arrived")
        return len(self._seen)

    def start(self) -> Iterable[Send]:
        return []

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender not in self._ring:
            raise UnknownParty("a set from someone who is not in the ring")
        masked = FullyMasked.decode(message, self._session)
        if sender in self._from:
            raise DuplicateMessage("this member has delivered its set already")
        self._from.add(sender)
        self._seen.update(as_keys(masked.points))
        return []


def _check_ring(ring: Sequence[PartyName], counter: PartyName, session: bytes) -> None:
    if len(session) != SESSION_BYTES:
        raise BadParameters(f"a session id has {SESSION_BYTES} bytes")
    if not 2 <= len(ring) <= 0xFFFF or len(set(ring)) != len(ring):
        raise BadParameters("a ring has at least two members, each once")
    if counter in ring:
        raise BadParameters("the counter must not be a member")
