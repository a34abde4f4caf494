"""What every additive scheme behind private join and compute must do: one suite, run on Paillier and on lifted ElGamal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from phe.paillier import PaillierPrivateKey, generate_paillier_keypair

from mpc.drive import run
from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, OutOfRange, UnknownParty, WrongSession
from mpc.party import PartyName
from mpc.psi_dh.additive import KeyHolder, OpenEvaluator, in_slots
from mpc.psi_dh.elgamal import ElGamalEvaluator, ElGamalKeyHolder
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.paillier_scheme import PaillierEvaluator, PaillierKeyHolder
from mpc.psi_dh.scheme import open_evaluator

A, B = PartyName("a"), PartyName("b")
SESSION = bytes(range(16))


@cache
def _private() -> PaillierPrivateKey:
    return generate_paillier_keypair(n_length=2048)[1]


@dataclass(frozen=True)
class Scheme:
    keys: Callable[[int, int, int, bool], KeyHolder]
    """From columns, value bits, most rows, signed."""
    evaluator: OpenEvaluator


SCHEMES = {
    "paillier": Scheme(
        lambda columns, bits, rows, signed: PaillierKeyHolder(
            _private(), columns, bits, rows, secrets.token_bytes, signed=signed
        ),
        PaillierEvaluator,
    ),
    "elgamal": Scheme(
        lambda columns, bits, rows, signed: ElGamalKeyHolder(columns, bits, rows, secrets.token_bytes, signed),
        ElGamalEvaluator,
    ),
}


@pytest.fixture(params=list(SCHEMES))
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return SCHEMES[request.param]


def _items(numbers: Sequence[int]) -> list[bytes]:
    return [b"unit-%d" % n for n in numbers]


def _join(
    scheme: Scheme, groups: list[list[int]], values: dict[int, list[int]], at_least: int = 1, signed: bool = False
) -> tuple[PartyOne, PartyTwo]:
    keys = scheme.keys(len(next(iter(values.values()))), 20, 100, signed)
    one = PartyOne(A, B, SESSION, [_items(g) for g in groups], scheme.evaluator, at_least, secrets.token_bytes)
    table = np.array(list(values.values()), np.int64)
    return one, PartyTwo(B, A, SESSION, _items(list(values)), table, keys, 1, secrets.token_bytes)


def test_sums_per_group_over_the_intersection(scheme: Scheme) -> None:
    one, two = _join(
        scheme, [[1, 2, 5, 6, 7], [8, 9, 100], [24, 200], [300]], {n: [n * 1000, 1] for n in range(5, 25)}, 2
    )
    run([one, two])
    assert one.result == (3, 2, 1, 0)
    assert two.result == ((18_000, 3), (17_000, 2), None, None)


def test_columns_hold_the_groups_of_party_two(scheme: Scheme) -> None:
    spread = in_slots(np.array([[5], [7], [11]]), np.array([2, 0, 2]), 3)
    one, two = _join(scheme, [[0, 1, 2]], dict(enumerate(spread.tolist())))
    run([one, two])
    assert two.result == ((7, 0, 16),)


def test_signed_values_cancel_and_go_below_zero(scheme: Scheme) -> None:
    values = {0: [-7, 5], 1: [2, -5], 2: [-(2**20) + 1, 2**20 - 1]}
    one, two = _join(scheme, [[0, 1], [2]], values, signed=True)
    run([one, two])
    assert two.result == ((-5, 0), (-(2**20) + 1, 2**20 - 1))


@pytest.mark.parametrize("signed", [False, True])
def test_the_ends_of_the_range_are_totals(scheme: Scheme, signed: bool) -> None:
    most, rows = 2**20 - 1, 8
    keys = scheme.keys(2, 20, rows, signed)
    evaluator = scheme.evaluator(keys.public, secrets.token_bytes)
    ends = [most, -most if signed else 0]
    encrypted = keys.encrypt(np.array([ends] * rows, np.int64))
    assert keys.decrypt(evaluator.total(encrypted)) == (rows * ends[0], rows * ends[1])


@pytest.mark.parametrize(("signed", "bad"), [(False, -1), (False, 2**20), (True, -(2**20)), (True, 2**20)])
def test_values_out_of_range_are_refused(scheme: Scheme, signed: bool, bad: int) -> None:
    with pytest.raises(OutOfRange, match="must lie in"):
        scheme.keys(1, 20, 10, signed).encrypt(np.array([[bad]]))


def test_more_rows_than_declared_are_refused(scheme: Scheme) -> None:
    with pytest.raises(OutOfRange, match="3 rows"):
        scheme.keys(1, 20, 2, False).encrypt(np.zeros((3, 1), np.int64))


@pytest.mark.parametrize("signed", [False, True])
def test_a_total_out_of_range_is_refused(scheme: Scheme, signed: bool) -> None:
    keys = scheme.keys(1, 20, 2, signed)
    evaluator = scheme.evaluator(keys.public, secrets.token_bytes)
    rows = keys.encrypt(np.array([[2**20 - 1], [2**20 - 1]]))
    with pytest.raises(OutOfRange, match="not a total"):
        keys.decrypt(evaluator.total(np.concatenate([rows, rows])))


@pytest.mark.parametrize("shape", [(0, 20, 10), (1, 0, 10), (1, 64, 10), (1, 20, 0), (10_000, 20, 10)])
def test_shapes_that_no_key_holds_are_refused(scheme: Scheme, shape: tuple[int, int, int]) -> None:
    with pytest.raises(BadParameters):
        scheme.keys(*shape, False)


def test_totals_and_rows_are_randomised_each_time(scheme: Scheme) -> None:
    keys = scheme.keys(1, 20, 10, False)
    evaluator = scheme.evaluator(keys.public, secrets.token_bytes)
    rows = keys.encrypt(np.array([[3], [4], [4]]))
    assert len({row.tobytes() for row in rows}) == 3
    first, second = evaluator.total(rows), evaluator.total(rows)
    assert first != second
    assert keys.decrypt(first) == keys.decrypt(second) == (11,)
    assert keys.decrypt(evaluator.total(rows[:0])) == (0,)


def test_bytes_that_are_no_ciphertext_are_refused(scheme: Scheme) -> None:
    keys = scheme.keys(1, 20, 10, False)
    evaluator = scheme.evaluator(keys.public, secrets.token_bytes)
    rows = keys.encrypt(np.array([[1], [2]]))
    rows_with_zeros, rows_with_ones = rows.copy(), rows.copy()
    rows_with_zeros[1], rows_with_ones[1] = 0, 255
    for bad in (rows_with_zeros, rows_with_ones):
        with pytest.raises(MalformedMessage):
            evaluator.total(bad)
    for total in (b"\x01", bytes(keys.ciphertext_bytes), b"\xff" * keys.ciphertext_bytes):
        with pytest.raises(MalformedMessage):
            keys.decrypt(total)
    assert keys.decrypt(evaluator.total(rows)) == (3,)


def test_keys_of_the_other_scheme_are_refused_and_the_first_byte_names_the_scheme(scheme: Scheme) -> None:
    public = scheme.keys(1, 20, 10, False).public
    assert type(open_evaluator(public, secrets.token_bytes)) is scheme.evaluator
    (other,) = (s for s in SCHEMES.values() if s is not scheme)
    with pytest.raises(MalformedMessage):
        other.evaluator(public, secrets.token_bytes)


def test_join_refuses_wrong_rounds_and_foreign_sessions(scheme: Scheme) -> None:
    one, two = _join(scheme, [[1, 2]], {1: [5], 2: [6]})
    groups = next(iter(one.start()))
    pairs = next(iter(two.start()))
    with pytest.raises(UnknownParty):
        one.receive(PartyName("c"), pairs.message)
    with pytest.raises(WrongSession):
        one.receive(B, pairs.message[:5] + bytes(16) + pairs.message[21:])
    doubly = next(iter(two.receive(A, groups.message)))
    with pytest.raises(DuplicateMessage):
        two.receive(A, groups.message)
    assert one.receive(B, doubly.message) == []
    with pytest.raises(DuplicateMessage):
        one.receive(B, doubly.message)
    # both ciphertexts zero: refused, and the good message still counts afterwards
    row = scheme.keys(1, 20, 100, False).ciphertext_bytes
    with pytest.raises(MalformedMessage):
        one.receive(B, pairs.message[: -2 * row] + bytes(2 * row))
    sums = next(iter(one.receive(B, pairs.message)))
    with pytest.raises(MalformedMessage):
        two.receive(A, sums.message[:-1])
    two.receive(A, sums.message)
    with pytest.raises(DuplicateMessage):
        two.receive(A, sums.message)
    assert two.result == ((11,),)


def test_secrets_do_not_show(scheme: Scheme) -> None:
    keys = scheme.keys(1, 20, 10, False)
    for shown in (repr(keys), repr(scheme.evaluator(keys.public, secrets.token_bytes))):
        assert len(shown) < 60
