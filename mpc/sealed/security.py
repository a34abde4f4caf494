"""What is safe: the largest ciphertext modulus per ring degree for 128-bit classical security.

Source: Homomorphic Encryption Standard (Albrecht et al., HomomorphicEncryption.org, 2018), table 1, ternary secrets,
error deviation 3.2; the same numbers as SEAL's ``CoeffModulus::MaxBitCount``. All primes of the chain count, also the
special one that ciphertexts never see, because evaluation keys live under it. SEAL checks the table once more itself.
"""

from __future__ import annotations

from typing import Final

from mpc.errors import BadParameters

MAX_MODULUS_BITS: Final = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
MAX_PRIME_BITS: Final = 60  # SEAL's limit for one prime of the chain, and for a plain modulus
ERROR_DEVIATION: Final = 3.24  # SEAL draws errors from a centred binomial distribution with 42 coins
TAIL: Final = 8.0  # deviations a bound allows for: a coefficient exceeds it with probability below 2^-49


def check_security(degree: int, chain: tuple[int, ...]) -> None:
    """Raise ``BadParameters`` unless a chain of primes of these bits has 128-bit security at this ring degree."""
    if degree not in MAX_MODULUS_BITS:
        raise BadParameters(f"the ring degree must be one of {', '.join(map(str, MAX_MODULUS_BITS))}")
    if not chain or len(chain) > 32 or not all(14 <= bits <= MAX_PRIME_BITS for bits in chain):
        raise BadParameters("a chain has 1 to 32 primes of 14 to 60 bits")
    if sum(chain) > MAX_MODULUS_BITS[degree]:
        raise BadParameters(
            f"a modulus of {sum(chain)} bits is unsafe at degree {degree}: at most {MAX_MODULUS_BITS[degree]} bits"
        )
