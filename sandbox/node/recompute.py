"""A participant checks what would be released: the referee's arithmetic again, from every node's signed messages.

Only for kinds whose messages to the hub may be shown to all participants. What comes out must be, byte for byte, what
the hub would release and what it said on the way; then this node signs the release.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from jobs.documents import Envelope, Release, Verified, Vouch, digest, salted_commitment, verify_release
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Kind, Output, Receiver
from jobs.kinds.registry import referee_of
from sandbox.inbox import OutputBody
from sandbox.messages import RESERVED, Message, bodies_of, round_of
from sandbox.node.context import Context
from sandbox.node.walk import Walk


def vouch_for(body: OutputBody, job: str, kind: Kind, walk: Walk, context: Context) -> Vouch:
    """The statement to sign; raises ``ProtocolViolation`` where the hub's release is not what the messages give."""
    if not kind.recomputed:
        raise ProtocolViolation(f"the output of a {kind.name} job is not for its participants")
    content, salt = _bytes(body.content), _bytes(body.salt)
    release: Verified[Release] = verify_release(Envelope.from_json(body.release), context.state.roster(context.clock()))
    messages = [walk.verified(job, item) for item in body.messages]
    _check_own(messages, walk, context)
    output = _replay(kind, walk, messages)
    document = release.document
    if output.content != content:
        raise ProtocolViolation("the hub would release another content than the messages give")
    named = (document.permit, document.content, document.verdict.released, document.verdict.withheld)
    if named != (walk.case.permit, salted_commitment(salt, digest(content)), output.released, output.withheld):
        raise ProtocolViolation("the release names another permit, content or count than the messages give")
    return Vouch(node=context.config.node, permit=walk.case.permit, release=release.digest)


def _replay(kind: Kind, walk: Walk, messages: Sequence[Message]) -> Output:
    """The referee's walk again, in the order in which its rounds were complete."""
    referee, case = referee_of(kind), walk.case
    state: bytes | None = None
    groups: dict[tuple[str, int], list[Message]] = {}
    said: dict[str, str] = {}
    for message in messages:
        header = message.header
        if round_of(kind, header.round).receiver is not Receiver.HUB:
            raise ProtocolViolation("the hub shows a message that the output is not computed from")
        group = groups.setdefault((header.round, header.sequence), [])
        referee.check(case, state, header.round, header.sequence, header.sender, message.body)
        group.append(message)
        if len(group) < len(case.participants):
            continue
        if len({m.header.sender for m in group}) != len(case.participants):
            raise ProtocolViolation("the hub shows two messages of one participant for one place")
        turn = referee.advance(case, state, header.round, header.sequence, bodies_of(group))
        state = turn.state if turn.state is not None else state
        said |= {f"{say.round} {say.sequence}": digest(say.body) for say in turn.say}
        if turn.output is not None:
            if said != walk.heard:
                raise ProtocolViolation("the hub said something else on the way than the messages give")
            return turn.output
    raise ProtocolViolation("the messages that the hub shows give no output")


def _check_own(messages: Sequence[Message], walk: Walk, context: Context) -> None:
    """Every message that this node sent to the hub is among them, as it was sent."""
    shown = {message.digest for message in messages if message.header.sender == context.config.node}
    with context.state.read() as connection:
        sent = {
            row.digest
            for row in context.state.sent_rows(connection, walk.case.permit)
            if row.receiver == context.state.trusted.last.document.hub.id and row.round not in RESERVED
        }
    if shown != sent:
        raise ProtocolViolation("the hub computes with other messages of this node than it sent")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolViolation("the hub's output is not base64") from None
