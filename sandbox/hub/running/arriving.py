"""Takes a node's messages: verified and checked outside the lock, stored with their events, and the next step taken.

All messages of one post are one transaction: all are stored, or none. The same bytes again are one message. A signed
message that the protocol has no place for is noted in the log, so that its sender can prove that it was told, and
ends the job; other bytes for a place that is taken are evidence, and end it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from jobs.documents import (
    Document,
    Envelope,
    Roster,
    SentRecord,
    Verified,
    Vouch,
    check_record,
    digest,
    moment_text,
    verify_threshold,
)
from jobs.documents.message import Destroyed, Header, Stop
from jobs.errors import BadDocument, JobError
from jobs.kinds.base import Receiver
from jobs.kinds.walks import walk_check
from jobs.schema import Digest
from mpc.errors import MpcError, UnknownParty, WrongRound, WrongSession
from sandbox.audit import MESSAGE_REFUSED
from sandbox.errors import IntegrityFailure, InvalidTransition, NotFound, SandboxError, Unavailable
from sandbox.hub.core.errors import HubFault, TooLargeBody
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.running.advancing import advance
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.held import Key, count_sent, put_body, sent_by, stored_digest
from sandbox.hub.running.jobstate import job_row
from sandbox.hub.running.relay import check_room
from sandbox.hub.running.running_job import RunningJob, foreseen, running_job
from sandbox.messages import DESTROYED, SENT, STOP, VOUCH, check_header, read_message
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.store import Change
from sandbox.store.tables import conflicts, jobs, messages

Content = Header | SentRecord | Stop | Destroyed | Vouch
_APART = {SentRecord: SENT, Stop: STOP, Destroyed: DESTROYED, Vouch: VOUCH}
_KINDS: tuple[type[Document], ...] = (Header, SentRecord, Stop, Destroyed, Vouch)
_DOCUMENTS: dict[str, Any] = {kind.payload_type(): kind for kind in _KINDS}
_REFUSED = (JobError, MpcError, SandboxError)


@dataclass(frozen=True)
class Arrived:
    """One posted envelope, parsed, with the body that came with it or before it. Nothing is believed yet."""

    envelope: Envelope = field(repr=False)
    content: Content
    body: bytes = field(repr=False)

    @property
    def digest(self) -> Digest:
        return digest(self.envelope.payload)

    def key(self, sender: str, hub: str) -> Key:
        if isinstance(self.content, Header):
            return self.content.key
        return (_APART[type(self.content)], 0, sender, hub)


def receive(hub: Hub, caller: Caller, posted: Sequence[tuple[Envelope, bytes | None]]) -> None:
    """Take one post of one node; raises what its first bad message is refused for, and then nothing of it is stored."""
    contents = [_content(envelope) for envelope, _ in posted]
    with hub.store.read() as connection:
        row = _job_of(connection, contents)
    job = running_job(hub, row)
    for envelope, _ in posted:
        _verify(envelope, caller.subject, job.roster)
    arrived = [
        Arrived(envelope, content, _body(hub, caller.subject, content, body))
        for (envelope, body), content in zip(posted, contents, strict=True)
    ]
    with hub.store.read() as connection:
        fresh, clash = _sort(connection, job, caller.subject, arrived)
        fault = None if clash else _fault(hub, connection, job, caller.subject, fresh)
    if clash is not None:
        _keep_conflict(hub, caller, job, clash)
        raise IntegrityFailure(_clash_text(job, clash))
    if fault is not None:
        _note_refused(hub, caller, job, fresh, fault)
        raise fault
    if fresh:
        try:
            with hub.store.change(_event(job, caller, fresh[0])) as change:
                _store(hub, change, caller, job, fresh)
        except InvalidTransition as ended:  # between the look and the lock: the log must say that the messages came
            _note_refused(hub, caller, job, fresh, ended)
            raise
    for item in arrived:
        if isinstance(item.content, Header):
            hub.uploads.drop(caller.subject, item.content.body)


# --- reading ------------------------------------------------------------------------------------------------------


def _content(envelope: Envelope) -> Content:
    kind = _DOCUMENTS.get(envelope.payload_type)
    if kind is None:
        raise BadDocument("neither a message of a job nor a node's word about one")
    content: Content = kind.open(envelope)
    return content


def _job_of(connection: Connection, contents: Sequence[Content]) -> Row[Any]:
    permits = {content.permit for content in contents}
    if len(permits) != 1:
        raise BadDocument("one post holds messages of one job")
    row = connection.execute(select(jobs).where(jobs.c.permit == permits.pop())).first()
    if row is None:
        raise NotFound("the message belongs to no permit of this hub")
    return row


def _verify(envelope: Envelope, node: str, roster: Verified[Roster]) -> None:
    verify_threshold(envelope, [roster.document.node_key(node)], 1, f"message of node {node}")


def _body(hub: Hub, node: str, content: Content, body: bytes | None) -> bytes:
    if not isinstance(content, Header):
        if body:
            raise BadDocument("only a message of a round has a body")
        return b""
    if body is None and not hub.uploads.fits(content.size):
        return b""  # it cannot come: what follows says so, and notes it
    return body if body is not None else hub.uploads.take(node, content.body, content.size)


def _sort(
    connection: Connection, job: RunningJob, node: str, arrived: Sequence[Arrived]
) -> tuple[list[Arrived], Arrived | None]:
    """What is new, and the first that contradicts what is stored."""
    fresh = []
    for item in arrived:
        known = stored_digest(connection, job.id, item.key(node, job.hub_id))
        if known is not None and known != item.digest:
            return [], item
        if known is None:
            fresh.append(item)
    return fresh, None


# --- checking -----------------------------------------------------------------------------------------------------


def _fault(hub: Hub, connection: Connection, job: RunningJob, node: str, fresh: Sequence[Arrived]) -> Exception | None:
    """Why the first message that has no place has none."""
    try:
        _check_state(job.row, fresh)
        for place, item in enumerate(fresh):
            _check(hub, connection, job, node, item, fresh[:place])
    except HubFault as error:
        return error
    except Unavailable:  # too much is unread: this very message is welcome in a moment
        raise
    except _REFUSED as error:
        return error
    return None


def _check_state(row: Row[Any], fresh: Sequence[Arrived]) -> None:
    """Only a running job takes messages, but the news that intermediates are destroyed is welcome at any time."""
    if row.state != State.RUNNING and any(not isinstance(item.content, Destroyed) for item in fresh):
        raise InvalidTransition(f"job {row.id} is {row.state}: it takes no messages any more")


def _check(
    hub: Hub, connection: Connection, job: RunningJob, node: str, item: Arrived, before: Sequence[Arrived]
) -> None:
    content = item.content
    if isinstance(content, Header):
        _check_message(hub, connection, job, node, item, content, before)
        return
    if content.node != node or node not in job.participants:
        raise UnknownParty("a node speaks for itself only")
    if not isinstance(content, Vouch) and content.nonce != job.permit.document.nonce:
        raise WrongSession("this belongs to another permit")
    if isinstance(content, SentRecord):
        _check_sent(connection, job, node, content, before)
    elif isinstance(content, Vouch) and content.release != job.row.draft_digest:
        raise WrongRound("there is no such release to vouch for")


def _check_message(
    hub: Hub,
    connection: Connection,
    job: RunningJob,
    node: str,
    item: Arrived,
    header: Header,
    before: Sequence[Arrived],
) -> None:
    row = check_header(job.kind, header, job.permit.digest, job.participants, job.hub_id)
    if header.sender != node:
        raise UnknownParty("a node sends its own messages only")
    if header.size > len(item.body) and not hub.uploads.fits(header.size):
        raise TooLargeBody(hub.uploads.too_large)
    read_message(item.envelope, item.body)
    stored = count_sent(connection, job.id, header.round, node, header.receiver)
    same = (header.round, header.receiver)
    here = sum(isinstance(b.content, Header) and (b.content.round, b.content.receiver) == same for b in before)
    if header.sequence != stored + here:
        raise WrongRound(f"message {header.sequence} of round {row.name} before message {stored + here}")
    if row.receiver is Receiver.NODE:
        check_room(connection, job, header)
    else:
        state = job.state(connection)
        with foreseen(job):
            job.referee.check(job.case, state, header.round, header.sequence, node, item.body)


def _check_sent(
    connection: Connection, job: RunningJob, node: str, record: SentRecord, before: Sequence[Arrived]
) -> None:
    """A sent record lists exactly this job's messages, a whole walk, written after the same relays as the hub made.

    What no receipt could show is refused here: a release on it would verify nowhere, and accuse the hub.
    """
    stored = [(row.round, row.sequence, row.receiver, row.digest) for row in sent_by(connection, job.id, node)]
    here = [
        (item.content.round, item.content.sequence, item.content.receiver, item.digest)
        for item in before
        if isinstance(item.content, Header)
    ]
    listed = [(message.round, message.sequence, message.receiver, message.digest) for message in record.messages]
    if sorted(listed) != sorted([*stored, *here]):
        raise IntegrityFailure("the sent record does not list the messages that the hub received")
    if record.transcript != job.row.transcript:
        raise IntegrityFailure("the node was told something else than the hub has relayed")
    check_record(record, job.permit.document, job.hub_id, walk_check(job.kind, job.hub_id))


# --- storing ------------------------------------------------------------------------------------------------------


def _store(hub: Hub, change: Change, caller: Caller, job: RunningJob, fresh: Sequence[Arrived]) -> None:
    row = job_row(change.connection, job.id)
    _check_state(row, fresh)  # again: now under the write lock
    for place, item in enumerate(fresh):
        round, sequence, sender, receiver = item.key(caller.subject, job.hub_id)
        if stored_digest(change.connection, job.id, (round, sequence, sender, receiver)) is not None:
            # the node heard no answer and asked again: whether these are the same bytes, the next look tells
            raise Unavailable(f"a message for round {round} is being stored at this moment: send again")
        values = {
            "job": job.id,
            "sender": sender,
            "round": round,
            "sequence": sequence,
            "receiver": receiver,
            "digest": item.digest,
            "envelope": item.envelope.encode(),
            "size": len(item.body) or len(item.envelope.payload),
            "entry": change.also(_event(job, caller, item)) if place else change.first_index,
            "at": moment_text(change.now),
        }
        change.execute(insert(messages).values(values))
        if isinstance(item.content, Header):
            put_body(change, job.id, item.content, item.body)
    for item in fresh:
        # the step before may have changed the job's row, its state and its transcript
        advance(hub, change, running_job(hub, job_row(change.connection, job.id)), item.content, item.envelope)


def _note_refused(hub: Hub, caller: Caller, job: RunningJob, fresh: Sequence[Arrived], fault: Exception) -> None:
    """The log says that the messages came and were refused, so that records reconcile; a running job ends."""
    with hub.store.read() as connection:
        state = job_row(connection, job.id).state
    events = [
        Event(
            MESSAGE_REFUSED,
            caller.actor,
            job=job.id,
            subject=f"{caller.subject}:{item.key(caller.subject, job.hub_id)[0]}",
            digests=(item.digest,),
            facts={"round": item.key(caller.subject, job.hub_id)[0], "node": caller.subject, "state": state},
        )
        for item in fresh
    ]
    with hub.store.change(events[0]) as change:
        for event in events[1:]:
            change.also(event)
        row = job_row(change.connection, job.id)
        if row.state == State.RUNNING:
            code = str(getattr(fault, "code", "bad-message"))
            if isinstance(fault, HubFault):
                end_in(change, row, Step.FAIL, Cause.HUB, HUB, code, str(fault))
                return
            text = f"a message of {caller.subject} was refused: {fault}"
            end_in(change, row, Step.FAIL, Cause.HUB, HUB, code, text, (caller.subject,))


def _keep_conflict(hub: Hub, caller: Caller, job: RunningJob, item: Arrived) -> None:
    """Two signed messages for one place: keep both as evidence, end the job."""
    round, sequence, sender, receiver = item.key(caller.subject, job.hub_id)
    key = {
        "job": job.id,
        "sender": sender,
        "round": round,
        "sequence": sequence,
        "receiver": receiver,
        "digest": item.digest,
    }
    event = Event(
        "message.conflicting",
        caller.actor,
        job=job.id,
        subject=f"{caller.subject}:{round}",
        digests=(item.digest,),
        facts={"round": round},
    )
    with hub.store.change(event) as change:
        same = [conflicts.c[name] == value for name, value in key.items()]
        if change.execute(select(conflicts.c.job).where(*same)).first() is None:
            change.execute(insert(conflicts).values(**key, envelope=item.envelope.encode()))
        now = job_row(change.connection, job.id)
        if now.state == State.RUNNING:
            code, text = IntegrityFailure.code, _clash_text(job, item)
            end_in(change, now, Step.FAIL, Cause.HUB, HUB, code, text, (caller.subject,))


def _clash_text(job: RunningJob, item: Arrived) -> str:
    name = item.content.round if isinstance(item.content, Header) else _APART[type(item.content)]
    return f"a second, different message for round {name} of job {job.id}: kept as evidence"


def _event(job: RunningJob, caller: Caller, item: Arrived) -> Event:
    """``digests`` hold the payload's digest, by which node and auditor find the message in the log."""
    round, sequence, _, receiver = item.key(caller.subject, job.hub_id)
    return Event(
        "message.received",
        caller.actor,
        job=job.id,
        subject=f"{caller.subject}:{round}",
        digests=(item.digest, item.envelope.digest),
        facts={"round": round, "sequence": sequence, "receiver": receiver, "size": len(item.body)},
    )
