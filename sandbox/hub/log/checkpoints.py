"""Checkpoints on demand, cosignatures, proofs. What is said about the log is stored beside it, not in it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from jobs.documents import PublicKey, Roster, moment_text
from jobs.errors import UnknownSigner
from sandbox.audit import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteKey,
    NoteSignature,
    prove_consistency,
    root,
    verify_cosignature,
)
from sandbox.errors import BadProof, MalformedNote, NotFound
from sandbox.hub.core.errors import NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller, Role
from sandbox.store.tables import checkpoints, cosignatures
from sandbox.store.tree import prove_from, read_size


@dataclass(frozen=True)
class Latest:
    """The newest signed checkpoint, how large the log has become since, and when it was signed."""

    note: Note
    size: int
    log_size: int


def sign_checkpoint(hub: Hub) -> Latest:
    """Sign the log as it is now, unless that was done; several callers may race, one signature remains."""
    with hub.store.read() as connection:
        size = read_size(connection)
        row = connection.execute(select(checkpoints.c.note).where(checkpoints.c.size == size)).first()
        if row is None:
            checkpoint = Checkpoint(hub.trust.origin, size, _root(connection, size))
    if row is None:
        values = {"size": size, "note": checkpoint.sign(hub.key).encode().decode(), "at": moment_text(hub.store.now())}
        with suppress(IntegrityError):  # another thread signed the same size: Ed25519 makes both equal
            hub.store.publish(insert(checkpoints).values(values))
    return latest(hub)


def latest(hub: Hub) -> Latest:
    """The newest checkpoint with the cosignatures so far; one of an empty log before the first is signed."""
    with hub.store.read() as connection:
        row = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
        log_size = read_size(connection)
        note = cosigned_note(connection, row.size) if row is not None else None
    if row is None or note is None:
        return sign_checkpoint(hub)
    return Latest(note, row.size, log_size)


def cosigned_note(connection: Connection, size: int) -> Note:
    """The checkpoint of this size with all its cosignatures; raises ``NotFound``."""
    text = connection.execute(select(checkpoints.c.note).where(checkpoints.c.size == size)).scalar()
    if text is None:
        raise NotFound(f"no checkpoint of size {size} was signed")
    query = select(cosignatures.c.line).where(cosignatures.c.size == size).order_by(cosignatures.c.name)
    lines = [NoteSignature.parse(line.rstrip("\n")) for line in connection.execute(query).scalars()]
    return Note.parse(str(text).encode()).added(*lines)


def accept_cosignature(hub: Hub, caller: Caller, size: int, line: str) -> None:
    """Store a node's or witness's cosignature of a checkpoint; the second of the same name changes nothing.

    Raises ``NotFound``, ``MalformedNote``, ``NotPermitted`` (another role, another's name) or ``BadLogSignature``.
    """
    if caller.role not in (Role.NODE, Role.WITNESS):
        raise NotPermitted(f"nodes and witnesses cosign, the token is the {caller.role}'s")
    signature = NoteSignature.parse(line.rstrip("\n"))
    if signature.name != caller.subject:
        raise NotPermitted("a cosignature carries the name of the one who sends it")
    key = NoteKey(caller.subject, COSIGNATURE, _key_of(hub.roster().document, caller))
    with hub.store.read() as connection:
        note = cosigned_note(connection, size)
        known = [item for item in note.signatures if item.name == caller.subject]
    if signature.key_id != key.key_id:
        raise MalformedNote("the cosignature is by another key than the roster names")
    verify_cosignature(Note(note.text, (signature,)), key)
    if not known:
        row = {"size": size, "name": caller.subject, "line": signature.line}
        with suppress(IntegrityError):  # sent twice at once
            hub.store.publish(insert(cosignatures).values(row))


def consistency(hub: Hub, first: int, second: int) -> tuple[bytes, ...]:
    """Proof that the tree of ``second`` entries keeps the first ones; raises ``BadProof``."""
    with hub.store.read() as connection:
        if second > read_size(connection):
            raise BadProof(f"the log has fewer than {second} entries")
        return consistency_proof(connection, first, second)


def consistency_proof(connection: Connection, first: int, second: int) -> tuple[bytes, ...]:
    """The same within a transaction; the log has ``second`` entries at least."""
    (proof,) = prove_from(connection, [partial(prove_consistency, old=first, new=second)])
    return proof


def _root(connection: Connection, size: int) -> bytes:
    (found,) = prove_from(connection, [partial(root, size=size)])
    return found


def _key_of(roster: Roster, caller: Caller) -> PublicKey:
    if caller.role is Role.NODE:
        return roster.node_key(caller.subject)
    for witness in roster.witnesses:
        if witness.name == caller.subject:
            return PublicKey.parse(witness.key)
    raise UnknownSigner(f"the roster knows no witness {caller.subject}")


def checkpoint_json(found: Latest) -> dict[str, Any]:
    return {"note": found.note.encode().decode(), "size": found.size}
