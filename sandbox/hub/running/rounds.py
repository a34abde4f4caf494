"""Takes a node's messages: verified and checked outside the lock, stored with their events, and the next step taken.

All messages of one post are one transaction: all are stored, or none. The same bytes again are one message; other
bytes for a round that has one are evidence, and end the job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from jobs.documents import Envelope, Permit, SentRecord, Verified, moment_text, verify_permit
from jobs.documents.ed25519 import encode_base64
from jobs.errors import BadDocument
from jobs.kinds.statistics.opening import pack, unpack
from sandbox.audit import MESSAGE_REFUSED
from sandbox.errors import IntegrityFailure, InvalidTransition
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.requests.request import stored_plan
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.coordinator import COUNTED, Joint, add_flags, check_message, check_sent
from sandbox.hub.running.incoming import Held, Incoming, decoded, job_of
from sandbox.hub.running.jobstate import job_row, put, set_progress
from sandbox.hub.running.releasing import release_job
from sandbox.messages import Abort, Destroyed, Flags, Key
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store.event import Event
from sandbox.store.store import Change
from sandbox.store.tables import conflicts, jobs, messages

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")


def receive(hub: Hub, caller: Caller, envelopes: Sequence[Envelope]) -> None:
    """Take one post of one node; raises what the first bad message is refused for, and then nothing changed."""
    incoming = [Incoming.read(envelope) for envelope in envelopes]
    node = caller.subject
    with hub.store.read() as connection:
        row = job_of(connection, incoming)
        joint = joint_of(hub, row)
        for item in incoming:
            item.verify(node, hub.roster_of(row.roster))
        held = Held.of(connection, row.id)
        fresh = [item for item in incoming if held.digests.get((node, item.round)) != item.payload_digest]
        clash = next((item for item in fresh if (node, item.round) in held.digests), None)
        late: InvalidTransition | None = None
        if clash is None and fresh:
            try:
                _check(joint, node, fresh, held, connection, row)
            except InvalidTransition as error:
                late = error
    if late is not None:
        raise _record_late(hub, caller, row, fresh, late)
    if clash is not None:
        raise _record_clash(hub, caller, row, clash)
    if fresh:
        with hub.store.change(_event(fresh[0], caller, row)) as change:
            _store(hub, change, caller, row.id, fresh)


def joint_of(hub: Hub, row: Row[Any]) -> Joint:
    """The job as the coordinator sees it, under the roster of its permit."""
    plan = stored_plan(row.plan)
    permit: Verified[Permit] = hub.memo.verified(verify_permit, bytes(row.permit_envelope), hub.roster_of(row.roster))
    return Joint(permit, plan, None if row.passed is None else unpack(plan, bytes(row.passed)))


def _check(
    joint: Joint, node: str, incoming: Sequence[Incoming], held: Held, connection: Connection, row: Row[Any]
) -> None:
    _check_state(row, incoming)
    wanted = any(isinstance(item.content, Key | Flags) for item in incoming)
    publics = held.publics(connection, joint.participants) if wanted else {}
    payloads = {name: held.digests[node, name] for name in COUNTED if (node, name) in held.digests}
    seen: set[str] = set()
    for item in incoming:
        if item.round in seen:
            raise BadDocument(f"two messages for round {item.round} in one post")
        seen.add(item.round)
        if isinstance(item.content, SentRecord):
            check_sent(joint, node, item.content, payloads)
        else:
            check_message(joint, node, item.content, publics)
        payloads[item.round] = item.payload_digest


def _check_state(row: Row[Any], incoming: Sequence[Incoming]) -> None:
    """Only a running job takes messages, but the news that intermediates are destroyed is welcome at any time."""
    if row.state != State.RUNNING and any(not isinstance(item.content, Destroyed) for item in incoming):
        raise InvalidTransition(f"job {row.id} is {row.state}: it takes no messages any more")


def _store(hub: Hub, change: Change, caller: Caller, job: str, incoming: Sequence[Incoming]) -> None:
    row = job_row(change.connection, job)
    _check_state(row, incoming)  # again: now under the write lock
    before = Held.of(change.connection, job)
    for place, item in enumerate(incoming):
        if (caller.subject, item.round) in before.digests:
            raise InvalidTransition(f"a message for round {item.round} was stored at this moment: send again")
        values = {
            "job": job,
            "node": caller.subject,
            "round": item.round,
            "digest": item.payload_digest,
            "envelope": item.envelope.encode(),
            "entry": change.also(_event(item, caller, row)) if place else change.first_index,
            "at": moment_text(change.now),
        }
        change.execute(insert(messages).values(values))
    held = Held(job, before.digests | {(caller.subject, item.round): item.payload_digest for item in incoming})
    joint = joint_of(hub, row)
    for item in incoming:
        _advance(hub, change, row, joint, held, item)


def _advance(hub: Hub, change: Change, row: Row[Any], joint: Joint, held: Held, item: Incoming) -> None:
    """Take the step that this message completes, if it does."""
    nodes, connection = joint.participants, change.connection
    if row.state == State.RUNNING:
        set_progress(change, row.id, f"{item.round}: {held.count(item.round)} of {len(nodes)} nodes")
    match item.round:
        case "key" if held.has_all(nodes, "key"):
            keys = [envelope.to_json() for envelope in held.envelopes(connection, "key", nodes)]
            for node in nodes:
                put(change, node, "keys", row.id, {"messages": keys})
        case "flags" if held.has_all(nodes, "flags"):
            passed = pack(add_flags(joint, [decoded(e, Flags) for e in held.envelopes(connection, "flags", nodes)]))
            change.execute(update(jobs).where(jobs.c.id == row.id).values(passed=passed))
            for node in nodes:
                put(change, node, "open", row.id, {"passed": encode_base64(passed)})
        case "sent" if held.has_all(nodes, "values", "sent"):  # the record comes with or after the values
            values = held.envelopes(connection, "values", nodes)
            release_job(hub, change, row, joint, values, held.envelopes(connection, "sent", nodes))
        case "abort" if isinstance(item.content, Abort):
            code, advice = _abort_words(item.content)
            end_in(change, row, Step.FAIL, Cause.NODE, HUB, code, advice, (item.content.node,))
        case "destroyed" if held.has_all(nodes, "destroyed"):
            change.also(Event("job.destroyed", HUB, job=row.id, facts={"nodes": list(nodes)}))


def _abort_words(abort: Abort) -> tuple[str, str]:
    """A node's text reaches people's terminals: the code must be a slug, the advice plain printable text."""
    code = abort.code if _SLUG.fullmatch(abort.code) else "node-aborted"
    plain = "".join(character if character.isprintable() else " " for character in abort.advice)
    return code, f"node {abort.node} ended the job: {plain}"


def _record_late(
    hub: Hub, caller: Caller, row: Row[Any], incoming: Sequence[Incoming], late: InvalidTransition
) -> InvalidTransition:
    """The job is over: the messages are not taken, but the log says that they came, so that records reconcile."""
    for item in incoming:
        subject = f"{caller.subject}:{item.round}"
        facts = {"round": item.round, "node": caller.subject, "state": row.state}
        digests = (item.payload_digest,)
        with hub.store.change(
            Event(MESSAGE_REFUSED, caller.actor, job=row.id, subject=subject, digests=digests, facts=facts)
        ):
            pass
    return late


def _record_clash(hub: Hub, caller: Caller, row: Row[Any], item: Incoming) -> IntegrityFailure:
    """Two signed messages for one round: keep both as evidence, end the job, return the error to raise."""
    error = IntegrityFailure(f"a second, different message for round {item.round} of job {row.id}: kept as evidence")
    key = {"job": row.id, "node": caller.subject, "round": item.round, "digest": item.payload_digest}
    event = Event(
        "message.conflicting",
        caller.actor,
        job=row.id,
        subject=f"{caller.subject}:{item.round}",
        digests=(item.payload_digest,),
        facts={"round": item.round},
    )
    with hub.store.change(event) as change:
        same = [conflicts.c[name] == value for name, value in key.items()]
        if change.execute(select(conflicts.c.job).where(*same)).first() is None:
            change.execute(insert(conflicts).values(**key, envelope=item.envelope.encode()))
        now = job_row(change.connection, row.id)
        if now.state == State.RUNNING:
            end_in(change, now, Step.FAIL, Cause.HUB, HUB, error.code, str(error), (caller.subject,))
    return error


def _event(item: Incoming, caller: Caller, row: Row[Any]) -> Event:
    """``digests`` hold the payload's digest, by which node and auditor find the message in the log."""
    return Event(
        "message.received",
        caller.actor,
        job=row.id,
        subject=f"{caller.subject}:{item.round}",
        digests=(item.payload_digest, item.envelope.digest),
        facts={"round": item.round, "size": len(item.envelope.payload)},
    )
