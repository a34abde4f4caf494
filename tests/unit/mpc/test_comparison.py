"""Threshold tests among two and three parties: the bits, wrong messages, triples used once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from mpc.comparison import three, two
from mpc.comparison.helper import Helper, Taker
from mpc.comparison.messages import Words
from mpc.comparison.oblivious import TriplePartner, _hash_bits
from mpc.comparison.triples import TripleShares
from mpc.comparison.words import interleave, levels, stream
from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    KeyPolicyViolation,
    MalformedMessage,
    MpcError,
    OutOfRange,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.party import PartyName

RING = (PartyName("p0"), PartyName("p1"), PartyName("p2"))
PAIR = RING[:2]
HELPER = PartyName("helper")
SESSION = bytes(range(16))
KINDS = (np.uint16, np.uint32, np.uint64)

Words1 = npt.NDArray[np.unsignedinteger]


def _three(words: Sequence[Words1], threshold: int) -> list[three.Contributor]:
    return [
        three.Contributor(n, RING, SESSION, w, threshold, secrets.token_bytes) for n, w in zip(RING, words, strict=True)
    ]


def _helped(width: int, count: int) -> list[TripleShares]:
    takers = [Taker(name, HELPER, PAIR, SESSION, width, count) for name in PAIR]
    run([Helper(HELPER, PAIR, SESSION, width, count, secrets.token_bytes), *takers])
    return [taker.result for taker in takers]


def _two(words: Sequence[Words1], threshold: int, triples: Sequence[TripleShares]) -> list[two.Contributor]:
    return [two.Contributor(n, PAIR, SESSION, w, threshold, t) for n, w, t in zip(PAIR, words, triples, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_three_parties_at_the_edges(kind: type[np.unsignedinteger]) -> None:
    top = 2 ** (np.dtype(kind).itemsize * 8 - 1) - 1
    rows = [(0, 0, 0), (9, 0, 0), (0, 10, 0), (3, 3, 3), (4, 3, 3), (top, 0, 0), (0, top - 1, 1), (0, 0, top)]
    words = [np.array(column, kind) for column in zip(*rows, strict=True)]
    for threshold in (0, 1, 10, top):
        parties = _three(words, threshold)
        run(parties)
        for party in parties:
            assert party.result.tolist() == [sum(row) >= threshold for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_additive_shares_that_wrap_are_shares_too(kind: type[np.unsignedinteger]) -> None:
    rng = np.random.default_rng(1)
    totals = rng.integers(0, 50, 200).astype(kind)
    high = np.iinfo(kind).max
    masks = [rng.integers(0, high, 200, dtype=kind, endpoint=True) for _ in range(2)]
    parties3 = _three([*masks, totals - masks[0] - masks[1]], 25)
    run(parties3)
    width = np.dtype(kind).itemsize * 8
    parties2 = _two([masks[0], totals - masks[0]], 25, _helped(width, 200))
    run(parties2)
    for party in [*parties3, *parties2]:
        assert np.array_equal(party.result, totals >= 25)


def test_two_parties_without_anyone_else() -> None:
    words = [np.arange(40, dtype=np.uint16), np.full(40, 5, np.uint16)]
    partners = [TriplePartner(name, PAIR, SESSION, 16, 40, secrets.token_bytes) for name in PAIR]
    run(partners)
    parties = _two(words, 20, [partner.result for partner in partners])
    run(parties)
    assert all(np.array_equal(p.result, words[0] + words[1] >= 20) for p in parties)
    assert "oblivious" in partners[0].result.source


@pytest.mark.parametrize("source", ["helper", "oblivious"])
def test_triples_multiply(source: str) -> None:
    if source == "helper":
        shares = _helped(32, 50)
    else:
        partners = [TriplePartner(name, PAIR, SESSION, 32, 50, secrets.token_bytes) for name in PAIR]
        run(partners)
        shares = [partner.result for partner in partners]
    for one, other in zip(shares[0].take(32, 50), shares[1].take(32, 50), strict=True):
        assert np.array_equal((one.a ^ other.a) & (one.b ^ other.b), one.c ^ other.c)
        assert len(np.unique(one.a)) > 1


@pytest.mark.parametrize("source", ["helper", "oblivious"])
def test_triples_are_random_to_both_and_differ_everywhere(source: str) -> None:
    """Correct products are not enough: a mask that the other knows, or that comes twice, opens what it should hide."""
    shares = _helped(32, 64)
    if source == "oblivious":
        partners = [TriplePartner(name, PAIR, SESSION, 32, 64, secrets.token_bytes) for name in PAIR]
        run(partners)
        shares = [partner.result for partner in partners]
    words = []
    for one, other in list(zip(*(share.take(32, 64) for share in shares), strict=True))[:2]:  # the stages of 32 bits
        words += [one.a, one.b, one.c, other.a, other.b, other.c, one.a ^ other.a, one.b ^ other.b]
    assert len(np.unique(np.concatenate(words))) > 16 * 64 - 8


def test_a_transferred_bit_depends_on_its_index() -> None:
    """Equal rows at two places must not give equal bits: they would show that the rows are equal."""
    bits = _hash_bits(np.zeros((256, 2), np.uint64), 0)
    assert 64 < bits.sum() < 192
    assert np.array_equal(_hash_bits(np.zeros((56, 2), np.uint64), 200), bits[200:])
    digest = hashlib.blake2s(bytes(16), digest_size=16, salt=(7).to_bytes(8, "little"), person=b"unseen11").digest()
    assert bits[7] == digest[0] & 1


def test_triples_are_used_once_and_for_what_they_were_made() -> None:
    words = [np.zeros(3, np.uint16)] * 2
    triples = _helped(16, 3)
    with pytest.raises(BadParameters):
        _two([np.zeros(4, np.uint16)] * 2, 1, triples)
    _two(words, 1, triples)
    with pytest.raises(KeyPolicyViolation):
        _two(words, 1, triples)
    with pytest.raises(BadParameters):
        TripleShares("x", b"", 16, 3, [])


def test_inputs_are_checked() -> None:
    with pytest.raises(BadParameters):
        _three([np.zeros(3, np.int64)] * 3, 1)
    with pytest.raises(BadParameters):
        _three([np.zeros(0, np.uint16)] * 3, 1)
    with pytest.raises(BadParameters):
        _three([np.zeros(1, np.uint16)] * 3, 1 << 15)
    with pytest.raises(BadParameters):
        _three([np.zeros(1, np.uint16)] * 3, -1)
    with pytest.raises(BadParameters):
        three.Contributor(HELPER, RING, SESSION, np.zeros(1, np.uint16), 1, secrets.token_bytes)
    with pytest.raises(BadParameters):
        TriplePartner(PAIR[0], PAIR, SESSION, 32, 10**7, secrets.token_bytes)
    with pytest.raises(BadParameters):
        Helper(PAIR[0], PAIR, SESSION, 16, 1, secrets.token_bytes)


def test_counts_that_could_wrap_are_refused() -> None:
    counts = np.array([10, 20], np.uint16)
    assert three.check_counts(counts, 20, 3) is counts
    with pytest.raises(OutOfRange, match="wider"):
        three.check_counts(counts, 20000, 3)
    with pytest.raises(OutOfRange, match="maximum"):
        three.check_counts(counts, 19, 3)


def test_wrong_messages_are_refused_and_change_nothing() -> None:
    parties = _three([np.arange(5, dtype=np.uint16)] * 3, 4)
    sends = [list(party.start()) for party in parties]
    seed = next(send for send in sends[1] if send.to == RING[0]).message  # round 0 of party 1
    with pytest.raises(UnknownParty):
        parties[0].receive(HELPER, seed)
    with pytest.raises(WrongSession):
        parties[0].receive(RING[1], seed[:5] + bytes(16) + seed[21:])
    with pytest.raises(WrongRound):
        parties[0].receive(RING[1], Words(parties[0].session, 99, b"").encode())
    with pytest.raises(WrongRound):
        parties[0].receive(RING[2], seed)
    with pytest.raises(MalformedMessage):
        parties[0].receive(RING[1], Words(parties[0].session, 0, bytes(31)).encode())
    with pytest.raises(MalformedMessage):
        parties[0].receive(RING[1], seed + b"\x00")
    with pytest.raises(WrongRound):
        _ = parties[0].result
    with pytest.raises(WrongRound):
        parties[0].start()
    parties[0].receive(RING[1], seed)
    with pytest.raises(DuplicateMessage):
        parties[0].receive(RING[1], seed)


def test_bad_content_aborts_the_run_for_good() -> None:
    partner, other = (TriplePartner(name, PAIR, SESSION, 16, 2, secrets.token_bytes) for name in PAIR)
    sends = list(partner.start())
    other.start()
    no_points = Words(partner.session, 1, bytes(64 * 128)).encode()
    assert other.receive(PAIR[0], no_points) == []  # looked at when the round before it is there
    with pytest.raises(MpcError):
        other.receive(PAIR[0], sends[0].message)
    with pytest.raises(WrongRound, match="aborted"):
        other.receive(PAIR[0], sends[1].message)
    assert not other.finished


def test_parties_that_disagree_on_a_parameter_get_no_bits() -> None:
    words = np.zeros(3, np.uint16)
    mixed = [*_three([words] * 3, 4)[:2], _three([words] * 3, 5)[2]]
    with pytest.raises(WrongSession):
        run(mixed)
    triples = [_helped(16, 3)[0], _again(16, 3)]
    with pytest.raises(WrongSession):
        run(_two([words] * 2, 4, triples))


def test_parties_that_name_different_helpers_get_no_bits() -> None:
    """Each helper deals to both; each party listens to its own: the triples do not belong together."""
    shares = []
    for name, helper in zip(PAIR, (HELPER, PartyName("another")), strict=True):
        takers = [Taker(taker, helper, PAIR, SESSION, 16, 3) for taker in PAIR]
        run([Helper(helper, PAIR, SESSION, 16, 3, secrets.token_bytes), *takers])
        shares += [taker.result for taker in takers if taker.name == name]
    with pytest.raises(WrongSession):
        run(_two([np.zeros(3, np.uint16)] * 2, 4, shares))


def test_a_script_that_dies_of_anything_has_no_result() -> None:
    """A source of randomness that fails in the middle must not leave a party that looks finished."""

    def failing_late(size: int) -> bytes:
        if size < 16:  # the choices of one word, 7 bytes: the only draw after the first round
            raise OSError("no randomness")
        return secrets.token_bytes(size)

    failing = TriplePartner(PAIR[0], PAIR, SESSION, 16, 1, failing_late)
    other = TriplePartner(PAIR[1], PAIR, SESSION, 16, 1, secrets.token_bytes)
    list(failing.start())
    sends = list(other.start())
    failing.receive(PAIR[1], sends[0].message)
    with pytest.raises(OSError, match="randomness"):
        failing.receive(PAIR[1], sends[1].message)
    corrections = Words(failing.session, 2, bytes(failing._expected[PAIR[1], 2])).encode()
    with pytest.raises(WrongRound, match="aborted"):
        failing.receive(PAIR[1], corrections)
    assert not failing.finished


def _again(width: int, count: int) -> TripleShares:
    """The second party's shares of another batch."""
    takers = [Taker(name, HELPER, PAIR, bytes(16), width, count) for name in PAIR]
    run([Helper(HELPER, PAIR, bytes(16), width, count, secrets.token_bytes), *takers])
    return takers[1].result


def test_messages_may_overtake_each_other() -> None:
    """Deliver in the worst order that one channel allows: always the newest message first."""
    words = [np.arange(9, dtype=np.uint32)] * 3
    parties = {party.name: party for party in _three(words, 12)}
    stack = [(name, send) for name, party in parties.items() for send in party.start()]
    while stack:
        sender, send = stack.pop()
        stack.extend((send.to, answer) for answer in parties[send.to].receive(sender, send.message))
    assert all(np.array_equal(p.result, 3 * np.arange(9) >= 12) for p in parties.values())


def test_inputs_stay_as_they_were() -> None:
    words = np.arange(9, dtype=np.uint64)
    run(_three([words] * 3, 12))
    assert np.array_equal(words, np.arange(9))


@pytest.mark.parametrize("width", [16, 32, 64])
def test_interleaving_reverses_bit_indices(width: int) -> None:
    bits = width.bit_length() - 1
    for index in range(width):
        word = np.array([1 << index], f"<u{width // 8}")
        interleave(word, width)
        assert int(word[0]) == 1 << int(f"{index:0{bits}b}"[::-1], 2)
    assert levels(width)[-1] == 2


def test_streams_of_different_labels_are_unrelated() -> None:
    first, again, other = (stream(bytes(32), label, 1000, np.uint64) for label in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.isin(first, other).any()


def test_secrets_do_not_show() -> None:
    assert "[" not in repr(_three([np.arange(5, dtype=np.uint16)] * 3, 4)[0])
    assert "array" not in repr(_helped(16, 3)[0])
    assert "abc" not in repr(Words(SESSION, 1, b"abc"))
