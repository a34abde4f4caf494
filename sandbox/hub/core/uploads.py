"""Bodies too large for a post arrive in pieces, in files that are no message yet. Idempotent, bounded, and expired.

A piece is named by the body's digest and its offset: whoever sends it again writes the same bytes to the same place.
Nothing is believed before the signed header names the whole body.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from jobs.documents import digest
from jobs.kinds.base import MESSAGE_BYTES
from jobs.schema import Digest
from mpc.errors import MalformedMessage
from sandbox.errors import NotFound, Unavailable
from sandbox.messages import INLINE_BYTES

EXPIRES_S: Final = 3600.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class Uploads:
    """One folder. Several workers of one hub share it."""

    def __init__(self, folder: Path, at_most: int) -> None:
        self._folder, self._at_most = folder, at_most
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, node: str, body: str, offset: int, piece: bytes) -> None:
        """Keep one piece; raises ``MalformedMessage``, or ``Unavailable`` while too much waits for its header."""
        if offset % INLINE_BYTES or not 0 <= offset < MESSAGE_BYTES or not 0 < len(piece) <= INLINE_BYTES:
            raise MalformedMessage(f"pieces have {INLINE_BYTES} bytes and start at multiples of that")
        if self._held() + len(piece) > self._at_most:
            raise Unavailable("the hub holds too many bodies whose headers have not come: send this piece again later")
        descriptor = os.open(self._file(node, body), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(offset)
            file.write(piece)

    def take(self, node: str, body: Digest) -> bytes:
        """The whole body; raises ``NotFound`` while a piece is missing: the sender sends all of them again."""
        try:
            data = self._file(node, body).read_bytes()
        except FileNotFoundError:
            data = b""
        if digest(data) != body:
            raise NotFound("the body of this message has not come, or not all of it: send its pieces, then the header")
        return data

    def drop(self, node: str, body: str) -> None:
        self._file(node, body).unlink(missing_ok=True)

    def expire(self, now: float) -> None:
        """Remove what no header claimed in time; ``now`` in seconds of the files' clock."""
        for file in self._folder.iterdir():
            if file.stat().st_mtime < now - EXPIRES_S:
                file.unlink(missing_ok=True)

    def _held(self) -> int:
        return sum(file.stat().st_size for file in self._folder.iterdir())

    def _file(self, node: str, body: str) -> Path:
        if not _NAME.fullmatch(node) or not _DIGEST.fullmatch(body):
            raise MalformedMessage("a body is named by its SHA-256 digest")
        return self._folder / f"{node}-{body.removeprefix('sha256:')}"
