"""A programmable oblivious PRF: the receiver learns the sender's chosen value for items it shares, noise for others.

Source: Kolesnikov, Matania, Pinkas, Rosulek, Trieu, "Practical Multi-party Private Set Intersection from Symmetric-Key
Techniques" (CCS 2017), with an oblivious key-value store (``okvs``) as the hint, as in Garimella et al. (CRYPTO 2021).
The openings and corrections are those of ``kkrt``; instead of masks the sender sends a table that holds
F_j(x) ^ value(x) for each item x and each of its three bins j, keyed by item and list.
The table is uniform to the receiver but for its own items, since it knows no other F_j(x). Whether an own item matched
it can tell exactly if it can tell the value from noise: ``multi`` programs pseudorandom shares, which it cannot.
Semi-honest. Each side learns sizes as in ``kkrt``.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.psi import kkrt
from mpc.psi.cuckoo import positions_of
from mpc.psi.items import Items
from mpc.psi.messages import HINT, HINT_ROWS_AT_ONCE, PROTOCOL
from mpc.psi.okvs import DENSE_CELLS, decode, encode, sparse_cells_for
from mpc.psi.oprf import VALUE_BYTES
from mpc.psi.parameters import HASHES, MAX_ITEMS
from mpc.wire import Reader, Writer

Longs = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Bins = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Hint:
    """Rows (k, 2) of the sender's table, beginning at ``offset``."""

    offset: int
    rows: Longs

    def encode(self, session: bytes) -> bytes:
        return Writer(PROTOCOL, HINT, session).u32(self.offset).array(self.rows).done()

    @classmethod
    def decode(cls, message: bytes, session: bytes) -> Hint:
        reader = Reader(message).expect(PROTOCOL, HINT, session)
        offset = reader.u32()
        rows = cast(Longs, reader.array(np.uint64, 2 * HINT_ROWS_AT_ONCE))
        reader.end()
        return cls(offset, rows)


class Sender(kkrt.Sender):
    """Programs ``values`` (n, 2), one row per item as given (the first counts where items repeat)."""

    def __init__(
        self,
        name: PartyName,
        receiver: PartyName,
        session: bytes,
        items: Items,
        values: Longs,
        random: RandomBytes = secrets.token_bytes,
        receiver_at_most: int = MAX_ITEMS,
    ) -> None:
        super().__init__(name, receiver, session, items, random, receiver_at_most)
        if values.shape != (len(items), 2):
            raise BadParameters("one value of two words per item is programmed")
        self._programmed, self._random = values[self._order], random

    def _value_bytes(self, receiver_items: int) -> int:
        return VALUE_BYTES

    def _answer(self, values: Octets) -> Iterator[Send]:
        count = values.shape[1]
        size = sparse_cells_for(HASHES * count)
        keys = [_keys(self._digests[:, :2], number, self._code_key, size) for number in range(HASHES)]
        cells, dense = np.concatenate([key[0] for key in keys]), np.concatenate([key[1] for key in keys])
        targets = values.reshape(-1, VALUE_BYTES).view("<u8") ^ np.tile(self._programmed, (HASHES, 1))
        return self._hints(encode(cells, dense, targets.astype(np.uint64, copy=False), size, self._random))

    def _hints(self, table: Longs) -> Iterator[Send]:
        for at in range(0, len(table), HINT_ROWS_AT_ONCE):
            yield Send(self._peer, Hint(at, table[at : at + HINT_ROWS_AT_ONCE]).encode(self._session))


class Receiver(kkrt.Receiver):
    """Learns ``values`` (n, 2): the programmed value of each of its items that the sender holds, noise for others."""

    _hint: Longs | None = None
    _rows_taken = 0
    _parts: tuple[Longs, ...] = ()

    @property
    def values(self) -> Longs:
        """Raises ``WrongRound`` before the end."""
        if self._hint is None or self._hello is None or self._evaluator is None or not self.finished:
            raise WrongRound("values are known once the whole table has arrived")
        out = self._evaluator.values.view("<u8").astype(np.uint64)
        for number in range(HASHES):
            own = np.flatnonzero(self._lists == number)
            size = len(self._hint) - DENSE_CELLS
            cells, dense = _keys(self._evaluator.identities[own], number, self._hello.code_key, size)
            out[own] ^= decode(cells, dense, self._hint)
        return out[self._number_of]

    def _take_answer(self, message: bytes) -> None:
        part = Hint.decode(message, self._session)
        hello, _ = self._ready()
        size = sparse_cells_for(HASHES * hello.count) + DENSE_CELLS
        if part.offset < self._rows_taken:
            raise DuplicateMessage("this part of the table was taken before")
        if part.offset > self._rows_taken:
            raise WrongRound("parts of the table come in order")
        if part.rows.shape != (min(HINT_ROWS_AT_ONCE, size - part.offset), 2):
            raise MalformedMessage("a part of the table of another size than the agreed one")
        # Parts are kept until all are there: an announced size alone must not make this side allocate gigabytes.
        self._parts, self._rows_taken = (*self._parts, part.rows), part.offset + len(part.rows)
        if self._rows_taken == size:
            self._hint, self._parts, self.finished = np.concatenate(self._parts), (), True


def _keys(identities: Longs, number: int, code_key: bytes, size: int) -> tuple[Bins, Longs]:
    """Return cells (n, 3) and dense words (n,) of items under list ``number``: AES of the identity, two public keys."""
    keys = hashlib.blake2b(code_key + bytes((number,)), digest_size=32, person=b"unseenOPPRFhint").digest()
    flat = np.ascontiguousarray(identities, "<u8").tobytes()
    # ECB on single blocks: a public pseudorandom permutation of identities, nothing is encrypted
    first, second = (
        np.frombuffer(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(flat), "<u8")  # noqa: S305
        for key in (keys[:16], keys[16:])
    )
    digests = np.empty((len(identities), 4), np.uint64)
    digests[:, 2:] = first.reshape(-1, 2)
    return positions_of(digests, size), second[::2].astype(np.uint64)
