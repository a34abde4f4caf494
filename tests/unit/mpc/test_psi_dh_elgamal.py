"""Lifted ElGamal and its discrete logarithm: limits, encodings, threads, and what either side's view tells."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mpc.errors import BadParameters, IntegrityError, MalformedMessage, OutOfRange
from mpc.oprf import group
from mpc.psi_dh import elgamal
from mpc.psi_dh.discrete_log import MOST_BITS, DiscreteLog
from mpc.psi_dh.edwards import IDENTITY, P, eight_times_decoded, plus, times
from mpc.psi_dh.elgamal import ElGamalEvaluator, ElGamalKeyHolder
from mpc.psi_dh.paillier_scheme import PaillierKeyHolder
from mpc.psi_dh.scheme import make_keys, open_evaluator


def _multiple(number: int) -> bytes:
    return group.multiply_base((number % group.ORDER).to_bytes(32, "little"))


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (-3, 4), (-5000, 5000), (7, 4_000_000), (-(2**33), 2**33)])
def test_every_end_of_a_range_is_found_and_its_neighbours_are_not(low: int, high: int) -> None:
    logarithm = DiscreteLog(low, high)
    for number in {low, high, (low + high) // 2, min(max(low, 0), high), low + (high - low) // 3}:
        assert logarithm.find(_multiple(number)) == number
    for number in (low - 1, high + 1, 2**60, -(2**60)):
        assert logarithm.find(_multiple(number)) is None


def test_every_number_of_a_small_range_is_found() -> None:
    logarithm = DiscreteLog(-20, 4100)  # around the first giant step, which is 4095 wide
    for number in (*range(-20, 21), *range(2020, 2060), *range(4060, 4101)):
        assert logarithm.find(_multiple(number)) == number


@pytest.mark.parametrize(("low", "high"), [(0, 2**MOST_BITS), (-(2**MOST_BITS), 0), (1, 0)])
def test_ranges_beyond_the_bound_are_refused(low: int, high: int) -> None:
    with pytest.raises(BadParameters, match=r"2\^44"):
        DiscreteLog(low, high)
    DiscreteLog(0, 2**MOST_BITS - 1)


def test_totals_that_may_be_too_wide_are_refused_at_planning() -> None:
    with pytest.raises(BadParameters, match="smaller values or fewer rows"):
        ElGamalKeyHolder(1, 40, 100_000, secrets.token_bytes)


# RFC 9496 A.1 (multiples of the generator) and A.3 (encodings that must be refused)
GENERATOR = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"
TWICE = "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919"
BAD = [
    "00" + 31 * "ff",
    31 * "ff" + "7f",
    "f3" + 30 * "ff" + "7f",
    "ed" + 30 * "ff" + "7f",
    "01" + 31 * "00",
    "01" + 30 * "ff" + "7f",
    "ec" + 30 * "ff" + "7f",
    GENERATOR[:-2] + "f6",  # the generator with the top bit set, which libsodium 1.0.18 takes for the generator
]


def test_decoding_agrees_with_the_published_multiples() -> None:
    one = eight_times_decoded(bytes.fromhex(GENERATOR))
    assert plus(one, one) == eight_times_decoded(bytes.fromhex(TWICE))
    assert eight_times_decoded(bytes(32)) == IDENTITY == times(group.ORDER, one)
    x, y = one
    assert (y * y - x * x - 1 + 121665 * pow(121666, -1, P) * x * x * y * y) % P == 0


@pytest.mark.parametrize("encoding", BAD)
def test_bad_encodings_are_refused_wherever_they_come_in(encoding: str) -> None:
    bad = bytes.fromhex(encoding)
    keys = ElGamalKeyHolder(1, 10, 10, secrets.token_bytes)
    rows = keys.encrypt(np.array([[1], [2], [3]]))
    evaluator = ElGamalEvaluator(keys.public, secrets.token_bytes)
    good = evaluator.total(rows)
    with pytest.raises(MalformedMessage):
        eight_times_decoded(bad)
    with pytest.raises(MalformedMessage):
        ElGamalEvaluator(elgamal.TAG + bad, secrets.token_bytes)
    for at in (0, 32):
        broken = rows.copy()
        broken[1, at : at + 32] = np.frombuffer(bad, np.uint8)
        with pytest.raises(MalformedMessage):
            evaluator.total(broken)
        with pytest.raises(MalformedMessage):
            keys.decrypt(good[:at] + bad + good[at + 32 :])


@pytest.mark.parametrize(
    "public", [b"", b"E", b"E" + bytes(31), b"E" + bytes(32), b"E" + bytes.fromhex(GENERATOR) * 128, b"X" + bytes(32)]
)
def test_bad_public_keys_are_refused(public: bytes) -> None:
    with pytest.raises(MalformedMessage):
        ElGamalEvaluator(public, secrets.token_bytes)
    with pytest.raises(MalformedMessage):
        open_evaluator(public, secrets.token_bytes)


def test_rows_of_another_width_are_refused() -> None:
    keys = ElGamalKeyHolder(2, 10, 10, secrets.token_bytes)
    with pytest.raises(MalformedMessage, match="length"):
        ElGamalEvaluator(keys.public, secrets.token_bytes).total(np.zeros((1, 64), np.uint8))


def test_a_value_may_encrypt_to_the_identity() -> None:
    keys = ElGamalKeyHolder(1, 10, 10, secrets.token_bytes, signed=True)
    one = (1).to_bytes(32, "little")
    # the total (B, O) holds 0 - x, which no range can hold: refused as out of range, not as malformed
    with pytest.raises(OutOfRange):
        keys.decrypt(group.multiply_base(one) + bytes(32))


def test_broken_randomness_is_noticed() -> None:
    keys = ElGamalKeyHolder(1, 10, 10, lambda size: b"\x01" * size if size == 64 else bytes(size))
    with pytest.raises(IntegrityError, match="broken"):
        keys.encrypt(np.array([[1], [2]]))
    short = ElGamalKeyHolder(1, 10, 10, lambda size: b"\x01" * min(size, 64))
    with pytest.raises(BadParameters, match="randomness"):
        short.encrypt(np.array([[1], [2]]))


def test_threads_of_the_caller_change_nothing() -> None:
    values = np.arange(-1500, 1500).reshape(-1, 1)
    stream = {size: secrets.token_bytes(size) for size in (64, 64 * 3000)}
    with ThreadPoolExecutor(2) as pool:
        alone = ElGamalKeyHolder(1, 12, 3000, stream.__getitem__, True)
        both = ElGamalKeyHolder(1, 12, 3000, stream.__getitem__, True, pool)
        rows = alone.encrypt(values)
        assert np.array_equal(rows, both.encrypt(values))
        totals = {ElGamalEvaluator(alone.public, stream.__getitem__, e).total(rows) for e in (None, pool)}
    assert len(totals) == 1
    assert alone.decrypt(totals.pop()) == (int(values.sum()),)


def test_the_default_scheme_is_elgamal_where_the_range_allows() -> None:
    assert isinstance(make_keys(2, 20, 100_000, secrets.token_bytes, signed=True), ElGamalKeyHolder)
    with pytest.raises(BadParameters):
        make_keys(0, 20, 10, secrets.token_bytes)


@pytest.mark.slow
def test_wide_totals_fall_back_to_paillier() -> None:
    keys = make_keys(2, 40, 1000, secrets.token_bytes, signed=True)
    assert isinstance(keys, PaillierKeyHolder)
    evaluator = open_evaluator(keys.public, secrets.token_bytes)
    rows = keys.encrypt(np.array([[2**40 - 1, -5], [2**40 - 1, -6]]))
    assert keys.decrypt(evaluator.total(rows)) == (2**41 - 2, -11)


# --- views


class _NotRerandomised(ElGamalEvaluator):
    """Broken variant: returns the bare sum of the rows."""

    def _zero(self) -> list[bytes]:
        return [group.ZERO] * (len(self._keys) + 1)


def test_the_answer_does_not_tell_which_rows_went_in() -> None:
    """Party 2 knows every row it sent: does the answer match the rows of either of two groups with equal sums?"""
    keys = ElGamalKeyHolder(2, 10, 100, secrets.token_bytes)
    rows = keys.encrypt(np.array([[1, 2], [3, 4], [2, 3], [2, 3]]))
    groups = [[0, 1], [2, 3]]

    def recognised(evaluator: type[ElGamalEvaluator]) -> int:
        hits = 0
        for secret in (0, 1, 1, 0, 1, 0, 0, 1):
            answer = evaluator(keys.public, secrets.token_bytes).total(rows[groups[secret]])
            assert keys.decrypt(answer) == (4, 6)
            bare = [_NotRerandomised(keys.public, secrets.token_bytes).total(rows[group]) for group in groups]
            hits += any(
                answer[at : at + 32] == bare[secret][at : at + 32] for at in range(0, keys.ciphertext_bytes, 32)
            )
        return hits

    assert recognised(ElGamalEvaluator) == 0
    assert recognised(_NotRerandomised) == 8


def _chi_square(points: np.ndarray) -> float:
    """Of the second bytes (the first are even) against uniform: 255 +- 23 if they are uniform."""
    counts = np.bincount(points[:, 1], minlength=256)
    expected = len(points) / 256
    return float(((counts - expected) ** 2 / expected).sum())


def test_rows_look_alike_whatever_the_values() -> None:
    """Party 1 sees the rows: the points are uniform, and rows of equal values differ by a point as any two rows do."""
    count = 8000
    equal, spread = np.full((count, 1), 7), np.arange(count).reshape(-1, 1)
    for values in (equal, spread):
        rows = ElGamalKeyHolder(1, 20, count, secrets.token_bytes).encrypt(values)
        for place in (rows[:, :32], rows[:, 32:]):
            assert len({point.tobytes() for point in place}) == count
            assert _chi_square(place) < 255 + 6 * 23
    # broken variant: one r for all rows. Equal values give equal rows
    reused = ElGamalKeyHolder(1, 20, count, lambda size: b"\x05" * size).encrypt(equal)
    assert len({row.tobytes() for row in reused}) == 1
    assert _chi_square(reused[:, 32:]) > 255 + 6 * 23


def test_one_r_serves_all_columns_without_linking_them() -> None:
    """Under one key per column equal values in one row give unlike points; under one key for both they would not."""
    keys = ElGamalKeyHolder(2, 10, 100, secrets.token_bytes)
    (row,) = keys.encrypt(np.array([[5, 5]]))
    assert row[32:64].tobytes() != row[64:].tobytes()
    drawn = iter([b"\x09" * 64] * 2 + [secrets.token_bytes(64)])  # broken variant: the same key twice
    (row,) = ElGamalKeyHolder(2, 10, 100, lambda size: next(drawn)).encrypt(np.array([[5, 5]]))
    assert row[32:64].tobytes() == row[64:].tobytes()
