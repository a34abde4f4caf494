"""Assembles the receipt of a release once all participants and enough witnesses have cosigned a log that holds it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from jobs.documents import Envelope, Permit, PublicKey, Roster, Verified, verify_dataset_record
from sandbox.audit import COSIGNATURE, Note, NoteKey, prove_inclusion
from sandbox.errors import InvalidTransition
from sandbox.hub.core.errors import NotYet
from sandbox.hub.core.hub import Hub
from sandbox.hub.log.checkpoints import cosigned_note
from sandbox.hub.running.held import envelopes
from sandbox.hub.running.jobstate import job_row
from sandbox.hub.running.running_job import running_job
from sandbox.messages import SENT, VOUCH
from sandbox.store.tables import (
    checkpoints,
    cosignatures,
    deliveries,
    grants,
    job_grants,
    log_entries,
    receipts,
    records,
    releases,
    rosters,
    status_lists,
)
from sandbox.store.tree import prove_from
from sandbox.verify.assemble import assemble_receipt

_TRIED: Final = 64
"""Checkpoints that one call looks at; the log's growth makes no call longer."""


def receipt_of(hub: Hub, job: str) -> bytes:
    """The receipt file of this job's release (of the first run, for a replay); stored once it is complete.

    Raises ``InvalidTransition`` without a release and ``NotYet`` naming who has not cosigned.
    """
    with hub.store.read() as connection:
        row = job_row(connection, job)
        if row.release_of is None:
            raise InvalidTransition(f"job {job} is {row.state}: only a release has a receipt")
        row = job_row(connection, row.release_of)
        stored = connection.execute(select(receipts.c.body).where(receipts.c.job == row.id)).scalar()
        if stored is not None:
            return bytes(stored)
        release = connection.execute(select(releases).where(releases.c.job == row.id)).one()
        permit = running_job(hub, row).permit
        roster = hub.roster_of(row.roster)
        note, size = _cosigned(hub, connection, release.entry, permit.document, roster.document)
        body = _assemble(connection, row, release, permit, roster, note, size)
    try:
        hub.store.publish(insert(receipts).values(job=row.id, body=body))
    except IntegrityError:  # two readers completed it at once; the first stays
        return receipt_of(hub, job)
    return body


def _cosigned(hub: Hub, connection: Connection, entry: int, permit: Permit, roster: Roster) -> tuple[Note, int]:
    """The smallest checkpoint over the entry that everybody needed has cosigned."""
    needed = {NoteKey(node, COSIGNATURE, roster.node_key(node)).name for node in permit.participants}
    witnesses = {NoteKey(w.name, COSIGNATURE, PublicKey.parse(w.key)).name for w in roster.witnesses}
    since = (cosignatures.c.size > entry) & cosignatures.c.name.in_(needed | witnesses)
    query = (
        select(cosignatures.c.name, func.min(cosignatures.c.size).label("smallest"))
        .where(since)
        .group_by(cosignatures.c.name)
    )
    first: dict[str, int] = {row.name: row.smallest for row in connection.execute(query)}
    vouched = sorted(first[name] for name in witnesses & first.keys())[: hub.trust.witnesses_needed]
    missing = needed - first.keys()
    if len(vouched) < hub.trust.witnesses_needed:
        missing |= witnesses - first.keys()
    if missing:
        raise NotYet(f"waiting for the cosignatures of {', '.join(sorted(missing))}")
    # no checkpoint before this one can have them all; a few behind it almost always do
    start = max([*(first[name] for name in needed), *vouched], default=entry + 1)
    tried = select(checkpoints.c.size).where(checkpoints.c.size >= start).order_by(checkpoints.c.size).limit(_TRIED)
    for size in connection.execute(tried).scalars():
        note = cosigned_note(connection, size)
        names = {signature.name for signature in note.signatures}
        if needed <= names and len(witnesses & names) >= hub.trust.witnesses_needed:
            return note, size
        missing = (needed - names) | (
            witnesses - names if len(witnesses & names) < hub.trust.witnesses_needed else set()
        )
    raise NotYet(f"waiting for the cosignatures of {', '.join(sorted(missing))}")


def _assemble(
    connection: Connection,
    row: Row[Any],
    release: Row[Any],
    permit: Verified[Permit],
    roster: Verified[Roster],
    note: Note,
    size: int,
) -> bytes:
    order = permit.document
    chain = select(rosters.c.envelope).where(rosters.c.version <= roster.document.version).order_by(rosters.c.version)
    granted = select(grants.c.envelope, grants.c.digest).where(
        (job_grants.c.job == row.id) & (job_grants.c.grant == grants.c.digest)
    )
    by_digest = {found.digest: found.envelope for found in connection.execute(granted)}
    given = select(deliveries.c.envelope).where(deliveries.c.job == row.id).order_by(deliveries.c.digest)
    leaf = connection.execute(select(log_entries.c.leaf).where(log_entries.c.index == release.entry)).scalar_one()
    return assemble_receipt(
        [Envelope.parse(bytes(data)) for data in connection.execute(chain).scalars()],
        Envelope.parse(bytes(row.commitment_envelope)),
        [Envelope.parse(bytes(by_digest[digest])) for digest in order.grants],
        _records(connection, order, roster),
        permit.envelope,
        _status(connection, order),
        envelopes(connection, row.id, SENT, order.participants),
        Envelope.parse(bytes(release.envelope)),
        [Envelope.parse(bytes(data)) for data in connection.execute(given).scalars()],
        bytes(leaf),
        release.entry,
        prove_from(connection, [partial(prove_inclusion, index=release.entry, size=size)])[0],
        note,
        vouches=envelopes(connection, row.id, VOUCH, order.participants),
    )


def _status(connection: Connection, order: Permit) -> Envelope:
    query = select(status_lists.c.envelope).where(status_lists.c.digest == order.status)
    return Envelope.parse(bytes(connection.execute(query).scalar_one()))


def _records(connection: Connection, order: Permit, roster: Verified[Roster]) -> list[Envelope]:
    found = []
    for use in order.data:
        where = (records.c.node == use.node) & (records.c.dataset == use.dataset) & (records.c.version == use.version)
        data = (
            connection.execute(select(records.c.envelope).where(where).order_by(records.c.sequence)).scalars().first()
        )
        found.append(verify_dataset_record(bytes(data or b""), roster).envelope)
    return found
