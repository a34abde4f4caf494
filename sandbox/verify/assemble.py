"""Put a receipt together. Run by the hub once the checkpoint has all its cosignatures; it proves nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.documents import Envelope, Receipt
from jobs.documents.ed25519 import encode_base64
from sandbox.audit.note import Note


def assemble_receipt(
    rosters: Sequence[Envelope],
    commitment: Envelope,
    grants: Sequence[Envelope],
    records: Sequence[Envelope],
    permit: Envelope,
    status: Envelope,
    sent: Sequence[Envelope],
    release: Envelope,
    deliveries: Sequence[Envelope],
    leaf: bytes,
    index: int,
    proof: Sequence[bytes],
    checkpoint: Note,
    *,
    vouches: Sequence[Envelope] = (),
    evidence: Sequence[Envelope] = (),
) -> bytes:
    """Return the receipt file's bytes.

    ``rosters`` run from one that the pinned root signed to the job's own; ``sent`` is in the permit's order of
    participants; ``proof`` leads from ``leaf`` at ``index`` to the root of ``checkpoint``.
    """
    return Receipt(
        rosters=tuple(item.to_json() for item in rosters),
        commitment=commitment.to_json(),
        grants=tuple(item.to_json() for item in grants),
        records=tuple(item.to_json() for item in records),
        permit=permit.to_json(),
        status=status.to_json(),
        sent=tuple(item.to_json() for item in sent),
        release=release.to_json(),
        deliveries=tuple(item.to_json() for item in deliveries),
        vouches=tuple(item.to_json() for item in vouches),
        evidence=tuple(item.to_json() for item in evidence),
        entry=encode_base64(leaf),
        index=index,
        proof=tuple(map(encode_base64, proof)),
        checkpoint=checkpoint.encode().decode(),
    ).payload()
