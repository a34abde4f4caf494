"""Check a receipt offline: does this release rest on grants, run and log that the pinned root vouches for?

Run by anybody, without hub, network or Ray. Only the root keys and the log origin of ``trust`` are believed; a key
inside a receipt counts only if a roster signed by that root names it. What a receipt cannot show: whether an owner
revoked later, and whether the log goes on from this checkpoint (an auditor follows the log for that).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs.documents import (
    CLOCK_SKEW,
    Basis,
    Commitment,
    DatasetRecord,
    Delivery,
    Envelope,
    Grant,
    Output,
    Permit,
    Receipt,
    Release,
    Roster,
    SentRecord,
    StatusList,
    Verified,
    Vouch,
    canonical,
    check_basis,
    check_release,
    check_sent,
    parse_json,
    verify_commitment,
    verify_dataset_record,
    verify_delivery,
    verify_grant,
    verify_permit,
    verify_release,
    verify_sent_record,
    verify_status,
    verify_vouch,
)
from jobs.documents.canonical import check_values
from jobs.kinds.registry import kind_by
from jobs.kinds.walks import walk_check
from jobs.permit import check_plan
from sandbox.audit.checkpoint import Checkpoint
from sandbox.audit.entry import LogEntry
from sandbox.errors import ReceiptRefused
from sandbox.keys.trust import Trust
from sandbox.notebook import bullets
from sandbox.verify.inlog import Cosigned, verify_cosigned, verify_entry, verify_logged
from sandbox.verify.output import check_deliveries, verify_output
from sandbox.verify.step import step
from sandbox.verify.vouched import check_vouches, say_vouched

MAX_BYTES = 16 << 20
MAX_VALUES = 200_000
"""Of the receipt itself: the documents in it are base64 text, and have bounds of their own."""


@dataclass(frozen=True)
class VerifiedReceipt:
    """A receipt in which everything held; only ``verify_receipt`` makes one."""

    roster: Verified[Roster]
    commitment: Verified[Commitment]
    grants: tuple[Verified[Grant], ...]
    records: tuple[Verified[DatasetRecord], ...]
    permit: Verified[Permit]
    status: Verified[StatusList]
    sent: tuple[Verified[SentRecord], ...]
    release: Verified[Release]
    deliveries: tuple[Verified[Delivery], ...]
    vouches: tuple[Verified[Vouch], ...]
    entry: LogEntry
    index: int
    checkpoint: Checkpoint
    cosigned: Cosigned
    output: Output | None
    """The committed output that the given content matches; None if no content was given."""

    @property
    def checks(self) -> tuple[str, ...]:
        """What was verified, in words, in order; what is not proven is said too."""
        release, permit = self.release.document, self.permit.document
        compared = "its content matches the commitment" if self.output else "its content was not given for comparison"
        return (
            f"roster version {self.roster.document.version} is signed by the pinned root",
            f"operator {permit.operator} committed to scenario '{permit.scenario}'",
            f"{len(self.grants)} owner(s) granted exactly this plan, data, parameters and participants",
            f"the hub issued permit {permit.id} within those grants",
            f"status list {self.status.document.number} of the authority had nothing against it",
            f"{len(self.sent)} node(s) signed what they sent under it, and that they were told the same",
            f"the hub released {release.id}: {release.verdict.released} shown, "
            f"{release.verdict.withheld} withheld; {compared}",
            say_vouched(self.vouches, permit),
            f"the release is entry {self.index} of log {self.checkpoint.origin}, size {self.checkpoint.size}",
            f"cosigned by participants {', '.join(self.cosigned.participants)} "
            f"and independent witness {', '.join(self.cosigned.witnesses)}",
        )

    def _repr_html_(self) -> str:
        return bullets(self.checks)


def verify_receipt(
    data: bytes,
    trust: Trust,
    now: datetime | None = None,
    content: bytes | None = None,
    salt: bytes | None = None,
) -> VerifiedReceipt:
    """Return what the receipt proves, or raise ``ReceiptRefused`` with the step that failed and why in words.

    With ``content`` (the released table's bytes, as downloaded) and its 32-byte ``salt`` the output is compared with
    the committed one. With ``now`` nothing may be dated in the future. Any JSON spelling of the receipt is read.
    """
    with step("receipt"):
        if len(data) > MAX_BYTES:
            raise ReceiptRefused("receipt", f"a receipt has at most {MAX_BYTES} bytes")
        check_values(data, MAX_VALUES)
        receipt = Receipt.parse(canonical(parse_json(data)))
    roster = _verify_roster(receipt, trust)
    with step("commitment"):
        commitment = verify_commitment(Envelope.from_json(receipt.commitment), roster)
    with step("grant"):
        grants = tuple(verify_grant(Envelope.from_json(item), roster) for item in receipt.grants)
    with step("record"):
        records = tuple(verify_dataset_record(Envelope.from_json(item), roster) for item in receipt.records)
    with step("permit"):
        permit = verify_permit(Envelope.from_json(receipt.permit), roster)
        _check_roster_period(permit.document.issued_at, roster.document)
    with step("kind"):
        kind = kind_by(permit.document.algorithm)
        check_plan(kind, permit.document)
    with step("status"):
        status = verify_status(Envelope.from_json(receipt.status), roster)
    with step("scope"):
        evidence = tuple(map(Envelope.from_json, receipt.evidence))
        basis = Basis(permit, grants, commitment, records, status, roster, evidence)
        check_basis(basis)
    with step("sent"):
        sent = tuple(verify_sent_record(Envelope.from_json(item), roster) for item in receipt.sent)
        check_sent(sent, permit, roster.document, walk_check(kind, roster.document.hub.id))
    with step("release"):
        release = verify_release(Envelope.from_json(receipt.release), roster)
        check_release(release.document, permit, sent)
    with step("delivery"):
        deliveries = tuple(verify_delivery(Envelope.from_json(item), roster) for item in receipt.deliveries)
        check_deliveries(deliveries, release)
    with step("vouch"):
        vouches = tuple(verify_vouch(Envelope.from_json(item), roster) for item in receipt.vouches)
        check_vouches(vouches, permit, release, recomputed=kind.recomputed)
    with step("entry"):
        entry, leaf = verify_entry(receipt, release, permit)
    checkpoint, note = verify_logged(receipt, leaf, roster, trust)
    cosigned = verify_cosigned(note, permit.document, release.document, roster.document, trust)
    _check_not_future(now, release.document.released_at, cosigned.latest)
    with step("output"):
        output = verify_output(release.document, deliveries, content, salt)
    return VerifiedReceipt(
        roster=roster,
        commitment=commitment,
        grants=grants,
        records=records,
        permit=permit,
        status=status,
        sent=sent,
        release=release,
        deliveries=deliveries,
        vouches=vouches,
        entry=entry,
        index=receipt.index,
        checkpoint=checkpoint,
        cosigned=cosigned,
        output=output,
    )


def _verify_roster(receipt: Receipt, trust: Trust) -> Verified[Roster]:
    with step("roster"):
        chain = trust.rosters()
        for item in receipt.rosters:
            chain.update(Envelope.from_json(item))
        roster = chain.last
        if roster.document.version < trust.oldest_roster:
            raise ReceiptRefused("roster", f"the trust file refuses rosters before version {trust.oldest_roster}")
        if roster.document.origin != trust.origin:
            raise ReceiptRefused("roster", "the roster names another log than the trust file")
        return roster


def _check_roster_period(at: datetime, roster: Roster) -> None:
    if not roster.issued - CLOCK_SKEW <= at < roster.expires:
        raise ReceiptRefused("permit", "the permit was issued outside the roster's period")


def _check_not_future(now: datetime | None, *moments: datetime) -> None:
    if now is not None and any(moment > now + CLOCK_SKEW for moment in moments):
        raise ReceiptRefused("time", "the receipt is dated in the future: check this machine's clock")
