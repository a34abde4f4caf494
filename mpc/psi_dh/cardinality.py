"""How many items two sets share, and nothing else: the receiver learns the number, the sender only a size.

The commutative-encryption protocol of Huberman, Franklin, Hogg, "Enhancing privacy and trust in electronic communities"
(EC 1999), in the form proven by Agrawal, Evfimievski, Srikant, "Information sharing across private databases" (SIGMOD
2003, section 5, intersection size): each side masks its set with a secret scalar, the sender masks the receiver's set
again *and forgets its order*, and equal items meet as equal points under both scalars.

Model: semi-honest, random oracle, DDH on Curve25519. The receiver learns the cardinality and the sender's set size, the
sender learns the receiver's set size. A malicious receiver may put in items that it does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi_dh.curve25519 import Scalar, as_keys, in_value_order, multiply
from mpc.psi_dh.inputs import masked_items
from mpc.psi_dh.messages import DoublyMasked, Masked
from mpc.wire import header


class Receiver:
    """Learns |own set AND the sender's set|. ``executor``: threads of the caller's, since the curve needs no GIL."""

    def __init__(
        self,
        name: PartyName,
        sender: PartyName,
        session: bytes,
        items: Sequence[bytes],
        random_bytes: RandomBytes,
        executor: Executor | None = None,
    ) -> None:
        self.name = name
        self._sender, self._session, self._items, self._executor = sender, session, items, executor
        self._scalar = Scalar(random_bytes)
        self._started = False
        self._theirs: frozenset[bytes] | None = None
        self._ours: frozenset[bytes] | None = None

    def __repr__(self) -> str:
        return f"Receiver({self.name!r}, items={len(self._items)})"

    @property
    def finished(self) -> bool:
        return self._ours is not None and self._theirs is not None

    @property
    def result(self) -> int:
        """The cardinality of the intersection. Raises ``WrongRound`` before the end."""
        if self._ours is None or self._theirs is None:
            raise WrongRound("the sender's messages have not all arrived")
        return len(self._ours & self._theirs)

    def start(self) -> Iterable[Send]:
        if self._started:
            raise WrongRound("already started")
        self._started = True
        points = masked_items(self._items, self._scalar, self._session, self._executor)
        yield Send(self._sender, Masked(self._session, points[in_value_order(points)]).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._sender:
            raise UnknownParty("a message from someone who is not the sender of this session")
        if not self._started:
            raise WrongRound("a message before the start")
        if header(message).kind == 1:
            masked = Masked.decode(message, self._session)
            if self._theirs is not None:
                raise DuplicateMessage("the sender's set has arrived already")
            self._theirs = frozenset(as_keys(multiply(masked.points, self._scalar, self._executor)))
            return []
        doubly = DoublyMasked.decode(message, self._session)
        if self._ours is not None:
            raise DuplicateMessage("the doubly masked set has arrived already")
        if len(doubly.points) != len(self._items):
            raise MalformedMessage("not as many points back as were sent")
        self._ours = frozenset(as_keys(doubly.points))
        return []


class Sender:
    """Helps the receiver to the number and learns the receiver's set size only."""

    def __init__(
        self,
        name: PartyName,
        receiver: PartyName,
        session: bytes,
        items: Sequence[bytes],
        at_least: int,
        at_most: int,
        random_bytes: RandomBytes,
        executor: Executor | None = None,
    ) -> None:
        """Refuses a receiver's set smaller than ``at_least`` (a single item would be a yes/no question about it) or
        larger than ``at_most`` (what has been charged)."""
        self.name = name
        self._at_least, self._at_most = at_least, at_most
        self._receiver, self._session, self._items, self._executor = receiver, session, items, executor
        self._scalar = Scalar(random_bytes)
        self._started = False
        self.finished = False

    def __repr__(self) -> str:
        return f"Sender({self.name!r}, items={len(self._items)})"

    def start(self) -> Iterable[Send]:
        """The sender's own set needs no question: it is on its way while the receiver still computes."""
        if self._started:
            raise WrongRound("already started")
        self._started = True
        points = masked_items(self._items, self._scalar, self._session, self._executor)
        yield Send(self._receiver, Masked(self._session, points[in_value_order(points)]).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._receiver:
            raise UnknownParty("a message from someone who is not the receiver of this session")
        if self.finished:
            raise DuplicateMessage("one answer a session: a second one would be a second query")
        masked = Masked.decode(message, self._session, self._at_most)
        if len(masked.points) < self._at_least:
            raise BadParameters(f"the receiver's set must have {self._at_least} to {self._at_most} items")
        points = multiply(masked.points, self._scalar, self._executor)
        self.finished = True
        return [Send(self._receiver, DoublyMasked(self._session, points[in_value_order(points)]).encode())]
