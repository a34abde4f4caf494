"""Uniform integers and small primes, in plain Python: shared by the encryption schemes, free of any dependency."""

from __future__ import annotations

from mpc.errors import BadParameters
from mpc.party import RandomBytes


def random_below(limit: int, randomness: RandomBytes) -> int:
    """A uniform integer in [0, limit), by rejection so that it carries no modulo bias."""
    if limit < 1:
        raise BadParameters("no integer lies below a limit under one")
    bits = (limit - 1).bit_length()
    size = (bits + 7) // 8
    while True:
        draw = int.from_bytes(randomness(size), "little") & ((1 << bits) - 1)
        if draw < limit:
            return draw


def is_prime(number: int) -> bool:
    """Exact for numbers below 2^64: Miller and Rabin's test with the first twelve primes as bases (OEIS A014233)."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if number >= 1 << 64:
        raise BadParameters("this test is exact below 2^64 only")
    if number < 2 or any(number % base == 0 for base in bases):
        return number in bases
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_is_witness_content(number, base, odd, twos) for base in bases)


def _is_witness_content(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
