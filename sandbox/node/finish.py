"""After a release: did all participants sign the same story? What does not agree is an alarm to the owner."""

from __future__ import annotations

from sqlalchemy import Connection

from jobs.documents import (
    Envelope,
    Permit,
    Release,
    SentRecord,
    Verified,
    Vouch,
    moment_text,
    verify_release,
    verify_sent_record,
)
from jobs.errors import JobError
from jobs.kinds.registry import kind_by
from sandbox.inbox import FinishedBody
from sandbox.logs import facts
from sandbox.messages import SENT, VOUCH
from sandbox.node.alarms import ALTERED, MISLED, raise_alarm
from sandbox.node.context import Context


def check_finished(context: Context, connection: Connection, permit: Verified[Permit], body: FinishedBody) -> None:
    """Compare the participants' signed records with each other and with this node's own, and the release with the one
    that this node recomputed and signed; alarm where they differ."""
    try:
        roster = context.state.roster(context.clock())
        release: Verified[Release] = verify_release(Envelope.from_json(body.release), roster)
        recomputed = kind_by(permit.document.algorithm).recomputed
        records = [verify_sent_record(Envelope.from_json(item), roster) for item in body.sent]
    except JobError as error:
        _alarm(context, connection, permit, ALTERED, f"what the hub says of the release does not verify: {error}")
        return
    _compare(context, connection, permit, release.document, records)
    if recomputed and not _vouched(context, connection, permit, release):
        text = "the hub released what this node did not recompute and sign"
        _alarm(context, connection, permit, ALTERED, text)


def _vouched(context: Context, connection: Connection, permit: Verified[Permit], release: Verified[Release]) -> bool:
    kept = context.state.sent(connection, permit.digest, VOUCH, 0)
    return kept is not None and Vouch.open(Envelope.parse(bytes(kept.envelope))).release == release.digest


def _compare(
    context: Context,
    connection: Connection,
    permit: Verified[Permit],
    release: Release,
    records: list[Verified[SentRecord]],
) -> None:
    own = next((r for r in records if r.document.node == context.config.node), None)
    kept = context.state.sent(connection, permit.digest, SENT, 0)
    nodes = tuple(record.document.node for record in records)
    if own is None or kept is None or own.envelope.encode() != bytes(kept.envelope):
        _alarm(context, connection, permit, ALTERED, "the hub shows another list of what this node sent than it signed")
    elif nodes != permit.document.participants or release.sent != tuple(record.digest for record in records):
        _alarm(context, connection, permit, ALTERED, "the release does not rest on one record of each participant")
    elif any(record.document.permit != permit.digest for record in records) or release.permit != permit.digest:
        _alarm(context, connection, permit, ALTERED, "the release, or a participant's record, is of another permit")
    elif len({record.document.transcript for record in records}) != 1:
        text = "the hub told the participants different things: their masks were bound to what each was told"
        _alarm(context, connection, permit, MISLED, text)


def _alarm(context: Context, connection: Connection, permit: Verified[Permit], code: str, text: str) -> None:
    context.log.critical(text, extra=facts(event="alarm.raised", job=permit.document.job))
    at = moment_text(context.clock())
    raise_alarm(connection, permit.document.job, permit.digest, code, text, at)
