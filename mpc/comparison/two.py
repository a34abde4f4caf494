"""Threshold test between two parties: is a + b >= k? Both learn the bits, nobody learns more.

The protocol of Goldreich, Micali, Wigderson (STOC 1987) on XOR-shared words with Beaver triples: each AND of the carry
tree in ``words`` opens its operands under the triple's masks. Party 0 brings A = a - k, party 1 brings C = b; the
result is the top bit of A + C.

Model: semi-honest, either party may be corrupt. What else is trusted depends on the triples' named source.
"""

from __future__ import annotations

import numpy as np

from mpc.comparison.script import Await, Bits, ScriptedParty, Steps
from mpc.comparison.three import check_threshold
from mpc.comparison.triples import Triple, TripleShares
from mpc.comparison.words import (
    Array,
    beaver_finish,
    check_words,
    interleave,
    level_operands,
    level_result,
    levels,
    stages,
    word_type,
)
from mpc.errors import BadParameters
from mpc.party import PartyName


class Contributor(ScriptedParty[Bits]):
    """One of the two. ``result``: bool array, True where the sum of the two words is at least ``threshold``."""

    def __init__(
        self,
        name: PartyName,
        pair: tuple[PartyName, PartyName],
        session: bytes,
        words: Array,
        threshold: int,
        triples: TripleShares,
    ) -> None:
        """``words`` and their pre-condition: as in ``three.Contributor``. ``triples``: this party's, unused."""
        if len(set(pair)) != 2 or name not in pair:
            raise BadParameters("two different parties, this one among them")
        self._width = check_words(words)
        threshold = check_threshold(threshold, self._width)
        self._triples = triples.take(self._width, len(words))
        self._first, self._other = name == pair[0], pair[1] if name == pair[0] else pair[0]
        self._words, self._threshold = words.copy(), threshold
        n, widths = len(words), stages(self._width)
        expected = {
            (self._other, number): 2 * n * np.dtype(word_type(width)).itemsize for number, width in enumerate(widths)
        }
        parameters = ("two", *pair, self._width, n, threshold, triples.batch)
        super().__init__(name, session, parameters, {**expected, (self._other, len(widths)): -(-n // 8)})

    def _script(self) -> Steps[Bits]:
        kind, summand = self._words.dtype.type, self._words
        if self._first:
            summand = summand - np.array(self._threshold, kind)
        interleave(summand, self._width)
        nothing = np.zeros_like(summand)
        x, y = (summand, nothing) if self._first else (nothing, summand)  # A is one's alone, and C the other's
        g = yield from self._product(x, y, 0)
        place = kind(1 << (self._width - 1))
        top = (summand >> kind(self._width - 1)).astype(np.uint8)
        g, p = g & ~place, summand & ~place
        if self._first:
            p |= place  # the top place passes the carry: g = 0, p = 1
        for number, width in enumerate(levels(self._width), start=1):
            x, y = np.empty((2, len(g)), word_type(width))
            level_operands(g, p, width, x, y)
            z = yield from self._product(x, y, number)
            g_out, p_out = np.empty((2, len(g)), word_type(width // 2))
            level_result(g, z, width, g_out, p_out)
            g, p = g_out, p_out
        return (yield from self._open(g ^ top))

    def _product(self, x: Array, y: Array, number: int) -> Steps[Array]:
        """This party's share of x AND y for shares x, y; one message of two words each way."""
        triple: Triple = self._triples[number]
        masked = np.stack([x ^ triple.a, y ^ triple.b])
        yield self._send(self._other, number, masked)
        theirs = np.frombuffer((yield Await(self._other, number)), masked.dtype).reshape(masked.shape)
        share = triple.c.copy()
        beaver_finish(masked[0], masked[1], theirs[0], theirs[1], triple.a, triple.b, share, self._first)
        return share

    def _open(self, sign: Array) -> Steps[Bits]:
        number = len(stages(self._width))
        yield self._send(self._other, number, np.packbits(sign & 1))
        theirs = np.frombuffer((yield Await(self._other, number)), np.uint8)
        below: Bits = ((sign & 1) ^ np.unpackbits(theirs, count=len(sign))).astype(np.bool_)
        return ~below
