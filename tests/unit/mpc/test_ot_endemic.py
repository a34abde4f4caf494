"""Base oblivious transfers: agreement, ignorance of the other seed, refusals, and what the sender's view tells."""

import hashlib
import secrets
from collections import Counter

import numpy as np
import pytest
import rbcl

from mpc.errors import BadParameters, IntegrityError, MalformedMessage
from mpc.ot.endemic import EndemicReceiver, EndemicSender

SESSION = bytes(range(16))


def _bits(count: int) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(count), np.uint8) & 1


def test_the_receiver_gets_the_chosen_seed_and_not_the_other() -> None:
    choices = _bits(64)
    sender, receiver = (
        EndemicSender(SESSION, secrets.token_bytes),
        EndemicReceiver(SESSION, choices, secrets.token_bytes),
    )
    both, chosen = sender.seeds(receiver.pairs, 64), receiver.seeds(sender.point)
    rows = np.arange(64)
    assert np.array_equal(both[rows, choices], chosen)
    assert not np.any(np.all(both[rows, 1 - choices] == chosen, axis=1))
    assert len({seed.tobytes() for seed in both.reshape(-1, 16)}) == 128


def test_another_session_gives_other_seeds() -> None:
    choices = _bits(8)
    receiver = EndemicReceiver(SESSION, choices, secrets.token_bytes)
    sender = EndemicSender(bytes(16), secrets.token_bytes)
    both, chosen = sender.seeds(receiver.pairs, 8), receiver.seeds(sender.point)
    assert not np.any(np.all(both[np.arange(8), choices] == chosen, axis=1))


@pytest.mark.parametrize("point", [b"", bytes(32), b"\xff" * 32, bytes(31), b"\x01" + bytes(31)])
def test_bytes_that_are_no_point_are_refused(point: bytes) -> None:
    with pytest.raises(MalformedMessage):
        EndemicReceiver(SESSION, _bits(1), secrets.token_bytes).seeds(point)
    with pytest.raises(MalformedMessage):
        EndemicSender(SESSION, secrets.token_bytes).seeds(point.ljust(32, b"\0")[:32] + bytes(32), 1)


def test_a_second_encoding_of_a_point_is_refused() -> None:
    """With the top bit set libsodium takes it for the same point, and each side would hash other bytes."""
    sender = EndemicSender(SESSION, secrets.token_bytes)
    twin = sender.point[:-1] + bytes((sender.point[-1] | 128,))
    assert rbcl.crypto_core_ristretto255_is_valid_point(twin)
    receiver = EndemicReceiver(SESSION, _bits(1), secrets.token_bytes)
    with pytest.raises(MalformedMessage):
        receiver.seeds(twin)
    with pytest.raises(MalformedMessage):
        sender.seeds(receiver.pairs[:32] + twin, 1)


def test_too_few_pairs_are_refused() -> None:
    receiver = EndemicReceiver(SESSION, _bits(4), secrets.token_bytes)
    with pytest.raises(MalformedMessage):
        EndemicSender(SESSION, secrets.token_bytes).seeds(receiver.pairs, 5)


def test_a_pair_that_cancels_to_the_identity_is_refused() -> None:
    """A cheating receiver may take r_0 = -H(r_1): the sender's key would be the identity for every a."""
    other = rbcl.crypto_core_ristretto255_from_hash(secrets.token_bytes(64))
    place = b"unseen endemic OT 1/point" + SESSION + bytes(4) + b"\0"
    hashed = rbcl.crypto_core_ristretto255_from_hash(hashlib.sha512(place + other).digest())
    zero = rbcl.crypto_core_ristretto255_sub(hashed, hashed)
    cancelling = rbcl.crypto_core_ristretto255_sub(zero, hashed)
    with pytest.raises(IntegrityError):
        EndemicSender(SESSION, secrets.token_bytes).seeds(bytes(cancelling) + bytes(other), 1)


def test_choices_are_bits() -> None:
    with pytest.raises(BadParameters):
        EndemicReceiver(SESSION, np.array([2], np.uint8), secrets.token_bytes)


def test_secrets_stay_out_of_repr() -> None:
    assert "redacted" in repr(EndemicSender(SESSION, secrets.token_bytes))
    assert "redacted" in repr(EndemicReceiver(SESSION, _bits(2), secrets.token_bytes))


def _agreement(random_points: bool) -> float:
    """Guess each choice from the pair: "the point seen before is the unchosen one". Share of right guesses."""
    constant = bytes(64)

    def random(size: int, state: list[int] = [0]) -> bytes:  # noqa: B006 - counts calls: scalar, unknown point, scalar ...
        state[0] += 1
        return constant if not random_points and state[0] % 2 == 0 else secrets.token_bytes(size)

    choices = _bits(200)
    pairs = EndemicReceiver(SESSION, choices, random).pairs
    seen = Counter(pairs[at : at + 32] for at in range(0, len(pairs), 32))
    guesses = [int(seen[pairs[64 * i : 64 * i + 32]] > 1) for i in range(200)]
    return float(np.mean(np.array(guesses) == choices))


def test_the_pair_does_not_tell_the_choice() -> None:
    assert 0.3 < _agreement(random_points=True) < 0.7
    assert _agreement(random_points=False) == 1.0  # positive control: a fixed unknown point gives the choice away
