"""The two messages of this protocol (number 4 on the wire): a public key, and an encrypted packed vector."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

import gmpy2

from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.paillier.cipher import PackedVector
from mpc.paillier.keys import MAXIMUM_BITS, PublicKey
from mpc.paillier.packing import Packing
from mpc.wire import Reader, Writer

PROTOCOL: Final = 4
KEY: Final = 1
VECTOR: Final = 2
MAX_CIPHERTEXTS: Final = 1 << 22


@dataclass(frozen=True)
class KeyMessage:
    """Key-holder to all: the modulus."""

    session: bytes
    key: PublicKey

    def encode(self) -> bytes:
        return Writer(PROTOCOL, KEY, self.session).blob(_big(self.key.n, (self.key.bits + 7) // 8)).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes | None = None) -> KeyMessage:
        reader = Reader(message).expect(PROTOCOL, KEY, session)
        raw = reader.blob(MAXIMUM_BITS // 8)
        reader.end()
        if raw[:1] in (b"", b"\0"):
            raise MalformedMessage("a modulus with leading zeros, or none")
        try:
            return cls(reader.header.session, PublicKey(int.from_bytes(raw, "big")))
        except BadParameters as error:
            raise MalformedMessage(str(error)) from None


@dataclass(frozen=True)
class VectorMessage:
    """An encrypted vector; names its key and packing, and every ciphertext is a unit modulo n^2."""

    session: bytes
    vector: PackedVector

    def encode(self) -> bytes:
        vector, packing = self.vector, self.vector.packing
        writer = Writer(PROTOCOL, VECTOR, self.session).raw(vector.key.key_id)
        writer.u8(packing.value_bits).raw(_big(packing.growth, 16)).u16(packing.plain_bits).u16(packing.per)
        writer.raw(_big(vector.used, 16)).u32(vector.count).u32(len(vector.ciphertexts))
        size = vector.key.bytes_per_ciphertext
        return writer.raw(b"".join(_big(c, size) for c in vector.ciphertexts)).done()

    @classmethod
    def decode(cls, message: bytes, key: PublicKey, session: bytes | None = None) -> VectorMessage:
        """Raises ``MalformedMessage`` also for zero, n^2 and beyond, and numbers that share a factor with n."""
        reader = Reader(message).expect(PROTOCOL, VECTOR, session)
        if not hmac.compare_digest(reader.raw(16), key.key_id):
            raise MalformedMessage("encrypted under another key")
        value_bits, growth = reader.u8(), int.from_bytes(reader.raw(16), "big")
        plain_bits, per = reader.u16(), reader.u16()
        used, count, blocks = int.from_bytes(reader.raw(16), "big"), reader.u32(), reader.u32()
        size = key.bytes_per_ciphertext
        if blocks > MAX_CIPHERTEXTS or plain_bits > key.bits:
            raise MalformedMessage("more ciphertexts than a message may hold, or a packing beyond the modulus")
        raw = reader.raw(blocks * size)
        reader.end()
        ciphertexts = tuple(int.from_bytes(raw[i : i + size], "big") for i in range(0, len(raw), size))
        product = gmpy2.mpz(1)
        for ciphertext in ciphertexts:
            if ciphertext >= key.modulus:
                raise MalformedMessage("not a ciphertext under this key")
            product = product * ciphertext % key.n
        if gmpy2.gcd(product, key.n) != 1:  # one gcd for all: a product is a unit only if each factor is
            raise MalformedMessage("not a ciphertext under this key")
        try:
            packing = Packing(value_bits, growth, plain_bits, per)
            return cls(reader.header.session, PackedVector(key, packing, count, used, ciphertexts))
        except (BadParameters, OutOfRange) as error:
            raise MalformedMessage(str(error)) from None


def _big(value: int, size: int) -> bytes:
    return int(value).to_bytes(size, "big")
