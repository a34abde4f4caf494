"""All that a run rests on, and the one check of it: by the hub before it issues, each node before it runs, and the
offline verifier afterwards. Signatures are verified before (``verify``); a node's ledger adds uses and nonces.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.documents.approval import Commitment, Grant
from jobs.documents.base import Verified
from jobs.documents.data import DatasetRecord
from jobs.documents.envelope import Envelope
from jobs.documents.evidence import check_evidence
from jobs.documents.execution import PROTOCOL_VERSION, Permit
from jobs.documents.match import check_commitment, check_grant_covers, check_same
from jobs.documents.roster import Roster
from jobs.documents.status import StatusList, check_status
from jobs.errors import OutOfScope


@dataclass(frozen=True)
class Basis:
    """Verified under ``roster``. ``records`` holds the record of each data version that the permit names, ``evidence``
    each further document."""

    permit: Verified[Permit]
    grants: tuple[Verified[Grant], ...]
    commitment: Verified[Commitment]
    records: tuple[Verified[DatasetRecord], ...]
    status: Verified[StatusList]
    roster: Verified[Roster]
    evidence: tuple[Envelope, ...] = ()


def check_basis(basis: Basis) -> None:
    """Raise unless every owner of a participant granted exactly this run, the operator asked for it, and the authority
    has nothing against it: ``OutOfScope`` (``field`` names what differs), ``Expired`` or ``RosterRollback``.
    """
    order, roster = basis.permit.document, basis.roster
    if order.protocol != PROTOCOL_VERSION:
        text = f"protocol version {PROTOCOL_VERSION} is spoken here, the permit names version {order.protocol}"
        raise OutOfScope("protocol", text)
    check_same("roster", order.roster, roster.digest)
    check_same("commitment", order.commitment, basis.commitment.digest)
    check_status(basis.status, order, roster)
    if sorted(order.grants) != sorted(grant.digest for grant in basis.grants):
        raise OutOfScope("grants", "the grants at hand are not those that the permit names")
    owners = {roster.document.owner_of(node).id for node in order.participants}
    if sorted(owners) != sorted(grant.document.owner for grant in basis.grants):
        raise OutOfScope("grants", "every owner of a participant grants once, and nobody else does")
    check_commitment(order, basis.commitment.document)
    for grant in basis.grants:
        if is_own_review(grant, roster.document, order.operator):
            raise OutOfScope("grants", f"grant {grant.document.id}: the operator may not approve its own request")
        check_grant_covers(grant.document, basis.permit, basis.records, roster)
    check_evidence(basis.permit, basis.evidence, roster)


def is_own_review(grant: Verified[Grant], roster: Roster, operator: str) -> bool:
    """Self-review: the operator that asks is the owner that grants, or one of its keys is among the signers."""
    keys = set(roster.operator(operator).keys)
    return grant.document.owner == operator or any(key.text in keys for key in grant.signers)
