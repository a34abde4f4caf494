"""Encryption, adding, dot products, keys: against the paper's formulas and against attacks with positive controls."""

from __future__ import annotations

import pickle
import secrets
from functools import cache

import gmpy2
import numpy as np
import pytest

from mpc.errors import BadParameters, KeyPolicyViolation, OutOfRange
from mpc.paillier import EncryptionPool, Encryptor, Packing, PrivateKey, PublicKey, generate_keypair
from mpc.paillier.arithmetic import multi_power
from mpc.paillier.cipher import PackedVector, add, as_integers

PACKING = Packing(20, 64, 2048)
VALUES = np.arange(-150, 150, dtype=np.int64) * 7


@cache
def key() -> PrivateKey:
    return generate_keypair(2048, decryptions=100_000)


@cache
def encryptor() -> Encryptor:
    return Encryptor(key().public)


def test_a_sum_of_vectors_opens_to_the_sum() -> None:
    vectors = [encryptor().encrypt(VALUES * k, PACKING) for k in (1, -2, 5)]
    assert add(vectors).decrypt(key()).tolist() == (4 * VALUES).tolist()


def test_the_ciphertext_is_the_papers_formula() -> None:
    drawn: list[bytes] = []

    def recorded(size: int) -> bytes:
        drawn.append(secrets.token_bytes(size))
        return drawn[-1]

    made = Encryptor(key().public, recorded)
    packing = Packing(20, 4, 2048, per=1)
    ciphertext = made.encrypt(np.array([-5], dtype=np.int64), packing).ciphertexts[0]
    n = key().public.n
    x = int.from_bytes(drawn[-2], "little") & ((1 << n.bit_length()) - 1)
    r = int.from_bytes(drawn[-1], "little")
    h = -x * x % n  # Damgard-Jurik-Nielsen 2010, section 4.2
    assert made.base == pow(h, n, n * n)  # an even r would not tell the sign
    assert ciphertext == pow(1 + n, -5 % n, n * n) * pow(pow(h, n, n * n), r, n * n) % (n * n)
    assert len(drawn[-1]) == 128  # half of 2048 bits


def test_blinding_hides_what_its_absence_shows() -> None:
    n, plain = key().public.n, [12345]
    bare = encryptor().blind(plain, [bytes(128)])[0]
    assert (bare - 1) // n == plain[0]  # control: without blinding anyone reads the value off
    hidden = encryptor().encrypt(np.array([12345], dtype=np.int64), PACKING).ciphertexts[0]
    assert hidden % n != 1
    again = encryptor().encrypt(np.array([12345], dtype=np.int64), PACKING).ciphertexts[0]
    assert hidden != again


def test_every_ciphertext_of_a_vector_is_blinded_by_itself() -> None:
    packing = Packing(20, 64, 2048, per=1)
    vector = encryptor().encrypt(np.full(5, 9, dtype=np.int64), packing)
    assert len(set(vector.ciphertexts)) == 5  # one exponent for all would show which blocks are equal
    again = encryptor().refresh(PackedVector(key().public, packing, 5, 1, vector.ciphertexts[:1] * 5))
    assert len(set(again.ciphertexts)) == 5


def test_dot_with_plaintext_weights_of_both_signs() -> None:
    packing = Packing(20, 1 << 12, 2048)
    matrix = np.arange(60, dtype=np.int64).reshape(6, 10) * 1000 - 30_000
    weights = [3, -700, 0, 255, -1, 64]
    rows = [encryptor().encrypt(row, packing) for row in matrix]
    result = encryptor().dot(rows, weights)
    assert result.decrypt(key()).tolist() == (np.array(weights) @ matrix).tolist()
    assert result.used == sum(map(abs, weights))


def test_dot_is_refreshed_so_the_key_holder_cannot_test_guessed_weights() -> None:
    rows = [encryptor().encrypt(VALUES[:5], PACKING) for _ in range(2)]
    n2 = key().public.modulus
    guess = [int(multi_power([gmpy2.mpz(c) for c in column], [3, -4], n2)) for column in
             zip(*(r.ciphertexts for r in rows), strict=True)]  # fmt: skip
    again = [int(multi_power([gmpy2.mpz(c) for c in column], [3, -4], n2)) for column in
             zip(*(r.ciphertexts for r in rows), strict=True)]  # fmt: skip
    assert guess == again  # control: unrefreshed, a right guess of the weights is confirmed
    assert list(encryptor().dot(rows, [3, -4]).ciphertexts) != guess


def test_dot_shows_no_parity_of_its_weights() -> None:
    n, packing = key().public.n, Packing(20, 64, 2048, per=1)
    symbol, bare = 1, 0
    while symbol != -1:  # as half of what phe encrypts, or what a curious contributor makes on purpose
        bare = key().public.phe().raw_encrypt(5)
        symbol = gmpy2.jacobi(bare % n, n)
    row = PackedVector(key().public, packing, 1, 1, (bare,))
    # control: powers of h^n all have the symbol 1, so refreshed with them a product shows whether the weight was odd
    cubed = PackedVector(key().public, packing, 1, 3, (pow(bare, 3, n * n),))
    assert {gmpy2.jacobi(encryptor().refresh(cubed).ciphertexts[0] % n, n) for _ in range(20)} == {-1}
    assert {gmpy2.jacobi(encryptor().dot([row], [3]).ciphertexts[0] % n, n) for _ in range(40)} == {-1, 1}


def test_dot_takes_whole_weights_under_its_own_key() -> None:
    row = encryptor().encrypt(VALUES, PACKING)
    with pytest.raises(BadParameters, match="whole numbers"):
        encryptor().dot([row], [1.5])  # type: ignore[list-item]
    other = PackedVector(PublicKey(key().public.n + 2), PACKING, row.count, 1, row.ciphertexts)
    with pytest.raises(BadParameters, match="another key"):
        encryptor().dot([other], [1])


def test_all_zero_weights_give_an_encrypted_zero() -> None:
    row = encryptor().encrypt(VALUES, PACKING)
    assert not encryptor().dot([row], [0]).decrypt(key()).any()


@pytest.mark.parametrize("exponents", [[1], [-1], [5, 0, -7], list(range(-40, 41)), [1 << 70, -(1 << 69)]])
def test_multi_power_is_the_product_of_powers(exponents: list[int]) -> None:
    modulus = gmpy2.mpz((1 << 127) - 1)
    bases = [gmpy2.mpz(3 + 2 * i) for i in range(len(exponents))]
    expected = 1
    for base, exponent in zip(bases, exponents, strict=True):
        expected = expected * pow(int(base), exponent, int(modulus)) % int(modulus)
    assert multi_power(bases, exponents, modulus) == expected


def test_guard_bits_are_enforced() -> None:
    tight = Packing(20, 2, 2048)
    vector = encryptor().encrypt(VALUES, tight)
    double = vector + vector
    with pytest.raises(OutOfRange, match="3 additions"):
        double + vector
    with pytest.raises(OutOfRange, match="weights"):
        encryptor().dot([vector], [-3])


def test_unlike_vectors_are_refused() -> None:
    vector = encryptor().encrypt(VALUES, PACKING)
    with pytest.raises(BadParameters, match="different"):
        vector + encryptor().encrypt(VALUES[:-1], PACKING)
    with pytest.raises(BadParameters, match="different"):
        vector + encryptor().encrypt(VALUES, Packing(21, 64, 2048))
    with pytest.raises(BadParameters, match="nothing"):
        add([])


def test_two_processes_give_the_same_sums() -> None:
    with EncryptionPool(encryptor(), 2) as pool:
        vector = encryptor().encrypt(VALUES, PACKING, pool.blind)
    assert vector.decrypt(key()).tolist() == VALUES.tolist()


def test_keys_count_decryptions_before_they_open() -> None:
    few = PrivateKey(key().public, key().phe(), decryptions_left=1)
    small = Packing(20, 4, 2048, per=1)
    with pytest.raises(KeyPolicyViolation, match="fresh key"):
        encryptor().encrypt(np.array([1, 2], dtype=np.int64), small).decrypt(few)
    assert few.decryptions_left == 1
    assert encryptor().encrypt(np.array([2], dtype=np.int64), small).decrypt(few).tolist() == [2]
    with pytest.raises(KeyPolicyViolation):
        encryptor().encrypt(np.array([2], dtype=np.int64), small).decrypt(few)


def test_what_is_no_ciphertext_is_refused() -> None:
    n = key().public.n
    factor = key().phe().p
    for bad in (0, n * n, factor, n, -1):
        with pytest.raises(OutOfRange):
            key().decrypt([bad])


def test_keys_stay_secret_in_print_and_pickle() -> None:
    text = repr(key()) + str(key()) + repr(encryptor())
    assert "redacted" in text
    assert str(key().phe().p) not in text
    with pytest.raises(KeyPolicyViolation):
        pickle.dumps(key())


def test_generated_keys_are_what_the_paper_asks_for() -> None:
    p, q = int(key().phe().p), int(key().phe().q)
    assert p % 4 == q % 4 == 3
    assert gmpy2.gcd(p - 1, q - 1) == 2
    assert (p * q).bit_length() == 2048


@pytest.mark.parametrize("bits", [1024, 2047, 2050, 9000])
def test_weak_or_odd_sizes_are_refused(bits: int) -> None:
    with pytest.raises(BadParameters):
        generate_keypair(bits)


@pytest.mark.parametrize("modulus", [0, 15, 1 << 2047, (1 << 1279) - 1, pow((1 << 1279) - 1, 2)])
def test_moduli_that_cannot_be_sound_are_refused(modulus: int) -> None:
    with pytest.raises(BadParameters):
        PublicKey(modulus)


def test_only_integers_are_taken() -> None:
    assert as_integers([1, 2]).dtype == np.int64
    for bad in (np.array([0.5]), np.array([1 << 63], dtype=np.uint64), np.array(["1"])):
        with pytest.raises(BadParameters, match="fixed point"):
            as_integers(bad)
