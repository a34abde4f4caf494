"""Cosigners: nodes and witnesses that vouch for one append-only history (C2SP tlog-cosignature v1, Ed25519).

``Cosigner.advance`` is a pure step: last state, new checkpoint and proof in; next state and signature line out. The
caller stores the state durably, and only if the stored one still is the one it gave in, BEFORE it lets the signature
out: then neither a crash nor two threads can lead to a second root for one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from jobs.documents.ed25519 import PublicKey, SigningKey
from sandbox.audit.checkpoint import Checkpoint, verify_checkpoint
from sandbox.audit.merkle import EMPTY_ROOT, verify_consistency
from sandbox.audit.note import COSIGNATURE, Note, NoteKey, NoteSignature
from sandbox.errors import BadLogSignature, BadProof, ForeignLog, LogForked, LogRolledBack

_LAST_STAMP: Final = 1 << 37  # year 6325: what ``datetime`` can still say


@dataclass(frozen=True)
class SeenLog:
    """The largest checkpoint that a cosigner has vouched for; ``SeenLog.nothing(origin)`` before the first."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def nothing(cls, origin: str) -> SeenLog:
        return cls(origin, 0, EMPTY_ROOT)

    @property
    def text(self) -> str:
        """As a checkpoint's text: what is stored, and what is shown as evidence."""
        return Checkpoint(self.origin, self.size, self.root).text


@dataclass(frozen=True)
class Step:
    """Store ``seen`` first (compare and set), then release ``signature``."""

    seen: SeenLog
    signature: NoteSignature


class Cosigner:
    """One name, one key, one log. Holds no state of its own: ``seen`` comes from and goes back to the caller."""

    def __init__(self, name: str, key: SigningKey, origin: str, hub_key: PublicKey) -> None:
        self.note_key = NoteKey(name, COSIGNATURE, key.public)
        self._key = key
        self._origin = origin
        self._hub_key = hub_key

    def advance(self, seen: SeenLog, checkpoint: bytes, proof: Sequence[bytes], now: datetime) -> Step:
        """Check the hub's checkpoint against what was seen and cosign it.

        Raises ``MalformedNote``, ``ForeignLog``, ``BadLogSignature``, ``LogRolledBack`` (smaller than seen),
        ``LogForked`` (another root for the same size, or a larger tree whose proof does not keep the entries seen).
        """
        if seen.origin != self._origin:
            raise ForeignLog("the stored state belongs to another log")
        new, note = verify_checkpoint(checkpoint, self._origin, self._hub_key)
        check_extends(seen, new, proof, note)
        return Step(SeenLog(new.origin, new.size, new.root), self._sign(note, now))

    def _sign(self, note: Note, now: datetime) -> NoteSignature:
        stamp = int(now.timestamp())
        body = stamp.to_bytes(8, "big") + self._key.sign(cosigned_message(note.text, stamp))
        return NoteSignature(self.note_key.name, self.note_key.key_id, body)


def check_extends(seen: SeenLog, new: Checkpoint, proof: Sequence[bytes], note: Note) -> None:
    """Raise ``LogRolledBack`` or ``LogForked``, with both checkpoints as evidence, unless ``new`` extends ``seen``."""
    evidence = (seen.text, note.encode().decode())
    if new.size < seen.size:
        raise LogRolledBack(f"the log shows {new.size} entries where {seen.size} were seen", evidence)
    if new.size == seen.size and new.root != seen.root:
        raise LogForked(f"the log shows two roots for size {new.size}", evidence)
    try:
        verify_consistency(seen.size, seen.root, new.size, new.root, proof)
    except BadProof as error:
        raise LogForked(f"from size {seen.size} to {new.size}: {error}", evidence) from None


def verify_cosignature(note: Note, key: NoteKey) -> datetime:
    """Return when this key (type 0x04) cosigned, the latest of several; raises ``BadLogSignature``."""
    lines = note.by(key)
    if key.kind != COSIGNATURE or not lines:
        raise BadLogSignature(f"no cosignature by {key.name} with the trusted key")
    return max(_verified_time(note, key, line) for line in lines)


def cosigned_message(text: str, stamp: int) -> bytes:
    return f"cosignature/v1\ntime {stamp}\n{text}".encode()


def _verified_time(note: Note, key: NoteKey, line: NoteSignature) -> datetime:
    stamp = int.from_bytes(line.body[:8], "big")
    if len(line.body) != 72 or stamp >= _LAST_STAMP:
        raise BadLogSignature(f"the cosignature by {key.name} is no timestamped signature")
    if not key.key.verifies(line.body[8:], cosigned_message(note.text, stamp)):
        raise BadLogSignature(f"the cosignature by {key.name} does not belong to this checkpoint")
    return datetime.fromtimestamp(stamp, UTC)
