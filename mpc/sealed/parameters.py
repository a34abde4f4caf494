"""Parameters as a value: chosen by the advisor, sent by the key-holder, checked again by everyone who reads them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

from mpc.errors import BadParameters, MalformedMessage
from mpc.sealed.security import MAX_PRIME_BITS, check_security
from mpc.wire import Reader, Writer

MAX_LIMBS: Final = 16


class Scheme(IntEnum):
    BFV = 1  # exact integers
    CKKS = 2  # approximate reals


class Opening(IntEnum):
    """How the worker masks before the key-holder opens."""

    MODULAR = 1  # uniform modulo the product of the plain moduli: perfect hiding, shares live in that ring
    INTEGER = 2  # wide enough never to wrap: hides up to 2^-statistical_bits, shares are plain integers


@dataclass(frozen=True)
class Parameters:
    """``chain``: bits of each prime, last the special one if there are several. ``plain``: plain moduli (BFV).

    ``scale_bits``/``weight_bits``/``grid_bits``: CKKS scale, scale of last-layer weights, and the released grid 2^-g.
    ``flood``: deviation of the noise added before rounding. ``mask_bits``: masks reach 2^mask_bits grid steps.
    """

    scheme: Scheme
    degree: int
    chain: tuple[int, ...]
    opening: Opening = Opening.MODULAR
    plain: tuple[int, ...] = ()
    scale_bits: int = 0
    weight_bits: int = 0
    grid_bits: int = 0
    mask_bits: int = 0
    flood: float = 0.0
    relinearise: bool = False
    fold: bool = False

    def __post_init__(self) -> None:
        check_security(self.degree, self.chain)
        if self.scheme is Scheme.BFV:
            if not 1 <= len(self.plain) <= MAX_LIMBS or len(set(self.plain)) != len(self.plain):
                raise BadParameters(f"BFV needs 1 to {MAX_LIMBS} different plain moduli")
            if any(t % (2 * self.degree) != 1 or t.bit_length() > MAX_PRIME_BITS for t in self.plain):
                raise BadParameters("a plain modulus must be 1 modulo twice the degree, and at most 60 bits")
            if self.fold or self.relinearise or self.scale_bits:
                raise BadParameters("BFV circuits here need neither evaluation keys nor a scale")
            return
        if self.plain or self.opening is not Opening.INTEGER:
            raise BadParameters("CKKS has no plain modulus; its masks are integers on a grid")
        if (self.relinearise or self.fold) and len(self.chain) < 2:
            raise BadParameters("evaluation keys need a special prime: at least two primes in the chain")
        if not 10 <= self.scale_bits <= MAX_PRIME_BITS or not 1 <= self.weight_bits <= MAX_PRIME_BITS:
            raise BadParameters("a CKKS scale has 10 to 60 bits")
        if not (math.isfinite(self.flood) and 0 < self.flood < 1 << 40):
            raise BadParameters("CKKS results are never released without noise: the deviation must be positive")
        if not (-62 <= self.grid_bits <= 62 and 1 <= self.mask_bits <= 62):
            raise BadParameters("grid_bits must be -62 to 62 and mask_bits 1 to 62")

    @property
    def slots(self) -> int:
        """Values in one ciphertext."""
        return self.degree if self.scheme is Scheme.BFV else self.degree // 2

    @property
    def limbs(self) -> int:
        return len(self.plain) if self.scheme is Scheme.BFV else 1

    @property
    def modulus(self) -> int:
        """The ring of exact results: the product of the plain moduli (1 for CKKS)."""
        return math.prod(self.plain)

    @property
    def data_bits(self) -> int:
        """Bits of a fresh ciphertext's coefficient."""
        return sum(self.chain[:-1]) if len(self.chain) > 1 else self.chain[0]

    @property
    def max_ciphertext_bytes(self) -> int:
        """Three polynomials, uncompressed, and headers: no honest ciphertext is longer."""
        return 3 * self.degree * 8 * max(1, len(self.chain) - 1) + 1024

    @property
    def rotations(self) -> tuple[int, ...]:
        """Steps for which rotation keys are needed: powers of two if a result is folded into one slot, else none."""
        return tuple(1 << i for i in range(self.slots.bit_length() - 1)) if self.fold else ()

    def blocks(self, rows: int) -> int:
        return -(-rows // self.slots)

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(b"unseen/sealed/parameters" + self.write(Writer(5, 0, bytes(16))).done()).digest()

    def write(self, writer: Writer) -> Writer:
        writer.u8(self.scheme).u32(self.degree).u8(self.opening).u8(len(self.chain)).raw(bytes(self.chain))
        writer.u8(len(self.plain))
        for modulus in self.plain:
            writer.u64(modulus)
        writer.u8(self.scale_bits).u8(self.weight_bits).u8(self.grid_bits + 64).u8(self.mask_bits)
        return writer.text(self.flood.hex()).u8(self.relinearise).u8(self.fold)

    @classmethod
    def read(cls, reader: Reader) -> Parameters:
        """Raises ``MalformedMessage`` also for parameters below 128-bit security."""
        try:
            scheme, degree, opening = Scheme(reader.u8()), reader.u32(), Opening(reader.u8())
            chain = tuple(reader.raw(reader.u8()))
            plain = tuple(reader.u64() for _ in range(reader.u8()))
            scale, weight, grid, mask = reader.u8(), reader.u8(), reader.u8() - 64, reader.u8()
            text, relinearise, fold = reader.text(32), reader.u8(), reader.u8()
            flood = float.fromhex(text)
            if flood.hex() != text or relinearise > 1 or fold > 1:
                raise MalformedMessage("a field that is not in its one canonical form")
            return cls(
                scheme, degree, chain, opening, plain, scale, weight, grid, mask, flood, bool(relinearise), bool(fold)
            )
        except (ValueError, OverflowError, BadParameters) as error:
            raise MalformedMessage(f"unusable parameters: {error}") from None
