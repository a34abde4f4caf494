"""Tables looked up by key: which record, if any, belongs to this key?

ChalametPIR (ePrint 2024/092): the key-value map becomes a binary fuse filter, and one LWE query that selects a key's
three slots returns their sum, which is its value. So a key costs exactly what a record number costs. To keep the
table square we hash keys to ``blocks`` filters that share the same columns; the client reads the block of its key.

Every value is masked by SHAKE-256 of its key, and free slots are random. An honest client therefore learns the value
of the key it holds, or that the key is absent (wrong once in 2^64), and nothing readable about others. A curious client
can fetch any column and try keys at home. So whoever builds a table says what its keys are (``Keys``): where they can
be guessed (identity numbers), they are outputs of the OPRF (RFC 9497) that the owner evaluates and counts, and a
fetched slot stays closed without an evaluation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.party import RandomBytes
from mpc.pir import fuse
from mpc.pir.layout import KEYWORD, MARK_BYTES, Layout
from mpc.pir.matrix import SEED_BYTES
from mpc.pir.parameters import ANSWERS, MAX_COLUMNS, MAX_ROWS, WIDE, Profile, check_shape, hiding_columns
from mpc.pir.table import Table, blank, near_square, seal

MAX_KEY_BYTES: Final = 1 << 16
OUTPUT_BYTES: Final = 64
"""Of the OPRF, RFC 9497: Nh of ristretto255-SHA512."""
_HEAD: Final = 16  # bytes of a key's stream that place it; the rest masks its value


class Keys(Enum):
    """What a client needs to know a key, and so to open a slot that it fetched."""

    OPRF = "an evaluation by the owner, counted there: keys are outputs of mpc.oprf, 64 bytes"
    OPEN = "nothing: whoever asks may read every record, as in an open register"


def keyword_table(
    values: Mapping[bytes, bytes],
    keys: Keys,
    randomness: RandomBytes,
    profile: Profile = WIDE,
    columns: int | None = None,
    answers: int = ANSWERS,
) -> Table:
    """Build a table of key -> value; all values are equally long (pad them: lengths would tell records apart).

    ``columns`` is a wish, rounded to what the filter needs. ``answers`` is how many lookups this version answers to all
    clients together. Raises ``BadParameters`` for no entries, values of different lengths, keys that are not what
    ``keys`` says, or more than the profile supports. About 4 microseconds a key.
    """
    lengths = {len(value) for value in values.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise BadParameters("a keyword table needs entries, and values of one length of at least one byte")
    if keys is Keys.OPRF and any(len(key) != OUTPUT_BYTES for key in values):
        raise BadParameters(
            f"keys that are no outputs of the OPRF, {OUTPUT_BYTES} bytes each: have the owner evaluate them"
        )
    width = lengths.pop() + MARK_BYTES
    if width > MAX_ROWS:
        raise BadParameters(f"values of more than {MAX_ROWS - MARK_BYTES} bytes")
    hiding = hiding_columns(profile, answers)
    wish = near_square(len(values) * width * 5 // 4, MAX_COLUMNS, hiding) if columns is None else columns
    if wish < 1:
        raise BadParameters(f"{wish} columns of records, where at least one is needed")
    blocks = max(1, round(len(values) * 1.2 / wish))
    check_shape(blocks * width, wish + hiding, width)
    hash_seed = randomness(SEED_BYTES)
    heads, masked = _mask(values, hash_seed, width)
    block_of = ((heads[:, 0] >> np.uint64(32)) * np.uint64(blocks)) >> np.uint64(32)
    order = np.argsort(block_of, kind="stable")
    ends = np.cumsum(np.bincount(block_of.astype(np.int64), minlength=blocks))
    filled, segment = fuse.size(int(np.diff(ends, prepend=0).max()))
    layout = Layout(
        profile,
        KEYWORD,
        len(values),
        blocks,
        filled,
        answers,
        width,
        segment,
        randomness(SEED_BYTES),
        hash_seed,
        bytes(blocks),
        bytes(SEED_BYTES),
    )
    cells = blank(layout, randomness)
    attempts = bytearray(blocks)
    for block in range(blocks):
        members = order[ends[block - 1] if block else 0 : ends[block]]
        slots = np.frombuffer(bytearray(randomness(filled * width)), dtype=np.uint8).reshape(filled, width)
        attempt = fuse.fill(heads[members, 1], masked[members], slots, segment)
        if attempt is None:
            raise BadParameters("the filter cannot be built: call again, with fresh randomness")
        attempts[block] = attempt
        cells[block * width : (block + 1) * width, :filled] = slots.T
    return seal(replace(layout, attempts=bytes(attempts)), cells, randomness)


def place(layout: Layout, key: bytes) -> tuple[tuple[int, int, int], int]:
    """(columns, block) of a key, present or not; raises ``BadParameters`` for an overlong key."""
    head = _stream(layout.hash_seed, key, _HEAD)
    block = (int.from_bytes(head[4:8], "little") * layout.blocks) >> 32
    value = int.from_bytes(head[8:16], "little")
    return fuse.positions(value, layout.attempts[block], layout.filled, layout.segment), block


def unmask(layout: Layout, key: bytes, item: npt.NDArray[np.uint8]) -> bytes | None:
    """The value behind ``key``, or None if the table has no such key."""
    mask = _stream(layout.hash_seed, key, _HEAD + layout.item_bytes)[_HEAD:]
    plain = bytes(a ^ b for a, b in zip(item.tobytes(), mask, strict=True))
    return None if any(plain[:MARK_BYTES]) else plain[MARK_BYTES:]


def _mask(
    values: Mapping[bytes, bytes], hash_seed: bytes, width: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """(placing words (keys, 2), masked values (keys, width)) of all entries."""
    streams = b"".join(_stream(hash_seed, key, _HEAD + width) for key in values)
    bytes_ = np.frombuffer(streams, dtype=np.uint8).reshape(len(values), _HEAD + width)
    masked = bytes_[:, _HEAD:].copy()
    plain = np.frombuffer(b"".join(values.values()), dtype=np.uint8).reshape(len(values), width - MARK_BYTES)
    masked[:, MARK_BYTES:] ^= plain
    return np.ascontiguousarray(bytes_[:, :_HEAD]).view("<u8").astype(np.uint64), masked


def _stream(hash_seed: bytes, key: bytes, size: int) -> bytes:
    if len(key) > MAX_KEY_BYTES:
        raise BadParameters(f"a key of more than {MAX_KEY_BYTES} bytes")
    return hashlib.shake_256(b"unseen mpc.pir key v1" + hash_seed + key).digest(size)
