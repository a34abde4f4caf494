"""Encrypt packed vectors; add them and take dot products with plaintext weights. All without the private key."""

from __future__ import annotations

import operator
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, OutOfRange
from mpc.paillier.arithmetic import multi_power
from mpc.paillier.blinding import FixedBase, random_base, random_unit
from mpc.paillier.keys import PrivateKey, PublicKey
from mpc.paillier.packing import Integers, Packing
from mpc.party import RandomBytes

Blind = Callable[[list[int], list[bytes]], list[int]]
"""Turns plaintexts and blinding exponents into ciphertexts; ``EncryptionPool`` does it in several processes."""


@dataclass(frozen=True)
class PackedVector:
    """An encrypted vector of ``count`` values. ``used`` counts the growth spent: 1 when fresh, sums as vectors add."""

    key: PublicKey
    packing: Packing
    count: int
    used: int
    ciphertexts: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.count < 1 or len(self.ciphertexts) != self.packing.blocks(self.count):
            raise BadParameters("the number of ciphertexts does not match the number of values")
        if self.used < 1 or self.used > self.packing.growth:
            raise OutOfRange(f"the guard bits carry a growth of {self.packing.growth}, not {self.used}")

    def __add__(self, other: PackedVector) -> PackedVector:
        return add([self, other])

    def decrypt(self, key: PrivateKey) -> npt.NDArray[Any]:
        """Run by the key-holder. int64 where a slot fits into 63 bits, Python integers otherwise."""
        if key.public != self.key:
            raise BadParameters("encrypted under another key")
        return self.packing.unpack(key.decrypt(self.ciphertexts), self.count)


class Encryptor:
    """Encrypts under one public key; building it costs one table (0.2 to 0.6 s), so keep it for a whole job."""

    def __init__(self, key: PublicKey, randomness: RandomBytes = secrets.token_bytes, base: int | None = None) -> None:
        """``base`` is only for sharing one table's base between processes; by default a fresh one is drawn."""
        self.key = key
        self._randomness = randomness
        self._table = FixedBase(key, random_base(key, randomness) if base is None else base)

    def __repr__(self) -> str:
        return f"Encryptor(bits={self.key.bits})"

    @property
    def base(self) -> int:
        return self._table.base

    def encrypt(self, values: Integers, packing: Packing, blind: Blind | None = None) -> PackedVector:
        """Encrypt a one-dimensional int64 array. Raises ``OutOfRange`` for a value beyond ``packing.value_bits``."""
        if packing.plain_bits > self.key.bits:
            raise BadParameters(f"the packing asks for {packing.plain_bits} bits; the modulus has {self.key.bits}")
        plaintexts = packing.pack(values)
        size = self._table.exponent_bytes
        exponents = [self._randomness(size) for _ in plaintexts]
        ciphertexts = (blind or self.blind)(plaintexts, exponents)
        return PackedVector(self.key, packing, values.size, 1, tuple(ciphertexts))

    def blind(self, plaintexts: list[int], exponents: list[bytes]) -> list[int]:
        """(1 + n)^m * (h^n)^r mod n^2, where (1 + n)^m = 1 + n * m (Paillier 1999, section 5)."""
        n, modulus, power = gmpy2.mpz(self.key.n), self.key.modulus, self._table.power
        return [int(power(r, (1 + n * m) % modulus)) for m, r in zip(plaintexts, exponents, strict=True)]

    def refresh(self, vector: PackedVector) -> PackedVector:
        """The same values under new randomness: nobody without the private key links it to what it was computed from.

        Who knows the factors does: powers of h^n are a subgroup, and its cosets can be told apart (``dot`` says how).
        """
        if vector.key != self.key:
            raise BadParameters("encrypted under another key")
        fresh = self.blind([0] * len(vector.ciphertexts), self._exponents(len(vector.ciphertexts)))
        modulus = self.key.modulus
        mixed = tuple(int(c * gmpy2.mpz(f) % modulus) for c, f in zip(vector.ciphertexts, fresh, strict=True))
        return PackedVector(vector.key, vector.packing, vector.count, vector.used, mixed)

    def dot(self, rows: Sequence[PackedVector], weights: Sequence[int]) -> PackedVector:
        """The encrypted sum of ``weights[i] * rows[i]``: run by the side that holds the integer weights in the clear.

        The result is re-randomised: the key-holder, who may know the randomness of ``rows``, would read the weights off
        the bare product. A power of h^n would not do: its Jacobi symbol is 1 for everybody, and who knows the factors
        sees residue classes modulo small primes of p - 1, so the weights' parities (or remainders modulo 3) would show
        through. Each ciphertext costs a full power, r^n for uniform r (Paillier 1999, section 8: self-blinding).
        The growth spent is the sum of |weight|; ``OutOfRange`` if the guard bits do not carry it.
        """
        _check_alike(rows)
        try:
            exponents = [operator.index(weight) for weight in weights]
        except TypeError:
            raise BadParameters("weights are whole numbers: encode fractions to fixed point first") from None
        if len(rows) != len(weights):
            raise BadParameters(f"{len(rows)} rows and {len(weights)} weights")
        used = max(1, sum(abs(w) * row.used for w, row in zip(exponents, rows, strict=True)))
        first = rows[0]
        if used > first.packing.growth:
            raise OutOfRange(f"the weights ask for a growth of {used}; the packing carries {first.packing.growth}")
        if first.key != self.key:
            raise BadParameters("encrypted under another key")
        product = tuple(
            int(
                multi_power([gmpy2.mpz(c) for c in column], exponents, self.key.modulus)
                * self._uniform()
                % self.key.modulus
            )
            for column in zip(*(row.ciphertexts for row in rows), strict=True)
        )
        return PackedVector(first.key, first.packing, first.count, used, product)

    def _uniform(self) -> Any:
        """r^n for a uniform unit r: a uniform n-th residue, whatever the key."""
        return gmpy2.powmod(random_unit(self.key, self._randomness), self.key.n, self.key.modulus)

    def _exponents(self, count: int) -> list[bytes]:
        return [self._randomness(self._table.exponent_bytes) for _ in range(count)]


def add(vectors: Iterable[PackedVector]) -> PackedVector:
    """The encrypted element-wise sum: one product per ciphertext. Raises ``OutOfRange`` past the guard bits."""
    vectors = list(vectors)
    _check_alike(vectors)
    first, used = vectors[0], sum(v.used for v in vectors)
    if used > first.packing.growth:
        raise OutOfRange(f"{used} additions; the packing carries {first.packing.growth}")
    modulus, total = first.key.modulus, [gmpy2.mpz(c) for c in first.ciphertexts]
    for vector in vectors[1:]:
        total = [a * b % modulus for a, b in zip(total, vector.ciphertexts, strict=True)]
    return PackedVector(first.key, first.packing, first.count, used, tuple(int(c) for c in total))


def as_integers(values: npt.ArrayLike) -> Integers:
    """int64 from any integer array; raises ``BadParameters`` for floats (encode them to fixed point first)."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (
        array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max
    ):
        raise BadParameters("Paillier packs int64: encode decimals and floats to fixed point first")
    return array.astype(np.int64).reshape(-1)


def _check_alike(vectors: Sequence[PackedVector]) -> None:
    if not vectors:
        raise BadParameters("nothing to add")
    shape = (vectors[0].key, vectors[0].packing, vectors[0].count)
    if any((v.key, v.packing, v.count) != shape for v in vectors):
        raise BadParameters("vectors of different keys, packings or lengths")
