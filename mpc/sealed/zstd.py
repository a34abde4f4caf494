"""How large a zstd frame can become, read from its headers without unpacking: SEAL sets no limit.

A few kilobytes of run-length blocks unpack to gigabytes. RFC 8878, sections 3.1.1.1 (frame
header) and 3.1.1.2 (blocks).
"""

from __future__ import annotations

from typing import Final

from mpc.errors import MalformedMessage

FRAME_MAGIC: Final = b"\x28\xb5\x2f\xfd"
LARGEST_BLOCK: Final = 1 << 17
RAW, RUN, COMPRESSED = 0, 1, 2


def check_frame(frame: bytes, limit: int) -> None:
    """Raise ``MalformedMessage`` unless this is exactly one frame that declares its size, at most ``limit`` bytes, and
    whose blocks cannot unpack to more than four times that (and one megabyte): a block tells only its largest size."""
    if frame[:4] != FRAME_MAGIC or len(frame) < 6:
        raise MalformedMessage("not a zstd frame")
    descriptor = frame[4]
    single, dictionary, checksum = descriptor >> 5 & 1, descriptor & 3, descriptor >> 2 & 1
    at = 5 + (not single) + (0, 1, 2, 4)[dictionary]
    width = (single, 2, 4, 8)[descriptor >> 6]
    if not width:
        raise MalformedMessage("a compressed object that does not declare its size")
    size = int.from_bytes(frame[at : at + width], "little") + (256 if width == 2 else 0)
    if size > limit:
        raise MalformedMessage(f"a compressed object of {size} bytes where at most {limit} are allowed")
    if _blocks(frame, at + width, 4 * size + (1 << 20)) + 4 * checksum != len(frame):
        raise MalformedMessage("trailing or missing bytes behind a compressed object")


def _blocks(frame: bytes, at: int, most: int) -> int:
    """Where the last block ends."""
    total, last = 0, 0
    while not last:
        header = frame[at : at + 3]
        if len(header) < 3:
            raise MalformedMessage("a truncated compressed object")
        value = int.from_bytes(header, "little")
        last, kind, size = value & 1, value >> 1 & 3, value >> 3
        if kind > COMPRESSED:
            raise MalformedMessage("a compressed block of a reserved kind")
        total += LARGEST_BLOCK if kind == COMPRESSED else size
        if total > most:
            raise MalformedMessage("a compressed object that would unpack to more than it declares")
        at += 3 + (1 if kind == RUN else size)
    return at
