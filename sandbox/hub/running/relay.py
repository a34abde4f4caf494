"""What the hub lays into inboxes: orders, messages, endings. A message is named there; its body stays where it is.

Node to node messages are bounded by what their receiver has not read yet: a sender that is too fast is told to try
later. An inbox keeps its items as long as the database, so a node can always ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from jobs.documents import canonical, parse_json
from jobs.documents.ed25519 import encode_base64
from jobs.documents.message import ALL, Header
from sandbox.errors import ContentDestroyed, NotFound, Unavailable
from sandbox.hub.core.hub import Hub
from sandbox.hub.running.held import Key, body_pieces, piece_name, stored_envelope
from sandbox.hub.running.jobstate import inbox_topic, participants
from sandbox.hub.running.running_job import RunningJob, walk_scope
from sandbox.inbox import Body, Carried, MessagesBody, OutputBody
from sandbox.messages import INLINE_BYTES
from sandbox.store import contents
from sandbox.store.store import Change
from sandbox.store.tables import inbox, jobs

UNREAD_BYTES: Final = 64 << 20
"""Of node to node messages, for one receiver. One message is always let through."""
MAX_ITEMS: Final = 64


def put(change: Change, nodes: Iterable[str], job: str, body: Body) -> None:
    """Append one item to the inbox of each node."""
    put_named(change, nodes, body.KIND, job, body.model_dump(mode="json"))


def relay(change: Change, nodes: Sequence[str], job: RunningJob, headers: Sequence[Header], unread: int = 0) -> None:
    """Append messages by name; ``unread`` bytes count against the receiver until it has read them."""
    put_named(change, nodes, MessagesBody.KIND, job.id, {"messages": [list(h.key) for h in headers]}, unread)


def check_room(connection: Connection, job: RunningJob, header: Header) -> None:
    """Raise ``Unavailable`` while the receiver has too much unread."""
    waiting = select(func.coalesce(func.sum(inbox.c.unread), 0)).where(
        (inbox.c.node == header.receiver) & (inbox.c.unread > 0)
    )
    held = int(connection.execute(waiting).scalar_one())
    if held and held + header.size > UNREAD_BYTES:
        raise Unavailable(f"{header.receiver} has not read {held} bytes yet: send this message again in a moment")


def mark_read(hub: Hub, node: str, upto: int) -> None:
    """The node has stored, for good, what follows from all items up to this one."""
    if hub.read_to.get(node) == upto:  # said before: items behind it have come since, none before it
        return
    seen = (inbox.c.node == node) & (inbox.c.seq <= upto) & (inbox.c.unread > 0)
    with hub.store.read() as connection:
        there = connection.execute(select(inbox.c.seq).where(seen).limit(1)).first() is not None
    if there:
        hub.store.publish(update(inbox).where(seen).values(unread=0))
    hub.read_to[node] = upto


def items(hub: Hub, node: str, after: int) -> list[dict[str, Any]]:
    """The items behind the cursor, messages with their headers and small bodies."""
    query = select(inbox).where((inbox.c.node == node) & (inbox.c.seq > after)).order_by(inbox.c.seq).limit(MAX_ITEMS)
    with hub.store.read() as connection:
        return [
            {"seq": row.seq, "kind": row.kind, "job": row.job, "body": _body(connection, row)}
            for row in connection.execute(query).all()
        ]


def piece(hub: Hub, node: str, job: str, key: Key, number: int) -> bytes:
    """One piece of a body that this node may read; raises ``NotFound``."""
    with hub.store.read() as connection:
        header = Header.open(stored_envelope(connection, job, key))
        if not _may_read(connection, node, job, header):
            raise NotFound("there is no such message for this node")
        return contents.get(connection, walk_scope(job), piece_name(header, number))


def carried(connection: Connection, job: str, key: Key) -> Carried:
    """A stored message as it is shown to a reader: a large body is fetched in pieces."""
    envelope = stored_envelope(connection, job, key)
    header = Header.open(envelope)
    small = header.size <= INLINE_BYTES
    body = encode_base64(b"".join(body_pieces(connection, job, header))) if small else None
    return Carried(header=envelope.to_json(), body=body)


def put_named(change: Change, nodes: Iterable[str], kind: str, job: str, body: dict[str, Any], unread: int = 0) -> None:
    """Append an item whose messages are named by their places, and filled in when they are read."""
    wanted = tuple(nodes)
    last = (
        select(inbox.c.node, func.max(inbox.c.seq).label("seq")).where(inbox.c.node.in_(wanted)).group_by(inbox.c.node)
    )
    reached: dict[str, int] = {found.node: found.seq for found in change.execute(last)}
    text = canonical(body).decode()
    rows = [
        {"node": node, "seq": reached.get(node, 0) + 1, "kind": kind, "job": job, "body": text, "unread": unread}
        for node in wanted
    ]
    change.execute(insert(inbox), rows)
    change.wake(*map(inbox_topic, wanted))


def _body(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Messages are stored by name; after the job's end their bodies are gone, and so is any use of them."""
    body: dict[str, Any] = parse_json(row.body.encode())
    if row.kind not in (MessagesBody.KIND, OutputBody.KIND):
        return body
    try:
        found = [carried(connection, row.job, _key(key)) for key in body["messages"]]
    except (ContentDestroyed, NotFound):
        found = []
    return {**body, "messages": [item.model_dump(mode="json") for item in found]}


def _key(named: list[Any]) -> Key:
    round, sequence, sender, receiver = named
    return str(round), int(sequence), str(sender), str(receiver)


def _may_read(connection: Connection, node: str, job: str, header: Header) -> bool:
    """What is for this node, or for all; and, once there is something to recompute, what was for the hub."""
    if node not in participants(connection, job):
        return False
    recomputed = connection.execute(select(jobs.c.draft_digest).where(jobs.c.id == job)).scalar() is not None
    return recomputed or header.receiver in (node, ALL)
