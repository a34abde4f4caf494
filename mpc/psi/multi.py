"""Intersection of many sets, known to one party: a star of programmable PRFs over shares of zero.

Source: Kolesnikov, Matania, Pinkas, Rosulek, Trieu, "Practical Multi-party Private Set Intersection from Symmetric-Key
Techniques" (CCS 2017), the star-shaped variant for the augmented semi-honest model.
    1  all      every two parties i, j agree on a key k_ij (ristretto255 Diffie-Hellman)
    2  each     s_i(x) = xor over j of AES_k_ij(x), so that the shares of all parties cancel for every x
    3  Member   programs its share of each of its items (``opprf``), the leader queries its own items
    4  Leader   takes y to be in every set if all answers and its own share cancel (by chance: 2^-128 an item).
Who learns what: the ``Leader`` the intersection of all sets and every member's number of distinct items; a ``Member``
the leader's number of items and who takes part. Nothing about intersections of fewer sets, as long as two members do
not collude with the leader.
Collusion: any number, in the *augmented* semi-honest model: parties follow the protocol, but colluders may choose their
inputs first. So a leader with colluding members learns the intersection of its set with the honest members' sets
(colluders could have put in the leader's items), and with all but one member colluding that is the pairwise
intersection. It learns nothing finer than that: not which honest member lacks an item. Channels are authenticated.
With one member this is two-party intersection; prefer ``kkrt`` then.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, UnknownParty, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi import opprf
from mpc.psi.items import Items
from mpc.psi.messages import KEY_SHARE, SENDER_HELLO
from mpc.psi.parameters import MAX_ITEMS
from mpc.psi.zero import KeyShare, PairKeys, pair_session, zero_shares
from mpc.wire import header

Flags = npt.NDArray[np.bool_]


class _Keyed:
    """What leader and member have in common: round 1."""

    def __init__(self, name: PartyName, others: Sequence[PartyName], session: bytes, random: RandomBytes) -> None:
        if len({name, *others}) != len(others) + 1 or not others:
            raise BadParameters("the parties have distinct names and there are at least two")
        self.name, self._session, self._random = name, session, random
        self._pairs = PairKeys(name, others, session, random)
        self.finished = False

    def start(self) -> Iterable[Send]:
        message = KeyShare(self._pairs.point).encode(self._session)
        return [Send(other, message) for other in self._pairs.others]

    def _take_key(self, sender: PartyName, message: bytes) -> bool:
        """Take a key share; return whether it was one. Raises ``UnknownParty``, ``DuplicateMessage``."""
        if sender not in self._pairs.others:
            raise UnknownParty("a message from somebody who does not take part")
        if header(message).kind != KEY_SHARE:
            return False
        self._pairs.take(sender, KeyShare.decode(message, self._session))
        return True


class Member(_Keyed):
    """Holds one set; learns nothing but sizes."""

    def __init__(
        self,
        name: PartyName,
        leader: PartyName,
        members: Sequence[PartyName],
        session: bytes,
        items: Items,
        random: RandomBytes = secrets.token_bytes,
        leader_at_most: int = MAX_ITEMS,
    ) -> None:
        """``members`` are all members, this one included; every party must be given the same names.

        ``leader_at_most`` bounds the leader's set, and so what it can ask about.
        """
        super().__init__(name, _others(name, leader, members), session, random)
        self._leader, self._items, self._at_most = leader, items, leader_at_most
        self._sender: opprf.Sender | None = None

    def __repr__(self) -> str:
        return f"Member(name={self.name!r}, items={len(self._items)}, keys=<redacted>)"

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if self._take_key(sender, message):
            if not self._pairs.complete:
                return []
            values = zero_shares(self._items, self._session, self._pairs.keys)
            session = pair_session(self._session, self._leader, self.name)
            self._sender = opprf.Sender(
                self.name, self._leader, session, self._items, values, self._random, self._at_most
            )
            return self._sender.start()
        if self._sender is None:
            raise WrongRound("keys come first")
        sends = self._sender.receive(sender, message)
        self.finished = self._sender.finished
        return sends


class Leader(_Keyed):
    """Holds one set; ``result`` flags, for every item as given, whether all members hold it too."""

    def __init__(
        self,
        name: PartyName,
        members: Sequence[PartyName],
        session: bytes,
        items: Items,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        super().__init__(name, members, session, random)
        self._items = items
        self._receivers = {
            member: opprf.Receiver(name, member, pair_session(session, name, member), items, random)
            for member in members
        }
        self._result: Flags | None = None

    def __repr__(self) -> str:
        return f"Leader(name={self.name!r}, members={len(self._receivers)}, keys=<redacted>)"

    @property
    def result(self) -> Flags:
        """One flag per item as given. Raises ``WrongRound`` before the end."""
        if self._result is None:
            raise WrongRound("the intersection is known once every member's table has arrived")
        return self._result

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if self._take_key(sender, message):
            self._conclude()
            return []
        if self.finished:
            raise WrongRound("the intersection is known already")
        receiver = self._receivers[sender]
        sends = receiver.receive(sender, message)
        if header(message).kind == SENDER_HELLO:  # the member can take our opening only now
            return chain(receiver.start(), sends)
        self._conclude()
        return sends

    def _conclude(self) -> None:
        if not self._pairs.complete or not all(receiver.finished for receiver in self._receivers.values()):
            return
        total = zero_shares(self._items, self._session, self._pairs.keys)
        for receiver in self._receivers.values():
            total ^= receiver.values
        self._result = ~np.any(total, axis=1)
        self._receivers = {}
        self.finished = True


def _others(name: PartyName, leader: PartyName, members: Sequence[PartyName]) -> list[PartyName]:
    if name not in members:
        raise BadParameters("a member's own name is among the members' names")
    return [leader, *(member for member in members if member != name)]
