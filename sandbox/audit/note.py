"""Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and lines of signatures by named keys.

Used for the log's checkpoints, so that witnesses and monitors of other logs can read ours. Signature types spoken:
0x01 (Ed25519 over the text) and 0x04 (timestamped cosignature, see ``cosign``).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from jobs.documents.ed25519 import PublicKey, SigningKey, decode_base64, encode_base64
from jobs.errors import BadDocument
from sandbox.errors import BadLogSignature, MalformedNote

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MAX_BYTES: Final = 1 << 18
MAX_SIGNATURES: Final = 512
_DASH: Final = "\u2014"
_NAME: Final = re.compile(r"[^\s+\x00-\x1f]{1,255}")


@dataclass(frozen=True)
class NoteKey:
    """A named public key for one signature type; ``key_id`` is what a signature line refers to it by."""

    name: str
    kind: int
    key: PublicKey

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MalformedNote("a key name has neither spaces nor plus signs, and is not empty")

    @classmethod
    def parse(cls, vkey: str) -> NoteKey:
        """Read ``name+hex key id+base64(type and key)``; raises ``MalformedNote``."""
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise MalformedNote("a verifier key is a name, a key id and a key, joined by plus signs")
        material = _decode(parts[2])
        if len(material) != 33:
            raise MalformedNote("a verifier key holds a type byte and 32 bytes of Ed25519 key")
        key = cls(parts[0], material[0], PublicKey(material[1:]))
        if key.key_id.hex() != parts[1]:
            raise MalformedNote("the verifier key's id does not belong to its name and key")
        return key

    @property
    def key_id(self) -> bytes:
        material = self.name.encode() + b"\n" + bytes((self.kind,)) + self.key.raw
        return hashlib.sha256(material).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes((self.kind,)) + self.key.raw)}"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: what the named key's type puts behind the four bytes of key id."""

    name: str
    key_id: bytes
    body: bytes

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        dash, space, rest = line.partition(" ")
        name, gap, blob = rest.partition(" ")
        if dash != _DASH or not space or not gap or not _NAME.fullmatch(name):
            raise MalformedNote("a signature line is a dash, a key name and base64")
        data = _decode(blob)
        if len(data) < 5 or len(data) > 4096:
            raise MalformedNote("a signature line is too short or too long")
        return cls(name, data[:4], data[4:])

    @property
    def line(self) -> str:
        return f"{_DASH} {self.name} {encode_base64(self.key_id + self.body)}\n"


@dataclass(frozen=True)
class Note:
    """``text`` ends with a newline; it means nothing until ``verify`` (or ``cosign``) has checked a signature."""

    text: str
    signatures: tuple[NoteSignature, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note; raises ``MalformedNote``. Nothing is verified yet."""
        if len(data) > MAX_BYTES:
            raise MalformedNote(f"a note has at most {MAX_BYTES} bytes")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise MalformedNote("a note is UTF-8") from None
        if any(character < " " and character != "\n" for character in whole):
            raise MalformedNote("a note holds no control characters but newlines")
        text, blank, rest = whole.rpartition("\n\n")
        lines = rest.split("\n")
        if not blank or lines[-1] != "" or not 2 <= len(lines) <= MAX_SIGNATURES + 1:
            raise MalformedNote("a note is a text, a blank line and signature lines, each ended by a newline")
        return cls(text + "\n", tuple(map(NoteSignature.parse, lines[:-1])))

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    def signed(self, name: str, key: SigningKey) -> Note:
        """Return the note with an Ed25519 signature line (type 0x01) added."""
        return self.added(NoteSignature(name, NoteKey(name, ED25519, key.public).key_id, key.sign(self.text.encode())))

    def added(self, *signatures: NoteSignature) -> Note:
        """Return the note with more signature lines; one that is there already is not added twice."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *signatures))))

    def by(self, key: NoteKey) -> tuple[NoteSignature, ...]:
        """The lines that name this key. Lines of unknown keys are ignored, as the specification says."""
        return tuple(item for item in self.signatures if (item.name, item.key_id) == (key.name, key.key_id))

    def verify(self, key: NoteKey) -> None:
        """Raise ``BadLogSignature`` unless this key (type 0x01) signed the text."""
        lines = self.by(key)
        if key.kind != ED25519 or not lines:
            raise BadLogSignature(f"no signature by {key.name} with the trusted key")
        if not all(key.key.verifies(line.body, self.text.encode()) for line in lines):
            raise BadLogSignature(f"the signature by {key.name} does not belong to this text")


def _decode(text: str) -> bytes:
    try:
        return decode_base64(text)
    except BadDocument:
        raise MalformedNote("not base64") from None
