"""Content that can go while the evidence stays: encrypted beside the log, under one key for each job.

    put(change, job, "csv", data)      # with the job's own change; the key is made with the first content
    get(connection, job, "csv")        # ``ContentDestroyed`` once the key is gone
    destroy(change, job, actor)        # the key, and with it every copy of the boxes, also those in backups

Log leaves, receipts and signed documents hold only digests and salted commitments of what lies here. The keys are in
the same database: a backup that holds ``content_keys`` brings the contents back, so back that table up apart and not
for longer than contents may live.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from jobs.documents import moment_text
from sandbox.errors import NotFound
from sandbox.store.boxes import check_alive, key_for, key_of, seal, unseal
from sandbox.store.event import Actor, Event
from sandbox.store.store import Change
from sandbox.store.tables import content_keys, contents

DESTROYED: Final = "content.destroyed"
"""The event of a destruction. A scope is a job's id, that id behind a word ("walk job-1"), or a month of addresses."""


_OF_ONE: Final = (contents.c.scope == content_keys.c.scope) & (contents.c.name == bindparam("name"))
_KEY_AND_BOX: Final = (
    select(content_keys.c.key, content_keys.c.destroyed, contents.c.box)
    .select_from(content_keys.outerjoin(contents, _OF_ONE))
    .where(content_keys.c.scope == bindparam("scope"))
)


def put(change: Change, scope: str, name: str, data: bytes) -> None:
    """Store one content of a job, once. Raises ``ContentDestroyed`` for a job whose contents were destroyed."""
    key = change.keys.get(scope)
    if key is None:
        key = change.keys[scope] = key_for(change.connection, scope)
    change.execute(insert(contents).values(scope=scope, name=name, box=seal(key, scope, name, data)))


def get(connection: Connection, scope: str, name: str) -> bytes:
    """The content again. Raises ``ContentDestroyed``, ``NotFound``, or ``IntegrityFailure`` for an altered box."""
    row = connection.execute(_KEY_AND_BOX, {"scope": scope, "name": name}).first()
    if row is not None:
        check_alive(scope, row.key, row.destroyed)
    if row is None or row.box is None:
        raise NotFound(f"no content {name} of {scope} is stored")
    return unseal(bytes(row.key), scope, name, bytes(row.box))


def find(connection: Connection, scope: str, name: str) -> bytes | None:
    """``get``, or None where nothing of that name was stored. Raises ``ContentDestroyed`` and ``IntegrityFailure``."""
    try:
        return get(connection, scope, name)
    except NotFound:
        return None


def destroy(change: Change, scope: str, actor: Actor) -> int:
    """Destroy the key and the boxes and say so in the log; returns how many contents went.

    Raises ``NotFound`` if there is nothing, ``ContentDestroyed`` if it was done before. Call ``Store.scrub`` after the
    commit: until then the database may hold the key's bytes in places that no query reads.
    """
    if key_of(change.connection, scope) is None:
        raise NotFound(f"no content of {scope} is stored")
    change.keys.pop(scope, None)
    gone = change.execute(delete(contents).where(contents.c.scope == scope)).rowcount
    done = update(content_keys).where(content_keys.c.scope == scope)
    change.execute(done.values(key=None, destroyed=moment_text(change.now)))
    job = scope.rpartition(" ")[2]
    change.also(Event(DESTROYED, actor, job=job, facts={"scope": scope, "contents": gone}))
    return gone
