"""Pairwise additive masks: every two participants agree on a stream that one adds and the other subtracts.

The masks of all participants sum to zero, so the sum of all masked vectors is the sum of the vectors, while each one
alone is uniform to whoever lacks the keys (Bonawitz et al. 2017, section 4, without dropout recovery: if one is
missing nothing can be opened; ``mpc.secagg`` recovers). Who runs it: every participant, once per round of a job.
Pre-conditions: each key is fresh for the job; publics were exchanged over an authenticated channel (the node signs
them); all pass the same context. What is learnt: the receiver of all masked vectors learns their sum; a coalition of it
with all participants but two learns the sum of these two parts, with all but one that part.

X25519 (RFC 7748) and HKDF-SHA256 (RFC 5869); info binds context, round, ring, length, and the ordered pair with keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mpc.errors import BadParameters, IntegrityError, KeyPolicyViolation, TooFewParties, UnknownParty
from mpc.party import PartyName, RandomBytes
from mpc.prg import SEED_BYTES, Signed, StreamCipher, add_streams
from mpc.ring import Ring, Vector
from mpc.wire import framed

PUBLIC_BYTES: Final = 32
CONTEXT_BYTES_MIN: Final = 16
_LABEL: Final = b"unseen/mpc/masks/v1"
_P25519: Final = (1 << 255) - 19
_ANYBODY: Final = X25519PrivateKey.from_private_bytes(bytes(32))
"""Any scalar finds a point of low order: clamped, it is a multiple of all their orders (RFC 7748 section 5)."""


def pairwise_masks(
    key: MaskKey,
    own: PartyName,
    publics: Mapping[PartyName, bytes],
    context: bytes,
    round: str,
    ring: Ring,
    n: int,
    *,
    threads: int = 1,
) -> Vector:
    """Return this participant's mask: n ring elements that cancel against those of all others in ``publics``.

    ``publics`` names every participant, ``own`` included; ``context`` is a digest (at least 16 bytes) over permit, plan
    and participants, or over all that they were told. A key gives one mask per round and never a second
    (``KeyPolicyViolation``), whatever the context: two messages of one round would reveal their difference, or one part
    under two openings. Raises ``TooFewParties`` for fewer than two participants, ``UnknownParty`` if ``own`` is not
    among them, ``IntegrityError`` for a mismatched, repeated or low-order key.
    """
    check_publics(key, own, publics)
    if len(context) < CONTEXT_BYTES_MIN:
        raise BadParameters("the context must be a digest over permit, plan and participants (at least 16 bytes)")
    if n < 0:
        raise BadParameters("a vector has no negative length")
    key.check_unused(round)
    detail = [context, round.encode(), ring.bits.to_bytes(2, "little"), n.to_bytes(8, "little")]
    streams = []
    for peer in sorted(publics):
        if peer == own:
            continue
        first, second = sorted((own, peer))
        pair = [first.encode(), publics[first], second.encode(), publics[second]]
        seed = derive_seed(key.agree(publics[peer]), _LABEL, *detail, *pair)
        streams.append(Signed(seed, 1 if own < peer else -1))
    key.consume(round)
    mask = ring.zeros(n)
    add_streams(ring, mask, streams, threads=threads, cipher=StreamCipher.AES_CTR)
    return mask


class MaskKey:
    """One participant's X25519 key for one job. Never reused, never stored: generate it when the job starts."""

    def __init__(self, private: bytes) -> None:
        if len(private) != 32:
            raise BadParameters("an X25519 private key has 32 bytes")
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public: Final = self._private.public_key().public_bytes_raw()
        self._used: set[str] = set()

    @classmethod
    def generate(cls, rng: RandomBytes = secrets.token_bytes) -> MaskKey:
        return cls(rng(32))

    def agree(self, public: bytes) -> bytes:
        """Return the 32-byte shared secret; ``IntegrityError`` for a non-canonical or low-order public key."""
        check_public(public)
        return self._private.exchange(X25519PublicKey.from_public_bytes(public))

    def check_unused(self, round: str) -> None:
        if round in self._used:
            raise KeyPolicyViolation(f"this key has already masked round {round!r}: one mask, one message")

    def consume(self, round: str) -> None:
        """Mark the round as masked; ``KeyPolicyViolation`` the second time."""
        self.check_unused(round)
        self._used.add(round)

    def __repr__(self) -> str:
        return f"MaskKey(public={self.public.hex()}, private=<redacted>)"

    def __reduce__(self) -> str:
        raise KeyPolicyViolation("a mask key is never pickled or copied")


def check_publics(key: MaskKey, own: PartyName, publics: Mapping[PartyName, bytes]) -> None:
    """Judge what all participants announced, before anything is computed for them; raises as ``pairwise_masks``."""
    if len(publics) < 2:
        raise TooFewParties("masks need at least two participants")
    if own not in publics:
        raise UnknownParty(f"{own} is not among the participants")
    if publics[own] != key.public:
        raise IntegrityError("the public key announced for this participant is not the one of its mask key")
    if len(set(publics.values())) != len(publics):
        raise IntegrityError("two participants announce the same public key")
    for public in publics.values():
        check_public(public)


def check_public(public: bytes) -> None:
    """Raise ``IntegrityError`` unless these are 32 bytes in canonical form (so one point has one encoding), and no
    point of low order, whose shared secrets everybody knows. Needs no key: whoever relays or hears one can judge it.
    """
    if len(public) != PUBLIC_BYTES or int.from_bytes(public, "little") >= _P25519:
        raise IntegrityError("a participant's public key is not a canonical X25519 key of 32 bytes")
    try:
        _ANYBODY.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # RFC 7748 section 6.1: all-zero output
        raise IntegrityError("a participant's public key has low order") from None


def derive_seed(secret: bytes, label: bytes, *fields: bytes) -> bytes:
    """HKDF-SHA256 over a shared secret; info is the label and the fields, each behind its length (u32)."""
    return hkdf_sha256(secret, None, framed(label, *fields), SEED_BYTES)


def hkdf_sha256(secret: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    """RFC 5869: extract and expand."""
    return HKDF(SHA256(), length=length, salt=salt, info=info).derive(secret)
