"""A checkpoint says how large the log is and what its root is (C2SP tlog-checkpoint v1.0.0), signed by the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from jobs.documents.ed25519 import PublicKey, SigningKey, decode_base64, encode_base64
from jobs.errors import BadDocument
from sandbox.audit.merkle import HASH_BYTES, MAX_SIZE
from sandbox.audit.note import ED25519, Note, NoteKey
from sandbox.errors import BadLogSignature, ForeignLog, MalformedNote

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """One state of one log. Extension lines are kept in the note's text and mean nothing here."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text; raises ``MalformedNote``. Says nothing about who signed it."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1] or not _SIZE.fullmatch(lines[1]):
            raise MalformedNote("a checkpoint is an origin, a size without leading zeros, and a root in base64")
        try:
            root = decode_base64(lines[2])
        except BadDocument:
            raise MalformedNote("the checkpoint's root is not base64") from None
        if len(root) != HASH_BYTES or int(lines[1]) > MAX_SIZE:
            raise MalformedNote(f"the checkpoint's root has {HASH_BYTES} bytes and its size is below 2^62")
        return cls(lines[0], int(lines[1]), root)

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    def sign(self, hub_key: SigningKey) -> Note:
        """Return the note that the hub publishes. The key's name is the origin, as the specification advises."""
        return Note(self.text).signed(self.origin, hub_key)


def verify_checkpoint(data: bytes | Note, origin: str, hub_key: PublicKey) -> tuple[Checkpoint, Note]:
    """Return this log's checkpoint if the hub signed it; else raises a ``LogFailure`` that says what is wrong."""
    note = data if isinstance(data, Note) else Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin:
        raise ForeignLog("the checkpoint is of another log than the roster names")
    try:
        note.verify(NoteKey(origin, ED25519, hub_key))
    except BadLogSignature as error:
        raise BadLogSignature(f"checkpoint of size {checkpoint.size}: {error}", (note.encode().decode(),)) from None
    return checkpoint, note
