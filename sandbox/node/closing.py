"""How a job ends at a node, whoever ends it: job thread, loop, recovery. One transaction, always the caller's."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from adapters.errors import AdapterError, SourceChanged
from sandbox.messages import Abort, Destroyed, permit_bytes, session_of
from sandbox.node import ledger
from sandbox.node.context import Context
from sandbox.node.post import INFORMATIVE
from sandbox.node.state import OPEN_STATES

GRACE: Final = timedelta(seconds=60)
"""After its values a node waits that long beyond the deadline for the hub's last word, then closes the job alone."""


def end_job(
    context: Context,
    connection: Connection,
    permit: str,
    nonce: str,
    at: str,
    *,
    code: str | None = None,
    advice: str | None = None,
) -> None:
    """Settle the ledger, set the final state, say ``Destroyed``. The caller has destroyed the mask key.

    ``code``: why it failed; ``None`` for a released job. ``advice``: tell the hub with an ``Abort``, which is left out
    once the values were queued: then only the hub can say how the job ends. A job that has ended is left alone.
    """
    row = context.state.job(connection, permit)
    if row is None or row.state not in OPEN_STATES:
        return
    session, digest, node = session_of(nonce), permit_bytes(permit), context.config.node
    if advice is not None and code is not None and "values" not in context.state.rounds(connection, permit):
        context.outbox.queue(connection, permit, Abort(session, node, digest, code, advice), at)
    settle(context, connection, permit, at)
    context.state.set_job(connection, permit, "failed" if code else "finished", code)
    context.outbox.queue(connection, permit, Destroyed(session, node, digest), at)


def settle(context: Context, connection: Connection, permit: str, at: str) -> None:
    """Refund if nothing informative was queued, else the whole reservation is spent."""
    rounds = context.state.rounds(connection, permit)
    if any(name in rounds for name in INFORMATIVE):
        ledger.commit(connection, permit, {}, at)
    else:
        ledger.refund(connection, permit, at)


def public_code(error: Exception) -> str:
    """A slug for the hub; errors of the owner's files have one for all but a changed version."""
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
