"""The batched proof that one scalar relates all pairs (discrete logarithm equality): RFC 9497 section 2.2.

Run by the server to prove, by the client to verify, that D[i] = k * C[i] for the k of B = k * A, A the generator.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from mpc.errors import BadParameters, IntegrityError, MalformedMessage
from mpc.oprf import group
from mpc.oprf.keys import Mode, context

MOST_PAIRS = 0xFFFF  # the index is two bytes in the transcript


@dataclass(frozen=True)
class Proof:
    """Challenge and response. Serialised as c || s."""

    challenge: bytes
    response: bytes

    def encode(self) -> bytes:
        return self.challenge + self.response

    @classmethod
    def decode(cls, data: bytes) -> Proof:
        """Raises ``MalformedMessage`` unless both scalars are canonical."""
        if len(data) != 2 * group.SCALAR_BYTES:
            raise MalformedMessage("a proof has 64 bytes")
        return cls(group.check_scalar(data[:32]), group.check_scalar(data[32:]))


def prove(key: bytes, public: bytes, c: Sequence[bytes], d: Sequence[bytes], mode: Mode, nonce: bytes) -> Proof:
    """GenerateProof. ``nonce`` is a fresh random scalar, never used twice: a second use gives the key away."""
    weights = _weights(public, c, d, mode)
    m = _combine(weights, c)
    z = group.multiply(key, m)
    challenge = _challenge(public, m, z, group.multiply_base(nonce), group.multiply(nonce, m), mode)
    return Proof(challenge, group.scalar_sub(nonce, group.scalar_mul(challenge, key)))


def verify(proof: Proof, public: bytes, c: Sequence[bytes], d: Sequence[bytes], mode: Mode) -> None:
    """VerifyProof. Raises ``IntegrityError`` if the server used another key for any element."""
    weights = _weights(public, c, d, mode)
    m, z = _combine(weights, c), _combine(weights, d)
    t2 = group.add(group.multiply_base(proof.response), group.multiply(proof.challenge, public))
    t3 = group.add(group.multiply(proof.response, m), group.multiply(proof.challenge, z))
    if not hmac.compare_digest(_challenge(public, m, z, t2, t3, mode), proof.challenge):
        raise IntegrityError("the proof does not hold: the answer was not computed with the published key")


def _weights(public: bytes, c: Sequence[bytes], d: Sequence[bytes], mode: Mode) -> list[bytes]:
    """One pseudorandom scalar per pair (ComputeComposites): a linear combination then stands for the whole batch."""
    if not 1 <= len(c) == len(d) <= MOST_PAIRS:
        raise BadParameters(f"a proof covers 1 to {MOST_PAIRS} pairs: split larger batches")
    seed = hashlib.sha512(_framed(public) + _framed(b"Seed-" + context(mode))).digest()
    prefix, tag = _framed(seed), b"HashToScalar-" + context(mode)
    return [
        group.hash_to_scalar(prefix + i.to_bytes(2, "big") + _framed(ci) + _framed(di) + b"Composite", tag)
        for i, (ci, di) in enumerate(zip(c, d, strict=True))
    ]


def _combine(weights: Sequence[bytes], elements: Sequence[bytes]) -> bytes:
    total = group.ZERO  # the encoding of the identity is 32 zero bytes too
    for weight, element in zip(weights, elements, strict=True):
        total = group.add(total, group.multiply(weight, element))
    return total


def _challenge(public: bytes, m: bytes, z: bytes, t2: bytes, t3: bytes, mode: Mode) -> bytes:
    transcript = b"".join(_framed(part) for part in (public, m, z, t2, t3)) + b"Challenge"
    return group.hash_to_scalar(transcript, b"HashToScalar-" + context(mode))


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part
