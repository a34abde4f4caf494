"""A participant checks what would be released: the referee's arithmetic again, from every node's signed messages.

Only for kinds whose messages to the hub may be shown to all participants. What comes out must be, byte for byte, what
the hub would release and what it said on the way; then this node signs the release.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from jobs.documents import Envelope, Release, Verified, Vouch, digest, salted_commitment, verify_release
from jobs.errors import JobError, ProtocolViolation
from jobs.kinds.base import Kind
from mpc.errors import MpcError
from sandbox.errors import OutputUnconfirmed
from sandbox.inbox import OutputBody
from sandbox.messages import RESERVED, Message
from sandbox.node.context import Context
from sandbox.node.walk import Walk
from sandbox.replay import replay


def vouch_for(body: OutputBody, job: str, kind: Kind, walk: Walk, context: Context) -> Vouch:
    """The statement to sign; raises ``OutputUnconfirmed`` where the hub's release is not what the messages give."""
    try:
        return _recomputed(body, job, kind, walk, context)
    except (JobError, MpcError) as error:
        raise OutputUnconfirmed(f"this node does not confirm the output: {error}") from error


def _recomputed(body: OutputBody, job: str, kind: Kind, walk: Walk, context: Context) -> Vouch:
    if not kind.recomputed:
        raise ProtocolViolation(f"the output of a {kind.name} job is not for its participants")
    content, salt = _bytes(body.content), _bytes(body.salt)
    release: Verified[Release] = verify_release(Envelope.from_json(body.release), context.state.roster(context.clock()))
    messages = [walk.verified(job, item) for item in body.messages]
    _check_own(messages, walk, context)
    replayed = replay(kind, walk.case, messages)
    if replayed.said != walk.heard:
        raise ProtocolViolation("the hub said something else on the way than the messages give")
    output, document = replayed.output, release.document
    if output.content != content:
        raise ProtocolViolation("the hub would release another content than the messages give")
    named = (document.permit, document.content, document.verdict.released, document.verdict.withheld)
    if named != (walk.case.permit, salted_commitment(salt, digest(content)), output.released, output.withheld):
        raise ProtocolViolation("the release names another permit, content or count than the messages give")
    return Vouch(node=context.config.node, permit=walk.case.permit, release=release.digest)


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
