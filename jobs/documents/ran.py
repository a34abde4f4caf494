"""What a run left behind: one signed record of each participant, and a release that rests on them.

Checked by the hub before it publishes, by each participant, and by the offline verifier. Which rounds a kind has, and
how many messages each may hold, is the kind's to check (``check_walk``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from jobs.documents.base import CLOCK_SKEW, Verified
from jobs.documents.execution import Permit, SentRecord
from jobs.documents.outcome import Release
from jobs.documents.roster import Roster
from jobs.errors import OutOfScope

CheckWalk = Callable[[Permit, SentRecord], None]
"""A kind's own check of one participant's record; raises a ``JobError``."""

EVERYBODY: Final = "all"
"""``SentMessage.receiver`` of what goes to every participant."""


def check_sent(
    sent: Sequence[Verified[SentRecord]],
    permit: Verified[Permit],
    roster: Roster,
    check_walk: CheckWalk | None = None,
) -> None:
    """Raise ``OutOfScope`` unless each participant, in the permit's order, signed one sensible record of this run."""
    order = permit.document
    if tuple(record.document.node for record in sent) != order.participants:
        raise OutOfScope("sent", "there is not one signed record of sent messages for each participant, in order")
    for record in (item.document for item in sent):
        if (record.permit, record.nonce) != (permit.digest, order.nonce):
            raise OutOfScope("sent", f"node {record.node} signed what it sent under another permit")
        if record.transcript != sent[0].document.transcript:
            raise OutOfScope("transcript", "nodes were told different things: their transcripts of the job differ")
        check_record(record, order, roster.hub.id, check_walk)


def check_record(record: SentRecord, order: Permit, hub: str, check_walk: CheckWalk | None = None) -> None:
    """Raise ``OutOfScope`` unless one participant's record is a sensible list of a whole run."""
    if not record.messages:
        raise OutOfScope("sent", f"node {record.node} signed that it sent nothing")
    receivers = {hub, EVERYBODY, *order.participants} - {record.node}
    for message in record.messages:
        if message.receiver not in receivers:
            raise OutOfScope("sent", f"node {record.node} sent a message to {message.receiver}, who takes no part")
        if not order.issued_at - CLOCK_SKEW <= message.sent_at <= order.deadline + CLOCK_SKEW:
            raise OutOfScope("sent", f"node {record.node} sent a message outside the permit's time")
    if len({message.digest for message in record.messages}) != len(record.messages):
        raise OutOfScope("sent", f"node {record.node} lists one message twice")
    if check_walk is not None:
        check_walk(order, record)


def check_release(release: Release, permit: Verified[Permit], sent: Sequence[Verified[SentRecord]]) -> None:
    """Raise ``OutOfScope`` unless the release names this permit and all it rests on, and its verdict passed."""
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
            raise OutOfScope("release", f"the release names another {name} than the permit and the nodes")
    if not release.verdict.passed:
        raise OutOfScope("release", "the release's own verdict did not pass")
    if not order.issued_at - CLOCK_SKEW <= release.released_at <= order.deadline + CLOCK_SKEW:
        raise OutOfScope("release", "the release is dated outside the permit's time")
