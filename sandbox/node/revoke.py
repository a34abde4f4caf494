"""Revocation (撤回): stored at the owner's node first; it stops every job that has not sent its values."""

from __future__ import annotations

from sqlalchemy import insert

from jobs.documents import Revocation, Verified
from sandbox.node.state import NodeState
from sandbox.node.tables import revoked


def store_revocation(state: NodeState, revocation: Verified[Revocation]) -> bool:
    """Keep it for good; returns whether it was new. Running jobs look before they queue flags and values."""
    grant = revocation.document.grant
    with state.write() as connection:
        if state.is_revoked(connection, grant):
            return False
        connection.execute(insert(revoked).values(grant=grant, envelope=revocation.envelope.encode()))
    return True
