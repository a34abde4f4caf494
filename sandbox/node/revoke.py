"""Revocation (撤回): stored at the owner's node first; it stops every job that has not sent its values."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from jobs.documents import Envelope, Permit, Revocation, Verified, parse_json, verify_revocation
from jobs.permit import Order
from sandbox.errors import InvalidSpec
from sandbox.node.accept import grant_account
from sandbox.node.state import NodeState
from sandbox.node.tables import ledger, revoked


def read_revocation(state: NodeState, node: str, value: Any) -> Verified[Revocation]:
    """A revocation for this node, wherever it came from: signed by this node's owner, of a grant of this owner.

    Raises a ``JobError`` for what does not verify, ``InvalidSpec`` for another owner's revocation or grant.
    """
    roster = state.trusted.last
    verified = verify_revocation(Envelope.from_json(value), roster)
    revocation = verified.document
    if revocation.owner != roster.document.owner_of(node).id:
        raise InvalidSpec("this revocation is another owner's")
    with state.read() as connection:
        if not is_known(connection, revocation.grant) and _is_of_another(state, connection, revocation.grant):
            raise InvalidSpec("this grant is another owner's: its own owner revokes it, at its own node")
    return verified


def is_known(connection: Connection, grant: str) -> bool:
    """Has this node reserved a run under the grant? Then it is its owner's."""
    query = select(ledger.c.id).where(ledger.c.account == grant_account(grant)).limit(1)
    return connection.execute(query).first() is not None


def store_revocation(state: NodeState, revocation: Verified[Revocation]) -> bool:
    """Keep it for good; returns whether it was new. Running jobs look before they queue flags and values."""
    grant = revocation.document.grant
    with state.write() as connection:
        if state.is_revoked(connection, grant):
            return False
        connection.execute(insert(revoked).values(grant=grant, envelope=revocation.envelope.encode()))
    return True


def _is_of_another(state: NodeState, connection: Connection, grant: str) -> bool:
    """Does an order that runs here name it, as the grant of another participant?"""
    orders = (Order.read(parse_json(bytes(row.order))) for row in state.open_jobs(connection))
    return any(grant in Permit.open(order.permit).grants for order in orders)
