"""The auditor computes an output again, from nothing but what the nodes signed, and compares it with the release.

Believed: the roster that the permit names. Every message is its node's own and is on that node's signed list of what it
sent; the arithmetic is the kind's referee on this machine. Nothing of it needs the hub's word.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    Envelope,
    Permit,
    Release,
    Roster,
    SentRecord,
    Verified,
    Vouch,
    digest,
    salted_commitment,
    verify_permit,
    verify_release,
    verify_sent_record,
    verify_threshold,
    verify_vouch,
)
from jobs.documents.message import Header
from jobs.kinds.base import Case, Kind, Output, Receiver
from jobs.kinds.registry import kind_by
from jobs.permit import check_plan
from sandbox.client.answers import Inputs
from sandbox.errors import IntegrityFailure
from sandbox.messages import Message, check_header, read_message, round_of
from sandbox.replay import replay

ReadBody = Callable[[int, Header], bytes]
"""Place in the list of messages, and its header -> the body."""


@dataclass(frozen=True)
class Recomputed:
    """An output that this machine has computed again and that is what the release names."""

    job: str
    release: Verified[Release]
    output: Output
    messages: int
    participants: tuple[str, ...]
    vouched: tuple[str, ...]
    """Participants that signed the release; a job that lacks one was not released."""

    @property
    def checks(self) -> tuple[str, ...]:
        """What agrees, in words."""
        missing = [node for node in self.participants if node not in self.vouched]
        return (
            f"{self.messages} message(s) to the hub are signed by {', '.join(self.participants)}, and are all that "
            "each of them lists as sent",
            "all participants signed that they were told the same, and it is what the messages give",
            f"the output computed from them is the one of {self.release.document.id}: {self.output.released} shown, "
            f"{self.output.withheld} withheld",
            "every participant recomputed and signed it" if not missing else f"not signed by {', '.join(missing)}",
        )


def recompute(inputs: Inputs, roster: Verified[Roster], read_body: ReadBody) -> Recomputed:
    """Raises ``IntegrityFailure`` naming what does not agree, ``JobError`` or ``MpcError`` for what does not verify.

    ``roster``: the one that the permit names, verified from the pinned root on.
    """
    permit = verify_permit(Envelope.from_json(inputs["permit"]), roster)
    release = verify_release(Envelope.from_json(inputs["release"]), roster)
    kind, hub = kind_by(permit.document.algorithm), roster.document.hub.id
    case = _case(kind, permit)
    messages = [_message(kind, case, roster, item, number, read_body) for number, item in enumerate(inputs["messages"])]
    _check_sent(kind, case, hub, messages, [verify_sent_record(Envelope.from_json(i), roster) for i in inputs["sent"]])
    replayed = replay(kind, case, messages)
    said = {}
    for item in inputs["said"]:
        header = _header(kind, case, roster, Envelope.from_json(item))
        said[f"{header.round} {header.sequence}"] = header.body
    if said != replayed.said:
        raise IntegrityFailure("the hub said something else on the way than the messages give")
    _check_release(case, release.document, replayed.output, base64.b64decode(inputs["salt"], validate=True))
    vouches = [verify_vouch(Envelope.from_json(item), roster).document for item in inputs["vouches"]]
    vouched = {vouch.node for vouch in vouches if _confirms(vouch, case, release)}
    found = tuple(node for node in case.participants if node in vouched)
    return Recomputed(inputs["job"], release, replayed.output, len(messages), case.participants, found)


def _case(kind: Kind, permit: Verified[Permit]) -> Case:
    order = permit.document
    plan = check_plan(kind, order)
    return Case(
        permit=permit.digest,
        nonce=order.nonce,
        plan=plan,
        parameters=kind.parameters(plan, order.parameters),
        participants=order.participants,
        profile=load_profile(kind.profile(plan)),
    )


def _header(kind: Kind, case: Case, roster: Verified[Roster], envelope: Envelope) -> Header:
    """One that its sender signed, and that has its place in the job."""
    header = Header.open(envelope)
    hub = roster.document.hub.id
    check_header(kind, header, case.permit, case.participants, hub)
    key = roster.document.hub_key() if header.sender == hub else roster.document.node_key(header.sender)
    verify_threshold(envelope, [key], 1, f"message of {header.sender}")
    return header


def _message(
    kind: Kind, case: Case, roster: Verified[Roster], item: dict[str, object], number: int, read_body: ReadBody
) -> Message:
    envelope = Envelope.from_json(item)
    return read_message(envelope, read_body(number, _header(kind, case, roster, envelope)))


def _check_sent(
    kind: Kind, case: Case, hub: str, messages: Sequence[Message], records: Sequence[Verified[SentRecord]]
) -> None:
    """The messages are all that the participants say they sent to the hub, after being told the same."""
    by_node = {record.document.node: record.document for record in records}
    if len(by_node) != len(records) or set(by_node) != set(case.participants):
        raise IntegrityFailure("there is not one signed list of each participant of what it sent")
    if any(record.permit != case.permit for record in by_node.values()):
        raise IntegrityFailure("a participant's signed list is of another permit")
    if len({record.transcript for record in by_node.values()}) != 1:
        raise IntegrityFailure("the participants were told different things")
    for node, record in by_node.items():
        listed = {
            item.digest
            for item in record.messages
            if item.receiver == hub and round_of(kind, item.round).receiver is Receiver.HUB
        }
        if listed != {message.digest for message in messages if message.header.sender == node}:
            raise IntegrityFailure(f"the messages shown of {node} are not those that it signed as sent")


def _check_release(case: Case, release: Release, output: Output, salt: bytes) -> None:
    if release.permit != case.permit:
        raise IntegrityFailure("the release is of another permit")
    if release.content != salted_commitment(salt, digest(output.content)):
        raise IntegrityFailure("the hub's release has another content than the messages give")
    if (release.verdict.released, release.verdict.withheld) != (output.released, output.withheld):
        raise IntegrityFailure("the hub's release counts other cells than the messages give")


def _confirms(vouch: Vouch, case: Case, release: Verified[Release]) -> bool:
    return (vouch.permit, vouch.release) == (case.permit, release.digest)
