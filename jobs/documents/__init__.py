"""Signed documents: roster, commitment, grant, permit, records, release, receipt. Pure: no I/O, no clock, no store.

    owner_key = SigningKey.from_seed(secrets.token_bytes(32))
    envelope = Grant(...).sign(owner_key)               # DSSE over canonical JSON
    data = envelope.encode()                            # what is stored and sent
    trusted = TrustedRoster(pinned_root)                # keys from trust.json, never from a message
    trusted.update(roster_bytes)
    roster = trusted.current(now)                       # Verified[Roster], or Expired
    grant = verify_grant(data, roster, now)             # Verified[Grant]: .document .digest .signers, or a JobError
    check_basis(Basis(permit, (grant,), ...))  # OutOfScope names the field that differs

``Envelope.digest`` (over the signed bytes) is how documents name each other; ``json_digest(plan)`` is a plan's hash.
"""

from jobs.documents.approval import (
    Commitment,
    DataScope,
    Denial,
    ExactVersion,
    Grant,
    OutputRule,
    ParameterRule,
    Participant,
    Period,
    Revocation,
    Terms,
    VersionSeries,
)
from jobs.documents.base import CLOCK_SKEW, Document, Verified, moment_text
from jobs.documents.basis import Basis, check_basis, is_own_review
from jobs.documents.canonical import (
    SALT_BYTES,
    canonical,
    digest,
    json_digest,
    parse_canonical,
    parse_json,
    salted_commitment,
    same_digest,
)
from jobs.documents.data import DatasetRecord
from jobs.documents.ed25519 import PublicKey, SigningKey
from jobs.documents.envelope import Envelope, verify_threshold
from jobs.documents.evidence import check_evidence
from jobs.documents.execution import (
    MAX_JOB,
    PROTOCOL_VERSION,
    Commits,
    DataUse,
    OutboxEntry,
    OutboxRecord,
    Permit,
    SentMessage,
    SentRecord,
)
from jobs.documents.match import check_grant_covers
from jobs.documents.once import VerifiedOnce
from jobs.documents.outcome import Delivery, Output, Receipt, Release, Verdict, Vouch
from jobs.documents.ran import CheckWalk, check_record, check_release, check_sent
from jobs.documents.roster import (
    HubEntry,
    NodeCertificate,
    NodeEntry,
    OperatorEntry,
    OwnerEntry,
    RootKeys,
    Roster,
    WitnessEntry,
)
from jobs.documents.status import (
    ForbiddenUse,
    StatusEntry,
    StatusList,
    check_fresh,
    check_numbers,
    objections,
)
from jobs.documents.trusted import TrustedRoster
from jobs.documents.verify import (
    verify_commitment,
    verify_dataset_record,
    verify_delivery,
    verify_denial,
    verify_grant,
    verify_outbox_record,
    verify_permit,
    verify_release,
    verify_revocation,
    verify_sent_record,
    verify_status,
    verify_vouch,
)
from jobs.documents.x25519 import SealingKey, SealingPublic

__all__ = [
    "CLOCK_SKEW", "MAX_JOB", "PROTOCOL_VERSION", "SALT_BYTES", "Basis", "CheckWalk", "Commitment", "Commits",
    "DataScope", "DataUse", "DatasetRecord", "Delivery", "Denial", "Document", "Envelope", "ExactVersion",
    "ForbiddenUse", "Grant", "HubEntry", "NodeCertificate", "NodeEntry", "OperatorEntry", "OutboxEntry",
    "OutboxRecord", "Output", "OutputRule", "OwnerEntry", "ParameterRule", "Participant", "Period", "Permit",
    "PublicKey", "Receipt", "Release", "Revocation", "RootKeys", "Roster", "SealingKey", "SealingPublic",
    "SentMessage", "SentRecord", "SigningKey", "StatusEntry", "StatusList", "Terms", "TrustedRoster", "Verdict",
    "Verified", "VerifiedOnce", "VersionSeries", "Vouch", "WitnessEntry", "canonical", "check_basis", "check_evidence",
    "check_fresh", "check_grant_covers", "check_numbers", "check_record", "check_release", "check_sent", "digest",
    "is_own_review", "json_digest", "moment_text", "objections", "parse_canonical", "parse_json", "salted_commitment",
    "same_digest", "verify_commitment", "verify_dataset_record", "verify_delivery", "verify_denial",
    "verify_grant", "verify_outbox_record", "verify_permit", "verify_release", "verify_revocation",
    "verify_sent_record", "verify_status", "verify_threshold", "verify_vouch",
]  # fmt: skip
