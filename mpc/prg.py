"""Expand 32-byte seeds into ring elements and add them straight into an accumulator, faster than memory is filled.

``add_streams`` walks the accumulator in blocks of 256 KiB that stay in the core's cache: for each block all streams
produce their part, which is added or subtracted at once, so no mask is ever written to main memory. AES-128 in counter
mode (NIST SP 800-38A section 6.5) takes the seed's first half as key and the second as the initial counter block, which
is therefore secret and different for each seed; ChaCha20 (RFC 8439 section 2.4) takes the whole seed as key and starts
at counter 0 with a zero nonce. A seed must be used for one stream only: derive each with HKDF under its own label.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Final, Literal, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from mpc.errors import BadParameters
from mpc.ring import Ring, Vector

SEED_BYTES: Final = 32
CHUNK_BYTES: Final = 256 * 1024
_AES_BLOCK: Final = 16
_CHACHA_BLOCK: Final = 64
_CHACHA_LIMIT: Final = 1 << 38  # RFC 8439: 2^32 blocks of 64 bytes under one nonce
_ZEROS: Final = bytes(CHUNK_BYTES)


class StreamCipher(Enum):
    """Which generator expands the seeds. All parties of one computation must use the same."""

    AES_CTR = "aes-128-ctr"
    CHACHA20 = "chacha20"


class Signed(NamedTuple):
    """A stream and whether it is added (+1) or subtracted (-1)."""

    seed: bytes
    sign: Literal[1, -1]

    def __repr__(self) -> str:
        return f"Signed(seed=<{len(self.seed)} secret bytes>, sign={self.sign})"


def add_streams(
    ring: Ring,
    total: Vector,
    streams: Sequence[Signed],
    *,
    threads: int = 1,
    cipher: StreamCipher = StreamCipher.AES_CTR,
) -> None:
    """Add all streams to ``total`` (n elements of ``ring``) in place, on ``threads`` threads.

    Raises ``BadParameters`` for a seed that is not 32 bytes, another sign, or a vector of another ring.
    """
    ring.check(total)
    if not total.flags.c_contiguous:
        raise BadParameters("the accumulator must be a contiguous array")
    if any(len(stream.seed) != SEED_BYTES or stream.sign not in (1, -1) for stream in streams):
        raise BadParameters(f"a stream is a seed of {SEED_BYTES} bytes and a sign of 1 or -1")
    if threads < 1:
        raise BadParameters("at least one thread")
    if cipher is StreamCipher.CHACHA20 and total.nbytes > _CHACHA_LIMIT:
        raise BadParameters("a ChaCha20 stream ends after 256 GiB")
    per_chunk = CHUNK_BYTES // ring.element_bytes
    chunks = -(-len(total) // per_chunk)
    per_thread = -(-chunks // threads) * per_chunk
    starts = range(0, len(total), per_thread) if per_thread else ()
    if len(starts) < 2:
        for start in starts:
            _add_slice(ring, total, start, per_thread, streams, cipher)
        return
    with ThreadPoolExecutor(len(starts)) as pool:
        list(pool.map(lambda start: _add_slice(ring, total, start, per_thread, streams, cipher), starts))


def expand(seed: bytes, ring: Ring, n: int, cipher: StreamCipher = StreamCipher.AES_CTR) -> Vector:
    """Return the first n elements of one stream."""
    out = ring.zeros(n)
    add_streams(ring, out, [Signed(seed, 1)], cipher=cipher)
    return out


def keystream(context: CipherContext, size: int) -> bytes:
    """The next ``size`` bytes of a cipher opened by ``aes_ctr`` or ``chacha20``."""
    return context.update(bytes(size))


def aes_ctr(key: bytes, counter_block: bytes, skip_blocks: int = 0) -> CipherContext:
    """Open AES-CTR ``skip_blocks`` blocks of 16 bytes behind the initial counter block (big-endian, modulo 2^128)."""
    start = (int.from_bytes(counter_block, "big") + skip_blocks) % (1 << 128)
    return Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(_AES_BLOCK, "big"))).encryptor()


def chacha20(key: bytes, nonce: bytes, counter: int = 0) -> CipherContext:
    """Open ChaCha20 (RFC 8439: 12-byte nonce, 32-bit block counter)."""
    return Cipher(algorithms.ChaCha20(key, counter.to_bytes(4, "little") + nonce), mode=None).encryptor()


def _open(seed: bytes, byte_offset: int, cipher: StreamCipher) -> CipherContext:
    # offsets are multiples of CHUNK_BYTES, hence of both block sizes
    if cipher is StreamCipher.AES_CTR:
        return aes_ctr(seed[:16], seed[16:], byte_offset // _AES_BLOCK)
    return chacha20(seed, bytes(12), byte_offset // _CHACHA_BLOCK)


def _add_slice(
    ring: Ring, total: Vector, start: int, length: int, streams: Sequence[Signed], cipher: StreamCipher
) -> None:
    """Add the streams to total[start : start + length]; runs on one thread and touches nothing else."""
    opened = [(_open(s.seed, start * ring.element_bytes, cipher), s.sign) for s in streams]
    raw = bytearray(CHUNK_BYTES)
    window = memoryview(raw)
    per_chunk = CHUNK_BYTES // ring.element_bytes
    for at in range(start, min(start + length, len(total)), per_chunk):
        part = total[at : min(at + per_chunk, start + length)]
        size = part.nbytes
        zeros = memoryview(_ZEROS)[:size]
        words = np.frombuffer(window[:size], dtype=ring.dtype.newbyteorder("<")).reshape(part.shape)
        for context, sign in opened:
            context.update_into(zeros, window[:size])
            if ring.bits < 128:  # without the checks of add_into: this is the inner loop
                (np.add if sign > 0 else np.subtract)(part, words, out=part)
            elif sign > 0:
                ring.add_into(part, words.astype(ring.dtype, copy=False))
            else:
                ring.sub_into(part, words.astype(ring.dtype, copy=False))
