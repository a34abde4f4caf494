"""DH-based PSI cardinality and private join-and-compute: results, wrong messages, what each side sees."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from phe.paillier import PaillierPrivateKey, generate_paillier_keypair

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    MalformedMessage,
    MpcError,
    TooFewParties,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.paillier.cipher import Encryptor
from mpc.paillier.keys import PublicKey
from mpc.party import PartyName
from mpc.psi_dh.cardinality import Receiver, Sender
from mpc.psi_dh.curve25519 import Scalar, check_points, encode, multiply
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.messages import Masked
from mpc.psi_dh.paillier_scheme import PaillierEvaluator, PaillierKeyHolder, fixed_base

A, B = PartyName("a"), PartyName("b")
SESSION = bytes(range(16))


def _items(*numbers: int) -> list[bytes]:
    return [b"unit-%d" % n for n in numbers]


def _pair(left: Sequence[bytes], right: Sequence[bytes]) -> tuple[Receiver, Sender]:
    return (
        Receiver(A, B, SESSION, left, secrets.token_bytes),
        Sender(B, A, SESSION, right, 0, 100, secrets.token_bytes),
    )


def test_receiver_learns_the_number_of_shared_items() -> None:
    receiver, sender = _pair(_items(*range(30)), _items(*range(20, 90)))
    run([receiver, sender])
    assert receiver.result == 10


@pytest.mark.parametrize(("left", "right"), [([], [1]), ([1], []), ([], [])])
def test_empty_sets_are_sets(left: list[int], right: list[int]) -> None:
    receiver, sender = _pair(_items(*left), _items(*right))
    run([receiver, sender])
    assert receiver.result == 0


def test_threads_of_the_caller_change_nothing() -> None:
    items = _items(*range(9000))
    scalar = Scalar(secrets.token_bytes)
    with ThreadPoolExecutor(2) as pool:
        assert np.array_equal(encode(items, b"t", pool), encode(items, b"t"))
        assert np.array_equal(multiply(encode(items, b"t"), scalar, pool), multiply(encode(items, b"t"), scalar))


@pytest.mark.parametrize(("size", "why"), [(1, "2 to 3 items"), (4, "at most 3")])
def test_the_sender_refuses_probing_and_uncharged_sets(size: int, why: str) -> None:
    receiver = Receiver(A, B, SESSION, _items(*range(size)), secrets.token_bytes)
    with pytest.raises(BadParameters, match=why):
        run([receiver, Sender(B, A, SESSION, _items(1), 2, 3, secrets.token_bytes)])


def test_an_item_twice_is_refused() -> None:
    with pytest.raises(BadParameters, match="twice"):
        list(_pair(_items(1, 1), [])[0].start())


def test_the_order_of_items_leaves_no_trace() -> None:
    def sent(items: list[bytes]) -> bytes:
        fixed = Scalar(lambda size: bytes(range(size)))
        receiver = Receiver(A, B, SESSION, items, lambda size: fixed._bytes)
        return next(iter(receiver.start())).message

    assert sent(_items(1, 2, 3)) == sent(_items(3, 1, 2))


def test_two_sessions_are_unlinkable_even_under_one_key() -> None:
    one, other = (
        Masked.decode(
            next(iter(Receiver(A, B, session, _items(1, 2, 3), lambda size: b"\x07" * size).start())).message
        ).points
        for session in (SESSION, bytes(16))
    )
    assert not {row.tobytes() for row in one} & {row.tobytes() for row in other}


def test_wrong_messages_are_refused_and_change_nothing() -> None:
    receiver, sender = _pair(_items(1, 2), _items(2, 3))
    question = next(iter(receiver.start()))
    own = next(iter(sender.start()))
    with pytest.raises(UnknownParty):
        sender.receive(PartyName("mallory"), question.message)
    foreign = next(iter(Receiver(A, B, bytes(16), _items(1), secrets.token_bytes).start()))
    with pytest.raises(WrongSession):
        sender.receive(A, foreign.message)
    with pytest.raises(WrongRound):
        _ = receiver.result
    with pytest.raises(WrongRound):
        _pair([], [])[0].receive(B, own.message)
    with pytest.raises(WrongRound):
        list(receiver.start())
    answer = next(iter(sender.receive(A, question.message)))
    with pytest.raises(DuplicateMessage):
        sender.receive(A, question.message)
    with pytest.raises(MalformedMessage):
        receiver.receive(B, answer.message[:-1])
    with pytest.raises(MalformedMessage):
        receiver.receive(B, answer.message + b"\x00")
    receiver.receive(B, own.message)
    with pytest.raises(DuplicateMessage):
        receiver.receive(B, own.message)
    receiver.receive(B, answer.message)
    with pytest.raises(DuplicateMessage):
        receiver.receive(B, answer.message)
    assert receiver.result == 1


def test_a_missing_party_is_an_error_and_not_a_hang() -> None:
    class Deaf:
        name = B
        finished = True

        def start(self) -> list[object]:
            return []

        def receive(self, sender: PartyName, message: bytes) -> list[object]:
            return []

    with pytest.raises(TooFewParties):
        run([_pair(_items(1), [])[0], Deaf()])  # type: ignore[list-item]


@pytest.mark.parametrize("u", [0, 1, 325606250916557431795983626356110631294008115727848805560023387167927233504])
def test_points_of_small_order_are_refused(u: int) -> None:
    point = np.frombuffer(u.to_bytes(32, "little"), np.uint8).reshape(1, 32)
    with pytest.raises(IntegrityError):
        multiply(point, Scalar(secrets.token_bytes))


@pytest.mark.parametrize("u", [2**255 - 19, 2**255 - 1, 2**255 + 5])
def test_points_have_one_encoding(u: int) -> None:
    with pytest.raises(MalformedMessage):
        check_points(np.frombuffer(u.to_bytes(32, "little"), np.uint8).reshape(1, 32))


def test_the_largest_canonical_point_passes() -> None:
    point = np.frombuffer((2**255 - 20).to_bytes(32, "little"), np.uint8).reshape(1, 32)
    assert np.array_equal(check_points(point), point)


def test_secrets_do_not_show() -> None:
    scalar = Scalar(lambda size: b"\x42" * size)
    assert "42" not in repr(scalar)
    assert "B" * 8 not in repr(scalar)


# --- private join and compute on Paillier; what holds for every scheme is in tests/contracts/test_additive_scheme.py


@pytest.fixture(scope="module")
def key() -> PaillierPrivateKey:
    return generate_paillier_keypair(n_length=2048)[1]


def _join(
    key: PaillierPrivateKey, groups: list[list[int]], values: dict[int, list[int]], at_least: int
) -> tuple[PartyOne, PartyTwo]:
    columns = len(next(iter(values.values())))
    keys = PaillierKeyHolder(key, columns, 40, 1000, secrets.token_bytes)
    one = PartyOne(A, B, SESSION, [_items(*g) for g in groups], PaillierEvaluator, at_least, secrets.token_bytes)
    table = np.array(list(values.values()), np.int64)
    return one, PartyTwo(B, A, SESSION, _items(*values), table, keys, 1, secrets.token_bytes)


def test_largest_values_do_not_carry_into_the_next_slot(key: PaillierPrivateKey) -> None:
    values = {n: [2**40 - 1, 2**40 - 1] for n in range(8)}
    one, two = _join(key, [list(range(8))], values, 1)
    run([one, two])
    assert two.result == ((8 * (2**40 - 1),) * 2,)


def test_too_many_slots_are_refused_beforehand(key: PaillierPrivateKey) -> None:
    with pytest.raises(BadParameters, match="fewer columns"):
        PaillierKeyHolder(key, 50, 40, 1000, secrets.token_bytes)


@pytest.mark.parametrize(
    "bad", [b"", b"\x01", bytes(2000), (2**2048).to_bytes(257, "little"), (3**1300).to_bytes(260, "little")]
)
def test_moduli_that_are_none_are_refused(bad: bytes) -> None:
    with pytest.raises(MpcError):
        PaillierEvaluator(b"P" + bad, secrets.token_bytes)


def test_a_group_of_one_is_refused_by_party_two(key: PaillierPrivateKey) -> None:
    keys = PaillierKeyHolder(key, 1, 40, 10, secrets.token_bytes)
    one = PartyOne(A, B, SESSION, [_items(1, 2), _items(3)], PaillierEvaluator, 1, secrets.token_bytes)
    two = PartyTwo(B, A, SESSION, _items(1), np.array([[1]]), keys, 2, secrets.token_bytes)
    with pytest.raises(BadParameters, match="merge"):
        run([one, two])


def test_encryption_from_fixed_base_tables_plugs_in(key: PaillierPrivateKey) -> None:
    encryptor = Encryptor(PublicKey(key.public_key.n))
    keys = PaillierKeyHolder(key, 1, 40, 10, secrets.token_bytes, fixed_base(encryptor, secrets.token_bytes))
    rows = keys.encrypt(np.array([[3], [4]]))
    assert keys.decrypt(PaillierEvaluator(keys.public, secrets.token_bytes).total(rows)) == (7,)


def test_one_item_in_two_groups_is_refused(key: PaillierPrivateKey) -> None:
    with pytest.raises(BadParameters, match="twice"):
        list(_join(key, [[1], [1]], {1: [1]}, 1)[0].start())
