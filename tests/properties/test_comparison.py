"""Secure threshold test == plaintext one, for any counts, shares, widths and thresholds; the decoder is fuzzed."""

from __future__ import annotations

import secrets

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.comparison import three, two
from mpc.comparison.helper import Helper, Taker
from mpc.comparison.messages import Words
from mpc.comparison.oblivious import TriplePartner
from mpc.drive import run
from mpc.errors import MpcError
from mpc.party import PartyName

RING = (PartyName("p0"), PartyName("p1"), PartyName("p2"))
PAIR = RING[:2]
SESSION = bytes(range(16))
WIDTHS = st.sampled_from([16, 32, 64])


@st.composite
def _cases(draw: st.DrawFn, parties: int) -> tuple[int, list[list[int]], int]:
    width = draw(WIDTHS)
    top = (1 << (width - 1)) - 1
    near = draw(st.integers(0, top))
    totals = draw(
        st.lists(st.one_of(st.integers(0, top), st.integers(max(0, near - 2), min(top, near + 2))), min_size=1)
    )
    rows = []
    for total in totals:
        row = [draw(st.integers(0, (1 << width) - 1)) for _ in range(parties - 1)]
        rows.append([*row, (total - sum(row)) % (1 << width)])
    return width, rows, near


@given(_cases(3))
@settings(max_examples=60, deadline=None)
def test_three_parties(case: tuple[int, list[list[int]], int]) -> None:
    width, rows, threshold = case
    columns = [np.array(c, f"<u{width // 8}") for c in zip(*rows, strict=True)]
    parties = [
        three.Contributor(n, RING, SESSION, c, threshold, secrets.token_bytes)
        for n, c in zip(RING, columns, strict=True)
    ]
    run(parties)
    expected = [sum(row) % (1 << width) >= threshold for row in rows]
    assert all(party.result.tolist() == expected for party in parties)


@given(_cases(2), st.booleans())
@settings(max_examples=25, deadline=None)
def test_two_parties(case: tuple[int, list[list[int]], int], oblivious: bool) -> None:
    width, rows, threshold = case
    count = len(rows)
    columns = [np.array(c, f"<u{width // 8}") for c in zip(*rows, strict=True)]
    if oblivious:
        sources: list[TriplePartner] | list[Taker] = [
            TriplePartner(n, PAIR, SESSION, width, count, secrets.token_bytes) for n in PAIR
        ]
        run(sources)
    else:
        sources = [Taker(n, RING[2], PAIR, SESSION, width, count) for n in PAIR]
        run([Helper(RING[2], PAIR, SESSION, width, count, secrets.token_bytes), *sources])
    parties = [
        two.Contributor(n, PAIR, SESSION, c, threshold, s.result)
        for n, c, s in zip(PAIR, columns, sources, strict=True)
    ]
    run(parties)
    expected = [sum(row) % (1 << width) >= threshold for row in rows]
    assert all(party.result.tolist() == expected for party in parties)


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 28), st.integers(0, 255)), max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_decoder_accepts_or_raises_an_mpc_error(tail: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(Words(SESSION, 3, b"word").encode())
    for at, byte in changes:
        mutated[at] = byte
    for message in (bytes(mutated), bytes(mutated[:21]) + tail, tail):
        try:
            decoded = Words.decode(message)
        except MpcError:
            continue
        assert decoded.encode() == message
