"""Bodies too large for a post arrive in pieces, in files that are no message yet. Idempotent, bounded, and expired.

A piece is named by the body's digest and its offset: whoever sends it again writes the same bytes to the same place.
Nothing is believed before the signed header names the whole body. Each node has room of its own, so that none fills
another's.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobs.kinds.base import MESSAGE_BYTES
from jobs.schema import Digest
from mpc.errors import MalformedMessage
from sandbox.errors import Unavailable
from sandbox.hub.core.errors import TooLargeBody
from sandbox.messages import INLINE_BYTES

EXPIRES_S: Final = 3600.0
AT_ONCE: Final = 64
"""Bodies of one node that wait for their headers; a post names 8 at most."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_BLOCK: Final = 512
"""What ``st_blocks`` counts, on every file system."""


class Uploads:
    """A folder with one of each node in it; several workers of one hub share it. ``at_most``: bytes of one node."""

    def __init__(self, folder: Path, at_most: int) -> None:
        self._folder, self._at_most = folder, at_most
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, node: str, body: str, offset: int, piece: bytes) -> None:
        """Keep one piece; raises ``MalformedMessage``, or ``Unavailable`` while too much waits for its header.

        Raises ``TooLargeBody`` for a body that there will never be room for: its header is refused too, and its job
        ends with the same words (``sandbox.hub.running.arriving``).
        """
        if offset % INLINE_BYTES or not 0 <= offset < MESSAGE_BYTES or not 0 < len(piece) <= INLINE_BYTES:
            raise MalformedMessage(f"pieces have {INLINE_BYTES} bytes and start at multiples of that")
        if offset + len(piece) > self._at_most:
            raise TooLargeBody(self.too_large)
        file = self._file(node, body)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        # what is on disk, not how long the files are: one piece far behind costs one piece
        waiting = _sizes(file.parent)
        if sum(waiting.values()) + len(piece) > self._at_most or len(waiting.keys() | {file.name}) > AT_ONCE:
            raise Unavailable("the hub holds too many bodies whose headers have not come: send this piece again later")
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            opened.seek(offset)
            opened.write(piece)

    def take(self, node: str, body: Digest, size: int) -> bytes:
        """The whole body of ``size`` bytes; raises ``Unavailable`` while it is not that: send all pieces again.

        What is there then goes: bytes that do not belong would spoil every further attempt.
        """
        file = self._file(node, body)
        try:
            if file.stat().st_size == size and _digest_of(file) == body:
                return file.read_bytes()
        except FileNotFoundError:
            pass
        file.unlink(missing_ok=True)
        raise Unavailable("the body of this message has not come, or not all of it: send its pieces, then the header")

    @property
    def too_large(self) -> str:
        """What to say to a message that has more bytes than this hub keeps for one node."""
        return (
            f"a message to this hub has at most {self._at_most} bytes: raise upload_bytes in its configuration, "
            "or ask for less"
        )

    def fits(self, size: int) -> bool:
        return size <= self._at_most

    def drop(self, node: str, body: str) -> None:
        self._file(node, body).unlink(missing_ok=True)

    def expire(self, now: float) -> None:
        """Remove what no header claimed in time; ``now`` in seconds of the files' clock."""
        for file in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):  # its header came at this moment
                if file.stat().st_mtime < now - EXPIRES_S:
                    file.unlink()

    def _file(self, node: str, body: str) -> Path:
        if not _NAME.fullmatch(node) or not _DIGEST.fullmatch(body):
            raise MalformedMessage("a body is named by its SHA-256 digest")
        return self._folder / node / body.removeprefix("sha256:")


def _digest_of(file: Path) -> str:
    """Without holding it: a file may be longer than all that was ever written to it."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes on disk by name; a file that goes at this moment counts no more."""
    found = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found[path.name] = path.stat().st_blocks * _BLOCK
    return found
