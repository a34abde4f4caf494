"""Key pairs: ``phe`` keys over Blum primes, with a redacted private half and a counter of decryptions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import gmpy2
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from mpc.errors import BadParameters, KeyPolicyViolation, OutOfRange
from mpc.paillier.arithmetic import random_blum_prime
from mpc.party import RandomBytes

DEFAULT_BITS: Final = 3072  # 128-bit strength: NIST SP 800-57 part 1 rev. 5, table 2
MINIMUM_BITS: Final = 2048  # 112-bit strength, same table
MAXIMUM_BITS: Final = 8192


def generate_keypair(
    bits: int = DEFAULT_BITS, *, decryptions: int = 1_000, randomness: RandomBytes = secrets.token_bytes
) -> PrivateKey:
    """Run by the key-holder: a fresh key of ``bits`` (a multiple of 16) that opens at most ``decryptions`` ciphertexts.

    p = q = 3 mod 4 and gcd(p-1, q-1) = 2, as Damgard-Jurik-Nielsen 2010 (section 4.2) ask for their short blinding
    exponents. Raises ``BadParameters`` for sizes outside 2048..8192.
    """
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS or bits % 16:
        raise BadParameters(f"a Paillier modulus has {MINIMUM_BITS} to {MAXIMUM_BITS} bits, a multiple of 16")
    while True:
        p, q = random_blum_prime(bits // 2, randomness), random_blum_prime(bits // 2, randomness)
        far_apart = abs(p - q).bit_length() > bits // 2 - 100  # FIPS 186-5, A.1.3: else Fermat's method factors n
        if far_apart and gmpy2.gcd(p - 1, q - 1) == 2:
            public = PublicKey(int(p) * int(q))
            return PrivateKey(public, PaillierPrivateKey(PaillierPublicKey(public.n), int(p), int(q)), decryptions)


@dataclass(frozen=True)
class PublicKey:
    """The modulus n; generator n + 1. Refuses what cannot be a modulus (``BadParameters``); it cannot prove n sound."""

    n: int

    def __post_init__(self) -> None:
        if not MINIMUM_BITS <= self.n.bit_length() <= MAXIMUM_BITS:
            raise BadParameters(f"a Paillier modulus has {MINIMUM_BITS} to {MAXIMUM_BITS} bits")
        if self.n % 2 == 0 or gmpy2.is_prime(self.n) or gmpy2.is_power(self.n):
            raise BadParameters("not the product of two different odd primes")

    @property
    def bits(self) -> int:
        return self.n.bit_length()

    @property
    def bytes_per_ciphertext(self) -> int:
        return (2 * self.bits + 7) // 8

    @cached_property
    def modulus(self) -> Any:
        """n squared, as a GMP integer: where ciphertexts live."""
        return gmpy2.mpz(self.n) ** 2

    @cached_property
    def key_id(self) -> bytes:
        """16 bytes naming this key in messages."""
        return hashlib.sha256(b"unseen/paillier/key" + self.n.to_bytes((self.bits + 7) // 8, "big")).digest()[:16]

    def phe(self) -> PaillierPublicKey:
        return PaillierPublicKey(self.n)


@dataclass
class PrivateKey:
    """Held by the key-holder alone; counts what it opens and refuses past its limit (``KeyPolicyViolation``)."""

    public: PublicKey
    _phe: PaillierPrivateKey = field(repr=False)
    decryptions_left: int

    def __repr__(self) -> str:
        return f"PrivateKey(bits={self.public.bits}, decryptions_left={self.decryptions_left}, secret=redacted)"

    def decrypt(self, ciphertexts: Sequence[int]) -> list[int]:
        """The plaintexts in (-n/2, n/2). All or none: the limit is checked and counted before the first is opened."""
        if len(ciphertexts) > self.decryptions_left:
            raise KeyPolicyViolation(
                f"{len(ciphertexts)} decryptions asked of a key that has {self.decryptions_left} left: use a fresh key"
            )
        n, modulus = self.public.n, self.public.modulus
        if any(not 0 < c < modulus or gmpy2.gcd(c, n) != 1 for c in ciphertexts):
            raise OutOfRange("not a ciphertext under this key")
        self.decryptions_left -= len(ciphertexts)
        opened = [int(self._phe.raw_decrypt(int(c))) for c in ciphertexts]
        return [value - n if value > n // 2 else value for value in opened]

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise KeyPolicyViolation("a private key is never pickled")

    def phe(self) -> PaillierPrivateKey:
        """The ``phe`` key itself, for interoperation: what it opens is not counted."""
        return self._phe
