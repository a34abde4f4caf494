"""How a job ends at a node, whoever ends it: job thread, loop, recovery. One transaction, always the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from adapters.errors import AdapterError, SourceChanged
from jobs.documents import Envelope, Permit, parse_json, verify_threshold
from jobs.documents.message import Destroyed, Stop
from jobs.errors import JobError
from jobs.permit import Order
from jobs.schema import Digest
from mpc.errors import MpcError
from sandbox.logs import facts
from sandbox.node import ledger
from sandbox.node.alarms import UNCONFIRMED, UNRELEASED, raise_alarm
from sandbox.node.context import Context
from sandbox.node.state import OPEN

GRACE: Final = timedelta(seconds=60)
"""After the point of no return a node waits so long beyond the deadline for the hub's last word."""


def end_job(
    context: Context,
    connection: Connection,
    permit: str,
    nonce: str,
    at: str,
    *,
    code: str | None = None,
    advice: str | None = None,
    stop: Mapping[str, Any] | None = None,
) -> None:
    """Settle the ledger, set the final state, say ``Destroyed``. The caller has destroyed the mask key.

    ``code``: why it failed; ``None`` for a released job. ``advice``: tell the hub with a ``Stop``. ``stop``: another
    participant's signed word that it ended the job, as the hub shows it. A job that has ended is left alone.

    A job that this node is bound to and that ends without a release is an alarm, unless another participant signed
    that it stopped before it was bound: nothing can be opened without its numbers.
    """
    row = context.state.job(connection, permit)
    if row is None or row.state != OPEN:
        return
    node, sent = context.config.node, context.state.sent_rows(connection, permit)
    bound = any(item.binding for item in sent)
    if advice is not None and code is not None:
        word = Stop(node=node, permit=Digest(permit), nonce=nonce, bound=bound, code=code, advice=plain(advice))
        context.outbox.queue_stop(connection, word, at)
    if code is not None and bound and not _explained(context, row, stop):
        text = f"this node's numbers left it, and the hub says there is no release ({code}): it may have opened them"
        context.log.critical(text, extra=facts(event="alarm.raised", job=row.job))
        raise_alarm(connection, row.job, permit, UNCONFIRMED if code == UNCONFIRMED else UNRELEASED, text, at)
    _settle(connection, permit, sent, at)
    context.state.close_job(connection, permit, "failed" if code else "finished", code)
    context.outbox.queue_destroyed(connection, Destroyed(node=node, permit=Digest(permit), nonce=nonce), at)
    context.log.info("a job has ended", extra=facts(event="job.ended", job=row.job, code=code or "finished"))


def _explained(context: Context, row: Row[Any], stop: Mapping[str, Any] | None) -> bool:
    """Whether another participant signed that it stopped this job before it was bound."""
    if stop is None:
        return False
    try:
        envelope = Envelope.from_json(stop)
        word = Stop.open(envelope)
        participants = Permit.open(Order.read(parse_json(bytes(row.order))).permit).participants
        if word.bound or word.permit != row.permit or word.node == context.config.node:
            return False
        if word.node not in participants:
            return False
        key = context.state.trusted.last.document.node_key(word.node)
        verify_threshold(envelope, [key], 1, f"stop of node {word.node}")
    except JobError as error:
        context.log.error(
            "the word that ended a job does not verify: %s", error, extra=facts(event="stop.unbelieved", job=row.job)
        )
        return False
    return True


def _settle(connection: Connection, permit: str, sent: Sequence[Row[Any]], at: str) -> None:
    """Refund if nothing informative was queued, else the whole reservation is spent."""
    if any(item.reveals for item in sent):
        ledger.commit(connection, permit, {}, at)
    else:
        ledger.refund(connection, permit, at)


def plain(text: str) -> str:
    """Printable, on one line: what a document takes and a terminal shows as it is."""
    return "".join(character if character.isprintable() else " " for character in text)[:900]


def public_code(error: Exception) -> str:
    """A slug for the hub; errors of the owner's files have one for all but a changed version, ``mpc``'s have one."""
    if isinstance(error, MpcError):
        return "protocol-failed"
    if isinstance(error, AdapterError):
        return "data-changed" if isinstance(error, SourceChanged) else "data-unreadable"
    return str(getattr(error, "code", "failed"))


def public_text(error: Exception) -> str:
    """What the hub and operator may read of an error: our own typed texts hold no data value.

    Texts about the owner's files name files and columns, so they stay with the owner.
    """
    if isinstance(error, AdapterError) and not isinstance(error, SourceChanged):
        return "this node cannot read its data; its owner sees why"
    return f"{error} {getattr(error, 'advice', '')}".strip()[:900]
