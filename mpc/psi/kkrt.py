"""Two-party set intersection by oblivious pseudorandom functions from OT extension.

Source: Kolesnikov, Kumaresan, Rosulek, Trieu, "Efficient Batched Oblivious PRF with Applications to Private Set
Intersection" (CCS 2016), with the stash-free cuckoo hashing of Pinkas, Schneider, Zohner (ACM TOPS 2018).

Who runs it: ``Receiver`` learns which of its items the other side holds too; ``Sender`` learns nothing but sizes.
    1  both     sizes, base transfers (``mpc.ot.endemic``; the receiver of the set is their sender), salt, code key
    2  Receiver places its items in bins, sends corrections block by block (``oprf``)
    3  Sender   sends F_j(x) for each item x and each of its three bins j, as three lists in one secret random order
    4  Receiver looks its own F_j(y) up in the list that belongs to y's bin.
Each side learns: the receiver the intersection and the sender's number of distinct items; the sender the receiver's
number of items (duplicates included). Model: semi-honest. A *malicious* sender could choose what matches per bin and
thereby, given the outcome, learn about the receiver's placement; a malicious receiver could ask about one item per bin
that it does not hold, ``bins_for(n)`` in all: never fewer than 2,048.
Wrong result: below 2^-40 for each of code distance, masks and placement (``parameters``), 2^-88 for identities of a
million items.
Items are any bytes. Low-entropy items are safe from offline guessing (F is keyed by both), but the receiver may put
guesses in its set: ``receiver_at_most`` limits what it can ask, and rules have to limit how often.
Not constant-time: how long a block takes depends on how many items fall into its 65,536 bins.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from mpc.errors import DuplicateMessage, MalformedMessage, OutOfRange, UnknownParty, WrongRound
from mpc.ot.endemic import EndemicReceiver, EndemicSender
from mpc.ot.extension import ChoiceSide, CodeSide
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi.code import CODE_KEY_BYTES, Code
from mpc.psi.cuckoo import lists_of, place, positions_of
from mpc.psi.items import SALT_BYTES, Items, digest_items, distinct
from mpc.psi.lookup import MaskTable
from mpc.psi.messages import (
    MASKS_AT_ONCE,
    RECEIVER_HELLO,
    SENDER_HELLO,
    Correction,
    Masks,
    ReceiverHello,
    SenderHello,
)
from mpc.psi.oprf import Evaluator, KeyHolder
from mpc.psi.parameters import HASHES, MAX_ITEMS, bins_for, check_count, code_words_for, mask_bytes_for
from mpc.psi.shuffle import secret_permutation
from mpc.wire import header

Flags = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]


class Sender:
    """Holds the set X; learns the size of Y only."""

    def __init__(
        self,
        name: PartyName,
        receiver: PartyName,
        session: bytes,
        items: Items,
        random: RandomBytes = secrets.token_bytes,
        receiver_at_most: int = MAX_ITEMS,
    ) -> None:
        self.name, self._peer, self._session, self._at_most = name, receiver, session, receiver_at_most
        self._salt, self._code_key = random(SALT_BYTES), random(CODE_KEY_BYTES)
        digests = digest_items(items, self._salt)
        firsts, _ = distinct(digests)
        self._order = firsts[secret_permutation(len(firsts), random)]
        self._digests = digests[self._order]
        self._code = Code(self._code_key, code_words_for(len(firsts)))
        self._choices = np.unpackbits(np.frombuffer(random(8 * self._code.width), np.uint8))
        self._transfers = EndemicReceiver(session, self._choices, random)
        self._keys: KeyHolder | None = None
        self.finished = False

    def __repr__(self) -> str:
        return f"Sender(name={self.name!r}, items={len(self._digests)}, keys=<redacted>)"

    def start(self) -> Iterable[Send]:
        hello = SenderHello(len(self._digests), self._salt, self._code_key, self._transfers.pairs)
        return [Send(self._peer, hello.encode(self._session))]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._peer:
            raise UnknownParty("a message from somebody who is not this run's receiver")
        if header(message).kind == RECEIVER_HELLO:
            self._begin(ReceiverHello.decode(message, self._session))
            return []
        self._take(Correction.decode(message, self._session))
        return self._answer(self._keys.values) if self._keys is not None and self.finished else []

    def _begin(self, hello: ReceiverHello) -> None:
        if self._keys is not None:
            raise DuplicateMessage("the receiver has opened this run before")
        if hello.count > self._at_most:
            raise OutOfRange("the receiver announces more items than this run allows")
        side = ChoiceSide(self._choices, self._transfers.seeds(hello.point))
        bins, size = bins_for(hello.count), self._value_bytes(hello.count)
        positions = positions_of(self._digests, bins)
        identities = np.ascontiguousarray(self._digests[:, :2])
        self._keys = KeyHolder(side, self._code, identities, positions, bins, self._session[:8], size)

    def _value_bytes(self, receiver_items: int) -> int:
        return mask_bytes_for(len(self._digests), receiver_items)

    def _take(self, correction: Correction) -> None:
        if self._keys is None:
            raise WrongRound("corrections before the receiver's opening")
        if correction.block < self._keys.taken:
            raise DuplicateMessage("this block of corrections was taken before")
        if correction.block > self._keys.taken or self.finished:
            raise WrongRound("corrections come in the order of their blocks")
        if correction.rows.shape != (self._keys.rows_of(correction.block), self._code.width):
            raise MalformedMessage("a block of corrections of another size than the agreed one")
        self._keys.take(correction.rows)
        self.finished = self._keys.taken == self._keys.blocks

    def _answer(self, values: Octets) -> Iterator[Send]:
        for number in range(HASHES):
            for at in range(0, values.shape[1], MASKS_AT_ONCE):
                part = Masks(number, at, values[number, at : at + MASKS_AT_ONCE])
                yield Send(self._peer, part.encode(self._session))
        if not values.shape[1]:
            yield Send(self._peer, Masks(0, 0, values[0]).encode(self._session))


class Receiver:
    """Holds the set Y; ``result`` flags, for every item as given, whether the sender holds it too."""

    def __init__(
        self,
        name: PartyName,
        sender: PartyName,
        session: bytes,
        items: Items,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.name, self._peer, self._session, self._items = name, sender, session, items
        self._count = check_count(len(items))
        self._transfers = EndemicSender(session, random)
        self._hello: SenderHello | None = None
        self._evaluator: Evaluator | None = None
        self._table: MaskTable | None = None
        self._due = (0, 0)
        self.finished = False

    def __repr__(self) -> str:
        return f"Receiver(name={self.name!r}, items={self._count}, finished={self.finished})"

    @property
    def result(self) -> Flags:
        """One flag per item as given. Raises ``WrongRound`` before the end."""
        if self._table is None or not self.finished:
            raise WrongRound("the intersection is known once all masks have arrived")
        return self._table.found[self._number_of]

    def start(self) -> Iterable[Send]:
        return [Send(self._peer, ReceiverHello(self._count, self._transfers.point).encode(self._session))]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._peer:
            raise UnknownParty("a message from somebody who is not this run's sender")
        if header(message).kind == SENDER_HELLO:
            self._evaluator = self._begin(SenderHello.decode(message, self._session))
            return self._corrections(self._evaluator)
        self._take_answer(message)
        return []

    def _begin(self, hello: SenderHello) -> Evaluator:
        if self._hello is not None:
            raise DuplicateMessage("the sender has opened this run before")
        width, bins = code_words_for(hello.count), bins_for(self._count)
        side = CodeSide(self._transfers.seeds(hello.pairs, 64 * width))
        digests = digest_items(self._items, hello.salt)
        firsts, self._number_of = distinct(digests)
        digests = digests[firsts]
        positions = positions_of(digests, bins)
        owners = place(positions, bins)
        self._lists = lists_of(positions, owners)
        identities = np.ascontiguousarray(digests[:, :2])
        evaluator = Evaluator(side, Code(hello.code_key, width), identities, owners, self._session[:8])
        self._hello = hello
        return evaluator

    def _corrections(self, evaluator: Evaluator) -> Iterator[Send]:
        for block, rows in enumerate(evaluator.blocks()):
            yield Send(self._peer, Correction(block, rows).encode(self._session))

    def _take_answer(self, message: bytes) -> None:
        part = Masks.decode(message, self._session)
        hello, evaluator = self._ready()
        if (part.number, part.offset) < self._due:
            raise DuplicateMessage("these masks were taken before")
        if (part.number, part.offset) > self._due:
            raise WrongRound("masks come in the order of their lists")
        count = min(MASKS_AT_ONCE, hello.count - part.offset)
        size = mask_bytes_for(hello.count, self._count)
        if part.masks.shape != (count, size):
            raise MalformedMessage("a part of the masks of another size than the agreed one")
        if self._table is None:
            self._table = MaskTable(evaluator.values[:, :size], self._lists)
        self._table.probe(part.number, part.masks)
        end = part.offset + count
        self._due = (part.number, end) if end < hello.count else (part.number + 1, 0)
        self.finished = self._due[0] == HASHES or not hello.count

    def _ready(self) -> tuple[SenderHello, Evaluator]:
        if self._hello is None or self._evaluator is None or not self._evaluator.complete or self.finished:
            raise WrongRound("an answer before all corrections were sent, or after the end")
        return self._hello, self._evaluator
