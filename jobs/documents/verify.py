"""Bytes and a trusted roster in, typed document out, or a typed refusal: one function for each document.

Run by hub, nodes, witnesses and the offline verifier alike. Each takes the envelope's bytes (or the parsed envelope)
and the ``Verified[Roster]`` of a ``TrustedRoster``. All raise ``BadDocument``, ``UnknownSigner`` or ``BadSignature``;
with ``now`` also ``Expired``. What they say to each other is checked in ``basis`` and ``ran``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from jobs.documents.approval import Commitment, Denial, Grant, Period, Revocation
from jobs.documents.base import CLOCK_SKEW, Document, Verified
from jobs.documents.data import DatasetRecord
from jobs.documents.ed25519 import PublicKey
from jobs.documents.envelope import Envelope, verify_threshold
from jobs.documents.execution import OutboxRecord, Permit, SentRecord
from jobs.documents.outcome import Delivery, Release, Vouch
from jobs.documents.roster import Roster
from jobs.documents.status import StatusList, check_fresh, check_latest
from jobs.errors import BadDocument, Expired

D = TypeVar("D", bound=Document)
TrustedBy = Verified[Roster]


def verify_grant(data: bytes | Envelope, roster: TrustedBy, now: datetime | None = None) -> Verified[Grant]:
    """An owner's grant, signed by the owner's threshold; one of its nodes must be among the participants."""
    envelope, grant = _open(data, Grant)
    verified = _by_owner(envelope, grant, grant.owner, roster)
    own = {node.id for node in roster.document.owner(grant.owner).nodes}
    if not own & set(grant.nodes):
        raise BadDocument(f"grant {grant.id}: none of the participants is a node of its owner")
    if now is not None:
        check_period(grant.period, now, f"grant {grant.id}")
    return verified


def verify_commitment(data: bytes | Envelope, roster: TrustedBy, now: datetime | None = None) -> Verified[Commitment]:
    """The operator's commitment, by any of its keys; for an operator without keys the hub attests its token."""
    envelope, commitment = _open(data, Commitment)
    operator = roster.document.operator(commitment.operator)
    keys = [PublicKey.parse(key) for key in operator.keys] or [roster.document.hub_key()]
    signers = verify_threshold(envelope, keys, 1, f"commitment {commitment.id}")
    if now is not None:
        check_period(commitment.period, now, f"commitment {commitment.id}")
    return Verified(commitment, envelope, signers)


def verify_permit(data: bytes | Envelope, roster: TrustedBy, now: datetime | None = None) -> Verified[Permit]:
    """The hub's permit under exactly this roster; with ``now``, issued by then (5 minutes' skew) and not expired."""
    envelope, permit = _open(data, Permit)
    verified = _by_hub(envelope, permit, f"permit {permit.id}", roster)
    if permit.roster != roster.digest:
        raise BadDocument(f"permit {permit.id} was issued under another roster")
    for node in permit.participants:
        roster.document.node(node)
    if now is not None and now < permit.issued_at - CLOCK_SKEW:
        raise Expired(f"permit {permit.id} was issued in the future: check the clocks of hub and node")
    if now is not None and now >= permit.expires_at:
        raise Expired(f"permit {permit.id} has expired: a retry needs a new one")
    return verified


def verify_release(data: bytes | Envelope, roster: TrustedBy) -> Verified[Release]:
    envelope, release = _open(data, Release)
    return _by_hub(envelope, release, f"release {release.id}", roster)


def verify_delivery(data: bytes | Envelope, roster: TrustedBy) -> Verified[Delivery]:
    envelope, delivery = _open(data, Delivery)
    return _by_hub(envelope, delivery, f"delivery {delivery.id}", roster)


def verify_vouch(data: bytes | Envelope, roster: TrustedBy) -> Verified[Vouch]:
    envelope, vouch = _open(data, Vouch)
    return _by_node(envelope, vouch, vouch.node, roster)


def verify_sent_record(data: bytes | Envelope, roster: TrustedBy) -> Verified[SentRecord]:
    envelope, record = _open(data, SentRecord)
    return _by_node(envelope, record, record.node, roster)


def verify_outbox_record(data: bytes | Envelope, roster: TrustedBy) -> Verified[OutboxRecord]:
    envelope, record = _open(data, OutboxRecord)
    if roster.document.owner_of(record.node).id != record.owner:
        raise BadDocument(f"outbox record: node {record.node} is not in the domain of {record.owner}")
    return _by_node(envelope, record, record.node, roster)


def verify_dataset_record(data: bytes | Envelope, roster: TrustedBy) -> Verified[DatasetRecord]:
    envelope, record = _open(data, DatasetRecord)
    if roster.document.owner_of(record.node).id != record.owner:
        raise BadDocument(f"dataset record: node {record.node} is not in the domain of {record.owner}")
    return _by_owner(envelope, record, record.owner, roster)


def verify_revocation(data: bytes | Envelope, roster: TrustedBy) -> Verified[Revocation]:
    """Any one of the owner's keys stops a job, whatever the threshold to start one."""
    envelope, revocation = _open(data, Revocation)
    return _by_owner(envelope, revocation, revocation.owner, roster, threshold=1)


def verify_denial(data: bytes | Envelope, roster: TrustedBy) -> Verified[Denial]:
    """Any one of the owner's keys denies."""
    envelope, denial = _open(data, Denial)
    return _by_owner(envelope, denial, denial.owner, roster, threshold=1)


def verify_status(data: bytes | Envelope, roster: TrustedBy, now: datetime | None = None) -> Verified[StatusList]:
    """The authority's status list, by the roster's status key; with ``now`` fresh, about a roster up to this."""
    envelope, status = _open(data, StatusList)
    keys = [PublicKey.parse(roster.document.status_key)]
    signers = verify_threshold(envelope, keys, 1, f"status list {status.number}")
    if now is not None:
        check_fresh(status, now)
        check_latest(status, roster)
    return Verified(status, envelope, signers)


def check_period(period: Period, now: datetime, what: str) -> None:
    """Raise ``Expired`` unless ``period.start <= now < period.end``."""
    if not period.start <= now < period.end:
        raise Expired(f"{what} is valid from {period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC only")


def _open(data: bytes | Envelope, kind: type[D]) -> tuple[Envelope, D]:
    envelope = data if isinstance(data, Envelope) else Envelope.parse(data)
    return envelope, kind.open(envelope)


def _by_owner(
    envelope: Envelope, document: D, owner_id: str, roster: TrustedBy, threshold: int | None = None
) -> Verified[D]:
    owner = roster.document.owner(owner_id)
    needed = owner.threshold if threshold is None else threshold
    return Verified(
        document, envelope, verify_threshold(envelope, owner.public_keys(), needed, f"{document.KIND} of {owner_id}")
    )


def _by_hub(envelope: Envelope, document: D, what: str, roster: TrustedBy) -> Verified[D]:
    return Verified(document, envelope, verify_threshold(envelope, [roster.document.hub_key()], 1, what))


def _by_node(envelope: Envelope, document: D, node_id: str, roster: TrustedBy) -> Verified[D]:
    key = roster.document.node_key(node_id)
    return Verified(document, envelope, verify_threshold(envelope, [key], 1, f"{document.KIND} of node {node_id}"))
