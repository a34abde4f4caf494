"""Files encrypted at rest: AES-256-GCM over chunks of 1 MiB, each bound to its file, its place and whether it is last.

A reader gets single chunks, so one column of one batch costs few; cutting, swapping or exchanging chunks or files is a
failed tag. Construction: the STREAM of Hoang, Reyhanitabar, Rogaway and Vizar (2015), with a fresh key per file.
"""

from __future__ import annotations

import io
import os
import secrets
import struct
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.errors import SnapshotDamaged

CHUNK: Final = 1 << 20
KEY_BYTES: Final = 32
_SALT: Final = 32
_TAG: Final = 16


class SealedWriter(io.RawIOBase):
    """Write-only, over another file; ``close`` writes the last chunk. ``name`` is bound to every chunk."""

    def __init__(self, file: IO[bytes] | io.RawIOBase, key: bytes, name: str) -> None:
        self._file = file
        salt = secrets.token_bytes(_SALT)
        self._file.write(salt)
        self._cipher = _cipher(key, salt, name)
        self._held = bytearray()
        self._number = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._held += view
        while len(self._held) > CHUNK:  # the last chunk is known only at the end
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return view.nbytes

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._put(bytes(self._held), last=True)
        finally:
            self._file.close()
            super().close()

    def _put(self, chunk: bytes, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), chunk, None))
        self._number += 1


class SealedReader(io.RawIOBase):
    """Read-only and seekable, over the opened content. Raises ``SnapshotDamaged`` for bytes that were not written."""

    def __init__(self, path: Path, key: bytes, name: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        stored = os.fstat(self._descriptor).st_size
        self._cipher = _cipher(key, os.pread(self._descriptor, _SALT, 0), name)
        self._chunks = max(1, -(-(stored - _SALT) // (CHUNK + _TAG)))
        self._size = stored - _SALT - self._chunks * _TAG
        self._at = 0
        self._number, self._chunk = -1, b""
        if self._size < 0:
            raise _damaged()
        self._open(self._chunks - 1)  # a file that was cut ends with a chunk that is not marked as last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view) and self._at < self._size:
            number, place = divmod(self._at, CHUNK)
            self._open(number)
            piece = self._chunk[place : place + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._at += len(piece)
        return done

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
            super().close()

    def _open(self, number: int) -> None:
        if number == self._number:
            return
        stored = os.pread(self._descriptor, CHUNK + _TAG, _SALT + number * (CHUNK + _TAG))
        try:
            self._chunk = self._cipher.decrypt(_nonce(number, number == self._chunks - 1), stored, None)
        except InvalidTag:
            raise _damaged() from None
        self._number = number


def _cipher(key: bytes, salt: bytes, name: str) -> AESGCM:
    if len(salt) != _SALT:
        raise _damaged()
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"unseen/snapshot-file/v1 " + name.encode()).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    return struct.pack(">7xIB", number, last)


def _damaged() -> SnapshotDamaged:
    return SnapshotDamaged("an encrypted file of the snapshot is damaged, or is another one, or the key is another one")
