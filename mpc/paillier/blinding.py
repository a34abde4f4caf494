"""Blinding factors from a fixed base with half-length exponents (Damgard, Jurik, Nielsen 2010, section 4.2).

h = -x^2 mod n for a random unit x, and a blinding factor is (h^n)^r mod n^2 with r of half the modulus' length: a table
of the powers of h^n turns each into about bits/16 multiplications instead of a full power. Encryptors draw their own
base, so nobody's choice but theirs decides how well their values are hidden.

The table is indexed by digits of the secret r: **look-ups are not constant-time**.
"""

from __future__ import annotations

from typing import Any, Final

import gmpy2

from mpc.errors import BadParameters
from mpc.integers import random_below
from mpc.paillier.keys import PublicKey
from mpc.party import RandomBytes

WINDOW: Final = 8  # bits per digit: a byte; the table of a 3072-bit key takes 38 MB and about half a second


class FixedBase:
    """All powers d * 256^i of one base; ``power`` raises it to any exponent of ``exponent_bytes``."""

    def __init__(self, key: PublicKey, base: int) -> None:
        """``base`` is what ``random_base`` drew (h^n mod n^2)."""
        self._modulus: Any = key.modulus
        self.base = base
        self.exponent_bytes: int = exponent_bytes(key)
        self._rows: list[list[Any]] = []
        step = gmpy2.mpz(base)
        for _ in range(self.exponent_bytes):
            row = [gmpy2.mpz(1)]
            for _ in range(1 << WINDOW):
                row.append(row[-1] * step % self._modulus)
            step = row.pop()
            self._rows.append(row)

    def __repr__(self) -> str:
        return f"FixedBase(exponent_bytes={self.exponent_bytes})"

    def power(self, exponent: bytes, start: Any) -> Any:
        """``start * base^exponent`` modulo n^2; the exponent is little-endian, exactly ``exponent_bytes`` long."""
        if len(exponent) != self.exponent_bytes:
            raise BadParameters(f"a blinding exponent has {self.exponent_bytes} bytes")
        modulus = self._modulus
        for row, digit in zip(self._rows, exponent, strict=True):
            start = start * row[digit] % modulus
        return start


def exponent_bytes(key: PublicKey) -> int:
    """Half the modulus' length, as the paper chooses it."""
    return (key.bits + 15) // 16


def random_base(key: PublicKey, randomness: RandomBytes) -> int:
    """h^n mod n^2 for a fresh h = -x^2 mod n."""
    x = random_unit(key, randomness)
    return int(gmpy2.powmod(key.n - x * x % key.n, key.n, key.modulus))


def random_unit(key: PublicKey, randomness: RandomBytes) -> int:
    """A uniform unit modulo n, other than 1."""
    while True:
        x = random_below(key.n, randomness)
        if x > 1 and gmpy2.gcd(x, key.n) == 1:
            return x
