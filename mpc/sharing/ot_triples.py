"""Multiplication triples from oblivious transfer alone: no dealer, n parties (Gilboa 1999, section 4; IKNP 2003).

Roles: all parties are ``TripleMaker``s; each draws its own shares of a and b. For every ordered pair, the *giver* (with
a) and the *taker* (with b) get additive shares of a_i * b_j: per bit k of b the taker obliviously chooses between r and
r + 2^k * a, the giver subtracts r. The transfers come from one OT extension per pair (``mpc.ot.extension`` with the
repetition code, 128 columns), seeded by 128 base transfers. Semi-honest parties; what is learnt: nothing but the own
shares, under CDH, AES as pseudorandom generator and BLAKE2s correlation-robust. A dishonest majority is fine; a party
that deviates can make triples wrong, or right only for some bits of the other's b, so deviation is not covered.
Cost per triple and pair: ``bits`` times (16 bytes from the taker, bits/8 from the giver).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, DuplicateMessage, UnknownParty, WrongRound
from mpc.ot.blake2s import digest_rows
from mpc.ot.endemic import EndemicReceiver, EndemicSender
from mpc.ot.extension import BLOCK_ROWS, ChoiceSide, CodeSide
from mpc.party import PartyName, RandomBytes, Send
from mpc.ring import Ring, Vector
from mpc.sharing.additive import AdditiveShare
from mpc.sharing.ot_messages import COLUMNS, Corrections, Hello, Products
from mpc.sharing.triples import BATCH_BYTES, Triples, TripleSource
from mpc.wire import SESSION_BYTES, framed, header

MAX_TRIPLES: Final = 1 << 15
"""Per run, so that no message exceeds 64 MiB and its header. Make more in several sessions."""
_PERSON: Final = b"unseenB1"

Longs = npt.NDArray[np.uint64]


class TripleMaker:
    """One party; ``result`` holds its shares of n random triples once ``finished``."""

    def __init__(
        self,
        session: bytes,
        name: PartyName,
        parties: Sequence[PartyName],
        ring: Ring,
        n: int,
        rng: RandomBytes = secrets.token_bytes,
    ) -> None:
        if len(session) != SESSION_BYTES or len(set(parties)) != len(parties) or len(parties) < 2:
            raise BadParameters("a session id of 16 bytes and at least two distinct parties are needed")
        if name not in parties:
            raise UnknownParty("this party is not among the parties")
        if not 1 <= n <= MAX_TRIPLES:
            raise BadParameters(f"1 to {MAX_TRIPLES} triples a session: make more in several")
        self.name = name
        self._session, self._parties, self._ring = session, list(parties), ring
        self._a, self._b = ring.random(n, rng), ring.random(n, rng)
        self._c = ring.mul(self._a, self._b)
        peers = [party for party in parties if party != name]
        # towards each peer: giver of a (base receiver with secret choices), taker with b (base sender of both seeds)
        self._choices = {p: np.frombuffer(rng(COLUMNS), np.uint8) & np.uint8(1) for p in peers}
        self._base_receivers = {p: EndemicReceiver(self._pair(name, p), self._choices[p], rng) for p in peers}
        self._base_senders = {p: EndemicSender(self._pair(p, name), rng) for p in peers}
        self._givers: dict[PartyName, ChoiceSide] = {}
        self._takers: dict[PartyName, Longs] = {}
        self._given: set[PartyName] = set()
        self._taken: set[PartyName] = set()
        self._started = False

    @property
    def finished(self) -> bool:
        return len(self._given) == len(self._taken) == len(self._parties) - 1

    @property
    def result(self) -> Triples:
        """This party's triples; ``WrongRound`` before the end."""
        if not self.finished:
            raise WrongRound("the triples are not finished")
        index = self._parties.index(self.name)
        a, b, c = (AdditiveShare(self._ring, index, len(self._parties), v) for v in (self._a, self._b, self._c))
        batch = self._id(*self._parties)[:BATCH_BYTES]
        return Triples(TripleSource.OBLIVIOUS_TRANSFER, a, b, c, batch)

    def start(self) -> Iterable[Send]:
        if self._started:
            raise WrongRound("this party has already started")
        self._started = True
        return [
            Send(peer, Hello(self._base_senders[peer].point, receiver.pairs).encode(self._session))
            for peer, receiver in self._base_receivers.items()
        ]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender not in self._base_senders:
            raise UnknownParty("not another party of this run")
        kind = header(message).kind
        if kind == Corrections.KIND:
            return [self._give(sender, Corrections.decode(message, self._session, self._rows))]
        if kind == Products.KIND:
            self._take(sender, Products.decode(message, self._session, self._rows, self._ring))
            return []
        return [self._extend(sender, Hello.decode(message, self._session))]

    def _extend(self, peer: PartyName, hello: Hello) -> Send:
        """As taker of the peer's a: commit to the bits of b. As giver: finish the base transfers."""
        if peer in self._givers:
            raise DuplicateMessage("the base transfers with this party are done")
        code = CodeSide(self._base_senders[peer].seeds(hello.pairs, COLUMNS))
        choice = ChoiceSide(self._choices[peer], self._base_receivers[peer].seeds(hello.point))
        bits = self._bits(self._b)
        rows, corrections = np.empty((self._rows, 2), np.uint64), np.empty((self._rows, 2), np.uint64)
        for at in range(0, self._rows, BLOCK_ROWS):
            part = slice(at, min(at + BLOCK_ROWS, self._rows))
            words = np.repeat((np.uint64(0) - bits[part])[:, None], 2, axis=1)  # repetition code: all ones or none
            rows[part], corrections[part] = code.next(words)
        self._takers[peer], self._givers[peer] = rows, choice
        return Send(peer, Corrections(corrections).encode(self._session))

    def _give(self, peer: PartyName, corrections: Corrections) -> Send:
        """As giver: send r - r' + 2^k * a per bit, keep minus the sum of all r."""
        if peer not in self._givers:
            raise WrongRound("corrections before the base transfers")
        if peer in self._given:
            raise DuplicateMessage("corrections from this party have been answered")
        choice, ring = self._givers[peer], self._ring
        sent = ring.zeros(self._rows)
        share = ring.zeros(len(self._a))
        for at in range(0, self._rows, BLOCK_ROWS):
            part = slice(at, min(at + BLOCK_ROWS, self._rows))
            rows = choice.next(corrections.rows[part])
            pads, others = (self._hash(self.name, peer, r, at) for r in (rows, rows ^ choice.mask))
            elements = slice(at // ring.bits, part.stop // ring.bits)
            sent[part] = ring.add(ring.sub(pads, others), self._shifted(self._a[elements]))
            share[elements] = self._sum_bits(pads)
        ring.sub_into(self._c, share)
        self._given.add(peer)
        return Send(peer, Products(sent).encode(self._session, ring))

    def _take(self, peer: PartyName, products: Products) -> None:
        """As taker: the pad, plus what was sent where the bit is one."""
        if peer not in self._takers:
            raise WrongRound("products before the base transfers")
        if peer in self._taken:
            raise DuplicateMessage("this party's products have been taken")
        ring, bits = self._ring, self._bits(self._b)
        share = ring.zeros(len(self._b))
        for at in range(0, self._rows, BLOCK_ROWS):
            part = slice(at, min(at + BLOCK_ROWS, self._rows))
            pads = self._hash(peer, self.name, self._takers[peer][part], at)
            chosen = (np.zeros(1, ring.dtype) - bits[part].astype(ring.dtype)).reshape(-1, *[1] * (pads.ndim - 1))
            elements = slice(at // ring.bits, part.stop // ring.bits)
            share[elements] = self._sum_bits(ring.add(pads, products.vector[part] & chosen))
        ring.add_into(self._c, share)
        self._taken.add(peer)

    @property
    def _rows(self) -> int:
        return len(self._a) * self._ring.bits

    def _pair(self, giver: PartyName, taker: PartyName) -> bytes:
        """A session id of its own for each ordered pair."""
        return self._id(giver, taker)[:SESSION_BYTES]

    def _id(self, *parties: PartyName) -> bytes:
        parts = framed(self._session, *(party.encode() for party in parties))
        return hashlib.sha256(b"unseen/mpc/ot-triples/v1" + parts).digest()

    def _hash(self, giver: PartyName, taker: PartyName, rows: Longs, first: int) -> Vector:
        """One ring element per row: BLAKE2s of the row and the pair's id, salted with the row's number."""
        pair = np.frombuffer(self._pair(giver, taker), "<u4")
        words = np.zeros((len(rows), 16), np.uint32)
        words[:, :4] = rows.astype("<u8", copy=False).view("<u4")
        words[:, 4:8] = pair
        lengths = np.full(len(rows), 32, np.uint32)
        numbers = np.arange(first, first + len(rows), dtype=np.uint64)
        size = self._ring.element_bytes
        digests = digest_rows(words, lengths, numbers, _PERSON, size)[:, : size // 4]
        return self._ring.from_bytes(digests.astype("<u4", copy=False).tobytes(), len(rows))

    def _bits(self, vector: Vector) -> Longs:
        """All bits of all elements, lowest first, as 0 or 1."""
        octets = np.frombuffer(self._ring.to_bytes(vector), np.uint8)
        return np.unpackbits(octets, bitorder="little").astype(np.uint64)

    def _shifted(self, vector: Vector) -> Vector:
        """2^k * element for every element and k below ``bits``."""
        ring = self._ring
        powers = ring.from_bytes(b"".join((1 << k).to_bytes(ring.element_bytes, "little") for k in range(ring.bits)))
        times = np.tile(powers, (len(vector), *[1] * (powers.ndim - 1)))
        return ring.mul(np.repeat(vector, ring.bits, axis=0), times)

    def _sum_bits(self, vector: Vector) -> Vector:
        """Add up the ``bits`` rows of each element."""
        ring = self._ring
        grouped = vector.reshape(-1, ring.bits, *vector.shape[1:])
        if ring.bits < 128:
            total: Vector = grouped.sum(axis=1, dtype=ring.dtype)
            return total
        out = ring.zeros(len(grouped))
        for k in range(ring.bits):
            ring.add_into(out, grouped[:, k])
        return out

    def __repr__(self) -> str:
        return f"TripleMaker({self.name}, {len(self._a)} triples, <redacted>)"
