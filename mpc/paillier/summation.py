"""Sum of encrypted vectors, three roles: contributors encrypt, the aggregator adds, the key-holder opens the sum alone.

Semi-honest, and the aggregator must not collude with the key-holder (together they open every single vector). The
aggregator learns nothing but lengths; the key-holder learns the sum; contributors learn nothing. Needs every named
contributor: who is missing is a typed end, not a smaller sum. Paillier 1999, section 8 (additive homomorphism).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt

from mpc.errors import DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.paillier.cipher import Encryptor, PackedVector, add
from mpc.paillier.keys import PrivateKey, PublicKey
from mpc.paillier.messages import VectorMessage
from mpc.paillier.packing import Integers, Packing
from mpc.party import PartyName, Send


class Contributor:
    """Sends its vector encrypted; it has finished once it has spoken."""

    def __init__(
        self,
        name: PartyName,
        aggregator: PartyName,
        session: bytes,
        encryptor: Encryptor,
        packing: Packing,
        values: Integers,
    ) -> None:
        self.name = name
        self.finished = False
        self._to, self._session = aggregator, session
        self._encryptor, self._packing, self._values = encryptor, packing, values

    def start(self) -> Iterable[Send]:
        if self.finished:
            raise WrongRound("this contributor has sent its vector")
        vector = self._encryptor.encrypt(self._values, self._packing)
        self.finished = True
        yield Send(self._to, VectorMessage(self._session, vector).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        raise WrongRound("a contributor expects no message")


class Aggregator:
    """Multiplies the ciphertexts of all contributors; holds no key. Refreshes the sum before passing it on."""

    def __init__(
        self,
        name: PartyName,
        key_holder: PartyName,
        contributors: Sequence[PartyName],
        session: bytes,
        encryptor: Encryptor,
        packing: Packing,
        count: int,
    ) -> None:
        self.name = name
        self.finished = False
        self._to, self._session, self._encryptor = key_holder, session, encryptor
        self._packing, self._count = packing, count
        self._waiting, self._known = set(contributors), frozenset(contributors)
        self._vectors: list[PackedVector] = []

    def start(self) -> Iterable[Send]:
        return ()

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender not in self._known:
            raise UnknownParty("not a contributor of this sum")
        if sender not in self._waiting:
            raise DuplicateMessage("this contributor has sent its vector")
        vector = VectorMessage.decode(message, self._encryptor.key, self._session).vector
        if (vector.packing, vector.count, vector.used) != (self._packing, self._count, 1):
            raise MalformedMessage("not a fresh vector of the agreed length and packing")
        self._waiting.discard(sender)
        self._vectors.append(vector)
        if self._waiting:
            return ()
        self.finished = True
        total = self._encryptor.refresh(add(self._vectors))
        return (Send(self._to, VectorMessage(self._session, total).encode()),)


class KeyHolder:
    """Opens exactly one sum of exactly ``contributors`` vectors, and nothing else."""

    def __init__(
        self,
        name: PartyName,
        aggregator: PartyName,
        session: bytes,
        key: PrivateKey,
        packing: Packing,
        count: int,
        contributors: int,
    ) -> None:
        self.name = name
        self.finished = False
        self.result: npt.NDArray[Any] | None = None
        self._opened = False
        self._from, self._session, self._key = aggregator, session, key
        self._expect = (packing, count, contributors)

    @property
    def public(self) -> PublicKey:
        return self._key.public

    def start(self) -> Iterable[Send]:
        return ()

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._from:
            raise UnknownParty("only the aggregator sends to the key-holder")
        if self._opened:
            raise DuplicateMessage("a sum has been opened already, even if it was none")
        vector = VectorMessage.decode(message, self._key.public, self._session).vector
        if (vector.packing, vector.count, vector.used) != self._expect:
            raise MalformedMessage("not the sum that was agreed: another packing, length or number of contributors")
        # one opening, whatever comes of it: an aggregator that could try again would learn from each refusal
        self._opened = True
        self.result = vector.decrypt(self._key)
        self.finished = True
        return ()
