"""Base oblivious transfers: Masny and Rindal, "Endemic Oblivious Transfer" (CCS 2019), over ristretto255 (RFC 9496).

The receiver gets one of two random 16-byte seeds per choice bit; the sender gets both. One message each way, in any
order. The sender learns nothing about the choices (they are perfectly hidden: both points are uniform); the receiver
learns nothing about the other seed under CDH in the random-oracle model. Used here between semi-honest parties; one
sender point serves all transfers of a run, their keys being separated by index. No group operation is home-made: all
are libsodium's (``rbcl``), constant-time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import rbcl

from mpc.errors import BadParameters, IntegrityError, MalformedMessage
from mpc.party import RandomBytes

POINT_BYTES: Final = 32
SEED_BYTES: Final = 16
_DOMAIN: Final = b"unseen endemic OT 1"

Octets = npt.NDArray[np.uint8]


class EndemicSender:
    """Holds a; publishes A = aG in ``point``; turns the receiver's pairs into both seeds of every transfer."""

    def __init__(self, session: bytes, random: RandomBytes) -> None:
        self._session = session
        self._scalar = rbcl.crypto_core_ristretto255_scalar_reduce(random(64))
        self.point = _public(self._scalar)

    def __repr__(self) -> str:
        return "EndemicSender(secret=<redacted>)"

    def seeds(self, pairs: bytes, count: int) -> Octets:
        """Return (count, 2, 16): the seeds for choice 0 and 1. Raises ``MalformedMessage`` for bytes that are no pairs
        of points, ``IntegrityError`` for points that only cheating produces."""
        if len(pairs) != 2 * POINT_BYTES * count:
            raise MalformedMessage("not one pair of points per transfer")
        out = np.empty((count, 2, SEED_BYTES), np.uint8)
        for index in range(count):
            pair = pairs[2 * POINT_BYTES * index : 2 * POINT_BYTES * (index + 1)]
            points = pair[:POINT_BYTES], pair[POINT_BYTES:]
            for point in points:
                check_point(point)
            for choice in (0, 1):
                other = _hash_to_group(self._session, index, choice, points[1 - choice])
                public = rbcl.crypto_core_ristretto255_add(points[choice], other)
                shared = _multiply(self._scalar, public)
                out[index, choice] = _seed(self._session, index, choice, self.point, pair, shared)
        return out


class EndemicReceiver:
    """Holds the choice bits; ``pairs`` goes to the sender, whose point gives the chosen seeds."""

    def __init__(self, session: bytes, choices: Octets, random: RandomBytes) -> None:
        if choices.ndim != 1 or bool(np.any(choices > 1)):
            raise BadParameters("choices are a vector of bits")
        self._session, self._choices = session, choices
        self._scalars: list[bytes] = []
        pairs: list[bytes] = []
        for index, choice in enumerate(choices.tolist()):
            scalar = rbcl.crypto_core_ristretto255_scalar_reduce(random(64))
            unknown = rbcl.crypto_core_ristretto255_from_hash(random(64))  # nobody knows its logarithm
            public = _public(scalar)
            mine = rbcl.crypto_core_ristretto255_sub(public, _hash_to_group(session, index, choice, unknown))
            # Index the pair rather than branch on the choice: no timing tells the bit.
            ordered = (mine, unknown), (unknown, mine)
            pairs.append(b"".join(ordered[choice]))
            self._scalars.append(scalar)
        self._pairs = pairs
        self.pairs: bytes = b"".join(pairs)

    def __repr__(self) -> str:
        return f"EndemicReceiver(transfers={len(self._scalars)}, choices=<redacted>)"

    def seeds(self, point: bytes) -> Octets:
        """Return (count, 16): the chosen seeds. Raises ``MalformedMessage`` for bytes that are no point."""
        check_point(point)
        out = np.empty((len(self._scalars), SEED_BYTES), np.uint8)
        for index, (choice, scalar) in enumerate(zip(self._choices.tolist(), self._scalars, strict=True)):
            shared = _multiply(scalar, point)
            out[index] = _seed(self._session, index, choice, point, self._pairs[index], shared)
        return out


def check_point(point: bytes) -> None:
    """Raise ``MalformedMessage`` unless these are the canonical 32 bytes of a group element other than the identity."""
    # libsodium 1.0.18, which rbcl bundles, ignores the top bit: RFC 9496 section 4.3.1 has one encoding per element
    if (
        len(point) != POINT_BYTES
        or not any(point)
        or point[-1] > 127
        or not rbcl.crypto_core_ristretto255_is_valid_point(point)
    ):
        raise MalformedMessage("not a ristretto255 element")


def _hash_to_group(session: bytes, index: int, choice: int, point: bytes) -> bytes:
    digest = hashlib.sha512(_DOMAIN + b"/point" + session + index.to_bytes(4, "little") + bytes((choice,)) + point)
    return bytes(rbcl.crypto_core_ristretto255_from_hash(digest.digest()))


def _seed(session: bytes, index: int, choice: int, point: bytes, pair: bytes, shared: bytes) -> Octets:
    place = session + index.to_bytes(4, "little") + bytes((choice,))
    digest = hashlib.blake2b(_DOMAIN + b"/seed" + place + point + pair + shared, digest_size=SEED_BYTES)
    return np.frombuffer(digest.digest(), np.uint8)


def _public(scalar: bytes) -> bytes:
    return _checked(lambda: rbcl.crypto_scalarmult_ristretto255_base(scalar))


def _multiply(scalar: bytes, point: bytes) -> bytes:
    return _checked(lambda: rbcl.crypto_scalarmult_ristretto255(scalar, point))


def _checked(operation: Callable[[], bytes]) -> bytes:
    try:
        return bytes(operation())
    except RuntimeError:  # libsodium refuses the identity: probability 2^-252 without cheating
        raise IntegrityError("a transfer led to the identity element") from None
