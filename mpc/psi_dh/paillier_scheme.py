"""The additive scheme on ``phe`` keys (Paillier 1999): all columns of a row share one ciphertext, in slots.

Slots leave room for the sum of all rows, so sums never carry into a neighbour. Encryption dominates: hand in a faster
``encrypt`` (fixed-base blinding, several processes) where there are many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import gmpy2
import numpy as np
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.paillier.blinding import exponent_bytes
from mpc.paillier.cipher import Blind, Encryptor
from mpc.paillier.keys import MAXIMUM_BITS, PublicKey
from mpc.party import RandomBytes
from mpc.psi_dh.additive import Rows, Values, check_values

TAG: Final = b"P"

EncryptAll = Callable[[Sequence[int]], Sequence[int]]
"""Plaintexts to ciphertexts modulo n^2, each freshly blinded."""


def fixed_base(encryptor: Encryptor, random_bytes: RandomBytes, blind: Blind | None = None) -> EncryptAll:
    """An ``encrypt`` on ``mpc.paillier``'s tables, in several processes with ``blind=EncryptionPool(...).blind``."""
    size = exponent_bytes(encryptor.key)
    return lambda plain: (blind or encryptor.blind)(list(plain), [random_bytes(size) for _ in plain])


class PaillierKeyHolder:
    """Party 2's half over a ``phe`` private key that is used for this run only."""

    def __init__(
        self,
        private: PaillierPrivateKey,
        columns: int,
        value_bits: int,
        most_rows: int,
        random_bytes: RandomBytes,
        encrypt: EncryptAll | None = None,
        signed: bool = False,
    ) -> None:
        """``most_rows`` bounds the set size. Raises ``BadParameters`` if their sums do not fit the modulus."""
        self._private, self._n = private, int(private.public_key.n)
        self._columns, self._value_bits, self._most_rows = columns, value_bits, most_rows
        self._signed = signed
        self._slot_bits = value_bits + most_rows.bit_length() + signed
        if columns < 1 or not 1 <= value_bits <= 63 or most_rows < 1:
            raise BadParameters("at least one column and row, and values of 1 to 63 bits")
        if columns * self._slot_bits > self._n.bit_length() - 2:
            raise BadParameters(f"{columns} slots of {self._slot_bits} bits do not fit: fewer columns or a larger key")
        blinder = _Blinder(self._n, random_bytes)
        self._encrypt = encrypt or (lambda plaintexts: [blinder.encrypt(m) for m in plaintexts])
        self.ciphertext_bytes = _width(self._n)

    def __repr__(self) -> str:
        return f"PaillierKeyHolder(bits={self._n.bit_length()}, columns={self._columns})"

    @property
    def public(self) -> bytes:
        return TAG + self._n.to_bytes((self._n.bit_length() + 7) // 8, "little")

    def encrypt(self, values: Values) -> Rows:
        check_values(values, self._columns, self._value_bits, self._signed)
        if len(values) > self._most_rows:
            raise OutOfRange(f"{len(values)} rows; the slots were laid out for {self._most_rows}")
        plaintexts = [sum(int(v) << (i * self._slot_bits) for i, v in enumerate(row)) % self._n for row in values]
        flat = b"".join(int(c).to_bytes(self.ciphertext_bytes, "little") for c in self._encrypt(plaintexts))
        return np.frombuffer(flat, np.uint8).reshape(len(values), self.ciphertext_bytes)

    def decrypt(self, total: bytes) -> tuple[int, ...]:
        plain = int(self._private.raw_decrypt(_check(total, self._n)))
        if self._signed and plain > self._n // 2:
            plain -= self._n
        most = self._most_rows * ((1 << self._value_bits) - 1)
        below = most if self._signed else 0
        sums = []
        for _ in range(self._columns):  # a negative sum borrows from the slot above it: give that back
            sums.append(((plain + below) & ((1 << self._slot_bits) - 1)) - below)
            plain = (plain - sums[-1]) >> self._slot_bits
        if plain or max(sums) > most:
            raise OutOfRange("not a total of the rows that were sent")
        return tuple(sums)


class PaillierEvaluator:
    """Party 1's half: products modulo n^2."""

    def __init__(self, public: bytes, random_bytes: RandomBytes) -> None:
        if public[:1] != TAG or len(public) > 1 + MAXIMUM_BITS // 8:
            raise MalformedMessage("not a Paillier modulus, or longer than any")
        self._n = PublicKey(int.from_bytes(public[1:], "little")).n  # refuses what cannot be a modulus
        self._blinder = _Blinder(self._n, random_bytes)
        self.ciphertext_bytes = _width(self._n)

    def __repr__(self) -> str:
        return f"PaillierEvaluator(bits={self._n.bit_length()})"

    def total(self, rows: Rows) -> bytes:
        square = gmpy2.mpz(self._n) ** 2
        product = gmpy2.mpz(self._blinder.encrypt(0))
        for row in rows:
            product = product * _check(row.tobytes(), self._n) % square
        return int(product).to_bytes(self.ciphertext_bytes, "little")


class _Blinder:
    """Textbook encryption: (1 + n m) r^n for a uniform unit r from the given source of randomness."""

    def __init__(self, n: int, random_bytes: RandomBytes) -> None:
        self._key, self._n, self._random = PaillierPublicKey(n), n, random_bytes

    def encrypt(self, plaintext: int) -> int:
        return int(self._key.raw_encrypt(plaintext, r_value=self._unit()))

    def _unit(self) -> int:
        size = (self._n.bit_length() + 7) // 8
        while True:
            r = int.from_bytes(self._random(size), "little") & ((1 << self._n.bit_length()) - 1)
            if 0 < r < self._n and gmpy2.gcd(r, self._n) == 1:
                return r


def _width(n: int) -> int:
    return (2 * n.bit_length() + 7) // 8


def _check(ciphertext: bytes, n: int) -> int:
    value = int.from_bytes(ciphertext, "little")
    if len(ciphertext) != _width(n) or not 0 < value < n * n or gmpy2.gcd(value, n) != 1:
        raise MalformedMessage("not a ciphertext under this key")
    return value
