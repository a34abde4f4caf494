"""Keys and ciphertexts cross over to ``phe`` and back; without gmpy2 nothing starts."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from phe.paillier import EncryptedNumber

from mpc.errors import BadParameters
from mpc.paillier import Encryptor, Packing, PrivateKey, PublicKey, generate_keypair
from mpc.paillier.interop import from_phe, to_phe

ONE = Packing(40, 1000, 2048, per=1)


@cache
def key() -> PrivateKey:
    return generate_keypair(2048)


def test_phe_opens_what_we_encrypt() -> None:
    numbers = to_phe(Encryptor(key().public).encrypt(np.array([5, -9], dtype=np.int64), ONE), exponent=-2)
    assert [key().phe().decrypt(number) for number in numbers] == [5 * 16.0**-2, -9 * 16.0**-2]
    assert key().phe().decrypt(numbers[0] + numbers[1] * 2) == -13 * 16.0**-2


def test_we_open_what_phe_encrypts() -> None:
    public = key().public.phe()
    numbers = [public.encrypt(5) * 3 + public.encrypt(-1), public.encrypt(-(10**9))]
    assert from_phe(key().public, numbers, ONE, exponent=0).decrypt(key()).tolist() == [14, -(10**9)]


def test_packed_plaintexts_are_plain_phe_plaintexts() -> None:
    packing = Packing(20, 4, 2048, per=2)
    vector = Encryptor(key().public).encrypt(np.array([3, 7], dtype=np.int64), packing)
    assert key().phe().raw_decrypt(vector.ciphertexts[0]) == 3 + (7 << packing.width)


def test_numbers_that_phe_left_unblinded_are_blinded() -> None:
    bare = EncryptedNumber(key().public.phe(), key().public.phe().raw_encrypt(77, r_value=1), 0)
    taken = from_phe(key().public, [bare], ONE, 0)
    assert taken.ciphertexts[0] % key().public.n != 1
    assert taken.decrypt(key()).tolist() == [77]


def test_one_public_exponent_and_one_key() -> None:
    other = generate_keypair(2048).public.phe()
    with pytest.raises(BadParameters, match="exponent"):
        from_phe(key().public, [key().public.phe().encrypt(0.5)], ONE, 0)
    with pytest.raises(BadParameters, match="another key"):
        from_phe(key().public, [other.encrypt(1)], ONE, 0)
    with pytest.raises(BadParameters, match="per=1"):
        to_phe(Encryptor(key().public).encrypt(np.array([1], dtype=np.int64), Packing(8, 4, 2048)), 0)


def test_a_phe_modulus_makes_a_public_key() -> None:
    public = PublicKey(key().phe().public_key.n)
    vector = Encryptor(public).encrypt(np.array([42], dtype=np.int64), ONE)
    assert vector.decrypt(key()).tolist() == [42]


def test_without_gmpy2_the_refusal_is_typed() -> None:
    code = (
        "import sys; sys.modules['gmpy2'] = None\n"
        "from mpc.errors import BadParameters\n"
        "try:\n    import mpc.paillier\nexcept BadParameters as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "install the extra unseen[mpc]" in done.stdout
