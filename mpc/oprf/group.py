"""The prime-order group ristretto255 and its hash functions: RFC 9497 section 4.1, over libsodium through ``rbcl``.

Scalars and elements are 32 bytes, little-endian, canonical. libsodium's arithmetic runs in constant time; ``ctypes``
releases the GIL during every call, so threads help.
"""

from __future__ import annotations

import hashlib
from typing import Final

import rbcl

from mpc.errors import BadParameters, MalformedMessage
from mpc.party import RandomBytes

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
ZERO: Final = bytes(SCALAR_BYTES)
_BLOCK: Final = 128
_DIGEST: Final = 64


def hash_to_group(message: bytes, tag: bytes) -> bytes:
    """hash_to_ristretto255 (RFC 9380 appendix B): a random oracle onto the group."""
    element: bytes = rbcl.crypto_core_ristretto255_from_hash(expand_message(message, tag, _DIGEST))
    return element


def hash_to_scalar(message: bytes, tag: bytes) -> bytes:
    """64 uniform bytes, read little-endian, modulo the group's order."""
    return _reduced(expand_message(message, tag, _DIGEST))


def random_scalar(random_bytes: RandomBytes) -> bytes:
    """A uniform non-zero scalar by reducing 64 random bytes (RFC 9497 section 4.7.2)."""
    while (scalar := _reduced(random_bytes(_DIGEST))) == ZERO:
        pass
    return scalar


def check_element(element: bytes) -> bytes:
    """Return bytes that are a canonical element other than the identity; raises ``MalformedMessage`` (section 4.1)."""
    # libsodium 1.0.18, which rbcl bundles, ignores the top bit: RFC 9496 section 4.3.1 has one encoding per element
    if element == ZERO or len(element) != ELEMENT_BYTES or element[-1] > 127:
        raise MalformedMessage("not an element of ristretto255, or the identity")
    if not rbcl.crypto_core_ristretto255_is_valid_point(element):
        raise MalformedMessage("not an element of ristretto255, or the identity")
    return element


def check_scalar(scalar: bytes) -> bytes:
    """Return bytes that are a canonical scalar; raises ``MalformedMessage``."""
    if len(scalar) != SCALAR_BYTES or int.from_bytes(scalar, "little") >= ORDER:
        raise MalformedMessage("a scalar that is not reduced modulo the group's order")
    return scalar


def multiply(scalar: bytes, element: bytes) -> bytes:
    """scalar * element; the identity (32 zero bytes) for the zero scalar."""
    product: bytes = rbcl.crypto_scalarmult_ristretto255_allow_scalar_zero(scalar, element)
    return product


def multiply_base(scalar: bytes) -> bytes:
    """scalar * the generator."""
    product: bytes = rbcl.crypto_scalarmult_ristretto255_base_allow_scalar_zero(scalar)
    return product


def add(left: bytes, right: bytes) -> bytes:
    total: bytes = rbcl.crypto_core_ristretto255_add(left, right)
    return total


def scalar_add(left: bytes, right: bytes) -> bytes:
    total: bytes = rbcl.crypto_core_ristretto255_scalar_add(left, right)
    return total


def scalar_sub(left: bytes, right: bytes) -> bytes:
    difference: bytes = rbcl.crypto_core_ristretto255_scalar_sub(left, right)
    return difference


def scalar_mul(left: bytes, right: bytes) -> bytes:
    product: bytes = rbcl.crypto_core_ristretto255_scalar_mul(left, right)
    return product


def scalar_invert(scalar: bytes) -> bytes:
    inverse: bytes = rbcl.crypto_core_ristretto255_scalar_invert(scalar)
    return inverse


def expand_message(message: bytes, tag: bytes, size: int) -> bytes:
    """expand_message_xmd with SHA-512: RFC 9380 section 5.3.1. ``tag`` is the domain separation tag, 1-255 bytes."""
    blocks = -(-size // _DIGEST)
    if not 1 <= len(tag) <= 255 or not 1 <= blocks <= 255:
        raise BadParameters("a domain separation tag has 1 to 255 bytes, an output at most 255 digests")
    suffix = tag + bytes((len(tag),))
    first = hashlib.sha512(bytes(_BLOCK) + message + size.to_bytes(2, "big") + b"\x00" + suffix).digest()
    block, out = bytes(_DIGEST), b""
    for index in range(1, blocks + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = hashlib.sha512(mixed + bytes((index,)) + suffix).digest()
        out += block
    return out[:size]


def _reduced(wide: bytes) -> bytes:
    scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(wide)
    return scalar
