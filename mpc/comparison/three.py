"""Threshold test among three parties: is a + b + c >= k? All three learn the bits, nobody learns more.

Replicated Boolean sharing of Araki, Furukawa, Lindell, Nof, Ohara, "High-Throughput Semi-Honest Secure Three-Party
Computation with an Honest Majority" (CCS 2016): a word is x0 ^ x1 ^ x2, party i holds components i and i+1,
and an AND costs one word sent per party, made uniform by a share of zero from pairwise seeds. Before it, party 1 moves
its summand to parties 0 and 2 under a mask it shares with party 2, so that two summands A + C are left, each known to
one party (as Mohassel and Rindal, "ABY3", CCS 2018, do to convert arithmetic shares). The result is the top
bit of A + C - k, by the carry tree of ``words``.

Model: semi-honest, one corruption; any two parties together learn everything. Parties 0, 1, 2 are the ``ring`` in
order. A party without a count of its own (a helper of two others) contributes zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mpc.comparison.script import Await, Bits, ScriptedParty, Steps
from mpc.comparison.words import (
    SEED_BYTES,
    Array,
    and_shares,
    check_words,
    interleave,
    level_result,
    level_shares,
    levels,
    stream,
    word_type,
)
from mpc.errors import BadParameters, OutOfRange
from mpc.party import PartyName, RandomBytes

SEED, MOVE, INPUT, GENERATE = 0, 1, 2, 3
_FIRST_LEVEL: Final = 4


class Contributor(ScriptedParty[Bits]):
    """One of the three. ``result``: bool array, True where the sum of the three words is at least ``threshold``."""

    def __init__(
        self,
        name: PartyName,
        ring: Sequence[PartyName],
        session: bytes,
        words: Array,
        threshold: int,
        random_bytes: RandomBytes,
    ) -> None:
        """``words``: uint16, uint32 or uint64 vector, same type and length at all three: plain counts, or additive
        shares modulo 2^width. **Pre-condition**: the sum lies in [0, 2^(width-1)); ``check_counts`` checks counts.
        """
        if len(ring) != 3 or len(set(ring)) != 3 or name not in ring:
            raise BadParameters("three different parties, this one among them")
        self._width = check_words(words)
        threshold = check_threshold(threshold, self._width)
        self._ring, self._at = tuple(ring), tuple(ring).index(name)
        self._next, self._before = self._ring[(self._at + 1) % 3], self._ring[self._at - 1]
        self._words, self._threshold, self._random = words.copy(), threshold, random_bytes
        parameters: tuple[str | int, ...] = ("three", *self._ring, self._width, len(words), threshold)
        super().__init__(name, session, parameters, self._expected_messages())

    def _expected_messages(self) -> dict[tuple[PartyName, int], int]:
        n, full = len(self._words), len(self._words) * self._width // 8
        expected = {(self._next, SEED): SEED_BYTES, (self._next, GENERATE): full}
        if self._at == 0:
            expected[(self._ring[1], MOVE)] = full
            expected[(self._ring[2], INPUT)] = full
        if self._at == 1:
            expected[(self._ring[0], INPUT)] = full
        widths = levels(self._width)
        for number, width in enumerate(widths):
            expected[(self._next, _FIRST_LEVEL + number)] = n * np.dtype(word_type(width)).itemsize
        expected[(self._before, _FIRST_LEVEL + len(widths))] = -(-n // 8)
        return expected

    def _script(self) -> Steps[Bits]:
        seed = self._random(SEED_BYTES)
        if len(seed) != SEED_BYTES:
            raise BadParameters("the source of randomness gave the wrong number of bytes")
        yield self._send(self._before, SEED, seed)
        seeds = (seed, (yield Await(self._next, SEED)))  # components i and i+1: shared with the party before, after
        a, c = yield from self._two_summands(seeds)
        g, p, top = yield from self._generate_and_propagate(a, c, seeds)
        for number, width in enumerate(levels(self._width)):
            g, p = yield from self._level(g, p, width, _FIRST_LEVEL + number, seeds)
        return (yield from self._open(g ^ top))

    def _two_summands(self, seeds: tuple[bytes, bytes]) -> Steps[tuple[Array, Array]]:
        """Replicated shares, each (2, n), of A = a + b + r - k, known to party 0, and C = c - r, known to party 2.

        Component 2 of A and component 1 of C are zero; the owner draws one component with a seed and sends the other.
        """
        n, kind, words = len(self._words), self._words.dtype, self._words
        a, c = np.zeros((2, n), kind), np.zeros((2, n), kind)
        if self._at == 0:
            moved = np.frombuffer((yield Await(self._ring[1], MOVE)), kind)
            summand = words + moved - np.array(self._threshold, kind)
            interleave(summand, self._width)
            a[0] = stream(seeds[0], INPUT, n, kind)
            np.bitwise_xor(summand, a[0], out=a[1])
            yield self._send(self._ring[1], INPUT, a[1])
            c[0] = np.frombuffer((yield Await(self._ring[2], INPUT)), kind)
        elif self._at == 1:
            yield self._send(self._ring[0], MOVE, words + stream(seeds[1], MOVE, n, kind))
            c[1] = stream(seeds[1], INPUT, n, kind)
            a[0] = np.frombuffer((yield Await(self._ring[0], INPUT)), kind)
        else:
            summand = words - stream(seeds[0], MOVE, n, kind)
            interleave(summand, self._width)
            c[0] = stream(seeds[0], INPUT, n, kind)
            np.bitwise_xor(summand, c[0], out=c[1])
            yield self._send(self._ring[0], INPUT, c[1])
            a[1] = stream(seeds[1], INPUT, n, kind)
        return a, c

    def _generate_and_propagate(
        self, a: Array, c: Array, seeds: tuple[bytes, bytes]
    ) -> Steps[tuple[Array, Array, Array]]:
        """g = A & C, p = A ^ C, and the top bit of p. The top place then passes the carry: g = 0, p = 1 there."""
        n, kind = len(self._words), self._words.dtype
        g = np.empty((2, n), kind)
        zeros = [stream(seed, GENERATE, n, kind) for seed in seeds]
        and_shares(a[0], a[1], c[0], c[1], zeros[0], zeros[1], g[0])
        yield self._send(self._before, GENERATE, g[0])
        p = a ^ c
        g[1] = np.frombuffer((yield Await(self._next, GENERATE)), kind)
        place = kind.type(1 << (self._width - 1))
        top = (p >> kind.type(self._width - 1)).astype(np.uint8)
        g &= ~place
        p &= ~place
        if self._at != 1:  # the public 1 goes into component 0, which parties 0 and 2 hold
            p[0 if self._at == 0 else 1] |= place
        return g, p, top

    def _level(
        self, g: Array, p: Array, width: int, number: int, seeds: tuple[bytes, bytes]
    ) -> Steps[tuple[Array, Array]]:
        n, half = g.shape[1], word_type(width // 2)
        z = np.empty((2, n), word_type(width))
        zeros = [stream(seed, number, n, z.dtype) for seed in seeds]
        level_shares(g, p, zeros[0], zeros[1], width, z[0])
        yield self._send(self._before, number, z[0])
        g_out, p_out = np.empty((2, n), half), np.empty((2, n), half)
        level_result(g[0], z[0], width, g_out[0], p_out[0])
        z[1] = np.frombuffer((yield Await(self._next, number)), z.dtype)
        level_result(g[1], z[1], width, g_out[1], p_out[1])
        return g_out, p_out

    def _open(self, sign: Array) -> Steps[Bits]:
        """Send component i to the party after, which lacks it: one bit per count."""
        number = _FIRST_LEVEL + len(levels(self._width))
        yield self._send(self._next, number, np.packbits(sign[0]))
        missing = np.frombuffer((yield Await(self._before, number)), np.uint8)
        below: Bits = (sign[0] ^ sign[1] ^ np.unpackbits(missing, count=len(sign[0]))).astype(np.bool_)
        return ~below


def check_counts(counts: Array, at_most: int, parties: int) -> Array:
    """Return counts if ``parties`` such counts add up without wrapping; raises ``OutOfRange`` otherwise."""
    width = check_words(counts)
    if parties * at_most >> (width - 1):
        raise OutOfRange(f"{parties} counts of up to {at_most} do not fit {width} bits: use a wider type")
    if int(counts.max()) > at_most:
        raise OutOfRange("a count above the declared maximum")
    return counts


def check_threshold(threshold: int, width: int) -> int:
    """Return the threshold as a plain integer; raises ``BadParameters`` unless 0 <= threshold < 2^(width-1)."""
    if threshold < 0 or threshold >> (width - 1):
        raise BadParameters(f"a threshold lies in [0, 2^{width - 1})")
    return int(threshold)
