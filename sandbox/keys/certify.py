"""How an owner vouches for its node: a certificate by the owner's keys, put into the roster that the root signs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobs.documents.ed25519 import PublicKey, SigningKey
from jobs.documents.roster import NodeCertificate, NodeEntry
from jobs.documents.x25519 import SealingPublic


def certify_node(
    owner: str,
    node: str,
    key: PublicKey,
    sealing: SealingPublic,
    not_before: datetime,
    not_after: datetime,
    signers: Sequence[SigningKey],
) -> NodeEntry:
    """Return the roster entry of a node, its certificate signed by the owner's keys.

    The period must cover the roster's, or ``TrustedRoster`` refuses the roster. Run on the owner's side.
    """
    certificate = NodeCertificate(
        owner=owner, node=node, key=key.text, sealing=sealing.text, not_before=not_before, not_after=not_after
    )
    return NodeEntry(id=node, key=key.text, sealing=sealing.text, certificate=certificate.sign(*signers).to_json())
