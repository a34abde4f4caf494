"""What a recomputed output was computed from, for the auditor, after its job has ended: signed messages with bodies.

They are kept with the contents of the job and destroyed with them. Parts were made safe at the nodes before they were
masked, so this shows nothing that the participants have not seen.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from jobs.documents import parse_json
from jobs.documents.ed25519 import encode_base64
from jobs.documents.message import Header
from jobs.kinds.registry import kind_of
from sandbox.errors import InvalidTransition, NotFound
from sandbox.hub.running.held import envelopes, piece_name, stored_envelope
from sandbox.hub.running.jobstate import participants
from sandbox.hub.running.releasing import DRAFT_SALT, inputs_of
from sandbox.messages import SENT, VOUCH
from sandbox.policy.states import State, is_final
from sandbox.store import contents
from sandbox.store.tables import messages


def inputs_json(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """All that the auditor needs to recompute, but the bodies. Raises ``InvalidTransition`` where there was no output
    to recompute, ``ContentDestroyed`` after the end of the job's contents."""
    _check_kept(row)
    nodes = participants(connection, row.id)
    return {
        "job": row.id,
        "permit": parse_json(bytes(row.permit_envelope)),
        "release": parse_json(bytes(row.draft)),
        "salt": encode_base64(contents.get(connection, row.id, DRAFT_SALT)),
        "messages": [
            stored_envelope(connection, row.id, key).to_json()
            for key in inputs_of(connection, row.id, kind_of(row.kind))
        ],
        "said": [envelope.to_json() for envelope in _said(connection, row)],
        "sent": [item.to_json() for item in envelopes(connection, row.id, SENT, nodes)],
        "vouches": [item.to_json() for item in envelopes(connection, row.id, VOUCH, nodes)],
    }


def input_piece(connection: Connection, row: Row[Any], place: int, number: int) -> bytes:
    """A piece of the body of message ``place`` of the list; raises ``NotFound``, ``ContentDestroyed``."""
    _check_kept(row)
    keys = inputs_of(connection, row.id, kind_of(row.kind))
    if not 0 <= place < len(keys):
        raise NotFound("there is no such message")
    header = Header.open(stored_envelope(connection, row.id, keys[place]))
    return contents.get(connection, row.id, piece_name(header, number))


def _check_kept(row: Row[Any]) -> None:
    if row.draft is None:
        raise InvalidTransition(f"job {row.id} has no output that its participants recompute")
    if not is_final(State(row.state)):
        raise InvalidTransition(f"job {row.id} is {row.state}: what its output rests on is shown when it has ended")


def _said(connection: Connection, row: Row[Any]) -> list[Any]:
    """The hub's own messages, in order."""
    rounds = [item.name for item in kind_of(row.kind).rounds if item.by_hub]
    query = select(messages).where((messages.c.job == row.id) & messages.c.round.in_(rounds)).order_by(messages.c.entry)
    keys = [(found.round, found.sequence, found.sender, found.receiver) for found in connection.execute(query)]
    return [stored_envelope(connection, row.id, key) for key in keys]
