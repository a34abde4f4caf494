"""SEAL objects to and from bytes, in memory.

TenSEAL's ``sealapi`` saves to paths only, so each object goes through an anonymous memory file that no other process
can open by name. Loading validates against the context: SEAL refuses what is not an element of its ring, and length,
level, size and scale are compared with what the protocol expects at this point.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tenseal import sealapi

from mpc.errors import BadParameters, MalformedMessage
from mpc.sealed.zstd import check_frame

SEAL_MAGIC: Final = 0xA15E
ZSTD: Final = 2  # the one compression accepted; SEAL also reads zlib, whose size cannot be told beforehand
SEAL_HEADER: Final = struct.Struct("<HBBBBHQ")  # magic, header bytes, major, minor, compression, reserved, total bytes


class MemoryFile:
    """One anonymous file, reused for many objects; not for sharing between threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._path = f"/proc/self/fd/{descriptor}"

    def save(self, thing: Any) -> bytes:
        os.ftruncate(self._descriptor, 0)
        thing.save(self._path)
        raw = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        if len(raw) < SEAL_HEADER.size:
            raise BadParameters("SEAL could not write to /proc/self/fd: sealed columns need Linux with /proc mounted")
        return raw

    def load(self, thing: Any, context: Any, raw: bytes, limit: int) -> Any:
        """Fill ``thing``; raises ``MalformedMessage`` for bytes that SEAL, or its header, does not vouch for, and for
        what would unpack to more than ``limit`` bytes."""
        if len(raw) < SEAL_HEADER.size:
            raise MalformedMessage("shorter than a SEAL header")
        magic, header, _, _, compression, reserved, size = SEAL_HEADER.unpack_from(raw)
        if (magic, header, compression, reserved, size) != (SEAL_MAGIC, SEAL_HEADER.size, ZSTD, 0, len(raw)):
            raise MalformedMessage("not one whole SEAL object")
        check_frame(raw[SEAL_HEADER.size :], limit)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, raw, 0)
        try:
            thing.load(context, self._path)
        except (RuntimeError, ValueError, MemoryError, IndexError):
            raise MalformedMessage("SEAL refuses these bytes under these parameters") from None
        return thing


@contextmanager
def memory_file() -> Iterator[MemoryFile]:
    """Raises ``BadParameters`` where the platform has no anonymous memory files (anything but Linux)."""
    if not hasattr(os, "memfd_create"):
        raise BadParameters("sealed columns need Linux: SEAL objects pass through an anonymous memory file")
    descriptor = os.memfd_create("seal", os.MFD_CLOEXEC)
    try:
        yield MemoryFile(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Form:
    """What a ciphertext must look like at this point of the protocol."""

    level: tuple[int, ...]  # SEAL's parms_id
    polynomials: int
    scale: float  # 1.0 for BFV
    ntt: bool


def load_ciphertext(file: MemoryFile, context: Any, raw: bytes, form: Form, limit: int) -> Any:
    """Raises ``MalformedMessage`` also for a ciphertext of another level, size or scale than ``form``.

    A wrong scale would stretch the decrypted noise beyond what was flooded, so it is no formality.
    """
    ciphertext = file.load(sealapi.Ciphertext(), context, raw, limit)
    same = tuple(ciphertext.parms_id()) == form.level and ciphertext.size() == form.polynomials
    if not same or ciphertext.is_ntt_form() != form.ntt or ciphertext.is_transparent():
        raise MalformedMessage("a ciphertext of another level or size than the circuit yields here")
    if not abs(ciphertext.scale - form.scale) <= 1e-9 * form.scale:
        raise MalformedMessage("a ciphertext of another scale than the circuit yields here")
    return ciphertext
