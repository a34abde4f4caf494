"""The roster that a node, client or verifier trusts: bytes in, accept or raise. Storing and fetching is the caller's.

Follows the root role of The Update Framework 1.0 section 5.3: trust starts from keys pinned out of band, a change of
root keys is signed by the old and the new ones, the version never goes back, expiry is checked on the last one only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from jobs.documents.base import CLOCK_SKEW, Verified
from jobs.documents.ed25519 import PublicKey
from jobs.documents.envelope import Envelope, verify_threshold
from jobs.documents.roster import NodeCertificate, NodeEntry, OwnerEntry, RootKeys, Roster
from jobs.errors import BadDocument, Expired, RosterRollback


class TrustedRoster:
    """Starts from pinned root keys; ``update`` with each roster in turn, then ask for ``current(now)``."""

    def __init__(self, pinned: RootKeys) -> None:
        self._root = pinned
        self._last: Verified[Roster] | None = None

    @classmethod
    def of(cls, pinned: RootKeys, rosters: Iterable[bytes | Envelope]) -> TrustedRoster:
        """Take a stored or received chain of rosters, oldest first."""
        trusted = cls(pinned)
        for roster in rosters:
            trusted.update(roster)
        return trusted

    def update(self, data: bytes | Envelope) -> Verified[Roster]:
        """Accept a newer roster (or the same again). A refused one raises and changes nothing.

        Raises ``BadDocument``, ``BadSignature`` (old root, new root or an owner on a node certificate), or
        ``RosterRollback`` (older, or another one of the trusted version).
        """
        envelope = data if isinstance(data, Envelope) else Envelope.parse(data)
        # the pinned root first: nobody else can make this machine read a large roster
        signers = verify_threshold(envelope, self._root.public_keys(), self._root.threshold, "roster, trusted root")
        roster = Roster.open(envelope)
        signers |= verify_threshold(envelope, roster.root.public_keys(), roster.root.threshold, "roster, its own root")
        if self._last is not None:
            self._check_not_back(roster, envelope, self._last)
        for owner in roster.owners:
            for node in owner.nodes:
                _check_certificate(owner, node, roster)
        self._root, self._last = roster.root, Verified(roster, envelope, signers)
        return self._last

    def current(self, now: datetime) -> Verified[Roster]:
        """The last accepted roster if ``now`` is in its period; raises ``Expired``, or ``BadDocument`` (none yet)."""
        last = self.last
        if now >= last.document.expires:
            raise Expired(f"roster version {last.document.version} has expired: get the authority's newer one")
        if now < last.document.issued - CLOCK_SKEW:
            raise Expired(f"roster version {last.document.version} is not valid yet: check this machine's clock")
        return last

    @property
    def known(self) -> bool:
        """Whether any roster has been accepted."""
        return self._last is not None

    @property
    def last(self) -> Verified[Roster]:
        """The last accepted roster whatever its period; raises ``BadDocument`` if there is none."""
        if self._last is None:
            raise BadDocument("no roster has been accepted yet")
        return self._last

    @staticmethod
    def _check_not_back(roster: Roster, envelope: Envelope, last: Verified[Roster]) -> None:
        if roster.version < last.document.version:
            raise RosterRollback(f"roster version {roster.version} is older than the trusted {last.document.version}")
        if roster.version == last.document.version and envelope.digest != last.digest:
            raise RosterRollback(f"there are two different rosters of version {roster.version}")


def _check_certificate(owner: OwnerEntry, node: NodeEntry, roster: Roster) -> None:
    envelope = Envelope.from_json(node.certificate)
    certificate = NodeCertificate.open(envelope)
    verify_threshold(envelope, owner.public_keys(), owner.threshold, f"certificate of node {node.id}")
    certified = (certificate.owner, certificate.node, certificate.key, certificate.sealing)
    if certified != (owner.id, node.id, node.key, node.sealing):
        raise BadDocument(f"the certificate of node {node.id} is for another owner, node or key")
    if certificate.not_before > roster.issued or certificate.not_after < roster.expires:
        raise BadDocument(f"the certificate of node {node.id} does not cover the roster's period")


def node_key(roster: Verified[Roster], node_id: str) -> PublicKey:
    """The signing key of a node, certified by its owner; raises ``UnknownSigner``."""
    return roster.document.node_key(node_id)
