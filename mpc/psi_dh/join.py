"""Sums over an intersection that neither side sees: private join and compute, grouped.

The DDH-based Private Intersection-Sum of Ion, Kreuter, Nergiz, Patel, Raykova, Saxena, Seth, Shanahan, Yung, "On
Deploying Secure Computing: Private Intersection-Sum-with-Cardinality" (EuroS&P 2020, figure 2). Party 1 holds items cut
into its own groups; party 2 holds items with values. Party 2 learns, per group, the sums of its values over the shared
items; party 1 learns, per group, how many items are shared.

Model: semi-honest, random oracle, DDH, IND-CPA of the additive scheme. Party 1 also learns party 2's set size. Party 2
also learns the *sizes* of party 1's groups, not what they stand for, and which groups were withheld: ``at_least`` lets
party 1 withhold the sum of every group with fewer shared items (an empty one looks the same), before anyone has it.
Groups by party 2's attribute go into columns (``additive.in_slots``): party 1 does not learn them, and so cannot keep
them large: ``at_least`` counts the shared items of a whole group, not those of a group's column. Whoever chooses values
or columns can make the sums say more: a column of its own for an item, or values of which every subset has another
sum (powers of two), and party 2 reads *which* of its items are shared. Values and columns are therefore part of what
party 1's owner approves, and sums over few columns of measured values is what this is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi_dh.additive import KeyHolder, OpenEvaluator, Values
from mpc.psi_dh.curve25519 import Points, Scalar, as_keys, in_value_order, multiply
from mpc.psi_dh.inputs import masked_items
from mpc.psi_dh.messages import EncryptedSums, Groups, Pairs
from mpc.psi_dh.points import MOST_POINTS
from mpc.wire import header


class PartyOne:
    """Holds the groups, adds ciphertexts. ``result``: shared items per group, in the order the groups were given."""

    def __init__(
        self,
        name: PartyName,
        other: PartyName,
        session: bytes,
        groups: Sequence[Sequence[bytes]],
        open_evaluator: OpenEvaluator,
        at_least: int,
        random_bytes: RandomBytes,
        executor: Executor | None = None,
    ) -> None:
        """An item belongs to one group only. ``at_least`` >= 1: smaller groups are withheld."""
        self.name = name
        if not groups or at_least < 1:
            raise BadParameters("at least one group, and a minimum of at least 1 shared item")
        self._other, self._session, self._at_least, self._executor = other, session, at_least, executor
        self._groups, self._open, self._random = groups, open_evaluator, random_bytes
        self._scalar = Scalar(random_bytes)
        self._started = False
        self._doubly: list[frozenset[bytes]] | None = None
        self._pairs: Pairs | None = None
        self._matched: list[bytes] = []
        self._result: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return f"PartyOne({self.name!r}, groups={len(self._groups)})"

    @property
    def finished(self) -> bool:
        return self._result is not None

    @property
    def result(self) -> tuple[int, ...]:
        """Shared items per group: for party 1's own gate, not for release. Raises ``WrongRound`` before the end."""
        if self._result is None:
            raise WrongRound("party 2's messages have not all arrived")
        return self._result

    def start(self) -> Iterable[Send]:
        """Round 1 of figure 2."""
        if self._started:
            raise WrongRound("already started")
        self._started = True
        flat = [item for group in self._groups for item in group]
        points = masked_items(flat, self._scalar, self._session, self._executor)
        sizes = tuple(len(group) for group in self._groups)
        yield Send(self._other, Groups(self._session, False, sizes, _in_group_order(points, sizes)).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._other:
            raise UnknownParty("a message from someone who is not party 2 of this session")
        if not self._started:
            raise WrongRound("a message before the start")
        matched, pairs = self._matched, self._pairs
        if header(message).kind == 5:
            if pairs is not None:
                raise DuplicateMessage("party 2's pairs have arrived already")
            pairs = Pairs.decode(message, self._session)
            matched = as_keys(multiply(pairs.points, self._scalar, self._executor))
        doubly = self._doubly if header(message).kind == 5 else self._decode_doubly(message)
        answer = [] if pairs is None or doubly is None else self._answer(matched, pairs, doubly)
        self._matched, self._pairs, self._doubly = matched, pairs, doubly  # only now: a refused message changes nothing
        return answer

    def _decode_doubly(self, message: bytes) -> list[frozenset[bytes]]:
        doubly = Groups.decode(message, self._session, doubly=True)
        if self._doubly is not None:
            raise DuplicateMessage("the doubly masked groups have arrived already")
        if doubly.sizes != tuple(len(group) for group in self._groups):
            raise MalformedMessage("other group sizes came back than were sent")
        return [frozenset(as_keys(part)) for part in _cut(doubly.points, doubly.sizes)]

    def _answer(self, theirs: list[bytes], pairs: Pairs, doubly: list[frozenset[bytes]]) -> list[Send]:
        """Round 3 of figure 2: match, add, re-randomise."""
        evaluator = self._open(pairs.public, self._random)
        if len(pairs.ciphertexts) and pairs.ciphertexts.shape[1] != evaluator.ciphertext_bytes:
            raise MalformedMessage("ciphertexts of another length than the key asks for")
        row_of = {key: row for row, key in enumerate(theirs)}
        shared = [sorted(row_of[key] for key in group if key in row_of) for group in doubly]
        sums = tuple(
            evaluator.total(pairs.ciphertexts[rows]) if len(rows) >= self._at_least else None for rows in shared
        )
        self._result = tuple(len(rows) for rows in shared)
        return [Send(self._other, EncryptedSums(self._session, sums).encode())]


class PartyTwo:
    """Holds the values and the key. ``result``: per group the column sums, ``None`` for a withheld group."""

    def __init__(
        self,
        name: PartyName,
        other: PartyName,
        session: bytes,
        items: Sequence[bytes],
        values: Values,
        keys: KeyHolder,
        smallest_group: int,
        random_bytes: RandomBytes,
        executor: Executor | None = None,
        at_most: int = MOST_POINTS,
    ) -> None:
        """``values``: shape (items, columns). ``keys`` are fresh for this session. A group of party 1 with fewer items
        than ``smallest_group`` is refused: its sum could be one item's value. ``at_most`` bounds party 1's items in
        all groups, and so what it can ask about (what has been charged)."""
        self.name = name
        if len(values) != len(items):
            raise BadParameters("one row of values per item")
        self._other, self._session, self._executor = other, session, executor
        self._items, self._values, self._keys = items, values, keys
        self._smallest, self._at_most = smallest_group, at_most
        self._scalar = Scalar(random_bytes)
        self._started = False
        self._sizes: tuple[int, ...] | None = None
        self._result: tuple[tuple[int, ...] | None, ...] | None = None

    def __repr__(self) -> str:
        return f"PartyTwo({self.name!r}, items={len(self._items)})"

    @property
    def finished(self) -> bool:
        return self._result is not None

    @property
    def result(self) -> tuple[tuple[int, ...] | None, ...]:
        """Sums per group of party 1 and column. Raises ``WrongRound`` before the end."""
        if self._result is None:
            raise WrongRound("party 1's answer has not arrived")
        return self._result

    def start(self) -> Iterable[Send]:
        """The second half of round 2 of figure 2; it depends on nothing of party 1's and so goes first."""
        if self._started:
            raise WrongRound("already started")
        self._started = True
        points = masked_items(self._items, self._scalar, self._session, self._executor)
        order = in_value_order(points)
        pairs = Pairs(self._session, self._keys.public, points[order], self._keys.encrypt(self._values)[order])
        yield Send(self._other, pairs.encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._other:
            raise UnknownParty("a message from someone who is not party 1 of this session")
        if header(message).kind == 6:
            self._take_sums(EncryptedSums.decode(message, self._session))
            return []
        if self._sizes is not None:
            raise DuplicateMessage("one set of groups a session: a second one would be a second query")
        groups = Groups.decode(message, self._session, doubly=False, at_most=self._at_most)
        if min(groups.sizes) < self._smallest:
            raise BadParameters(f"a group of fewer than {self._smallest} items: merge it with another")
        points = _in_group_order(multiply(groups.points, self._scalar, self._executor), groups.sizes)
        self._sizes = groups.sizes
        return [Send(self._other, Groups(self._session, True, groups.sizes, points).encode())]

    def _take_sums(self, answer: EncryptedSums) -> None:
        if self._sizes is None:
            raise WrongRound("sums before the groups they belong to")
        if self._result is not None:
            raise DuplicateMessage("the sums have arrived already")
        if len(answer.sums) != len(self._sizes):
            raise MalformedMessage("not one sum per group")
        self._result = tuple(None if total is None else self._keys.decrypt(total) for total in answer.sums)


def _cut(points: Points, sizes: tuple[int, ...]) -> list[npt.NDArray[np.uint8]]:
    return np.split(points, np.cumsum(sizes)[:-1])


def _in_group_order(points: Points, sizes: tuple[int, ...]) -> Points:
    """Groups stay where they are; inside each, points are sorted by value and so forget the order of the items."""
    return np.concatenate([part[in_value_order(part)] for part in _cut(points, sizes)])
