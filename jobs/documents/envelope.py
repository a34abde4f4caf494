"""A signed document: DSSE envelope (secure-systems-lab/dsse v1.0.2) over canonical JSON, with Ed25519.

``sign`` makes one, ``verify_threshold`` counts the distinct trusted keys that signed it. The signed bytes (PAE) name
the payload type, so a grant can never be shown as a permit. Why not securesystemslib's class:
docs/adr/0001-documents.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from jobs.documents.canonical import canonical, digest, parse_canonical
from jobs.documents.ed25519 import SIGNATURE_BYTES, PublicKey, SigningKey, decode_base64, encode_base64
from jobs.errors import BadDocument, BadSignature
from jobs.schema import Digest

MAX_BYTES: Final = 8 << 20
MAX_SIGNATURES: Final = 64


@dataclass(frozen=True)
class Envelope:
    """Payload, its type, and signatures by key id. ``digest`` names the document, whoever has signed it so far."""

    payload_type: str
    payload: bytes = field(repr=False)
    signatures: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read an envelope's canonical JSON; raises ``BadDocument``. Nothing is verified yet."""
        if len(data) > MAX_BYTES:
            raise BadDocument(f"a signed document has at most {MAX_BYTES} bytes")
        return cls.from_json(parse_canonical(data))

    @classmethod
    def from_json(cls, value: Any) -> Envelope:
        """Read an envelope that another document embeds; raises ``BadDocument``."""
        fields = _fields(value, {"payload", "payloadType", "signatures"})
        payload_type, signatures = fields["payloadType"], fields["signatures"]
        if not isinstance(payload_type, str) or not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise BadDocument(f"an envelope has a payloadType text and a list of at most {MAX_SIGNATURES} signatures")
        read = tuple(_signature(item) for item in signatures)
        if [key_id for key_id, _ in read] != sorted({key_id for key_id, _ in read}):
            raise BadDocument("signatures are sorted by key id, one for each key")
        return cls(payload_type, _base64(fields["payload"]), read)

    def to_json(self) -> dict[str, Any]:
        return {
            "payload": encode_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": key_id, "sig": encode_base64(sig)} for key_id, sig in self.signatures],
        }

    def encode(self) -> bytes:
        return canonical(self.to_json())

    def pae(self) -> bytes:
        """The bytes that are signed (DSSE protocol, pre-authentication encoding)."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    @property
    def digest(self) -> Digest:
        """Digest of the signed bytes: the same before and after another signer adds a signature."""
        return digest(self.pae())

    def signed_by(self, *keys: SigningKey) -> Envelope:
        """Return the envelope with signatures by these keys added (or replaced)."""
        new = dict(self.signatures) | {key.public.key_id: key.sign(self.pae()) for key in keys}
        return Envelope(self.payload_type, self.payload, tuple(sorted(new.items())))

    def signers(self, keys: Iterable[PublicKey]) -> frozenset[PublicKey]:
        """Return which of these keys validly signed; signatures by others are ignored, as the DSSE protocol says."""
        by_id = dict(self.signatures)
        pae = self.pae()
        return frozenset(key for key in set(keys) if key.verifies(by_id.get(key.key_id, b""), pae))


def verify_threshold(envelope: Envelope, keys: Iterable[PublicKey], threshold: int, who: str) -> frozenset[PublicKey]:
    """Return the trusted keys that signed; raises ``BadSignature`` unless at least ``threshold`` distinct ones did."""
    trusted = frozenset(keys)
    if not 1 <= threshold <= len(trusted):
        raise BadDocument(f"{who}: a threshold of {threshold} over {len(trusted)} keys can never be met")
    signers = envelope.signers(trusted)
    if len(signers) < threshold:
        raise BadSignature(f"{who}: {len(signers)} valid signature(s) by trusted keys where {threshold} are needed")
    return signers


def _fields(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise BadDocument(f"expected an object with exactly {', '.join(sorted(names))}")
    return value


def _signature(value: Any) -> tuple[str, bytes]:
    fields = _fields(value, {"keyid", "sig"})
    key_id, signature = fields["keyid"], _base64(fields["sig"])
    if not isinstance(key_id, str) or len(key_id) > 64 or len(signature) != SIGNATURE_BYTES:
        raise BadDocument(f"a signature is a key id and {SIGNATURE_BYTES} bytes")
    return key_id, signature


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise BadDocument("expected base64 text")
    return decode_base64(value)
