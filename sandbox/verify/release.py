"""Does the release rest on this permit and on what the participants signed that they sent?"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.documents import CLOCK_SKEW, Permit, Release, SentRecord, Verified
from sandbox.errors import ReceiptRefused


def check_sent(sent: Sequence[Verified[SentRecord]], permit: Verified[Permit]) -> None:
    """Raise ``ReceiptRefused`` unless each participant, in the permit's order, signed one record of this very run."""
    order = permit.document
    if tuple(record.document.node for record in sent) != order.participants:
        raise ReceiptRefused("sent", "there is not one signed record of sent messages for each participant, in order")
    for record in (item.document for item in sent):
        if (record.permit, record.nonce) != (permit.digest, order.nonce):
            raise ReceiptRefused("sent", f"node {record.node} signed what it sent under another permit")
        if record.transcript != sent[0].document.transcript:
            raise ReceiptRefused("sent", "nodes were told different things: their transcripts of the job differ")
        if not record.messages:
            raise ReceiptRefused("sent", f"node {record.node} signed that it sent nothing")
        if any(not order.issued_at - CLOCK_SKEW <= m.sent_at <= order.deadline + CLOCK_SKEW for m in record.messages):
            raise ReceiptRefused("sent", f"node {record.node} sent a message outside the permit's time")


def check_release(release: Release, permit: Verified[Permit], sent: Sequence[Verified[SentRecord]]) -> None:
    """Raise ``ReceiptRefused`` unless the release names this permit and all it rests on, and its verdict passed."""
    order = permit.document
    pairs = {
        "permit": (release.permit, permit.digest),
        "job": (release.job, order.job),
        "operator": (release.operator, order.operator),
        "plan": (release.plan_digest, order.plan_digest),
        "commitment": (release.commitment, order.commitment),
        "grants": (sorted(release.grants), sorted(order.grants)),
        "roster": (release.roster, order.roster),
        "sent messages": (release.sent, tuple(record.digest for record in sent)),
        "output rule": (release.verdict.output, order.output),
    }
    for name, (found, expected) in pairs.items():
        if found != expected:
            raise ReceiptRefused("release", f"the release names another {name} than the permit and the nodes")
    if not release.verdict.passed:
        raise ReceiptRefused("release", "the release's own verdict did not pass")
    if not order.issued_at - CLOCK_SKEW <= release.released_at <= order.deadline + CLOCK_SKEW:
        raise ReceiptRefused("release", "the release is dated outside the permit's time")
