"""AND triples by oblivious transfer: slower, and nobody but the two parties is involved.

Each bit of a triple costs two random one-bit transfers, one each way (Asharov, Lindell, Schneider, Zohner, "More
efficient oblivious transfer and extensions for faster secure computation", CCS 2013): the sender's a is
the XOR of the two transferred bits, the receiver's b its choice, and the bits themselves share a AND b. The transfers
are extended from 128 base transfers (IKNP 2003; ``mpc.ot``), the hash is BLAKE2s with the transfer's index as salt.

Model: semi-honest, either party may be corrupt; correlation-robust hash. Cost: 16 bytes sent each way per bit.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from mpc.comparison.script import Await, ScriptedParty, Steps
from mpc.comparison.triples import Triple, TripleShares
from mpc.comparison.words import WIDTHS, Array, stages, word_type
from mpc.errors import BadParameters
from mpc.ot.blake2s import digest_rows
from mpc.ot.endemic import EndemicReceiver, EndemicSender
from mpc.ot.extension import BLOCK_ROWS, ChoiceSide, CodeSide
from mpc.party import PartyName, RandomBytes

_BASE: Final = 128
_POINT, _PAIRS, _CORRECTIONS = 0, 1, 2
_PERSON: Final = b"unseen11"
MOST_BITS: Final = 1 << 24


class TriplePartner(ScriptedParty[TripleShares]):
    """One of the two; both run the same code. ``result`` goes into ``two.Contributor``."""

    def __init__(
        self,
        name: PartyName,
        pair: tuple[PartyName, PartyName],
        session: bytes,
        width: int,
        count: int,
        random_bytes: RandomBytes,
    ) -> None:
        """Triples for ``count`` words of ``width`` bits; at most 2^24 bits a session (``BadParameters`` beyond)."""
        if len(set(pair)) != 2 or name not in pair:
            raise BadParameters("two different parties, this one among them")
        if width not in WIDTHS or count < 1:
            raise BadParameters(f"words of {WIDTHS} bits, at least one")
        self._sizes = [count * np.dtype(word_type(w)).itemsize for w in stages(width)]
        self._bits = 8 * sum(self._sizes)
        if self._bits > MOST_BITS:
            raise BadParameters("more triples than one session makes: split the counts, or name a helper")
        self._first, self._other = name == pair[0], pair[1] if name == pair[0] else pair[0]
        self._width, self._count, self._random = width, count, random_bytes
        other = self._other
        expected = {(other, _POINT): 32, (other, _PAIRS): 64 * _BASE, (other, _CORRECTIONS): 16 * self._bits}
        super().__init__(name, session, ("oblivious", *pair, width, count), expected)

    def _script(self) -> Steps[TripleShares]:
        # two independent extensions: in "mine" this party is the transfer's receiver, in the other one its sender
        mine, theirs = (hashlib.sha256(self.session + side).digest()[:16] for side in self._sides())
        base_sender = EndemicSender(mine, self._random)
        secret = np.unpackbits(np.frombuffer(self._random(_BASE // 8), np.uint8), bitorder="little")
        base_receiver = EndemicReceiver(theirs, secret, self._random)
        yield self._send(self._other, _POINT, base_sender.point)
        yield self._send(self._other, _PAIRS, base_receiver.pairs)
        point, pairs = (yield Await(self._other, _POINT)), (yield Await(self._other, _PAIRS))
        packed = np.frombuffer(self._random(self._bits // 8), np.uint8)
        choices = np.unpackbits(packed, bitorder="little")
        chosen, corrections = self._receive_bits(CodeSide(base_sender.seeds(pairs, _BASE)), choices)
        yield self._send(self._other, _CORRECTIONS, corrections)
        sender = ChoiceSide(secret, base_receiver.seeds(point))
        zero, one = self._send_bits(sender, (yield Await(self._other, _CORRECTIONS)))
        a = zero ^ one
        return self._shares(a, choices, (a & choices) ^ zero ^ chosen)

    def _sides(self) -> tuple[bytes, bytes]:
        return (b"first", b"second") if self._first else (b"second", b"first")

    def _receive_bits(self, side: CodeSide, choices: Array) -> tuple[Array, Array]:
        """As receiver of the transfers: the chosen bits, and the corrections to send."""
        chosen, corrections = np.empty(self._bits, np.uint8), np.empty((self._bits, 2), np.uint64)
        for at in range(0, self._bits, BLOCK_ROWS):
            part = slice(at, min(at + BLOCK_ROWS, self._bits))
            repeated = np.repeat(np.uint64(0) - choices[part].astype(np.uint64)[:, None], 2, axis=1)
            rows, corrections[part] = side.next(repeated)
            chosen[part] = _hash_bits(rows, at)
        return chosen, corrections

    def _send_bits(self, side: ChoiceSide, data: bytes) -> tuple[Array, Array]:
        """As sender of the transfers: both bits of each."""
        corrections = np.frombuffer(data, np.uint64).reshape(-1, 2)
        zero, one = np.empty(self._bits, np.uint8), np.empty(self._bits, np.uint8)
        for at in range(0, self._bits, BLOCK_ROWS):
            part = slice(at, min(at + BLOCK_ROWS, self._bits))
            rows = side.next(corrections[part])
            zero[part], one[part] = _hash_bits(rows, at), _hash_bits(rows ^ side.mask, at)
        return zero, one

    def _shares(self, a: Array, b: Array, c: Array) -> TripleShares:
        flat = [np.packbits(bits, bitorder="little") for bits in (a, b, c)]
        triples, at = [], 0
        for size, width in zip(self._sizes, stages(self._width), strict=True):
            triples.append(Triple(*(part[at : at + size].copy().view(word_type(width)) for part in flat)))
            at += size
        return TripleShares(
            "oblivious transfer between the two parties", self.session, self._width, self._count, triples
        )


def _hash_bits(rows: Array, first: int) -> Array:
    """One bit of BLAKE2s per 128-bit row, salted with its index: breaks the correlation between the rows."""
    n = len(rows)
    padded = np.zeros((n, 16), np.uint32)
    padded[:, :4] = np.ascontiguousarray(rows).view(np.uint32)
    salts = np.arange(first, first + n, dtype=np.uint64)
    digests = digest_rows(padded, np.full(n, 16, np.int64), salts, _PERSON, 16)
    return (digests[:, 0] & np.uint32(1)).astype(np.uint8)
