"""Pairwise keys and the shares of zero made from them, for ``multi``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import rbcl
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import DuplicateMessage
from mpc.ot.endemic import POINT_BYTES, check_point
from mpc.party import PartyName, RandomBytes
from mpc.psi.items import Items, digest_items
from mpc.psi.messages import KEY_SHARE, PROTOCOL
from mpc.wire import SESSION_BYTES, Reader, Writer, framed

_KEY_BYTES: Final = 16

Longs = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class KeyShare:
    """A party's Diffie-Hellman point, the same for all others."""

    point: bytes

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, KEY_SHARE, session).raw(self.point).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> KeyShare:
        reader = Reader(message).expect(PROTOCOL, KEY_SHARE, session)
        share = cls(reader.raw(POINT_BYTES))
        reader.end()
        check_point(share.point)
        return share


class PairKeys:
    """One key with every other party, bound to the session and to both names."""

    def __init__(self, name: PartyName, others: Sequence[PartyName], session: bytes, random: RandomBytes) -> None:
        self.others = tuple(others)
        self._name, self._session = name, session
        self._scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(random(64))
        self.point = bytes(rbcl.crypto_scalarmult_ristretto255_base(self._scalar))
        self._keys: dict[PartyName, bytes] = {}

    def __repr__(self) -> str:
        return f"PairKeys(others={len(self.others)}, keys=<redacted>)"

    @property
    def complete(self) -> bool:
        return len(self._keys) == len(self.others)

    @property
    def keys(self) -> Iterable[bytes]:
        return self._keys.values()

    def take(self, sender: PartyName, share: KeyShare) -> None:
        """Raises ``DuplicateMessage`` for a second share of one sender."""
        if sender in self._keys:
            raise DuplicateMessage("this party has sent its key share before")
        shared = rbcl.crypto_scalarmult_ristretto255(self._scalar, share.point)
        place = _bound(self._session, *sorted((self._name, sender)))
        digest = hashlib.blake2b(place + bytes(shared), digest_size=_KEY_BYTES, person=b"unseen zero key")
        self._keys[sender] = digest.digest()


def zero_shares(items: Items, session: bytes, keys: Iterable[bytes]) -> Longs:
    """Return (n, 2): for every item the exclusive-or of its pseudorandom values under all keys."""
    identities = np.ascontiguousarray(digest_items(items, session)[:, :2], "<u8")
    out = np.zeros(identities.shape, np.uint64)
    flat = identities.tobytes()
    for key in keys:
        # ECB on single, distinct blocks is the pseudorandom permutation itself
        values = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(flat)  # noqa: S305
        out ^= np.frombuffer(values, "<u8").reshape(-1, 2)
    return out


def pair_session(session: bytes, leader: PartyName, member: PartyName) -> bytes:
    """Return the session id of the programmable PRF between leader and member."""
    digest = hashlib.blake2b(_bound(session, leader, member), digest_size=SESSION_BYTES, person=b"unseen psi pair")
    return digest.digest()


def _bound(session: bytes, *names: PartyName) -> bytes:
    return session + framed(*(name.encode() for name in names))
