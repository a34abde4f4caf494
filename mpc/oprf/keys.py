"""Server keys and the domain separation that binds everything to one mode: RFC 9497 sections 3.1 and 3.2."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import IntEnum

from mpc.errors import BadParameters
from mpc.oprf import group
from mpc.party import RandomBytes


class Mode(IntEnum):
    """OPRF: no proof. VOPRF: the server proves it used its published key. POPRF: so, and both agree on public info."""

    OPRF = 0
    VOPRF = 1
    POPRF = 2


def context(mode: Mode) -> bytes:
    """CreateContextString of section 3.1."""
    return b"OPRFV1-" + bytes((mode,)) + b"-ristretto255-SHA512"


@dataclass(frozen=True)
class PrivateKey:
    """The server's secret scalar and the element that belongs to it."""

    scalar: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        if group.check_scalar(self.scalar) == group.ZERO:
            raise BadParameters("the zero scalar is no key")
        object.__setattr__(self, "public", group.multiply_base(self.scalar))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and hmac.compare_digest(self.scalar, other.scalar)

    def __hash__(self) -> int:
        return hash(self.public)


def generate_key(random_bytes: RandomBytes) -> PrivateKey:
    """GenerateKeyPair: run by the server, once per purpose and period."""
    return PrivateKey(group.random_scalar(random_bytes))


def derive_key(seed: bytes, info: bytes, mode: Mode) -> PrivateKey:
    """DeriveKeyPair of section 3.2.1: the same key from the same 32-byte secret seed and public info."""
    if len(seed) != 32 or len(info) > 0xFFFF:
        raise BadParameters("a seed has 32 bytes, the info at most 65535")
    prefix = seed + len(info).to_bytes(2, "big") + info
    for counter in range(256):
        scalar = group.hash_to_scalar(prefix + bytes((counter,)), b"DeriveKeyPair" + context(mode))
        if scalar != group.ZERO:
            return PrivateKey(scalar)
    raise BadParameters("no key can be derived from this seed: draw another")
