"""What a follower of the log needs next, in one answer: the newest checkpoint, the proof that it keeps all that the
follower has verified, and proofs of the follower's own messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from jobs.documents.ed25519 import encode_base64
from sandbox.audit import MESSAGE_RECEIVED, MESSAGE_REFUSED
from sandbox.hub.core.hub import Hub
from sandbox.hub.log.checkpoints import consistency_proof, sign_checkpoint
from sandbox.hub.log.reading import Place, place_json, places_at, places_of
from sandbox.hub.people.tokens import Caller, Role
from sandbox.store.tables import checkpoints, log_entries

MOST: Final = 1000
"""Messages that are proven in one answer; a follower asks for the others by their digests."""


def look(hub: Hub, caller: Caller, size: int, again: bool, digests: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """The answer as of now, and whether it holds news: a larger log, this one ``again``, or a message found."""
    with hub.store.read() as connection:
        newest = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
        if newest is not None:
            found = places_of(connection, caller, digests, newest.size)
            found += _own_messages(connection, caller, size, newest.size)
            proof = consistency_proof(connection, size, newest.size) if size < newest.size else ()
    if newest is None:
        sign_checkpoint(hub)
        return look(hub, caller, size, again, digests)
    places = {place.index: place for place in found}
    answer = {
        "note": newest.note,
        "size": newest.size,
        "consistency": [encode_base64(value) for value in proof],
        "inclusions": [place_json(places[index]) for index in sorted(places)],
    }
    return answer, newest.size > size or (again and newest.size == size) or bool(found)


def _own_messages(connection: Connection, caller: Caller, size: int, newest: int) -> list[Place]:
    """What the log says about this node's messages from ``size`` on: it need not know by then which have arrived."""
    if caller.role is not Role.NODE:
        return []
    kinds = log_entries.c.kind.in_((MESSAGE_RECEIVED, MESSAGE_REFUSED))
    own = (log_entries.c.actor == caller.actor.name) & kinds & log_entries.c.index.between(size, newest - 1)
    return places_at(connection, caller, own, newest, MOST)
