"""What is safe: the largest ciphertext modulus per ring degree for 128-bit classical security.

Source: Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption" (ePrint 2024/463), ternary
secrets, classical attacks, error deviation 3.19. The older Homomorphic Encryption Standard (2018), which SEAL checks,
allows one to thirteen bits more. All primes of the chain count, also the special one that ciphertexts never see,
because evaluation keys live under it.
"""

from __future__ import annotations

from typing import Final

from mpc.errors import BadParameters

MAX_MODULUS_BITS: Final = {1024: 26, 2048: 53, 4096: 106, 8192: 214, 16384: 430, 32768: 868}
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
