"""Who may read which entry. Everybody sees that nothing was left out; what an entry says is for its parties.

Auditor and authority read all. Operators, owners and nodes read the entries of their own jobs and of what they did
themselves; kinds in ``PUBLIC`` are for every token. Of any other entry a caller gets its leaf hash, which a salt in the
leaf keeps from confirming guesses. A filter, or a digest that is asked for, finds readable entries only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, exists, false, func, or_, select, true

from jobs.documents import parse_json
from jobs.documents.ed25519 import encode_base64
from sandbox.audit import LogEntry, leaf_hash, prove_inclusion
from sandbox.errors import BadProof, NotFound
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller, Role
from sandbox.store.origins import OriginReader
from sandbox.store.tables import job_nodes, jobs, log_digests, log_entries
from sandbox.store.tree import prove_from, read_size

PUBLIC: Final = ("roster.accepted", "status-list.published", "dataset.registered")
_SEES_ALL: Final = (Role.AUDITOR, Role.AUTHORITY)
_WINDOW: Final = 20_000
"""Entries that one filtered page looks at, at most, for a caller who may not read all: its cost has a bound."""


@dataclass(frozen=True)
class Place:
    """One leaf, its proof in the tree of the size asked for, and the leaf's bytes if the caller may read them."""

    index: int
    leaf: bytes | None
    hash: bytes
    proof: tuple[bytes, ...]


def read_page(hub: Hub, caller: Caller, after: int, limit: int, filters: Mapping[str, str]) -> dict[str, Any]:
    """Entries behind ``after`` in order, as JSON items, and the cursor of the next page if there may be one."""
    with hub.store.read() as connection:
        if not filters:
            rows = _rows(connection, caller, log_entries.c.index > after, limit)
            end = rows[-1].place if len(rows) == limit else None
        elif caller.role in _SEES_ALL:
            rows = _rows(connection, caller, (log_entries.c.index > after) & _fits(filters), limit)
            end = rows[-1].place if len(rows) == limit else None
        else:
            last = after + _WINDOW
            window = log_entries.c.index.between(after + 1, last) & _fits(filters) & readable(caller)
            rows = _rows(connection, caller, window, limit)
            end = rows[-1].place if len(rows) == limit else last if last < read_size(connection) - 1 else None
        origins = OriginReader(connection) if caller.role in _SEES_ALL else None
        items = [_item(row, origins) for row in rows]
    return {"items": items, "next": end}


def prove(hub: Hub, caller: Caller, index: int, size: int) -> Place:
    """The leaf at an index in the tree of ``size``; raises ``NotFound`` beyond it, ``BadProof`` beyond the log."""
    with hub.store.read() as connection:
        _check_size(connection, size)
        rows = _rows(connection, caller, log_entries.c.index == index, 1)
        if not rows or index >= size:
            raise NotFound("the tree of that size has no such entry")
        return _places(connection, rows[:1], size)[0]


def prove_named(hub: Hub, caller: Caller, digest: str, size: int) -> Place:
    """The first entry that the caller may read and that names this digest; raises like ``prove``."""
    with hub.store.read() as connection:
        _check_size(connection, size)
        (found,) = places_of(connection, caller, (digest,), size) or (None,)
        if found is None:
            raise NotFound("no entry that you may read names this digest in the tree of that size")
        return found


def places_at(connection: Connection, caller: Caller, where: ColumnElement[bool], size: int, limit: int) -> list[Place]:
    """The first entries that fit, with their proofs in the tree of ``size``."""
    return _places(connection, _rows(connection, caller, where, limit), size)


def places_of(connection: Connection, caller: Caller, digests: Sequence[str], size: int) -> list[Place]:
    """For each digest the first readable entry below ``size`` that names it; digests that none names are left out."""
    if not digests:
        return []
    names = log_digests.join(log_entries, log_digests.c.index == log_entries.c.index)
    first = select(func.min(log_digests.c.index)).select_from(names).group_by(log_digests.c.digest)
    first = first.where(log_digests.c.digest.in_(digests) & (log_digests.c.index < size) & readable(caller))
    return places_at(connection, caller, log_entries.c.index.in_(first.scalar_subquery()), size, len(digests))


def place_json(place: Place) -> dict[str, Any]:
    """As the API shows it: ``entry`` for those who may read it, ``hash`` for everybody else."""
    said = {"hash": encode_base64(place.hash)} if place.leaf is None else {"entry": encode_base64(place.leaf)}
    return {"index": place.index, "proof": [encode_base64(value) for value in place.proof], **said}


def readable(caller: Caller) -> ColumnElement[bool]:
    """The condition under which this caller may read an entry."""
    if caller.role in _SEES_ALL:
        return true()
    own = log_entries.c.actor == caller.actor.name
    return or_(own, log_entries.c.kind.in_(PUBLIC), _of_own_job(caller))


def _of_own_job(caller: Caller) -> ColumnElement[bool]:
    if caller.role is Role.OPERATOR:
        return exists().where((jobs.c.id == log_entries.c.job) & (jobs.c.operator == caller.subject))
    column = {Role.OWNER: job_nodes.c.owner, Role.NODE: job_nodes.c.node}.get(caller.role)
    if column is None:
        return false()
    return exists().where((job_nodes.c.job == log_entries.c.job) & (column == caller.subject))


def _rows(connection: Connection, caller: Caller, where: ColumnElement[bool], limit: int) -> list[Row[Any]]:
    query = select(log_entries, log_entries.c.index.label("place"), readable(caller).label("readable")).where(where)
    return list(connection.execute(query.order_by(log_entries.c.index).limit(limit)))


def _fits(filters: Mapping[str, str]) -> ColumnElement[bool]:
    fits: ColumnElement[bool] = true()
    for name, value in filters.items():
        fits &= log_entries.c[name] == value
    return fits


def _item(row: Row[Any], origins: OriginReader | None) -> dict[str, Any]:
    leaf = bytes(row.leaf)
    if not row.readable:
        return {"index": row.place, "hash": encode_base64(leaf_hash(leaf))}
    item = {"index": row.place, "leaf": encode_base64(leaf), "entry": parse_json(leaf)}
    if origins is not None and row.origin is not None:
        origin = origins.read(row.place, LogEntry.read(leaf).at, bytes(row.origin))
        item["origin"] = origin and {"address": origin.address, "salt": encode_base64(origin.salt)}
    return item


def _places(connection: Connection, rows: Sequence[Row[Any]], size: int) -> list[Place]:
    proofs = prove_from(connection, [partial(prove_inclusion, index=row.place, size=size) for row in rows])
    leaves = [bytes(row.leaf) for row in rows]
    return [
        Place(row.place, leaf if row.readable else None, leaf_hash(leaf), proof)
        for row, leaf, proof in zip(rows, leaves, proofs, strict=True)
    ]


def _check_size(connection: Connection, size: int) -> None:
    if size > read_size(connection):
        raise BadProof(f"the log has fewer than {size} entries")
