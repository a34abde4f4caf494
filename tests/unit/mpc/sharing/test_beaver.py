"""mpc.sharing.beaver, triples, ot_triples: products are exact, triples are used once and their source is named."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import drive
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    KeyPolicyViolation,
    MalformedMessage,
    MpcError,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.ot.extension import CodeSide
from mpc.party import PartyName
from mpc.ring import Z32, Z64, Z128, Ring
from mpc.sharing import additive
from mpc.sharing.beaver import Multiplier, Opening
from mpc.sharing.ot_messages import Corrections, Hello, Products
from mpc.sharing.ot_triples import MAX_TRIPLES, TripleMaker
from mpc.sharing.triples import Triples, TripleSource, TripleStock, from_trusted_dealer

RNG = secrets.token_bytes
SESSION = bytes(range(16))
DEALER, TRANSFER = TripleSource.TRUSTED_DEALER, TripleSource.OBLIVIOUS_TRANSFER


def names(count: int) -> list[PartyName]:
    return [PartyName(f"p{i}") for i in range(count)]


def multipliers(
    ring: Ring, x: list[int], y: list[int], stocks: list[TripleStock], source: TripleSource, session: bytes = SESSION
) -> list[Multiplier]:
    parties = names(len(stocks))
    xs, ys = (additive.split(ring, ring.encode(v), len(parties), RNG) for v in (x, y))
    return [
        Multiplier(session, name, parties, a, b, stock, source)
        for name, a, b, stock in zip(parties, xs, ys, stocks, strict=True)
    ]


def dealt(ring: Ring, n: int, parties: int) -> list[TripleStock]:
    return [TripleStock(triples) for triples in from_trusted_dealer(ring, n, parties, RNG)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([Z32, Z64, Z128]), st.integers(2, 5), st.data())
def test_products_of_shares_are_the_products_of_the_secrets(ring: Ring, parties: int, data: st.DataObject) -> None:
    element = st.integers(ring.low, ring.high)
    pairs = data.draw(st.lists(st.tuples(element, element), min_size=1, max_size=6))
    x, y = [a for a, _ in pairs], [b for _, b in pairs]
    group = multipliers(ring, x, y, dealt(ring, len(x), parties), DEALER)
    drive.run(group)
    product = additive.combine([party.result for party in group])
    assert ring.decode_unsigned(product) == [a * b % (1 << ring.bits) for a, b in pairs]


@pytest.mark.parametrize("ring", [Z32, Z64, Z128])
@pytest.mark.parametrize("parties", [2, 3])
def test_triples_without_a_dealer_multiply(ring: Ring, parties: int) -> None:
    makers = [TripleMaker(SESSION, name, names(parties), ring, 5) for name in names(parties)]
    drive.run(makers)
    a, b, c = (additive.combine([getattr(maker.result, part) for maker in makers]) for part in "abc")
    assert ring.decode_unsigned(c) == ring.decode_unsigned(ring.mul(a, b))
    stocks = [TripleStock(maker.result) for maker in makers]
    group = multipliers(ring, [3, -4], [5, 6], stocks, TRANSFER)
    drive.run(group)
    assert ring.decode_signed(additive.combine([party.result for party in group])) == [15, -24]
    assert len(stocks[0]) == 3


def test_more_bits_than_one_block_of_the_extension() -> None:
    makers = [TripleMaker(SESSION, name, names(2), Z64, 1500) for name in names(2)]
    drive.run(makers)
    a, b, c = (additive.combine([getattr(maker.result, part) for maker in makers]) for part in "abc")
    assert np.array_equal(c, Z64.mul(a, b))


def test_every_party_names_the_source_it_accepts() -> None:
    with pytest.raises(BadParameters, match="trusted dealer"):
        multipliers(Z64, [1], [2], dealt(Z64, 1, 2), TRANSFER)


def test_no_triple_is_used_twice() -> None:
    stocks = dealt(Z64, 3, 2)
    multipliers(Z64, [1, 2], [3, 4], stocks, DEALER)
    first, last = from_trusted_dealer(Z64, 3, 2, RNG)[0], stocks[0].take(1)
    assert len(last) == 1
    with pytest.raises(KeyPolicyViolation):
        stocks[0].take(1)
    with pytest.raises(KeyPolicyViolation):
        TripleStock(first).take(-1)
    taken = TripleStock(first)
    parts = [taken.take(2), taken.take(1)]
    assert np.array_equal(np.concatenate([p.a.vector for p in parts]), first.a.vector)


def test_misaligned_stocks_are_refused_where_they_would_multiply_wrongly() -> None:
    """One party has taken a triple more, or from another batch: until it was bound the product was wrong, unnoticed."""
    ahead, other = dealt(Z64, 4, 2), dealt(Z64, 4, 2)
    ahead[1].take(1)
    for stocks in (ahead, [ahead[0], other[1]]):
        group = multipliers(Z64, [6], [7], stocks, DEALER)
        with pytest.raises(WrongSession, match="other triples"):
            drive.run(group)
    unbound = dealt(Z64, 4, 2)
    unbound[1].take(1)
    group = multipliers(Z64, [6], [7], unbound, DEALER)
    for party in group:  # the control: with the binding off the product is wrong
        party._triples = replace(party._triples, first=0)
    drive.run(group)
    assert Z64.decode_signed(additive.combine([party.result for party in group])) != [42]


def test_a_reused_triple_reveals_a_difference_of_inputs() -> None:
    """The control: what the stock prevents. d - d' under one triple is x - x'."""
    triples = from_trusted_dealer(Z64, 1, 2, RNG)
    seen = []
    for secret in (1000, 17):
        group = multipliers(Z64, [secret], [1], [TripleStock(t) for t in triples], DEALER)
        opened = [Opening.decode(next(iter(p.start())).message, SESSION, Z64, 1).d for p in group]
        seen.append(Z64.add(*opened))
    assert Z64.decode_signed(Z64.sub(*seen)) == [983]


def test_opened_values_are_independent_of_the_inputs_and_with_a_broken_triple_they_are_not() -> None:
    def top_bits(value: int, broken: bool) -> float:
        n = 5000
        triples = from_trusted_dealer(Z64, n, 2, RNG)
        if broken:
            zero = [additive.AdditiveShare(Z64, i, 2, Z64.zeros(n)) for i in range(2)]
            triples = [Triples(DEALER, z, t.b, t.c, t.batch) for z, t in zip(zero, triples, strict=True)]
        group = multipliers(Z64, [value] * n, [1] * n, [TripleStock(t) for t in triples], DEALER)
        opened = [Opening.decode(next(iter(p.start())).message, SESSION, Z64, n).d for p in group]
        return float((Z64.add(*opened) >> np.uint64(63)).mean())

    assert abs(top_bits(-1, broken=False) - top_bits(1, broken=False)) < 0.06
    assert abs(top_bits(-1, broken=True) - top_bits(1, broken=True)) > 0.9


def test_misplaced_openings_are_refused_and_change_nothing() -> None:
    group = multipliers(Z64, [6], [7], dealt(Z64, 1, 3), DEALER)
    other = multipliers(Z64, [6], [7], dealt(Z64, 1, 3), DEALER, session=bytes(16))
    sends = {party.name: list(party.start()) for party in group}
    foreign = next(iter(other[1].start())).message
    me, message = group[0], sends[PartyName("p1")][0].message
    wrong: list[tuple[type[MpcError], PartyName, bytes]] = [
        (WrongSession, PartyName("p1"), foreign),
        (UnknownParty, PartyName("p0"), message),
        (UnknownParty, PartyName("stranger"), message),
        (MalformedMessage, PartyName("p1"), message[:-1]),
        (MalformedMessage, PartyName("p1"), message + b"\x00"),
        (MalformedMessage, PartyName("p1"), b""),
    ]
    for error, sender, raw in wrong:
        with pytest.raises(error):
            me.receive(sender, raw)
    with pytest.raises(WrongRound):
        _ = me.result
    me.receive(PartyName("p1"), message)
    with pytest.raises(DuplicateMessage):
        me.receive(PartyName("p1"), message)
    with pytest.raises(WrongRound):
        me.start()
    for sender, answers in sends.items():
        for send in answers:
            receiver = next(p for p in group if p.name == send.to)
            if (sender, send.to) != ("p1", "p0"):
                receiver.receive(sender, send.message)
    assert Z64.decode_signed(additive.combine([party.result for party in group])) == [42]


def test_misplaced_transfers_are_refused_and_change_nothing() -> None:
    a, b = (TripleMaker(SESSION, name, names(2), Z64, 2) for name in names(2))
    hello_a, hello_b = next(iter(a.start())).message, next(iter(b.start())).message
    early = Corrections(np.zeros((128, 2), np.uint64)).encode(SESSION)
    with pytest.raises(WrongRound):
        a.receive(b.name, early)
    with pytest.raises(WrongRound):
        a.receive(b.name, Products(Z64.zeros(128)).encode(SESSION, Z64))
    for raw in (hello_b[:-1], hello_b[:21] + bytes(32) + hello_b[53:], hello_b[:60] + b"\xff" * 32 + hello_b[92:]):
        with pytest.raises(MpcError):
            a.receive(b.name, raw)
    (corrections_a,) = a.receive(b.name, hello_b)
    with pytest.raises(DuplicateMessage):
        a.receive(b.name, hello_b)
    (corrections_b,) = b.receive(a.name, hello_a)
    (products_a,) = a.receive(b.name, corrections_b.message)
    with pytest.raises(DuplicateMessage):
        a.receive(b.name, corrections_b.message)
    (products_b,) = b.receive(a.name, corrections_a.message)
    with pytest.raises(WrongRound):
        _ = b.result
    b.receive(a.name, products_a.message)
    with pytest.raises(DuplicateMessage):
        b.receive(a.name, products_a.message)
    a.receive(b.name, products_b.message)
    x, y, z = (additive.combine([getattr(maker.result, part) for maker in (a, b)]) for part in "abc")
    assert np.array_equal(z, Z64.mul(x, y))
    with pytest.raises(UnknownParty):
        a.receive(PartyName("stranger"), hello_b)
    with pytest.raises(WrongRound):
        a.start()


def test_what_the_taker_sends_is_independent_of_its_bits() -> None:
    """Corrections are uniform whatever b is."""
    shares = []
    for constant in (b"\x00", b"\xff"):
        calls = 0

        def rng(size: int, constant: bytes = constant) -> bytes:
            nonlocal calls
            calls += 1
            return constant * size if calls == 2 else secrets.token_bytes(size)  # the second draw is b

        a = TripleMaker(SESSION, PartyName("p0"), names(2), Z64, 64, rng)
        b = TripleMaker(SESSION, PartyName("p1"), names(2), Z64, 64)
        (sent,) = a.receive(b.name, next(iter(b.start())).message)
        rows = Corrections.decode(sent.message, SESSION, 64 * 64).rows
        shares.append(float(np.unpackbits(rows.view(np.uint8)).mean()))
    assert abs(shares[0] - shares[1]) < 0.01
    assert abs(shares[0] - 0.5) < 0.005
    broken = CodeSide(np.zeros((128, 2, 16), np.uint8))  # positive control: both streams alike hide nothing
    _, corrections = broken.next(np.full((64, 2), (1 << 64) - 1, np.uint64))
    assert np.unpackbits(corrections.view(np.uint8)).mean() == 1


BAD_MAKERS: list[tuple[type[MpcError], tuple[Any, ...]]] = [
    (BadParameters, (b"short", PartyName("p0"), names(2), Z64, 1)),
    (BadParameters, (SESSION, PartyName("p0"), names(1), Z64, 1)),
    (BadParameters, (SESSION, PartyName("p0"), [PartyName("p0")] * 2, Z64, 1)),
    (UnknownParty, (SESSION, PartyName("p9"), names(2), Z64, 1)),
    (BadParameters, (SESSION, PartyName("p0"), names(2), Z64, 0)),
    (BadParameters, (SESSION, PartyName("p0"), names(2), Z64, MAX_TRIPLES + 1)),
]


@pytest.mark.parametrize(("error", "arguments"), BAD_MAKERS)
def test_bad_runs_are_refused(error: type[MpcError], arguments: tuple[Any, ...]) -> None:
    with pytest.raises(error):
        TripleMaker(*arguments)


def test_shares_that_do_not_belong_together_are_refused() -> None:
    share = additive.split(Z64, Z64.encode([1]), 2, RNG)
    stock = dealt(Z64, 9, 2)[0]
    wide = additive.split(Z64, Z64.encode([1, 2]), 2, RNG)[0]
    empty = additive.split(Z64, Z64.zeros(0), 2, RNG)[0]
    for x, y, parties in [
        (share[0], share[1], names(2)),
        (share[1], share[1], names(2)),
        (share[0], wide, names(2)),
        (empty, empty, names(2)),
        (share[0], share[0], names(3)),
        (share[0], share[0], names(2)[::-1]),
    ]:
        with pytest.raises(BadParameters):
            Multiplier(SESSION, PartyName("p0"), parties, x, y, stock, DEALER)
    assert len(stock) == 9
    assert "redacted" in repr(stock.take(1))


decoders: list[tuple[Callable[[bytes], Any], bytes]] = [
    (
        lambda raw: Opening.decode(raw, SESSION, Z64, 2),
        Opening(bytes(16), 0, Z64.zeros(2), Z64.zeros(2)).encode(SESSION, Z64),
    ),
    (lambda raw: Hello.decode(raw, SESSION), Hello(bytes(32), bytes(8192)).encode(SESSION)),
    (lambda raw: Corrections.decode(raw, SESSION, 4), Corrections(np.zeros((4, 2), np.uint64)).encode(SESSION)),
    (lambda raw: Products.decode(raw, SESSION, 4, Z32), Products(Z32.zeros(4)).encode(SESSION, Z32)),
]


@pytest.mark.parametrize(("decode", "valid"), decoders)
@settings(max_examples=60)
@given(data=st.data())
def test_decoders_only_raise_mpc_errors(decode: Callable[[bytes], Any], valid: bytes, data: st.DataObject) -> None:
    decode(valid)
    raw = bytearray(valid)
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 80) - 1))] = data.draw(st.integers(0, 255))
    for damaged in (bytes(raw), bytes(raw[: data.draw(st.integers(0, len(raw)))]), data.draw(st.binary(max_size=80))):
        try:
            decode(damaged)
        except MpcError:
            continue
