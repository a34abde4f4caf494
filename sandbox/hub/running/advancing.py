"""The step that a stored message completes, if it does: relay, let the referee compute, tell everybody, release.

Knows no kind: the table of rounds says who reads what, the referee what follows. Whatever the referee does, an
exception of its own ends this job, typed, and never another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import insert, update

from jobs.documents import Envelope, SentRecord, Vouch, moment_text
from jobs.documents.message import ALL, Destroyed, Header, Stop
from jobs.errors import JobError
from jobs.kinds.base import Receiver, Turn
from mpc.errors import MpcError
from sandbox.errors import SandboxError
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.held import put_body, senders, whole_round
from sandbox.hub.running.jobstate import job_row, set_progress
from sandbox.hub.running.relay import relay
from sandbox.hub.running.releasing import draft_release, hold_output, publish_release
from sandbox.hub.running.running_job import RunningJob, foreseen, running_job, walk_scope
from sandbox.messages import DESTROYED, SENT, VOUCH, Message, bodies_of, next_transcript, round_of, write_message
from sandbox.policy.states import Cause, State
from sandbox.policy.states import Event as Step
from sandbox.store import contents
from sandbox.store.event import Event
from sandbox.store.store import Change
from sandbox.store.tables import jobs, messages

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")


def advance(hub: Hub, change: Change, job: RunningJob, content: object, envelope: Envelope) -> None:
    """Take the step, in the transaction that stored the message."""
    match content:
        case Stop():
            code, advice = _words_of(content)
            end_in(change, job.row, Step.FAIL, Cause.NODE, HUB, code, advice, (content.node,), envelope)
        case Destroyed():
            if _all_said(change, job, DESTROYED):
                change.also(Event("job.destroyed", HUB, job=job.id, facts={"nodes": list(job.participants)}))
        case Header() | SentRecord() | Vouch() if job.row.state == State.RUNNING:
            try:
                with foreseen(job), change.attempt():
                    _go_on(hub, change, job, content)
            except (JobError, MpcError, SandboxError) as error:
                code = str(getattr(error, "code", "protocol-failed"))
                end_in(change, job.row, Step.FAIL, Cause.HUB, HUB, code, str(error))


def _go_on(hub: Hub, change: Change, job: RunningJob, content: Header | SentRecord | Vouch) -> None:
    match content:
        case Header():
            _message(hub, change, job, content)
        case SentRecord() if _all_said(change, job, SENT):
            if job.kind.recomputed:
                draft_release(hub, change, job)
            else:
                publish_release(hub, change, job)
        case Vouch() if _all_said(change, job, VOUCH):
            publish_release(hub, change, job)


def _message(hub: Hub, change: Change, job: RunningJob, header: Header) -> None:
    row = round_of(job.kind, header.round)
    if row.receiver is Receiver.NODE:
        relay(change, [header.receiver], job, [header], unread=header.size)
        return
    there = senders(change.connection, job.id, row.name, header.sequence)
    set_progress(change, job.id, f"{row.name}: {len(there)} of {len(job.participants)} nodes")
    if there < set(job.participants):
        return
    whole = whole_round(change.connection, job.id, row.name, header.sequence)
    if row.receiver is Receiver.ALL:
        _tell_all(change, job, whole)
        return
    _check_one_view(whole)
    state = job.state(change.connection)
    turn = job.referee.advance(job.case, state, row.name, header.sequence, bodies_of(whole))
    _follow(hub, change, job, turn, state, f"{row.name} {header.sequence}")


def _check_one_view(whole: Sequence[Message]) -> None:
    """Parts that were masked after different relays add up to noise: say so instead."""
    if len({message.header.transcript for message in whole}) != 1:
        raise MpcError("the nodes were told different things: what they sent does not add up")


def _follow(hub: Hub, change: Change, job: RunningJob, turn: Turn, before: bytes | None, name: str) -> None:
    """Keep the referee's state, say what it says, hold its output until all sent records are there."""
    if turn.state is not None and turn.state != before:
        contents.put(change, walk_scope(job.id), f"state {name}", turn.state)
        change.execute(update(jobs).where(jobs.c.id == job.id).values(referee=f"state {name}"))
    for say in turn.say:
        round_of(job.kind, say.round)
        now = running_job(hub, job_row(change.connection, job.id))
        message = write_message(
            hub.key, job.case.permit, now.row.transcript, say.round, say.sequence, job.hub_id, ALL, say.body, hub.rng,
            state=None,
        )  # fmt: skip
        _store_own(change, job, message)
        _tell_all(change, now, [message])
    if turn.output is not None:
        hold_output(change, job, turn.output)


def _store_own(change: Change, job: RunningJob, message: Message) -> None:
    header = message.header
    facts = {"round": header.round, "sequence": header.sequence, "receiver": ALL, "size": header.size}
    subject = f"{job.hub_id}:{header.round}"
    entry = change.also(Event("message.sent", HUB, job=job.id, subject=subject, digests=(message.digest,), facts=facts))
    values = {
        "job": job.id,
        "sender": header.sender,
        "round": header.round,
        "sequence": header.sequence,
        "receiver": header.receiver,
        "digest": message.digest,
        "envelope": message.envelope.encode(),
        "size": header.size,
        "entry": entry,
        "at": moment_text(change.now),
    }
    change.execute(insert(messages).values(values))
    put_body(change, job.id, header, message.body)


def _tell_all(change: Change, job: RunningJob, whole: Sequence[Message]) -> None:
    """The same messages to every participant, and one more link of the transcript."""
    transcript = next_transcript(job.row.transcript, whole)
    change.execute(update(jobs).where(jobs.c.id == job.id).values(transcript=transcript))
    relay(change, job.participants, job, [message.header for message in whole])


def _all_said(change: Change, job: RunningJob, name: str) -> bool:
    return set(job.participants) <= senders(change.connection, job.id, name)


def _words_of(stop: Stop) -> tuple[str, str]:
    """A node's text reaches people's terminals: the code must be a slug, the advice plain printable text."""
    code = stop.code if _SLUG.fullmatch(stop.code) else "node-aborted"
    plain = "".join(character if character.isprintable() else " " for character in stop.advice)
    return code, f"node {stop.node} ended the job: {plain}"
